/** Distillation of a teacher into a student, by one of the three methods that are called so. */
import { join } from 'node:path';
import { distillLogits, distillOnPolicy } from '../../distill.ts';
import type { LearnEvent } from '../../events.ts';
import { loraOf } from '../../model-settings.ts';
import { checkSameTokenizer } from '../../same-tokenizer.ts';
import { drawRows, originOf } from '../draw.ts';
import { loadStageData } from '../data.ts';
import type { StageOf } from '../recipe.ts';
import { writeRows } from '../rows.ts';
import { rowsFile, type StageContext, type StageOutcome } from '../stage.ts';
import { exported } from './exported.ts';
import { fineTune } from './sft.ts';

type Distill = StageOf<'distill'>;

export async function distillStage(context: StageContext<Distill>): Promise<StageOutcome> {
  const { stage } = context;
  switch (stage.method) {
    case 'text':
      return textStage(context, stage);
    case 'logit':
    case 'on-policy':
      return probabilityStage(context, stage);
  }
}

/** The teacher writes, its task judges, the student learns what is kept. */
async function textStage(
  context: StageContext,
  stage: Extract<Distill, { method: 'text' }>,
): Promise<StageOutcome> {
  const { seed, tools, work } = context;
  const file = join(work, rowsFile);
  let facts: Readonly<Record<string, number>>;
  {
    await using teacher = await tools.openModel(context.modelPath('teacher'), { seed });
    const draws = await drawRows(context, {
      model: teacher,
      posed: await context.posed(teacher),
      settings: stage.draw,
      origin: originOf(context, 'teacher', stage.draw.temperature),
    });
    if (draws === 'interrupted') return { reason: draws };
    await writeRows(file, draws.rows);
    ({ facts } = draws);
  }
  await using student = await tools.openModel(context.modelPath('student'), { seed, lora: loraOf(stage) });
  return await fineTune(context, student, { ...stage.settings, seed }, [file], facts);
}

/** The student learns the probabilities of the teacher, on given texts or on its own. */
async function probabilityStage(
  context: StageContext,
  stage: Exclude<Distill, { method: 'text' }>,
): Promise<StageOutcome> {
  const { seed, tools, work, emit, planned } = context;
  await using teacher = await tools.openModel(context.modelPath('teacher'), { seed });
  await using student = await tools.openModel(context.modelPath('student'), { seed, lora: loraOf(stage) });
  checkSameTokenizer(
    { source: teacher.source, tokenizer: teacher.tokenizer() },
    { source: student.source, tokenizer: student.tokenizer() },
  );
  const shared = {
    policy: student.policy,
    teacher: teacher.policy,
    teacherName: planned.key,
    folder: join(work, 'run'),
    clock: tools.clock,
    ...(tools.signal === undefined ? {} : { signal: tools.signal }),
    onEvent: (event: LearnEvent) => emit({ type: 'learn', event }),
  };
  if (stage.method === 'logit') {
    const config = { ...stage.settings, seed };
    const data = await loadStageData(context, student, config, context.dataFiles);
    const { reason, steps } = await distillLogits({ ...shared, data, config });
    if (reason === 'interrupted') return { reason };
    return await exported(context, student, { steps, examples: data.train.length });
  }
  const { task, codec } = await context.posed(student);
  const { reason, steps } = await distillOnPolicy({
    ...shared,
    config: { ...stage.settings, seed },
    prompt: (index) => codec.encodePrompt(task.prompt(task.problem({ split: 'train', index }))),
    stopTokens: codec.stopTokens,
    stopStrings: codec.stopStrings,
  });
  if (reason === 'interrupted') return { reason };
  return await exported(context, student, { steps });
}
