/** The bubblewrap tier, on machines where it works. */
import { describe } from 'vitest';
import { openBubblewrapSandbox } from '../../src/sandbox/bubblewrap/bubblewrap-sandbox.ts';
import type { Language } from '../../src/sandbox/sandbox.ts';
import { bubblewrapHere } from './bubblewrap-here.ts';
import { conformance } from './conformance.ts';

const here = await bubblewrapHere();
const all: readonly Language[] = ['python', 'node', 'javascript', 'c', 'cpp', 'go', 'rust', 'java'];

describe.skipIf(here.reason !== undefined)(`bubblewrap ${here.title}`, () => {
  conformance(
    'bubblewrap',
    openBubblewrapSandbox,
    all.filter((language) => here.languages.has(language)),
  );
});
