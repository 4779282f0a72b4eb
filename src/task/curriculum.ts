/**
 * Which level the next training problem has. Pure functions over a state that is plain JSON, so that a resumed run
 * goes on exactly as an uninterrupted one; all randomness comes from the caller's stream.
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { RandomStream } from '../util/random.ts';
import { parseWithSchema } from '../util/schema.ts';

const level = z.int().min(1);
const share = z.number().min(0).max(1);
/** The share of problems drawn from levels below the current one, so that they are not forgotten. */
const review = share.default(0.2);

export const curriculumSchema = z.discriminatedUnion('kind', [
  /** All levels, as the task mixes them. */
  z.strictObject({ kind: z.literal('mixed') }),
  z.strictObject({ kind: z.literal('fixed'), level }),
  /** From one level to another by the share of training that is done, the last from `until` on. */
  z.strictObject({
    kind: z.literal('staged'),
    from: level,
    to: level,
    until: z.number().gt(0).max(1).default(0.8),
    review,
  }),
  /** Up a level when the last `window` groups at it had at least this mean success, down when at most that. */
  z.strictObject({
    kind: z.literal('adaptive'),
    from: level,
    to: level,
    raiseAt: share.default(0.8),
    lowerAt: share.default(0.2),
    window: z.int().min(1).max(10_000).default(64),
    review,
  }),
]);

export type Curriculum = z.output<typeof curriculumSchema>;

const stateSchema = z.strictObject({
  level,
  /** Mean success of the latest groups at this level, oldest first. */
  recent: z.array(share),
});

export type CurriculumState = z.output<typeof stateSchema>;

/** Throws `AhaError` when the curriculum asks for a level that the task does not have. */
export function checkCurriculum(curriculum: Curriculum, levels: readonly number[]): void {
  const fail = (what: string, found: unknown, expected: string): never => {
    throw new AhaError({ code: 'invalid-curriculum', boundary: 'configuration', what, found, expected });
  };
  if (curriculum.kind === 'mixed') return;
  const wanted = curriculum.kind === 'fixed' ? [curriculum.level] : range(curriculum.from, curriculum.to);
  if (wanted.length === 0 && curriculum.kind !== 'fixed') {
    fail(
      'The curriculum ends below its beginning',
      `from ${curriculum.from} to ${curriculum.to}`,
      'from ≤ to',
    );
  }
  const missing = wanted.find((one) => !levels.includes(one));
  if (missing !== undefined) {
    fail('The curriculum asks for a level that the task does not have', missing, levels.join(', '));
  }
  if (curriculum.kind === 'adaptive' && curriculum.lowerAt >= curriculum.raiseAt) {
    fail(
      'The curriculum would go up and down at once',
      `lowerAt ${curriculum.lowerAt}, raiseAt ${curriculum.raiseAt}`,
      'lowerAt < raiseAt',
    );
  }
}

export function startCurriculum(curriculum: Curriculum): CurriculumState {
  switch (curriculum.kind) {
    case 'mixed':
      return { level: 1, recent: [] };
    case 'fixed':
      return { level: curriculum.level, recent: [] };
    case 'staged':
    case 'adaptive':
      return { level: curriculum.from, recent: [] };
  }
}

/** Reads a stored state. */
export function parseCurriculumState(value: unknown): CurriculumState {
  return parseWithSchema(stateSchema, value, {
    what: 'The stored state of the curriculum',
    boundary: 'data',
  });
}

/**
 * The level of the next problem; undefined means all levels as the task mixes them. `progress` is the share of
 * training that is done, in [0, 1].
 */
export function drawLevel(
  curriculum: Curriculum,
  state: CurriculumState,
  at: { readonly progress: number; readonly random: RandomStream },
): number | undefined {
  switch (curriculum.kind) {
    case 'mixed':
      return undefined;
    case 'fixed':
      return curriculum.level;
    case 'staged': {
      const steps = curriculum.to - curriculum.from;
      const done = Math.min(1, Math.max(0, at.progress) / curriculum.until);
      const current = curriculum.from + Math.min(steps, Math.floor(done * steps));
      return reviewed(curriculum, current, at.random);
    }
    case 'adaptive':
      return reviewed(curriculum, state.level, at.random);
  }
}

/** The state after a group of responses to a problem of `level` had this mean success, in [0, 1]. */
export function observeSuccess(
  curriculum: Curriculum,
  state: CurriculumState,
  group: { readonly level: number; readonly success: number },
): CurriculumState {
  // Reviewed problems say nothing about the current level.
  if (curriculum.kind !== 'adaptive' || group.level !== state.level) return state;
  const recent = [...state.recent, group.success].slice(-curriculum.window);
  if (recent.length < curriculum.window) return { level: state.level, recent };
  const mean = recent.reduce((sum, one) => sum + one, 0) / recent.length;
  if (mean >= curriculum.raiseAt && state.level < curriculum.to)
    return { level: state.level + 1, recent: [] };
  if (mean <= curriculum.lowerAt && state.level > curriculum.from)
    return { level: state.level - 1, recent: [] };
  return { level: state.level, recent };
}

function reviewed(
  curriculum: { readonly from: number; readonly review: number },
  current: number,
  random: RandomStream,
): number {
  // Both draws are always taken, so that the stream's position does not depend on the level.
  const look = random.next();
  const back = random.next();
  const below = current - curriculum.from;
  return below > 0 && look < curriculum.review ? curriculum.from + Math.floor(back * below) : current;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
