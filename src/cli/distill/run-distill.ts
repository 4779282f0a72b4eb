/** A run of `aha train distill`. A folder that holds an interrupted run of the same recipe goes on with it. */
import { fingerprintModel } from '../../model/fingerprint.ts';
import { AhaError } from '../../errors.ts';
import { loraOf } from '../../train/model-settings.ts';
import { distillLogits, distillOnPolicy } from '../../train/distill.ts';
import type { EncodedPrompt } from '../../train/prompt-codec.ts';
import { checkSameTokenizer } from '../../train/same-tokenizer.ts';
import { type SftConfigInput, sftSchema } from '../../train/sft-config.ts';
import { trainSft } from '../../train/sft.ts';
import type { LearnResult } from '../../train/step-loop.ts';
import { randomStream } from '../../util/random.ts';
import type { CommandContext } from '../command.ts';
import { type OpenModel, openModel } from '../model/open-model.ts';
import type { DistillRecipe } from '../recipe/distill-recipe.ts';
import { type StoredRecipe, writeStoredRecipe } from '../runs/run-files.ts';
import { type LearnOutcome, learnRun, type LearnRunOptions, trainedSize } from '../sft/learn-run.ts';
import { dataOf, taskOf } from '../sft/run-sft.ts';
import { formatCount } from '../terminal/quantities.ts';
import { askTeacher } from './ask-teacher.ts';

export async function runDistill(
  folder: string,
  stored: StoredRecipe<'train distill'>,
  context: CommandContext,
): Promise<LearnOutcome> {
  const { recipe } = stored;
  checkRecipe(recipe);
  const { reporter, interruption } = context;
  await using model = await openModel(recipe.model, {
    reporter,
    engine: recipe.engine,
    lora: loraOf(recipe),
    seed: recipe.seed,
    overwrite: true,
    signal: interruption.signal,
  });
  const begin = async () => writeStoredRecipe(folder, stored);
  if (recipe.method === 'text') return await distillText(folder, recipe, model, context, begin);

  await using teacher = await openModel(recipe.teacher, {
    reporter,
    engine: recipe.engine,
    signal: interruption.signal,
  });
  checkSameTokenizer(
    { tokenizer: teacher.tokenizer(), source: teacher.source },
    { tokenizer: model.tokenizer(), source: model.source },
  );
  const teacherName = await fingerprintModel(teacher.checkpoint.path, { signal: interruption.signal });
  const task = await taskOf(recipe, model, context);
  const data = recipe.data.length === 0 ? undefined : await dataOf(recipe.data, recipe, model, context);
  for (const note of data?.notes ?? []) reporter.warn(note);
  await begin();
  const shared = {
    policy: model.policy,
    teacher: teacher.policy,
    teacherName,
    folder,
    ...(task === undefined ? {} : { task }),
    identity: identityOf(recipe),
  };
  const { logit, onPolicy } = recipe;
  const config = supervised(recipe);
  const title = `${recipe.method} distillation of ${teacher.source} into ${model.source} (${trainedSize(model)})`;
  let train: LearnRunOptions['train'];
  if (recipe.method === 'logit') {
    train = async (options): Promise<LearnResult> =>
      distillLogits({ ...shared, data: data!, config: { ...config, logit }, ...options });
  } else {
    const codec = task?.codec;
    const prompt = promptSource(
      recipe,
      task,
      data?.train.map((example) => example.tokens.slice(0, example.promptLength)),
    );
    train = async (options): Promise<LearnResult> =>
      distillOnPolicy({
        ...shared,
        prompt,
        stopTokens: codec?.stopTokens ?? model.tokenizer().eosIds,
        stopStrings: codec?.stopStrings ?? [],
        heldOut: data?.heldOut ?? [],
        config: { ...config, onPolicy, steps: recipe.steps ?? 100 },
        // All of the data, of which the first prompts are only a part.
        identity: { ...shared.identity, data: data?.fingerprint ?? null },
        ...options,
      });
  }
  return await learnRun({ folder, title: `${title}, in ${folder}`, model, context, train });
}

