/** Reasons to stop. */

/** `own`, or whichever of the two aborts first where there is another. */
export function eitherSignal(own: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? own : AbortSignal.any([own, other]);
}
