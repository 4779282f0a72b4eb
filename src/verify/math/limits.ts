/**
 * What one comparison may cost. Every loop of the comparison spends from one budget, so that hostile expressions
 * end soon and without a word from outside; the deadline of the pool (`pool.ts`) is the second line.
 */

/** Characters of an answer that is read. */
export const longestAnswer = 2000;

/** Brackets, braces and arguments inside each other. */
export const deepestNesting = 60;

/** The largest integer that is computed, in bits. A larger power stays a power. */
export const largestInteger = 8192;

/** The longest precision at which numbers are compared with zero, in bits. */
export const largestPrecision = 30_000;

/** Thrown inside the comparison; never leaves `compareAnswers`. */
export class NotDecided extends Error {
  readonly why: 'unreadable' | 'undefined' | 'too-large';
  constructor(why: NotDecided['why'], message: string) {
    super(message);
    this.name = 'NotDecided';
    this.why = why;
  }
}

export class Budget {
  private left: number;
  constructor(units = 150_000) {
    this.left = units;
  }

  /** One unit is about one product of two small terms. */
  spend(units: number): void {
    this.left -= units;
    if (this.left < 0) throw new NotDecided('too-large', 'the expressions are too large to compare');
  }
}
