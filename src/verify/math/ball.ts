/**
 * Real and complex numbers known to within a bound, over BigInt: a ball [m − r, m + r] at a fixed scale 2^−bits.
 * Every operation widens the ball by what it rounded, so that what is said of a ball holds of the number.
 */
import { NotDecided } from './limits.ts';
import { integerRoot } from './integers.ts';
import type { Rational } from '../rational.ts';

export interface Ball {
  readonly middle: bigint;
  readonly radius: bigint;
}

export interface ComplexBall {
  readonly re: Ball;
  readonly im: Ball;
}

const zero: Ball = { middle: 0n, radius: 0n };

export class BallField {
  readonly bits: bigint;
  readonly one: bigint;
  private piBall: Ball | undefined;

  constructor(bits: number) {
    this.bits = BigInt(bits);
    this.one = 1n << this.bits;
  }

  rational(value: Rational): Ball {
    return { middle: (value.numerator << this.bits) / value.denominator, radius: 1n };
  }

  real(re: Ball): ComplexBall {
    return { re, im: zero };
  }

  addReal(a: Ball, b: Ball): Ball {
    return { middle: a.middle + b.middle, radius: a.radius + b.radius };
  }

  multiplyReal(a: Ball, b: Ball): Ball {
    const radius =
      (absolute(a.middle) * b.radius + absolute(b.middle) * a.radius + a.radius * b.radius) >> this.bits;
    return { middle: (a.middle * b.middle) >> this.bits, radius: radius + 2n };
  }

  add(a: ComplexBall, b: ComplexBall): ComplexBall {
    return { re: this.addReal(a.re, b.re), im: this.addReal(a.im, b.im) };
  }

  multiply(a: ComplexBall, b: ComplexBall): ComplexBall {
    const cross = this.multiplyReal(a.im, b.im);
    return {
      re: this.addReal(this.multiplyReal(a.re, b.re), { middle: -cross.middle, radius: cross.radius }),
      im: this.addReal(this.multiplyReal(a.re, b.im), this.multiplyReal(a.im, b.re)),
    };
  }

  power(a: ComplexBall, exponent: number): ComplexBall {
    let result: ComplexBall = this.real({ middle: this.one, radius: 0n });
    let base = a;
    for (let n = exponent; n > 0; n = Math.floor(n / 2)) {
      if (n % 2 === 1) result = this.multiply(result, base);
      if (n > 1) base = this.multiply(base, base);
    }
    return result;
  }

  /** The positive root of a ball that lies above 0. */
  root(a: Ball, degree: number): Ball {
    const [low, high] = [a.middle - a.radius, a.middle + a.radius];
    if (low <= 0n) throw new NotDecided('too-large', 'a radicand is too close to zero to tell its sign');
    const shift = this.bits * BigInt(degree - 1);
    const [from, until] = [integerRoot(low << shift, degree), integerRoot(high << shift, degree) + 1n];
    const middle = (from + until) >> 1n;
    return { middle, radius: until - middle + 1n };
  }

  /** e^{iπ·turn} for a turn in [0, 1). */
  unit(turn: Rational): ComplexBall {
    const pi = this.pi();
    // Into [0, 1/2] by e^{iπ(1 − t)} = −conjugate.
    const mirrored = 2n * turn.numerator > turn.denominator;
    const numerator = mirrored ? turn.denominator - turn.numerator : turn.numerator;
    const angle: Ball = {
      middle: (pi.middle * numerator) / turn.denominator,
      radius: pi.radius + 2n,
    };
    const { sine, cosine } = this.sineAndCosine(angle);
    return { re: mirrored ? { middle: -cosine.middle, radius: cosine.radius } : cosine, im: sine };
  }

  pi(): Ball {
    if (this.piBall === undefined) {
      // Machin: π = 16 arctan(1/5) − 4 arctan(1/239); each term is rounded by less than 1.
      const a = this.arctanInverse(5n);
      const b = this.arctanInverse(239n);
      this.piBall = { middle: 16n * a.middle - 4n * b.middle, radius: 16n * a.radius + 4n * b.radius };
    }
    return this.piBall;
  }

  private arctanInverse(n: bigint): Ball {
    let power = this.one / n;
    let total = power;
    let sign = -1n;
    let terms = 1n;
    for (let k = 3n; power > 0n; k += 2n) {
      power /= n * n;
      total += sign * (power / k);
      sign = -sign;
      terms++;
    }
    return { middle: total, radius: 2n * terms + 2n };
  }

  /** For an angle in [0, 2]. */
  private sineAndCosine(angle: Ball): { readonly sine: Ball; readonly cosine: Ball } {
    const x = angle.middle;
    let [sine, cosine, term] = [0n, 0n, this.one];
    let count = 0n;
    for (let k = 1n; term !== 0n; k++) {
      switch ((k - 1n) % 4n) {
        case 0n:
          cosine += term;
          break;
        case 1n:
          sine += term;
          break;
        case 2n:
          cosine -= term;
          break;
        default:
          sine -= term;
      }
      term = ((term * x) >> this.bits) / k;
      count++;
    }
    // Each term carries the rounding of those before it, damped by x/k: less than 4 a term for x ≤ 2.
    const radius = angle.radius + 8n * count + 8n;
    return { sine: { middle: sine, radius }, cosine: { middle: cosine, radius } };
  }
}

export function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}
