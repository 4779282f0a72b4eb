/** From a vector to one number. */
import type { Assembler, Vector } from './assembler.ts';

/** All elements of `of` combined, those of its lower half if it is `half` a vector, to all of it. */
export function emitReduction(
  code: Assembler,
  by: 'addps' | 'maxps',
  of: Vector,
  spare: Vector,
  size: 'whole' | 'half' = 'whole',
): void {
  if (size === 'whole') {
    code.upperHalf(spare, of);
    code.narrow(by, of, of, spare);
  }
  code.narrow('movhlps', spare, of, of);
  code.narrow(by, of, of, spare);
  code.permuteHalf(spare, of, 0x55);
  code.narrow(by, of, of, spare);
  code.broadcast(of, of);
}
