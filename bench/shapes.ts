/** The models that are measured, and how many operations their tokens cost. */
import { type ModelConfig } from '../src/model/config.ts';

export interface Shape {
  readonly name: string;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Heads of 64. */
  readonly heads: number;
  readonly feedForwardSize: number;
  readonly vocabularySize: number;
}

export const shapes: readonly Shape[] = [
  { name: '3.4M', hiddenSize: 256, layers: 4, heads: 4, feedForwardSize: 704, vocabularySize: 512 },
  { name: '30M', hiddenSize: 512, layers: 8, heads: 8, feedForwardSize: 1408, vocabularySize: 4096 },
];

/** A Llama of this shape, embeddings not tied. */
export function configOf(shape: Shape): ModelConfig {
  const { hiddenSize, layers, heads, feedForwardSize, vocabularySize } = shape;
  return {
    architecture: 'llama',
    vocabularySize,
    hiddenSize,
    layers,
    heads,
    keyValueHeads: heads,
    headDim: hiddenSize / heads,
    intermediateSize: feedForwardSize,
    rmsNormEps: 1e-6,
    tieWordEmbeddings: false,
    attentionBias: 'none',
    mlpBias: false,
    queryKeyNorm: false,
    contextLength: 2048,
    slidingWindow: null,
    rope: { kind: 'default', theta: 10_000 },
    initializerRange: 0.02,
    bosTokenId: null,
    eosTokenIds: [1],
    padTokenId: null,
  };
}

/**
 * Floating-point operations (a multiplication and an addition are two) of reading a sequence of `length` tokens
 * forward, of which `predicted` pass through the head. Attention is causal: a token attends to half of the others
 * on average. This counts what the mathematics needs, not what is computed: padding, masked scores and
 * recomputation are not in it, and a prompt that several sequences share is in it once for each.
 */
export function forwardOperations(shape: Shape, length: number, predicted: number): number {
  const { hiddenSize, layers, feedForwardSize, vocabularySize } = shape;
  const linear = layers * (4 * hiddenSize ** 2 + 3 * hiddenSize * feedForwardSize);
  const attention = layers * 2 * hiddenSize * ((length + 1) / 2);
  return 2 * (length * (linear + attention) + predicted * hiddenSize * vocabularySize);
}

/** Of a forward and a backward pass, which is twice the forward one. */
export function trainingOperations(shape: Shape, length: number, predicted: number): number {
  return 3 * forwardOperations(shape, length, predicted);
}
