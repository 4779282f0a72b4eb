/**
 * Which problem comes next: the curriculum chooses a level, and each level walks through its training problems in the
 * task's own order. The state is plain JSON; the draws come from streams named by their place in the run.
 */
import {
  type Curriculum,
  type CurriculumState,
  drawLevel,
  observeSuccess,
  startCurriculum,
} from '../task/curriculum.ts';
import type { ProblemAddress } from '../task/problem.ts';
import { randomStream } from '../util/random.ts';

export interface DataPosition {
  /** How many problems each level has given; `any` counts those drawn from all levels together. */
  readonly drawn: Readonly<Record<string, number>>;
  readonly curriculum: CurriculumState;
}

export function startOfData(curriculum: Curriculum): DataPosition {
  return { drawn: {}, curriculum: startCurriculum(curriculum) };
}

export interface DrawOptions {
  readonly seed: number | string;
  /** Names the draw together with how many were taken before it. */
  readonly step: number;
  /** The share of training that is done, in [0, 1]. */
  readonly progress: number;
}

/** The address of the next training problem, and the position after it. */
export function nextProblem(
  curriculum: Curriculum,
  position: DataPosition,
  { seed, step, progress }: DrawOptions,
): { readonly address: ProblemAddress; readonly position: DataPosition } {
  const taken = Object.values(position.drawn).reduce((total, count) => total + count, 0);
  const random = randomStream(seed, 'curriculum', step, taken);
  const level = drawLevel(curriculum, position.curriculum, { progress, random });
  const key = level === undefined ? 'any' : String(level);
  const index = position.drawn[key] ?? 0;
  return {
    address: { split: 'train', index, ...(level === undefined ? {} : { level }) },
    position: { ...position, drawn: { ...position.drawn, [key]: index + 1 } },
  };
}

/** The position after groups of responses were scored: mean success in [0, 1], in the order of their problems. */
export function afterGroups(
  curriculum: Curriculum,
  position: DataPosition,
  groups: Iterable<{ readonly level: number | undefined; readonly success: number }>,
): DataPosition {
  let state = position.curriculum;
  for (const { level, success } of groups) {
    if (level !== undefined && Number.isFinite(success)) {
      state = observeSuccess(curriculum, state, { level, success });
    }
  }
  return { ...position, curriculum: state };
}
