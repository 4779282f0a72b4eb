/** Distributions over the vocabulary at single tokens, between sequences and the matrices that graphs read. */
import { AhaError } from '../errors.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import type { TokenDistributions, TokenLoss, TokenSequence } from './policy.ts';

/** Where a row of a micro-batch comes from; `rank` counts the weighted tokens of the sequence before it. */
export type Origin = readonly [sequence: number, position: number, rank: number];

/** The least that a tail of tokens is said to have: below it, float32 log-probabilities say nothing about it. */
const leastTail = 1e-12;

/** Puts the rows of micro-batches back to their sequences. */
export class DistributionCollector {
  readonly result: TokenDistributions[];
  readonly #width: number;

  constructor(batch: readonly TokenSequence[], width: 'full' | number, vocabulary: number) {
    this.#width = width === 'full' ? vocabulary : width;
    this.result = batch.map(({ weights }) => {
      const rows = weights.reduce((count, weight, t) => count + Number(t > 0 && weight !== 0), 0);
      const logprobs = new Float32Array(rows * this.#width);
      if (width === 'full') return { width: this.#width, logprobs };
      return { width: this.#width, logprobs, ids: new Int32Array(rows * this.#width) };
    });
  }

  add(origins: readonly Origin[], logprobs: HostTensor, ids: HostTensor | undefined): void {
    const width = this.#width;
    for (const [at, [sequence, , rank]] of origins.entries()) {
      const own = this.result[sequence]!;
      for (let k = 0; k < width; k++) {
        own.logprobs[rank * width + k] = Number(logprobs.data[at * width + k]);
        if (ids !== undefined) own.ids![rank * width + k] = Number(ids.data[at * width + k]);
      }
    }
  }
}

/** The teacher's inputs of a graph, for the rows of a micro-batch. */
export function teacherTensors(
  batch: readonly TokenSequence[],
  origins: readonly Origin[],
  form: NonNullable<TokenLoss['distribution']>,
): Record<string, HostTensor> {
  const width = batch[origins[0]![0]]!.teacher!.width;
  const shape = [origins.length, width];
  const logprobs = new Float32Array(origins.length * width);
  const ids = new BigInt64Array(form === 'full' ? 0 : logprobs.length);
  const tails = new Float32Array(origins.length);
  for (const [at, [index, , rank]] of origins.entries()) {
    const teacher = batch[index]!.teacher!;
    logprobs.set(teacher.logprobs.subarray(rank * width, (rank + 1) * width), at * width);
    if (form === 'full') continue;
    let left = 1;
    for (let k = 0; k < width; k++) {
      ids[at * width + k] = BigInt(teacher.ids![rank * width + k]!);
      left -= Math.exp(teacher.logprobs[rank * width + k]!);
    }
    tails[at] = Math.log(Math.max(leastTail, left));
  }
  if (form === 'full') return { teacher: { data: logprobs, shape } };
  return {
    teacher: { data: logprobs, shape },
    'teacher.ids': { data: ids, shape },
    'teacher.tail': { data: tails, shape: [origins.length] },
  };
}

/** What is wrong with a sequence's teacher; undefined for nothing. */
export function teacherFault(
  teacher: TokenDistributions | undefined,
  form: NonNullable<TokenLoss['distribution']>,
  rows: number,
  vocabulary: number,
): { readonly found: unknown; readonly expected: string } | undefined {
  if (teacher === undefined) return { found: 'none', expected: 'a distribution for each weighted token' };
  const { width, ids, logprobs } = teacher;
  if (logprobs.length !== rows * width) {
    return { found: `${logprobs.length} values`, expected: `${rows} rows of ${width}` };
  }
  if (form === 'full') {
    if (width === vocabulary && ids === undefined) return undefined;
    return { found: `${width} tokens`, expected: `all ${vocabulary} in order` };
  }
  if (ids?.length !== logprobs.length) return { found: ids?.length, expected: 'an id for each value' };
  const bad = ids.find((id) => id < 0 || id >= vocabulary);
  return bad === undefined ? undefined : { found: `token ${bad}`, expected: `0 to ${vocabulary - 1}` };
}

export function checkWidth(width: 'full' | number, vocabulary: number): void {
  if (width === 'full' || (Number.isInteger(width) && width >= 1 && width <= vocabulary)) return;
  throw new AhaError({
    code: 'distribution-width',
    boundary: 'engine',
    what: 'The distribution cannot have so many tokens',
    found: width,
    expected: `full, or 1 to ${vocabulary}`,
  });
}
