/** Write a whole number in another base, 2 to 36. Upper and lower case are the same; leading zeros do not count. */
import { z } from 'zod';
import { proceduralTask } from './procedural-task.ts';

interface ConversionPuzzle {
  readonly digits: string;
  readonly from: number;
  readonly to: number;
}

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';

/** The value of digits in a base; undefined when one of them is no digit of it. */
function readDigits(digits: string, base: number): bigint | undefined {
  let value = 0n;
  for (const character of digits.toLowerCase()) {
    const digit = alphabet.indexOf(character);
    if (digit < 0 || digit >= base) return undefined;
    value = value * BigInt(base) + BigInt(digit);
  }
  return value;
}

function writeDigits(value: bigint, base: number): string {
  let digits = '';
  for (let rest = value; rest > 0n; rest /= BigInt(base)) {
    digits = alphabet[Number(rest % BigInt(base))]! + digits;
  }
  return digits === '' ? '0' : digits;
}

export const baseConversion = proceduralTask<
  { readonly maximum: number; readonly bases: string },
  ConversionPuzzle
>({
  name: 'base-conversion',
  description: 'Write a whole number in another base.',
  knobs: {
    maximum: z.int().min(10).max(1_000_000_000_000),
    bases: z
      .string()
      .regex(/^\d+(?:,\d+)+$/, 'two or more bases from 2 to 36, such as 2,10,16')
      .refine((text) => {
        const bases = text.split(',').map(Number);
        return bases.every((base) => base >= 2 && base <= 36) && new Set(bases).size === bases.length;
      }, 'different bases from 2 to 36, such as 2,10,16'),
  },
  levels: [
    { maximum: 255, bases: '2,10' },
    { maximum: 1023, bases: '2,8,10,16' },
    { maximum: 65_535, bases: '2,3,5,8,10,16' },
    { maximum: 1_000_000, bases: '3,5,6,7,9,11,12,13,16' },
    { maximum: 1_000_000_000, bases: '2,3,7,11,13,16,20,29,36' },
  ],
  draw(random, { maximum, bases }) {
    const [from, to] = random.shuffle(bases.split(',').map(Number)) as [number, number];
    const value = 2 + random.integer(maximum - 1);
    return { digits: writeDigits(BigInt(value), from), from, to };
  },
  question: ({ digits, from, to }) =>
    `The number ${digits} is written in base ${from}. Write it in base ${to}` +
    `${to > 10 ? ', with the letters a, b, c and so on for digits above 9' : ''}. ` +
    'Answer with its digits alone, such as 101',
  answer: ({ digits, from, to }) => writeDigits(readDigits(digits, from)!, to),
  reasoning({ digits, from, to }) {
    const value = readDigits(digits, from)!;
    const divisions: string[] = [];
    for (let rest = value; rest > 0n; rest /= BigInt(to)) {
      divisions.push(`${rest} = ${rest / BigInt(to)} * ${to} + ${rest % BigInt(to)}`);
    }
    return `In base 10 it is ${value}. ${divisions.join('; ')}. The remainders from last to first are the digits.`;
  },
  check({ digits, from, to }, answer) {
    if (!/^[0-9a-z]{1,100}$/i.test(answer)) return 'no digits alone';
    const value = readDigits(answer, to);
    if (value === undefined) return `a character that is no digit of base ${to}`;
    return value === readDigits(digits, from) ? undefined : `has the value ${value}`;
  },
  corrupt({ digits, from, to }, random) {
    const right = writeDigits(readDigits(digits, from)!, to);
    const at = random.integer(right.length);
    const other = (alphabet.indexOf(right[at]!) + 1 + random.integer(to - 1)) % to;
    return right.slice(0, at) + alphabet[other]! + right.slice(at + 1);
  },
});
