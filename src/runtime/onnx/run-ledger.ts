/** Which memory the runs in flight read and write, so that no two of them race and nothing in use is freed. */
import { AhaError } from '../../errors.ts';
import { systemClock } from '../../util/clock.ts';
import type { OrtTensor } from './buffer.ts';

export interface RunRecord {
  readonly program: string;
  readonly reads: readonly OrtTensor[];
  readonly writes: readonly OrtTensor[];
  readonly settled: Promise<unknown>;
}

/** How many runs have ended, and how long they took, from the native call to its callback. */
export interface RunTotals {
  readonly count: number;
  readonly milliseconds: number;
}

export class RunLedger {
  /** Runs in flight, and when they began. */
  readonly #active = new Map<RunRecord, number>();
  #count = 0;
  #milliseconds = 0;

  get totals(): RunTotals {
    return { count: this.#count, milliseconds: this.#milliseconds };
  }

  /** @throws AhaError `buffer-busy` if a run with these tensors would race with one in flight. */
  check(program: string, reads: readonly OrtTensor[], writes: readonly OrtTensor[]): void {
    for (const other of this.#active.keys()) {
      const race =
        firstOverlap(writes, other.writes) ??
        firstOverlap(writes, other.reads) ??
        firstOverlap(reads, other.writes);
      if (race === undefined) continue;
      throw new AhaError({
        code: 'buffer-busy',
        boundary: 'runtime',
        what: `A run of ${program} was started while a run of ${other.program} uses the same memory, and one of them writes it`,
        found: `a tensor of ${race.dtype} [${race.shape.join(', ')}]`,
        fix: 'Await the first run before starting the second.',
      });
    }
  }

  /** `begun`: when the native call was made, by the monotonic clock. */
  add(record: RunRecord, begun: number): void {
    this.#active.set(record, begun);
    for (const tensor of record.reads) tensor.buffer?.acquire();
    for (const tensor of record.writes) tensor.buffer?.acquire();
  }

  remove(record: RunRecord): void {
    this.#milliseconds += systemClock.monotonic() - (this.#active.get(record) ?? Number.NaN);
    this.#count++;
    this.#active.delete(record);
    for (const tensor of record.reads) tensor.buffer?.release();
    for (const tensor of record.writes) tensor.buffer?.release();
  }

  /** Resolves when nothing is in flight, whatever became of it. */
  async idle(): Promise<void> {
    while (this.#active.size > 0)
      await Promise.allSettled([...this.#active.keys()].map((record) => record.settled));
  }
}

/** The first tensor of `a` that shares memory with one of `b`. */
export function firstOverlap(a: readonly OrtTensor[], b: readonly OrtTensor[]): OrtTensor | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  const buffers = new Set(b.map((tensor) => tensor.buffer));
  for (const one of a) {
    if (one.buffer === undefined || !buffers.has(one.buffer)) continue;
    for (const other of b) if (overlaps(one, other)) return one;
  }
  return undefined;
}

export function overlaps(a: OrtTensor, b: OrtTensor): boolean {
  return a.buffer !== undefined && a.buffer === b.buffer && a.start < b.end && b.start < a.end;
}
