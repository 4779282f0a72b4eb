/** Integers into factors, as far as that is cheap, and integer roots. */

const smallPrimes = sieve(2000);

function sieve(limit: number): bigint[] {
  const composite = new Uint8Array(limit);
  const primes: bigint[] = [];
  for (let n = 2; n < limit; n++) {
    if (composite[n] === 1) continue;
    primes.push(BigInt(n));
    for (let m = n * n; m < limit; m += n) composite[m] = 1;
  }
  return primes;
}

/**
 * `value` > 0 as a product of powers, ascending. What is left after division by the primes below 2000 stays one
 * factor (with its exponent, where it is a perfect power).
 */
export function factorize(value: bigint): (readonly [factor: bigint, exponent: number])[] {
  const factors: (readonly [bigint, number])[] = [];
  let rest = value;
  for (const prime of smallPrimes) {
    if (rest === 1n) break;
    if (prime * prime > rest) break;
    let exponent = 0;
    while (rest % prime === 0n) {
      rest /= prime;
      exponent++;
    }
    if (exponent > 0) factors.push([prime, exponent]);
  }
  if (rest > 1n) {
    const [base, exponent] = perfectPower(rest);
    factors.push([base, exponent]);
  }
  return factors;
}

function perfectPower(value: bigint): readonly [bigint, number] {
  const most = value.toString(2).length;
  for (const degree of [2, 3, 5, 7, 11, 13]) {
    // A base below 2000 would have been found, so that it has at least 11 bits.
    if (degree * 10 > most) break;
    const root = integerRoot(value, degree);
    if (root ** BigInt(degree) === value) {
      const [base, exponent] = perfectPower(root);
      return [base, exponent * degree];
    }
  }
  return [value, 1];
}

/** ⌊value^(1/degree)⌋ for value ≥ 0, by Newton's iteration from above. */
export function integerRoot(value: bigint, degree: number): bigint {
  if (value < 2n) return value;
  const n = BigInt(degree);
  const length = value.toString(16).length * 4;
  let x = 1n << BigInt(Math.ceil(length / degree) + 1);
  for (;;) {
    const next = ((n - 1n) * x + value / x ** (n - 1n)) / n;
    if (next >= x) return x;
    x = next;
  }
}
