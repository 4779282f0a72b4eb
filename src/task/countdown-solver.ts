/**
 * Finds an expression that reaches a target with given numbers, each used exactly once: depth-first over all pairs,
 * every pair replaced by its results, fractions included. Complete: what it does not find cannot be reached.
 * For up to 6 numbers.
 */
import { AhaError } from '../errors.ts';

/** A value with the expression that has it. Numerators and denominators stay far below 2^53 for allowed inputs. */
interface Item {
  readonly numerator: number;
  /** Above 0. */
  readonly denominator: number;
  readonly text: string;
  /** How the outermost operation binds: a number, a product, or a sum. */
  readonly kind: 'number' | 'product' | 'sum';
}

/**
 * An expression with as few parentheses as it needs, or undefined when the target cannot be reached. Throws
 * `AhaError` for more than 6 numbers, for numbers that are not integers from 0, and for such large ones that the
 * search would not be exact.
 */
export function solveCountdown(numbers: readonly number[], target: number): string | undefined {
  // Every numerator and denominator is a sum of at most 2^5 products that hold each number at most once.
  const largest = numbers.reduce(
    (product, value) => product * Math.max(2, value),
    32 * Math.max(1, Math.abs(target)),
  );
  const usable = [...numbers, target].every(Number.isSafeInteger) && numbers.every((value) => value >= 0);
  if (numbers.length < 1 || numbers.length > 6 || !usable || largest > Number.MAX_SAFE_INTEGER) {
    throw new AhaError({
      code: 'countdown-too-large',
      boundary: 'task',
      what: 'A countdown problem cannot be searched exactly',
      found: `numbers ${numbers.slice(0, 10).join(', ')}, target ${target}`,
      expected: '1 to 6 integers from 0 whose product is far below 2^53',
    });
  }
  const items = numbers.map((value): Item => {
    return { numerator: value, denominator: 1, text: `${value}`, kind: 'number' };
  });
  return search(items, target, new Set());
}

function search(items: readonly Item[], target: number, seen: Set<string>): string | undefined {
  if (items.length === 1) {
    const [only] = items;
    return only!.numerator === target * only!.denominator ? only!.text : undefined;
  }
  // The same values may be reached in many orders; what failed once fails again.
  const key = items
    .map((item) => `${item.numerator}/${item.denominator}`)
    .sort()
    .join(' ');
  if (seen.has(key)) return undefined;
  seen.add(key);
  for (let i = 0; i < items.length; i++) {
    for (let j = i + 1; j < items.length; j++) {
      const rest = items.filter((_, k) => k !== i && k !== j);
      for (const combined of combine(items[i]!, items[j]!)) {
        const found = search([combined, ...rest], target, seen);
        if (found !== undefined) return found;
      }
    }
  }
  return undefined;
}

/** All results of one operation on two items, both orders where the order matters. */
function* combine(a: Item, b: Item): Generator<Item> {
  const cross1 = a.numerator * b.denominator;
  const cross2 = b.numerator * a.denominator;
  const common = a.denominator * b.denominator;
  yield item(cross1 + cross2, common, `${a.text}+${b.text}`, 'sum');
  yield item(cross1 - cross2, common, `${a.text}-${inSum(b)}`, 'sum');
  if (cross1 !== cross2) yield item(cross2 - cross1, common, `${b.text}-${inSum(a)}`, 'sum');
  yield item(a.numerator * b.numerator, common, `${inProduct(a)}*${inProduct(b)}`, 'product');
  if (b.numerator !== 0) {
    yield item(cross1, cross2, `${inProduct(a)}/${inQuotient(b)}`, 'product');
  }
  if (a.numerator !== 0 && cross1 !== cross2) {
    yield item(cross2, cross1, `${inProduct(b)}/${inQuotient(a)}`, 'product');
  }
}

function item(numerator: number, denominator: number, text: string, kind: Item['kind']): Item {
  const divisor = greatestCommonDivisor(Math.abs(numerator), Math.abs(denominator)) * Math.sign(denominator);
  // `+ 0` turns -0 into 0, which would be another key.
  return { numerator: numerator / divisor + 0, denominator: denominator / divisor, text, kind };
}

function inSum(right: Item): string {
  return right.kind === 'sum' ? `(${right.text})` : right.text;
}

function inProduct(factor: Item): string {
  return factor.kind === 'sum' ? `(${factor.text})` : factor.text;
}

function inQuotient(divisor: Item): string {
  return divisor.kind === 'number' ? divisor.text : `(${divisor.text})`;
}

function greatestCommonDivisor(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
