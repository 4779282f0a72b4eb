/** Tiny models for tests of the engine. */
import {
  createLocalPolicy,
  type LocalPolicy,
  type LocalPolicyOptions,
} from '../../src/engine/local-policy.ts';
import type { TokenSequence } from '../../src/engine/policy.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { randomStream } from '../../src/util/random.ts';

export const tinyConfig: ModelConfig = {
  architecture: 'qwen3',
  vocabularySize: 23,
  hiddenSize: 16,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 16,
  intermediateSize: 24,
  rmsNormEps: 1e-6,
  tieWordEmbeddings: true,
  attentionBias: 'none',
  mlpBias: false,
  queryKeyNorm: true,
  contextLength: 64,
  slidingWindow: null,
  rope: { kind: 'default', theta: 10_000 },
  initializerRange: 0.3,
  bosTokenId: null,
  eosTokenIds: [1],
  padTokenId: null,
};

export function tinyPolicy(
  runtime: Runtime,
  options: Partial<Omit<LocalPolicyOptions, 'runtime'>> = {},
): Promise<LocalPolicy> {
  return createLocalPolicy({ runtime, config: tinyConfig, weights: { seed: 'tiny' }, ...options });
}

/** Random sequences of these lengths, weighted from `from` on. */
export function randomSequences(lengths: readonly number[], seed: number, from = 1): TokenSequence[] {
  return lengths.map((length, index) => {
    const random = randomStream(seed, 'sequence', index);
    return {
      tokens: Int32Array.from({ length }, () => random.integer(tinyConfig.vocabularySize)),
      weights: Float32Array.from({ length }, (_, t) => (t < from ? 0 : random.next() + 0.1)),
    };
  });
}