/** Ask, judge, select; then fine-tune on what was kept. */
async function distillText(
  folder: string,
  recipe: DistillRecipe,
  model: OpenModel,
  context: CommandContext,
  begin: () => Promise<void>,
): Promise<LearnOutcome> {
  const task = (await taskOf(recipe, model, context))!;
  const { collected, source } = await askTeacher(folder, recipe, task.task, context, begin);
  const { drawn, kept, dropped, problemsKept, unasked } = collected;
  const counts = { teacher: source, drawn, kept, dropped, problemsKept, unasked };
  if (unasked > 0) context.reporter.warn(`${unasked} problems do not fit the teacher's context`);
  const reasons = Object.entries(dropped)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${count} ${reason}`);
  context.reporter.line(
    `Kept ${kept} of ${drawn} answers, of ${problemsKept} of ${recipe.text.problems} problems` +
      (reasons.length === 0 ? '' : ` (${reasons.join(', ')})`),
  );
  if (collected.reason === 'interrupted') {
    const nothing = { loss: 0, steps: 0, evaluations: [], model: undefined, adapter: undefined, seconds: 0 };
    return { reason: 'interrupted', ...nothing, counts };
  }
  if (kept === 0) {
    throw new AhaError({
      code: 'nothing-kept',
      boundary: 'data',
      what: 'None of the answers of the teacher is worth learning',
      found: JSON.stringify(dropped),
      fix: `Read ${folder}/texts.jsonl; then use a better teacher, easier problems, more tokens, or a lower text.minScore.`,
    });
  }
  const data = await dataOf([collected.file], recipe, model, context);
  for (const note of data.notes) context.reporter.warn(note);
  const examples = formatCount(data.train.length);
  const title = `Text distillation into ${model.source} (${trainedSize(model)}) on ${examples} answers, in ${folder}`;
  const outcome = await learnRun({
    folder,
    title,
    model,
    context,
    train: async (options) =>
      trainSft({
        policy: model.policy,
        data,
        config: supervised(recipe),
        folder,
        task,
        identity: { ...identityOf(recipe), method: 'text', source },
        ...options,
      }),
  });
  return { ...outcome, counts };
}

/** What fine-tuning knows of the recipe. */
function supervised(recipe: DistillRecipe): SftConfigInput {
  const keys = Object.keys(sftSchema.shape);
  const config = Object.fromEntries(Object.entries(recipe).filter(([key]) => keys.includes(key)));
  return config;
}

function identityOf({ model, lora, prompt, templateVariables, task }: DistillRecipe) {
  return { model, lora, prompt, templateVariables, task: task ?? null };
}

/** Prompts of the task's training problems, or of the examples in an order of the seed. */
function promptSource(
  { seed }: DistillRecipe,
  task: Awaited<ReturnType<typeof taskOf>>,
  prompts: readonly Int32Array[] | undefined,
): (index: number) => EncodedPrompt {
  if (prompts === undefined) {
    return (index) =>
      task!.codec.encodePrompt(task!.task.prompt(task!.task.problem({ split: 'train', index })));
  }
  const order = randomStream(seed, 'prompts').shuffle([...prompts]);
  return (index) => ({ tokens: order[index % order.length]!, text: '' });
}

function checkRecipe({ method, task, data, teacher }: DistillRecipe): void {
  const refuse = (what: string, expected: string): never => {
    throw new AhaError({ code: 'distillation-needs', boundary: 'configuration', what, expected });
  };
  if (method === 'logit' && data.length === 0) {
    refuse('Logit distillation learns on given examples, and none were named', '--data FILE');
  }
  if (method === 'text' && task === undefined) {
    refuse('Text distillation asks the teacher problems of a task, and none was named', '--task TASK');
  }
  if (method === 'on-policy' && task === undefined && data.length === 0) {
    refuse('On-policy distillation needs prompts', '--task TASK or --data FILE');
  }
  if (method !== 'text' && /^https?:/.test(teacher)) {
    throw new AhaError({
      code: 'endpoint-gives-texts',
      boundary: 'configuration',
      what: `${method} distillation needs the teacher's probabilities of given tokens, which endpoints do not give`,
      found: teacher,
      expected: 'a local model as the teacher',
      fix: 'Use --method text, or download the teacher.',
    });
  }
}
