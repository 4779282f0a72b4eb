/** The bubblewrap tier, on machines where it works. */
import { describe } from 'vitest';
import { openBubblewrapSandbox } from '../../src/sandbox/bubblewrap/bubblewrap-sandbox.ts';
import { bubblewrapHere } from './bubblewrap-here.ts';
import { conformance } from './conformance.ts';

const here = await bubblewrapHere();

describe.skipIf(here.reason !== undefined)(`bubblewrap ${here.title}`, () => {
  conformance('bubblewrap', openBubblewrapSandbox, ['javascript']);
});
