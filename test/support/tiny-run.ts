/**
 * Whole runs on the real engine in seconds: a fresh model of one small layer learns to write `a`, or from examples.
 * Shared by the learning tests and by the processes that are killed.
 */
import { createLocalPolicy, type LocalPolicy } from '../../src/engine/local-policy.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { defineTask } from '../../src/task/task.ts';
import { createCharacterTokenizer } from '../../src/text/character-tokenizer.ts';
import { createExampleEncoder, type EncodedExample } from '../../src/train/example-encoder.ts';
import { createPromptCodec } from '../../src/train/prompt-codec.ts';
import { randomStream } from '../../src/util/random.ts';

const letters = 'abcdefgh';
export const tokenizer = createCharacterTokenizer({ alphabet: letters });
export const codec = createPromptCodec(tokenizer);

/** The reward is the share of the response that is `a`; six letters at least, so that shortness does not pay. */
export const task = defineTask({
  name: 'write-a',
  prompts: Array.from({ length: 40 }, (_, i) => ({
    prompt: letters[i % 8]! + letters[Math.floor(i / 8)]!,
    answer: 'aaaaaa',
  })),
  verify: (_, answer) => answer.replaceAll(/[^a]/g, '').length / Math.max(6, answer.length),
});

const config: ModelConfig = {
  architecture: 'llama',
  vocabularySize: tokenizer.vocabularySize,
  hiddenSize: 32,
  layers: 1,
  heads: 2,
  keyValueHeads: 1,
  headDim: 16,
  intermediateSize: 64,
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
  eosTokenIds: [2],
  padTokenId: 0,
};

export function tinyModel(runtime: Runtime, seed = 'tiny run'): Promise<LocalPolicy> {
  return createLocalPolicy({ runtime, config, weights: { seed }, maxSequences: 32 });
}

/** Two letters, answered with one to eight: examples of mixed lengths for the supervised loops. */
export function tinyExamples(count: number): EncodedExample[] {
  const encode = createExampleEncoder({ tokenizer, codec, template: undefined, learn: 'all' });
  return Array.from({ length: count }, (_, index) => {
    const random = randomStream('tiny examples', index);
    const word = (length: number) => Array.from({ length }, () => random.pick(Array.from(letters))).join('');
    const example = encode({ form: 'completion', prompt: word(2), completion: word(1 + random.integer(8)) });
    if (typeof example === 'string') throw new Error(example);
    return example;
  });
}
