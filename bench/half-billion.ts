/**
 * What a step of `recipes/r1-half-billion.yaml` takes on this machine: `npm run bench:half-billion -- --help`. The
 * model has the shape of Qwen2.5-0.5B and weights of no meaning, for which nothing is fetched; its adapters are
 * trained. A part of a step is run, sampling and learning are timed apart, and a whole step is that many times longer.
 */
import { parseArgs } from 'node:util';
import { createLocalPolicy } from '../src/engine/local-policy.ts';
import { negativeLogLikelihood } from '../src/train/pretrain.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { loraConfig } from '../src/model/lora.ts';
import { openOnnxRuntime } from '../src/runtime/onnx/onnx-runtime.ts';
import { randomStream, streamKey } from '../src/util/random.ts';
import { duration, table, whole } from './report.ts';

const help = `Usage: npm run bench:half-billion -- [options]

  --prompts N       problems of the part (default 1; the recipe has 16)
  --completions N   completions of each (default 16)
  --prompt N        tokens of a prompt (default 128)
  --tokens N        new tokens of each completion (default 128; the recipe has up to 512)
  --rounds N        how often (default 2)
  --threads N       threads of ONNX Runtime (default: all cores)
  --help`;

const { values } = parseArgs({
  options: {
    prompts: { type: 'string', default: '1' },
    completions: { type: 'string', default: '16' },
    prompt: { type: 'string', default: '128' },
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '2' },
    threads: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}

/** The shape of Qwen2.5-0.5B: its config.json. */
const config: ModelConfig = {
  architecture: 'qwen2',
  vocabularySize: 151_936,
  hiddenSize: 896,
  layers: 24,
  heads: 14,
  keyValueHeads: 2,
  headDim: 64,
  intermediateSize: 4864,
  rmsNormEps: 1e-6,
  tieWordEmbeddings: true,
  attentionBias: 'qkv',
  mlpBias: false,
  queryKeyNorm: false,
  contextLength: 32_768,
  slidingWindow: null,
  rope: { kind: 'default', theta: 1_000_000 },
  initializerRange: 0.02,
  bosTokenId: null,
  eosTokenIds: [],
  padTokenId: null,
};
/** Of the recipe: problems × completions of a step, tokens of a completion. */
const recipe = { sequences: 16 * 16, tokens: 512 };

const count = Number(values.prompts) * Number(values.completions);
const newTokens = Number(values.tokens);
await using runtime = openOnnxRuntime(
  values.threads === undefined ? {} : { threads: Number(values.threads) },
);
// Half a billion draws of a normal distribution would take a minute.
const few = Float32Array.from({ length: 4099 }, (_, index) => {
  return config.initializerRange * randomStream('bench', 'weights', index).normal();
});
const weights = {
  read(name: string, into: Float32Array): Promise<void> {
    if (name.endsWith('norm.weight')) into.fill(1);
    else
      for (let start = 0; start < into.length; start += few.length) {
        into.set(few.subarray(0, into.length - start), start);
      }
    return Promise.resolve();
  },
};
await using policy = await createLocalPolicy({
  runtime,
  config,
  weights,
  lora: loraConfig({}),
  contextLength: Number(values.prompt) + newTokens,
});
const prompts = Array.from({ length: Number(values.prompts) }, (_, problem) => {
  const random = randomStream('bench', 'half-billion', problem);
  return Int32Array.from({ length: Number(values.prompt) }, () => random.integer(config.vocabularySize));
});
const rounds: { sampling: number; learning: number }[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const start = performance.now();
  const sampled = await policy.sample(
    prompts.map((prompt, problem) => ({
      prompt,
      streams: Array.from({ length: Number(values.completions) }, (_, sample) =>
        streamKey('bench', round, problem, sample),
      ),
      maxTokens: newTokens,
    })),
  );
  const between = performance.now();
  const batch = sampled.flatMap((completions, problem) =>
    completions.map(({ tokens }) => {
      const prompt = prompts[problem]!;
      const sequence = Int32Array.from([...prompt, ...tokens]);
      return {
        tokens: sequence,
        weights: new Float32Array(sequence.length).fill(1 / (count * newTokens)).fill(0, 0, prompt.length),
      };
    }),
  );
  await policy.forwardBackward(batch, negativeLogLikelihood);
  await policy.optimizerStep({ learningRate: 1e-5, maxGradientNorm: 1 });
  const end = performance.now();
  rounds.push({ sampling: (between - start) / 1000, learning: (end - between) / 1000 });
  console.error(
    `round ${round + 1}: sampling ${duration(rounds.at(-1)!.sampling)}, learning ${duration(rounds.at(-1)!.learning)}`,
  );
}
const best = {
  sampling: Math.min(...rounds.map(({ sampling }) => sampling)),
  learning: Math.min(...rounds.map(({ learning }) => learning)),
};
const scale = (recipe.sequences * recipe.tokens) / (count * newTokens);
const row = (name: string, seconds: number) => [
  name,
  duration(seconds),
  whole((count * newTokens) / seconds),
  `${((seconds * scale) / 60).toFixed(0)} min`,
];
console.log(
  `${count} completions of ${newTokens} tokens, best of ${rounds.length}; a step of the recipe has up to ${whole(recipe.sequences * recipe.tokens)} tokens`,
);
console.log(
  table(
    ['', 'here', 'tokens/s', 'a step'],
    [
      row('sampling', best.sampling),
      row('learning', best.learning),
      row('both', best.sampling + best.learning),
    ],
  ),
);
console.log(`${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(1)} GiB at most`);
