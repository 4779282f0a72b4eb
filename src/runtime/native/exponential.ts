/** e^x of eight numbers at once, as the Cephes library has it: within two units of the last place. */
import type { Assembler, Memory, Vector } from './assembler.ts';

/** Below it e^x is not a normal number; it stands for all that is less. */
const least = -87.3;

/** Registers that `emitExponential` needs beside its own: constants, loaded once. */
export interface ExponentialConstants {
  readonly least: Vector;
  readonly log2e: Vector;
  readonly ln2High: Vector;
  readonly ln2Low: Vector;
  readonly one: Vector;
  /** Of the polynomial, from the highest power; in memory, eight of each. */
  readonly coefficients: readonly Memory[];
}

/** Emits the data; to be called once, where no code runs into it. */
export function exponentialData(code: Assembler) {
  const eight = (value: number) => code.eight(value);
  return {
    least: eight(least),
    log2e: eight(Math.LOG2E),
    ln2High: eight(0.693359375),
    ln2Low: eight(-2.1219444e-4),
    one: eight(1),
    coefficients: [
      1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
    ].map(eight),
  };
}

export type ExponentialData = ReturnType<typeof exponentialData>;

/** Loads the constants into these registers. */
export function loadConstants(
  code: Assembler,
  data: ExponentialData,
  [least, log2e, ln2High, ln2Low, one]: readonly [Vector, Vector, Vector, Vector, Vector],
): ExponentialConstants {
  code.load(least, data.least);
  code.load(log2e, data.log2e);
  code.load(ln2High, data.ln2High);
  code.load(ln2Low, data.ln2Low);
  code.load(one, data.one);
  return { least, log2e, ln2High, ln2Low, one, coefficients: data.coefficients };
}

/** x = e^x; `t` and `y` are overwritten. NaN stays NaN. */
export function emitExponential(
  code: Assembler,
  { least, log2e, ln2High, ln2Low, one, coefficients }: ExponentialConstants,
  [x, t, y]: readonly [Vector, Vector, Vector],
): void {
  // Of two operands of which one is NaN, the second is taken.
  code.vector('maxps', x, least, x);
  code.vector('mulps', t, x, log2e);
  code.round(t, t);
  code.vector('fnmadd231ps', x, t, ln2High);
  code.vector('fnmadd231ps', x, t, ln2Low);
  const [first, ...others] = coefficients as [Memory, ...Memory[]];
  code.load(y, first);
  for (const coefficient of others) code.vector('fmadd213ps', y, x, coefficient);
  // 1 + x + x²·y
  code.vector('mulps', y, y, x);
  code.vector('fmadd213ps', y, x, x);
  code.vector('addps', y, y, one);
  // Times 2^t, by adding t to the exponent.
  code.unary('cvtps2dq', t, t);
  code.shiftLeft(t, t, 23);
  code.vector('paddd', x, y, t);
}
