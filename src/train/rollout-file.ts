/**
 * Rollouts as files, exactly: a step that was sampled and not finished is not sampled again after a restart, and the
 * numbers it learns from are the same bits. Numbers per token are little-endian base64; a digest covers everything.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { AhaError, describeError } from '../errors.ts';
import { storageError } from '../util/files.ts';
import { parseWithSchema } from '../util/schema.ts';
import type { DataPosition } from './problem-order.ts';
import type { Group } from './rollout.ts';

/** Per-token numbers of one completion that were computed before the first update of its step. */
export interface PreparedTokens {
  readonly oldLogprobs?: Float32Array;
  readonly referenceLogprobs?: Float32Array;
  readonly policyScale?: Float32Array;
}

/** The state of sampling within a step. */
export interface Rollout {
  readonly step: number;
  /** Waves of sampling done: 1, and one more for each refill. */
  readonly waves: number;
  /** Whether no further wave will come. */
  readonly complete: boolean;
  /** Every group that was sampled, in order. */
  readonly groups: readonly Group[];
  /** Indices of groups that another one replaced. */
  readonly replaced: readonly number[];
  /** Where the data goes on after this rollout. */
  readonly data: DataPosition;
  readonly sampledTokens: number;
  readonly seconds: { readonly sample: number; readonly verify: number };
  /** Per group and completion, once learning was prepared. */
  readonly prepared?: readonly (readonly PreparedTokens[])[];
}

const format = 'aha-rollout-1';

/**
 * Writes the file whole or not at all as far as a killed process goes. It is not synced to the disk, which would cost
 * more than a small step: after a power cut the digest tells, and the step is sampled again.
 */
export async function writeRollout(path: string, rollout: Rollout): Promise<void> {
  const body = JSON.stringify(rollout, encodeArrays);
  const digest = createHash('sha256').update(body).digest('hex');
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(draft, `${JSON.stringify({ format, digest })}\n${body}\n`);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw storageError(`Could not write ${path}`, error);
  }
}

/**
 * Undefined if there is no such file.
 * @throws AhaError `rollout-corrupt` if it is not as it was written.
 */
export async function readRollout(path: string): Promise<Rollout | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storageError(`Could not read ${path}`, error);
  }
  const corrupt = (found: string, expected: string) =>
    new AhaError({
      code: 'rollout-corrupt',
      boundary: 'storage',
      what: `The rollout ${path} is not as it was saved`,
      found,
      expected,
      fix: 'Delete the file: the step is then sampled again.',
    });
  const [head = '', body = ''] = text.split('\n');
  let header: { digest: string };
  try {
    const headerSchema = z.strictObject({ format: z.literal(format), digest: z.string() });
    header = parseWithSchema(headerSchema, JSON.parse(head), { what: path, boundary: 'storage' });
  } catch (error) {
    throw corrupt(describeError(error), `a header of format ${format}`);
  }
  const digest = createHash('sha256').update(body).digest('hex');
  if (digest !== header.digest) {
    throw corrupt(`SHA-256 ${digest.slice(0, 16)}…`, `${header.digest.slice(0, 16)}…`);
  }
  // What the digest covers was written by `writeRollout`.
  return JSON.parse(body, decodeArrays) as Rollout;
}

function encodeArrays(_: string, value: unknown): unknown {
  if (value instanceof Float32Array) return { $f32: base64Of(value) };
  if (value instanceof Int32Array) return { $i32: base64Of(value) };
  return value;
}

function decodeArrays(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const keys = Object.keys(value);
  if (keys.length !== 1) return value;
  const { $f32, $i32 } = value as { $f32?: unknown; $i32?: unknown };
  if (typeof $f32 === 'string') return new Float32Array(bytesOf($f32));
  if (typeof $i32 === 'string') return new Int32Array(bytesOf($i32));
  return value;
}

function base64Of(array: Float32Array | Int32Array): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
}

function bytesOf(base64: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(base64, 'base64')).buffer;
}
