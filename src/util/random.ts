/**
 * Seeded random streams. Every random draw of a run comes from a stream named by the run's seed and a path such
 * as ('sample', step, problem, completion); never from a global generator. Two streams with different names are
 * independent; the same name gives the same draws on every machine.
 *
 * The generator is counter-based: draw number `i` is a hash of (key, i), so that a stream is resumed by its
 * position alone, and draws may be taken out of order (`uniformAt`).
 */
import { createHash } from 'node:crypto';

export type StreamName = readonly (string | number)[];

export interface RandomStream {
  /** Uniform in [0, 1), 53 bits. */
  next(): number;
  /** Uniform integer in [0, bound). `bound` is an integer of at least 1. */
  integer(bound: number): number;
  /** Standard normal (Box–Muller; uses two draws). */
  normal(): number;
  /** A uniformly drawn element of a list that is not empty. */
  pick<T>(items: readonly T[]): T;
  /** A new array in uniformly random order (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[];
  /** How many draws were taken: pass it as `position` to go on from here. */
  readonly position: number;
}

/** Two 32-bit words that identify a stream. */
export type StreamKey = readonly [number, number];

/** The key of the stream named `name` under `seed`. */
export function streamKey(seed: number | string, ...name: StreamName): StreamKey {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, ...name]))
    .digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}

/** The stream named `name` under `seed`, at its beginning. */
export function randomStream(seed: number | string, ...name: StreamName): RandomStream {
  return streamFromKey(streamKey(seed, ...name));
}

/** The stream with this key, from draw number `position` on. */
export function streamFromKey(key: StreamKey, position = 0): RandomStream {
  let counter = position;
  const next = () => uniformAt(key, counter++);
  const integer = (bound: number) => Math.floor(next() * bound);
  return {
    next,
    integer,
    normal() {
      const radius = Math.sqrt(-2 * Math.log(1 - next()));
      return radius * Math.cos(2 * Math.PI * next());
    },
    pick(items) {
      return items[integer(items.length)]!;
    },
    shuffle(items) {
      const result = [...items];
      for (let i = result.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [result[i], result[j]] = [result[j]!, result[i]!];
      }
      return result;
    },
    get position() {
      return counter;
    },
  };
}

/** Draw number `index` of the stream with this key: uniform in [0, 1) with 53 bits. */
export function uniformAt(key: StreamKey, index: number): number {
  // Two rounds of a 64-bit mix in 32-bit halves: murmur3's finaliser over each half, crossed.
  const low = index >>> 0;
  const high = Math.floor(index / 2 ** 32) >>> 0;
  let a = mix32(key[0] ^ mix32(low ^ 0x9e3779b9));
  let b = mix32(key[1] ^ mix32((high + 0x85ebca6b) ^ a));
  a = mix32(a + Math.imul(b, 0xc2b2ae35));
  b = mix32(b ^ Math.imul(a, 0x27d4eb2f));
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
}

function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
