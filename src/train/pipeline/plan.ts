/**
 * From a recipe to a plan: which stage needs which, and the key of every stage. A key is a hash of all that makes an
 * artifact: the kind, the settings, the task, the seed, and the keys of its inputs. Two runs of the same plan make the
 * same artifacts; a changed setting changes the keys of its own stage and of those that depend on it, and no others.
 */
import { createHash } from 'node:crypto';
import { AhaError } from '../../errors.ts';
import { nearestWord } from '../../util/schema.ts';
import type { PipelineRecipe, Stage, StageKind } from './recipe.ts';

/** Raised for a kind whose code makes something else of the same inputs. */
const versions: Readonly<Record<StageKind, number>> = {
  pretrain: 1,
  'cold-start': 1,
  sft: 1,
  grpo: 1,
  'rejection-sample': 1,
  'merge-data': 1,
  distill: 1,
  evaluate: 1,
};

export type Product = 'model' | 'data' | 'report';

const products: Readonly<Record<StageKind, Product>> = {
  pretrain: 'model',
  'cold-start': 'data',
  sft: 'model',
  grpo: 'model',
  'rejection-sample': 'data',
  'merge-data': 'data',
  distill: 'model',
  evaluate: 'report',
};

const madeOf: Readonly<Record<Product, string>> = { model: 'a model', data: 'data', report: 'a report' };

/** An input of a stage: what an earlier one made, or something from outside. */
export type Input =
  | { readonly role: string; readonly stage: string }
  | { readonly role: string; readonly outside: string; readonly product: 'model' | 'data' };

export interface PlannedStage {
  readonly name: string;
  readonly stage: Stage;
  readonly product: Product;
  readonly inputs: readonly Input[];
  /** Hexadecimal SHA-256 of all that makes the artifact. */
  readonly key: string;
  /** The seed of everything random in this stage. */
  readonly seed: string;
}

export interface PlanOptions {
  /** Hash of the content of a model or a data file from outside the pipeline. */
  readonly identify: (outside: string, product: 'model' | 'data') => Promise<string>;
  /** What tells the task (its code, its file) from others: part of every key that depends on it. */
  readonly taskIdentity: (task: string, options: Readonly<Record<string, unknown>>) => Promise<string>;
}

/** The stages in order. Throws `AhaError` for references that lead nowhere or to the wrong thing. */
export async function planPipeline(recipe: PipelineRecipe, options: PlanOptions): Promise<PlannedStage[]> {
  const planned = new Map<string, PlannedStage>();
  const outside = new Map<string, Promise<string>>();
  const tasks = new Map<string, Promise<string>>();
  for (const [name, stage] of recipe.stages) {
    const inputs = referencesOf(stage).map(({ role, name: to, product }) =>
      resolve(recipe, planned, { from: name, role, to, product }),
    );
    const gate = 'gate' in stage ? stage.gate : undefined;
    if (gate?.notWorseThan !== undefined) {
      resolve(recipe, planned, {
        from: name,
        role: 'gate.notWorseThan',
        to: gate.notWorseThan,
        product: 'model',
      });
    }
    const keys = await Promise.all(
      inputs.map(async (input) => {
        if ('stage' in input) return [input.role, planned.get(input.stage)!.key] as const;
        const cached = outside.get(input.outside) ?? options.identify(input.outside, input.product);
        outside.set(input.outside, cached);
        return [input.role, await cached] as const;
      }),
    );
    const task = taskOf(recipe, stage);
    const taskKey = canonicalJson(task);
    const identity = tasks.get(taskKey) ?? options.taskIdentity(task.task, task.taskOptions);
    tasks.set(taskKey, identity);
    const seed = `${recipe.seed}/${name}`;
    planned.set(name, {
      name,
      stage,
      product: products[stage.kind],
      inputs,
      seed,
      key: hashOf({
        kind: stage.kind,
        version: versions[stage.kind],
        settings: settingsOf(stage),
        inputs: keys,
        ...(stage.kind === 'merge-data'
          ? {}
          : {
              task: await identity,
              prompt: recipe.prompt,
              contextLength: recipe.engine.contextLength ?? null,
            }),
        seed,
      }),
    });
  }
  return [...planned.values()];
}

