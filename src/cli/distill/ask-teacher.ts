/** The teacher of a text distillation, local or behind an endpoint, answering the problems of the recipe. */
import { join } from 'node:path';
import { AhaError } from '../../errors.ts';
import { endpointResponder } from '../../evaluate/endpoint-responder.ts';
import { policyResponder } from '../../evaluate/policy-responder.ts';
import type { Responder } from '../../evaluate/responder.ts';
import { openEndpoint } from '../../provider/endpoint.ts';
import type { Task } from '../../task/task.ts';
import { type CollectedTexts, collectTexts, type TextSource } from '../../train/text-distillation.ts';
import type { CommandContext } from '../command.ts';
import { openModel } from '../model/open-model.ts';
import { chooseForm, codecFor } from '../model/prompt-form.ts';
import type { DistillRecipe } from '../recipe/distill-recipe.ts';

interface Teacher extends AsyncDisposable {
  readonly responder: Responder;
  readonly source: TextSource;
  /** The task as it is put to the teacher. */
  readonly task: Task;
}

export async function askTeacher(
  folder: string,
  recipe: DistillRecipe,
  studentTask: Task,
  context: CommandContext,
  begin: () => Promise<void>,
): Promise<{ readonly collected: CollectedTexts; readonly source: TextSource }> {
  const { reporter, interruption } = context;
  await using teacher = await openTeacher(folder, recipe, studentTask, context);
  if (teacher.source.terms === null) {
    reporter.warn(
      'Nothing says under which licence or terms the texts of the teacher may be used; the record says so, too ' +
        '(text.terms).',
    );
  }
  await begin();
  using _deferred = interruption.defer(
    'Keeping the answers that are there. Press Ctrl-C again to quit at once.',
  );
  const progress = reporter.progress({ label: `Asking ${teacher.source.teacher}`, total: 0 });
  try {
    const collected = await collectTexts({
      responder: teacher.responder,
      source: teacher.source,
      task: teacher.task,
      studentTask,
      config: recipe.text,
      seed: recipe.seed,
      folder,
      onProgress: (done, of) => {
        progress.update(done, of);
      },
      signal: interruption.signal,
    });
    return { collected, source: teacher.source };
  } finally {
    progress.finish();
  }
}

async function openTeacher(
  folder: string,
  recipe: DistillRecipe,
  studentTask: Task,
  { reporter, interruption, environment }: CommandContext,
): Promise<Teacher> {
  const { teacher, text } = recipe;
  if (!/^https?:/.test(teacher)) {
    const model = await openModel(teacher, {
      reporter,
      engine: recipe.engine,
      signal: interruption.signal,
    });
    const form = await chooseForm('auto', teacher, model.tokenizer());
    return {
      responder: policyResponder({
        name: model.source,
        policy: model.policy,
        codec: codecFor(model.tokenizer(), form, model.source),
        identity: {},
      }),
      source: { teacher: model.source, kind: 'local', terms: text.terms ?? null },
      task: studentTask.configure({ form }),
      [Symbol.asyncDispose]: async () => model[Symbol.asyncDispose](),
    };
  }
  if (text.model === undefined || text.terms === undefined) {
    const missing = text.model === undefined ? 'text.model' : 'text.terms';
    throw new AhaError({
      code: 'endpoint-needs',
      boundary: 'configuration',
      what:
        missing === 'text.model'
          ? 'An endpoint has many models, and none was named'
          : 'Texts of an endpoint come under its terms of use, which nothing says',
      expected: missing,
      fix:
        missing === 'text.model'
          ? 'Name it: --set text.model=NAME.'
          : 'Read them (some forbid training on answers) and name them: --set text.terms="…".',
    });
  }
  const endpoint = openEndpoint({
    address: teacher,
    model: text.model,
    key: environment[text.keyVariable],
    keyVariable: text.keyVariable,
    concurrency: text.concurrency,
    retries: text.retries,
    budget: text.budget,
    prices: text.prices,
    cache: join(folder, 'endpoint-cache'),
    onPause: ({ reason, milliseconds }) => {
      reporter.note(`Waiting ${Math.ceil(milliseconds / 1000)} s: ${reason}`);
    },
  });
  return {
    responder: endpointResponder(endpoint),
    source: { teacher: `${text.model} at ${endpoint.address}`, kind: 'endpoint', terms: text.terms },
    // Endpoints take messages.
    task: studentTask.configure({ form: 'chat' }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
