/**
 * The three distillations of one teacher into one student at the same compute: `npm run bench:distill -- [options]`.
 *
 * Teacher and student are pre-trained on the arithmetic of `aha demo`: the teacher on worked solutions, the student,
 * a sixth of its size, for a short while on guesses and solutions. From there the student learns
 *
 *   text       the teacher's right answers (rejection sampling), as examples,
 *   logit      the same answers, by the teacher's probabilities, computed anew in each epoch,
 *   logit top  the same, by its 8 most likely tokens of each position, computed once and kept,
 *   on-policy  from its own answers, as the teacher judges them, at the lower learning rate that drawn gradients need,
 *
 * each until the same number of floating-point operations is spent: 2 per parameter and token that is read or drawn,
 * 6 per parameter and token that is learned from (Kaplan et al. 2020), of both models. What the answers cost the
 * teacher is counted for text and for logit; held-out evaluation is not counted. Prints a table, draws a plot.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { demoTaskOptions } from '../src/cli/demo-settings.ts';
import { createLocalModel, type LocalModel } from '../src/engine/local-model.ts';
import type { Policy, SampleRequest, TokenSequence } from '../src/engine/policy.ts';
import { policyResponder } from '../src/evaluate/policy-responder.ts';
import { scratchConfig } from '../src/cli/model/scratch-model.ts';
import { openOnnxRuntime } from '../src/runtime/onnx/onnx-runtime.ts';
import { loadTask } from '../src/task/load.ts';
import { createCharacterTokenizer } from '../src/text/character-tokenizer.ts';
import { distillLogits, distillOnPolicy } from '../src/train/distill.ts';
import type { LearnEvent } from '../src/train/events.ts';
import { loadExampleData } from '../src/train/example-data.ts';
import { createExampleEncoder } from '../src/train/example-encoder.ts';
import { pretrain } from '../src/train/pretrain.ts';
import { createPromptCodec } from '../src/train/prompt-codec.ts';
import { parseSftConfig, type SftConfigInput } from '../src/train/sft-config.ts';
import { trainSft } from '../src/train/sft.ts';
import { collectTexts } from '../src/train/text-distillation.ts';
import { linePlot } from './plot.ts';
import { percent, table, whole } from './report.ts';

const { values } = parseArgs({
  options: {
    budget: { type: 'string', default: '2' },
    teacher: { type: 'string', default: '500' },
    guesses: { type: 'string', default: '1' },
    plot: { type: 'string', default: 'docs/images/distillation.svg' },
    help: { type: 'boolean', default: false },
  },
});

const help = `Usage: npm run bench:distill -- [options]

  --budget N     10^12 floating-point operations for each method (default 2)
  --teacher N    steps of 64 examples that the teacher is pre-trained for (default 500)
  --guesses N    guesses that the student has seen for each solution (default 1)
  --plot FILE    where the plot goes (default docs/images/distillation.svg)
  --help`;

const seed = 1;
const examplesPerStep = 64;
const maxTokens = 64;
const heldOutProblems = 200;
const textProblems = 2048;

interface Learner extends LocalModel {
  readonly codec: ReturnType<typeof createPromptCodec>;
}

/** Operations that were spent since it was made. */
class Ledger {
  operations = 0;
}