/** The task of a stage: its own, or that of the recipe. */
export function taskOf(
  recipe: Pick<PipelineRecipe, 'task' | 'taskOptions'>,
  stage: Stage,
): { readonly task: string; readonly taskOptions: Readonly<Record<string, unknown>> } {
  if (stage.kind === 'merge-data' || stage.task === undefined) {
    const options = stage.kind === 'merge-data' ? undefined : stage.taskOptions;
    return { task: recipe.task, taskOptions: options ?? recipe.taskOptions };
  }
  return { task: stage.task, taskOptions: stage.taskOptions ?? {} };
}

/** A hash that depends on the value alone, not on the order of keys. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}

/** What of a stage decides about its artifact: not its name, its gate or its references, whose keys count. */
function settingsOf(stage: Stage): unknown {
  const { kind: _kind, ...rest } = stage;
  const settings: Record<string, unknown> = { ...rest };
  for (const key of ['gate', 'model', 'models', 'teacher', 'student', 'data', 'task', 'taskOptions'])
    delete settings[key];
  if (stage.kind === 'merge-data') settings['parts'] = stage.parts.map(({ from: _from, ...part }) => part);
  return settings;
}

export interface Reference {
  readonly role: string;
  readonly name: string;
  readonly product: 'model' | 'data';
}

/** What a stage refers to, by the role that it has there. */
export function referencesOf(stage: Stage): Reference[] {
  const model = (role: string, name: string): Reference => ({ role, name, product: 'model' });
  const data = (names: readonly string[]) =>
    names.map((name, index): Reference => ({ role: `data[${index}]`, name, product: 'data' }));
  switch (stage.kind) {
    case 'pretrain':
    case 'cold-start':
      return [];
    case 'sft':
      return [model('model', stage.model), ...data(stage.data)];
    case 'grpo':
    case 'rejection-sample':
      return [model('model', stage.model)];
    case 'merge-data':
      return data(stage.parts.map(({ from }) => from));
    case 'distill':
      return [
        model('teacher', stage.teacher),
        model('student', stage.student),
        ...(stage.method === 'logit' ? data(stage.data) : []),
      ];
    case 'evaluate':
      return stage.models.map((name, index) => model(`models[${index}]`, name));
  }
}

function resolve(
  recipe: PipelineRecipe,
  earlier: ReadonlyMap<string, PlannedStage>,
  { from, role, to, product }: { from: string; role: string; to: string; product: 'model' | 'data' },
): Input {
  const stage = earlier.get(to);
  if (stage !== undefined) {
    if (stage.product === product) return { role, stage: to };
    throw new AhaError({
      code: 'stage-makes-other',
      boundary: 'configuration',
      what: `Stage ${from} refers in ${role} to a stage that makes something else`,
      found: `${to}, which makes ${madeOf[stage.product]}`,
      expected: `a stage that makes ${madeOf[product]}`,
    });
  }
  // A path or a Hub id has a slash, a file an extension; a bare word is meant for a stage.
  const isOutside = /[/\\.]/.test(to) && role !== 'gate.notWorseThan';
  if (isOutside && !recipe.stages.has(to)) return { role, outside: to, product };
  const nearest = nearestWord(to, earlier.keys());
  throw new AhaError({
    code: 'stage-unknown',
    boundary: 'configuration',
    what: recipe.stages.has(to)
      ? `Stage ${from} refers in ${role} to a stage that comes after it`
      : `Stage ${from} refers in ${role} to a stage that there is not`,
    found: to,
    expected: [...earlier.keys()].join(' | ') || 'a folder, a file or a Hub id: it is the first stage',
    ...(nearest === undefined ? {} : { fix: `Did you mean ${nearest}?` }),
  });
}
