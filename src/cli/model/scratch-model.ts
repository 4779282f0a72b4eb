/** A model that begins as random numbers: a character tokenizer over a task's alphabet and a Llama decoder. */
import { AhaError } from '../../errors.ts';
import { checkConfig, type ModelConfig } from '../../model/config.ts';
import type { Task } from '../../task/task.ts';
import { createCharacterTokenizer } from '../../text/character-tokenizer.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { ModelSize } from '../../train/model-settings.ts';

/** Characters as tokens. Throws `AhaError` (task-without-alphabet). */
export function tokenizerFor(task: Task): Tokenizer {
  if (task.alphabet === undefined) {
    throw new AhaError({
      code: 'task-without-alphabet',
      boundary: 'task',
      what: `Task ${task.name} does not say which characters it uses, so that no model can begin from scratch on it`,
      fix: 'Start from a checkpoint, or give the task an alphabet and workedExamples (defineTask).',
    });
  }
  return createCharacterTokenizer({ alphabet: task.alphabet });
}

/** A Llama decoder of the chosen size. Throws `AhaError` (configuration) for sizes that do not fit together. */
export function scratchConfig(settings: ModelSize, tokenizer: Tokenizer): ModelConfig {
  const { hiddenSize, heads, layers, contextLength } = settings;
  const headDim = hiddenSize / heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new AhaError({
      code: 'scratch-sizes',
      boundary: 'configuration',
      what: 'The number of heads does not fit the width of the new model',
      found: `${heads} heads for a width of ${hiddenSize}`,
      expected: 'heads that divide the width into parts of an even size',
    });
  }
  return checkConfig(
    {
      architecture: 'llama',
      vocabularySize: tokenizer.vocabularySize,
      hiddenSize,
      layers,
      heads,
      keyValueHeads: settings.keyValueHeads ?? heads,
      headDim,
      // Three matrices instead of two: 8/3 keeps the size of a plain block of 4 (Shazeer 2020), in steps of 32.
      intermediateSize: settings.intermediateSize ?? Math.ceil((hiddenSize * 8) / 3 / 32) * 32,
      rmsNormEps: 1e-6,
      tieWordEmbeddings: false,
      attentionBias: 'none',
      mlpBias: false,
      queryKeyNorm: false,
      contextLength,
      slidingWindow: null,
      rope: { kind: 'default', theta: 10_000 },
      initializerRange: 0.02,
      bosTokenId: tokenizer.bosId ?? null,
      eosTokenIds: tokenizer.eosIds,
      padTokenId: tokenizer.padId ?? null,
    },
    'the new model',
  );
}