/** Counts what a policy computes. Greedy sampling is evaluation, and not counted. */
function counting(policy: Policy, ledger: Ledger): Policy {
  const { parameters } = policy.description;
  const lengths = (batch: readonly TokenSequence[]) =>
    batch.reduce((total, { tokens }) => total + tokens.length, 0);
  const counted: Partial<Policy> = {
    async forward(batch, options) {
      ledger.operations += 2 * parameters * lengths(batch);
      return policy.forward(batch, options);
    },
    async forwardBackward(batch, loss, options) {
      ledger.operations += 6 * parameters * lengths(batch);
      return policy.forwardBackward(batch, loss, options);
    },
    async sample(requests: readonly SampleRequest[], options) {
      const drawn = await policy.sample(requests, options);
      for (const [r, { prompt, temperature }] of requests.entries()) {
        if (temperature === 0) continue;
        const tokens = drawn[r]!.reduce((total, completion) => total + completion.tokens.length, 0);
        ledger.operations += 2 * parameters * (prompt.length + tokens);
      }
      return drawn;
    },
  };
  return new Proxy(policy, {
    get(target, key) {
      const own: unknown = Reflect.get(counted, key);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

if (values.help) {
  console.log(help);
  process.exit(0);
}
const budget = Number(values.budget) * 1e12;
await using runtime = openOnnxRuntime();
const task = (await loadTask('arithmetic', { options: demoTaskOptions, check: false })).configure({
  form: 'raw',
});
const tokenizer = createCharacterTokenizer({ alphabet: task.alphabet! });
const folder = await mkdtemp(join(tmpdir(), 'aha-bench-distill-'));

async function newModel(size: { hiddenSize: number; layers: number; heads: number }): Promise<Learner> {
  const config = scratchConfig({ ...size, contextLength: 128 }, tokenizer);
  const model = await createLocalModel({ runtime, config, tokenizer, seed });
  return {
    ...model,
    codec: createPromptCodec(tokenizer),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

async function begin(model: Learner, name: string, steps: number, mixture: Record<string, number>) {
  const start = performance.now();
  await pretrain({
    policy: model.policy,
    task,
    codec: model.codec,
    folder: join(folder, name),
    config: {
      seed,
      steps,
      examplesPerStep,
      mixture,
      learnPrompts: false,
      optimizer: { learningRate: 3e-3, schedule: 'cosine', warmupSteps: 20, beta2: 0.95, weightDecay: 0.01 },
    },
  });
  console.error(`${name}: ${Math.round((performance.now() - start) / 1000)} s of pre-training`);
}

const optimizer = { learningRate: 1e-3, schedule: 'constant', warmupSteps: 5, beta2: 0.95 } as const;

/** `every`: steps between evaluations, so that a line has some twenty points. */
const configOf = (every: number): SftConfigInput => ({
  seed,
  epochs: 1e6,
  examplesPerStep,
  heldOutShare: 0,
  optimizer,
  evaluation: { every, problems: heldOutProblems, maxCompletionTokens: maxTokens },
  checkpoints: { every: 0 },
});

interface Trace {
  readonly name: string;
  readonly points: { x: number; y: number; low: number; high: number }[];
  steps: number;
  tokens: number;
  seconds: number;
}

async function measure(
  name: string,
  spent: number,
  train: (shared: {
    policy: Policy;
    teacher: Policy;
    teacherName: string;
    folder: string;
    task: { task: typeof task; codec: Learner['codec'] };
    signal: AbortSignal;
    onEvent: (event: LearnEvent) => void;
  }) => Promise<unknown>,
): Promise<Trace> {
  await using own = await newModel(studentSize);
  await own.policy.load(studentStart);
  const ledger = new Ledger();
  ledger.operations = spent;
  const controller = new AbortController();
  const trace: Trace = { name, points: [], steps: 0, tokens: 0, seconds: 0 };
  await train({
    policy: counting(own.policy, ledger),
    teacher: counting(teacher.policy, ledger),
    teacherName: 'teacher',
    folder: join(folder, name),
    task: { task, codec: own.codec },
    signal: controller.signal,
    onEvent(event) {
      if (event.type === 'learn-step') {
        trace.steps++;
        trace.tokens += event.learnedTokens;
        trace.seconds += event.seconds;
      } else if (event.type === 'learn-evaluation') {
        const { accuracy, accuracyLow, accuracyHigh } = event.metrics.task!;
        if (ledger.operations >= budget) controller.abort();
        const x = ledger.operations / 1e12;
        trace.points.push({ x, y: accuracy, low: accuracyLow, high: accuracyHigh });
        console.error(`${name}: ${x.toFixed(2)}·10¹² operations, ${percent(accuracy)}`);
      }
    },
  });
  return trace;
}

await using teacher = await newModel({ hiddenSize: 128, layers: 3, heads: 4 });
const studentSize = { hiddenSize: 64, layers: 2, heads: 2 };
await using student = await newModel(studentSize);
await begin(teacher, 'teacher', Number(values.teacher), { steps: 1 });
const guesses = Number(values.guesses);
await begin(student, 'student', 300, { ...(guesses > 0 ? { direct: guesses } : {}), steps: 1 });
const studentStart = join(folder, 'start');
mkdirSync(studentStart);
await student.policy.save(studentStart);

const ledger = new Ledger();
const collected = await collectTexts({
  responder: policyResponder({
    name: 'teacher',
    policy: counting(teacher.policy, ledger),
    codec: teacher.codec,
    identity: {},
  }),
  source: { teacher: 'teacher', kind: 'local', terms: null },
  task,
  studentTask: task,
  config: {
    problems: textProblems,
    samples: 1,
    maxTokens,
    temperature: 1,
    topP: 1,
    minScore: 1,
    keepPerProblem: 1,
  },
  seed,
  folder: join(folder, 'texts'),
});
console.error(`teacher: ${collected.kept} of ${collected.drawn} answers are right`);
const encode = createExampleEncoder({ tokenizer, codec: teacher.codec, template: undefined, learn: 'all' });
const data = await loadExampleData({
  files: [collected.file],
  encode,
  config: parseSftConfig(configOf(0)),
  contextLength: 128,
});
const prompt = (index: number) =>
  teacher.codec.encodePrompt(task.prompt(task.problem({ split: 'train', index })));

const traces = [
  await measure('text', ledger.operations, (shared) => trainSft({ ...shared, data, config: configOf(60) })),
  await measure('logit', ledger.operations, (shared) =>
    distillLogits({ ...shared, data, config: configOf(20) }),
  ),
  await measure('logit top', ledger.operations, (shared) =>
    distillLogits({ ...shared, data, config: { ...configOf(60), logit: { topK: 8 } } }),
  ),
  await measure('on-policy', 0, (shared) =>
    distillOnPolicy({
      ...shared,
      prompt,
      stopTokens: teacher.codec.stopTokens,
      config: {
        ...configOf(20),
        optimizer: { ...optimizer, learningRate: 3e-4 },
        steps: 1e6,
        examplesPerStep: examplesPerStep / 4,
        onPolicy: { completionsPerPrompt: 4, maxCompletionTokens: maxTokens },
      },
    }),
  ),
];
const taught = collected.kept / collected.drawn;
const size = (model: Learner) => whole(model.policy.description.parameters);
console.log(
  `\nTeacher ${size(teacher)} parameters, ${percent(taught)} of its answers right at temperature 1;`,
);
console.log(`student ${size(student)} parameters; ${values.budget}·10¹² operations for each method\n`);
const rows = traces.map(({ name, points, steps, tokens, seconds }) => {
  const [first, last] = [points[0]!, points.at(-1)!];
  const interval = `${percent(last.low)} to ${percent(last.high)}`;
  const best = Math.max(...points.map(({ y }) => y));
  return [
    name,
    percent(first.y),
    percent(last.y),
    interval,
    percent(best),
    whole(steps),
    whole(tokens),
    whole(seconds),
  ];
});
console.log(table(['', 'before', 'after', '95 %', 'best', 'steps', 'learned tokens', 'seconds'], rows));
const picture = linePlot(traces, {
  title: 'Three distillations of one teacher at the same compute',
  x: 'floating-point operations of teacher and student, 10¹²',
  y: `accuracy on ${heldOutProblems} held-out problems`,
  levels: [{ name: 'teacher', y: taught }],
});
mkdirSync(dirname(values.plot), { recursive: true });
writeFileSync(values.plot, picture);
console.log(`\nWrote ${values.plot}`);
await rm(folder, { recursive: true });
