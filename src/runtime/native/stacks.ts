/** The stacks on which foreign functions run. Their size can be set once, before the first library is loaded. */
import koffi from 'koffi';
import { AhaError } from '../../errors.ts';

/** ONNX Runtime's kernels keep panels of matrices on the stack, far more than koffi's default of 128 KiB. */
const stackBytes = 8 * 2 ** 20;

/** To be called before any library is loaded. @throws AhaError `onnxruntime-stack` if somebody else was first. */
export function growStacks(): void {
  if ((koffi.config().async_stack_size ?? 0) >= stackBytes) return;
  try {
    koffi.config({ async_stack_size: stackBytes, sync_stack_size: stackBytes });
  } catch (cause) {
    throw new AhaError({
      code: 'onnxruntime-stack',
      boundary: 'runtime',
      what: 'The stack of foreign calls is too small for ONNX Runtime and can no longer be changed',
      found: koffi.config().async_stack_size,
      expected: stackBytes,
      fix: 'Load the runtime before anything else in the process calls foreign functions through koffi.',
      cause,
    });
  }
}
