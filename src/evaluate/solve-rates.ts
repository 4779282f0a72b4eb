/** Solve rates from the responses of an evaluation: the input of `task/solve-rates.ts`. */
import type { SolveRate } from '../task/solve-rates.ts';
import { writeFileAtomic } from '../util/files.ts';
import { accuracyOf } from '../verify/verdict.ts';
import type { EvaluationOutcome } from './evaluate.ts';
import { byProblem } from './measures.ts';

/** A rate for each problem with at least one checked response. */
export function solveRates({
  problems,
  records,
}: Pick<EvaluationOutcome, 'problems' | 'records'>): SolveRate[] {
  const groups = byProblem(records);
  return problems.flatMap(({ task, problem, address, identity }): SolveRate[] => {
    const own = (groups.get(`${task.name}/${identity}`) ?? []).flatMap(({ verdict }) =>
      verdict.outcome === 'scored' ? [accuracyOf(verdict)] : [],
    );
    if (own.length === 0) return [];
    const solved = own.reduce((sum, one) => sum + one, 0);
    return [
      {
        task: task.name,
        problem: identity,
        seed: task.seed,
        split: address.split,
        index: address.index,
        ...(address.level === undefined ? {} : { addressLevel: address.level }),
        level: problem.level ?? null,
        samples: own.length,
        solved,
        rate: Math.min(1, solved / own.length),
        prompt: problem.prompt,
      },
    ];
  });
}

/** Writes them as JSON lines; returns how many. */
export async function writeSolveRates(
  path: string,
  outcome: Pick<EvaluationOutcome, 'problems' | 'records'>,
): Promise<number> {
  const rates = solveRates(outcome);
  await writeFileAtomic(path, rates.map((rate) => `${JSON.stringify(rate)}\n`).join(''));
  return rates.length;
}
