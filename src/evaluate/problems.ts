/** Which problems an evaluation poses: one task or a mixture of several, always the same problems in the same order. */
import { createHash } from 'node:crypto';
import { AhaError } from '../errors.ts';
import type { Problem, ProblemAddress, Split } from '../task/problem.ts';
import type { Task } from '../task/task.ts';

export interface TaskShare {
  readonly task: Task;
  /** Up to this many problems; those that there are, if they are fewer. */
  readonly count: number;
  readonly level?: number | undefined;
  /** Default `heldOut`. `train` is for estimating solve rates, not for measuring ability. */
  readonly split?: Split | undefined;
}

export interface EvaluatedProblem {
  readonly task: Task;
  readonly problem: Problem;
  readonly address: ProblemAddress;
  /** `Task.identity`. */
  readonly identity: string;
}

/** Addresses tried for each training problem that is wanted: a generator repeats itself on easy levels. */
const triesPerProblem = 20;

/** @throws AhaError `evaluation-empty` for a task without problems of the wanted kind */
export function chooseProblems(shares: readonly TaskShare[]): EvaluatedProblem[] {
  const names = shares.map(({ task }) => task.name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) {
    throw new AhaError({
      code: 'task-repeated',
      boundary: 'configuration',
      what: 'Two tasks of a mixture have the same name',
      found: repeated,
      expected: 'different names, since results are told apart by them',
      fix: 'Name each task once.',
    });
  }
  return shares.flatMap((share) => {
    const chosen = share.split === 'train' ? trainingProblems(share) : heldOutProblems(share);
    if (chosen.length > 0) return chosen;
    throw new AhaError({
      code: 'evaluation-empty',
      boundary: 'task',
      what: `Task ${share.task.name} has no problems to evaluate on`,
      found: `${share.count} asked for${share.level === undefined ? '' : ` at level ${share.level}`}`,
      expected: 'at least one',
    });
  });
}

/** A hash of what is asked: every problem in its order, and how it is put to the model. */
export function fingerprintProblems(problems: readonly EvaluatedProblem[]): string {
  const hash = createHash('sha256');
  for (const { task, problem, identity } of problems) {
    hash.update(JSON.stringify([task.name, identity, task.prompt(problem), problem.answer ?? null]));
  }
  return hash.digest('hex');
}

function heldOutProblems({ task, count, level }: TaskShare): EvaluatedProblem[] {
  return task.heldOut(count, level).map((problem, index) => ({
    task,
    problem,
    address: { split: 'heldOut', index, ...(level === undefined ? {} : { level }) },
    identity: task.identity(problem),
  }));
}

function trainingProblems({ task, count, level }: TaskShare): EvaluatedProblem[] {
  const chosen = new Map<string, EvaluatedProblem>();
  const size = task.size('train', level);
  const last = Math.min(size, count * triesPerProblem);
  for (let index = 0; index < last && chosen.size < count; index++) {
    const address: ProblemAddress = { split: 'train', index, ...(level === undefined ? {} : { level }) };
    const problem = task.problem(address);
    const identity = task.identity(problem);
    if (!chosen.has(identity)) chosen.set(identity, { task, problem, address, identity });
  }
  return [...chosen.values()];
}
