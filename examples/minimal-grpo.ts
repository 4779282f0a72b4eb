/**
 * GRPO on a page: a model that begins as random numbers learns to count on from the letter that it is given.
 *
 * No checkpoints, no configuration, no verifier that may fail: for those see src/train/grpo.ts, which is this loop
 * with everything a real run needs. Node.js 22.18 or newer runs it as it is:
 *
 *     node examples/minimal-grpo.ts
 */
import { fileURLToPath } from 'node:url';
import { createLocalModel } from '../src/engine/local-model.ts';
import type { Policy } from '../src/engine/policy.ts';
import { openOnnxRuntime } from '../src/runtime/onnx/onnx-runtime.ts';
import { createCharacterTokenizer } from '../src/text/character-tokenizer.ts';
import type { Tokenizer } from '../src/text/tokenizer.ts';
import { computeAdvantages } from '../src/train/advantages.ts';
import { grpoLoss } from '../src/train/grpo-loss.ts';
import { tokenWeights } from '../src/train/token-weights.ts';
import { streamKey } from '../src/util/random.ts';

const letters = 'abcdefgh';
const [groupSize, maxTokens] = [16, 6];
const loss = grpoLoss({ type: 'dapo', clipLow: 0.2, clipHigh: 0.28 });

/** The share of the four letters after `prompt` that the response has in their places: `b` → `cdef`. */
function reward(prompt: string, response: string): number {
  const right = [1, 2, 3, 4].filter((i) => {
    return response[i - 1] === letters[(letters.indexOf(prompt) + i) % letters.length];
  });
  return response.length > 4 ? 0 : right.length / 4;
}

/** One step; the mean reward of what was sampled. */
export async function step(policy: Policy, tokenizer: Tokenizer, number: number): Promise<number> {
  // Sample: a group of completions for each prompt, each from a random stream of its own.
  const prompts = Array.from(letters);
  const groups = await policy.sample(
    prompts.map((prompt, p) => ({
      prompt: tokenizer.encode(prompt),
      streams: Array.from({ length: groupSize }, (_, c) => streamKey('minimal', number, p, c)),
      maxTokens,
      stopTokens: tokenizer.eosIds,
    })),
  );
  const completions = groups.flat();

  // Reward each completion, and compare it with its own group.
  const rewards = completions.map(({ tokens }, n) => {
    const response = tokenizer.decode(tokens, { skipSpecialTokens: true });
    return reward(prompts[Math.floor(n / groupSize)]!, response);
  });
  const { advantages } = computeAdvantages(
    rewards.map((value) => [value]),
    groupSize,
    { scale: 'group' },
  );

  // Learn: every loss is a sum over tokens; what it averages over is in the weights. Advantage 0 teaches nothing.
  const lengths = completions.map(({ tokens }) => tokens.length);
  const averages = tokenWeights('dapo', { lengths, maxCompletionTokens: maxTokens });
  const batch = completions.map(({ tokens, logprobs }, n) => {
    const prompt = tokenizer.encode(prompts[Math.floor(n / groupSize)]!);
    const behind = <T extends Float32Array | Int32Array>(head: T, tail: T) => [...head, ...tail];
    const zeros = new Float32Array(prompt.length);
    const filled = (value: number) => new Float32Array(tokens.length).fill(value);
    return {
      tokens: Int32Array.from(behind(prompt, tokens)),
      weights: Float32Array.from(behind(zeros, filled(advantages[n] === 0 ? 0 : averages[n]!))),
      inputs: {
        oldLogprobs: Float32Array.from(behind(zeros, logprobs)),
        advantages: Float32Array.from(behind(zeros, filled(advantages[n]!))),
      },
    };
  });
  await policy.forwardBackward(batch, loss);
  await policy.optimizerStep({ learningRate: 3e-3, maxGradientNorm: 1 });
  return rewards.reduce((total, value) => total + value, 0) / rewards.length;
}

export async function main(steps: number, report: (line: string) => void): Promise<number[]> {
  const tokenizer = createCharacterTokenizer({ alphabet: letters });
  await using runtime = openOnnxRuntime();
  await using model = await createLocalModel({
    runtime,
    tokenizer,
    seed: 1,
    config: {
      architecture: 'llama',
      vocabularySize: tokenizer.vocabularySize,
      hiddenSize: 32,
      layers: 2,
      heads: 2,
      keyValueHeads: 2,
      headDim: 16,
      intermediateSize: 96,
      rmsNormEps: 1e-6,
      tieWordEmbeddings: false,
      attentionBias: 'none',
      mlpBias: false,
      queryKeyNorm: false,
      contextLength: 32,
      slidingWindow: null,
      rope: { kind: 'default', theta: 10_000 },
      initializerRange: 0.1,
      bosTokenId: 1,
      eosTokenIds: tokenizer.eosIds,
      padTokenId: 0,
    },
  });
  const rewards: number[] = [];
  for (let number = 0; number < steps; number++) {
    rewards.push(await step(model.policy, tokenizer, number));
    report(`step ${number}: mean reward ${rewards.at(-1)!.toFixed(3)}`);
  }
  return rewards;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(150, console.log);
