/**
 * The data of R1's first stage: a few worked examples. Each is the prompt of a training problem with a worked solution
 * in one of the task's styles, or with its reference where the task has no styles; the task's own verifier checks it,
 * since what is imitated should be right.
 */
import { join } from 'node:path';
import { AhaError } from '../../../errors.ts';
import type { Problem } from '../../../task/problem.ts';
import type { Task } from '../../../task/task.ts';
import { randomStream, type RandomStream } from '../../../util/random.ts';
import type { PipelineRecipe, StageOf } from '../recipe.ts';
import { rowOf, writeRows } from '../rows.ts';
import { rowsFile, type StageContext, type StageOutcome } from '../stage.ts';

/** Examples tried for each that is wanted. */
const triesPerExample = 10;

export async function coldStartStage(context: StageContext<StageOf<'cold-start'>>): Promise<StageOutcome> {
  const { stage, seed, recipe, tools } = context;
  const task = (await context.task()).configure({ form: formOf(recipe) });
  const write = writerOf(task, stage.styles);
  const rows: unknown[] = [];
  const identities = new Set<string>();
  let tried = 0;
  let refused = 0;
  const most = Math.min(task.size('train'), stage.examples * triesPerExample);
  for (; tried < most && rows.length < stage.examples; tried++) {
    if (tools.signal?.aborted === true) return { reason: 'interrupted' };
    const problem = task.problem({ split: 'train', index: tried });
    const identity = task.identity(problem);
    if (identities.has(identity)) continue;
    identities.add(identity);
    const { style, response } = write(problem, randomStream(seed, 'cold-start', tried));
    if (response === undefined) continue;
    const verdict = await task.verify(problem, response, { finish: 'stop' });
    if (verdict.outcome === 'failed' || verdict.score < stage.mustScore) {
      refused++;
      continue;
    }
    rows.push(
      rowOf(task.prompt(problem), response, {
        task: task.name,
        problem: identity,
        level: problem.level ?? null,
        origin: style === undefined ? 'reference of the task' : `worked example of the task, style ${style}`,
      }),
    );
  }
  if (rows.length === 0) {
    throw new AhaError({
      code: 'cold-start-empty',
      boundary: 'data',
      what: `Task ${task.name} gave no worked example to begin with`,
      found: `${tried} problems tried, ${refused} examples that score less than ${stage.mustScore}`,
      fix: 'Name other styles, lower mustScore, or bring a file of examples (data of the sft stage).',
    });
  }
  return {
    reason: 'completed',
    write: async (folder) => {
      await writeRows(join(folder, rowsFile), rows);
      return { rows: rows.length, tried, refused };
    },
  };
}

/** Prompts are written here, before there is a model: the recipe has to say in which form. */
function formOf({ prompt, stages }: PipelineRecipe): 'raw' | 'r1-zero' | 'chat' {
  if (prompt !== 'auto') return prompt;
  if ([...stages.values()].some(({ kind }) => kind === 'pretrain')) return 'raw';
  throw new AhaError({
    code: 'prompt-undecided',
    boundary: 'configuration',
    what: 'A cold-start stage writes prompts, and the recipe does not say in which form',
    found: 'prompt: auto',
    expected: 'prompt: raw, r1-zero or chat',
  });
}

type Writer = (
  problem: Problem,
  random: RandomStream,
) => { style: string | undefined; response: string | undefined };

function writerOf(task: Task, styles: Readonly<Record<string, number>> | undefined): Writer {
  if (task.presentation.form !== 'raw' || task.workedStyles.length === 0) {
    if (styles !== undefined) {
      throw new AhaError({
        code: 'worked-examples-form',
        boundary: 'configuration',
        what: `Task ${task.name} has no worked examples in styles for this form`,
        found: `form ${task.presentation.form}, styles ${Object.keys(styles).join(', ')}`,
        expected: 'form raw and a task with worked examples, or no styles',
        fix: 'Leave styles out: the reference of each problem is then what is learned.',
      });
    }
    return (problem) => ({ style: undefined, response: task.reference(problem) });
  }
  const shares = Object.entries(styles ?? Object.fromEntries(task.workedStyles.map((style) => [style, 1])));
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  return (problem, random) => {
    let at = random.next() * total;
    const style = (shares.find(([, share]) => (at -= share) < 0) ?? shares.at(-1)!)[0];
    return { style, response: task.workedExample(problem, style, random) };
  };
}
