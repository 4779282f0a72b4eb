import { describe } from 'vitest';
import { runtimes } from '../runtimes.ts';
import { describeRuntime } from './conformance.ts';

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  describeRuntime(open);
});
