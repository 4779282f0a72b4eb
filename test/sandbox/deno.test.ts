/** The default tier: Deno without permissions. */
import { openDenoSandbox } from '../../src/sandbox/deno/deno-sandbox.ts';
import { conformance } from './conformance.ts';

conformance('Deno', openDenoSandbox, ['typescript', 'javascript', 'python']);
