/**
 * How positions turn queries and keys (RoPE), as read from and written to Hugging Face configurations. Every number
 * that a decoder needs is resolved here, with the defaults of transformers 5; nothing is computed from them.
 */
import { z } from 'zod';
import { invalid, unsupported } from './config-errors.ts';
import { problemIn } from './json.ts';

export type RopeConfig = DefaultRope | LinearRope | Llama3Rope | YarnRope;

/** Su et al. 2021, equation 15: frequency i is theta^(−2i/headDim). */
export interface DefaultRope {
  readonly kind: 'default';
  readonly theta: number;
}

/** Chen et al. 2023: all frequencies divided by `factor`. */
export interface LinearRope {
  readonly kind: 'linear';
  readonly theta: number;
  readonly factor: number;
}

/** Llama 3.1: long wavelengths divided by `factor`, short ones kept, those between interpolated. */
export interface Llama3Rope {
  readonly kind: 'llama3';
  readonly theta: number;
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalMaxPositionEmbeddings: number;
}

/** Peng et al. 2023 (YaRN). */
export interface YarnRope {
  readonly kind: 'yarn';
  readonly theta: number;
  readonly factor: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  /** Multiplies cosine and sine. Absent: it follows from `factor` and, if both are given, the two scales below. */
  readonly attentionFactor?: number;
  readonly mscale?: number;
  readonly mscaleAllDim?: number;
  readonly originalMaxPositionEmbeddings: number;
  /** Whether the bounds of the ramp are rounded to whole dimensions. */
  readonly truncate: boolean;
}

const supportedKinds = 'default, linear, llama3, yarn';

const positive = z.number().positive();
const schema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.nullish(),
  partial_rotary_factor: z.number().nullish(),
  factor: z.number().min(1).nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: z.int().positive().nullish(),
  attention_factor: positive.nullish(),
  beta_fast: z.number().nonnegative().nullish(),
  beta_slow: z.number().nonnegative().nullish(),
  mscale: z.number().nonnegative().nullish(),
  mscale_all_dim: z.number().nonnegative().nullish(),
  truncate: z.boolean().nullish(),
});

const outerSchema = z.looseObject({
  rope_theta: positive.nullish(),
  partial_rotary_factor: z.number().nullish(),
  original_max_position_embeddings: z.int().positive().nullish(),
  rope_scaling: z.looseObject({}).nullish(),
  rope_parameters: z.looseObject({}).nullish(),
});

/**
 * Reads RoPE from the contents of a `config.json`. `maxPositionEmbeddings` is the model's trained length, from which
 * absent numbers follow as in transformers.
 */
export function parseRope(json: unknown, maxPositionEmbeddings: number, source: string): RopeConfig {
  const outer = outerSchema.safeParse(json);
  if (!outer.success)
    throw invalid(source, 'Its RoPE parameters are malformed', problemIn(outer.error), undefined);
  // transformers 5 takes the old form first where a file holds both.
  const scaling = outer.data.rope_scaling;
  const parameters =
    scaling !== undefined && scaling !== null && Object.keys(scaling).length > 0
      ? scaling
      : (outer.data.rope_parameters ?? {});
  if ('full_attention' in parameters || 'sliding_attention' in parameters) {
    throw unsupported(
      source,
      'RoPE differs from layer to layer',
      Object.keys(parameters),
      'the same for all layers',
    );
  }
  const parsed = schema.safeParse(parameters);
  if (!parsed.success)
    throw invalid(source, 'Its RoPE parameters are malformed', problemIn(parsed.error), undefined);
  const rope = parsed.data;
  const partial = rope.partial_rotary_factor ?? outer.data.partial_rotary_factor ?? 1;
  if (partial !== 1) {
    throw unsupported(source, 'RoPE covers only a part of each head (partial_rotary_factor)', partial, '1');
  }
  const theta = rope.rope_theta ?? outer.data.rope_theta ?? 10_000;
  const original =
    outer.data.original_max_position_embeddings ??
    rope.original_max_position_embeddings ??
    maxPositionEmbeddings;
  const kind = rope.rope_type ?? rope.type ?? 'default';
  switch (kind) {
    case 'default':
      return { kind, theta };
    case 'linear':
      return { kind, theta, factor: required(rope.factor, 'factor', kind, source) };
    case 'llama3': {
      const lowFreqFactor = required(rope.low_freq_factor, 'low_freq_factor', kind, source);
      const highFreqFactor = required(rope.high_freq_factor, 'high_freq_factor', kind, source);
      if (highFreqFactor <= lowFreqFactor) {
        const what = 'high_freq_factor must be larger than low_freq_factor';
        throw invalid(source, what, highFreqFactor, `more than ${lowFreqFactor}`);
      }
      const factor = required(rope.factor, 'factor', kind, source);
      return { kind, theta, factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original };
    }
    case 'yarn': {
      const factor = rope.factor ?? maxPositionEmbeddings / original;
      if (factor < 1) throw invalid(source, 'The factor of YaRN is too small', factor, 'at least 1');
      return {
        kind,
        theta,
        factor,
        // Zero counts as absent, as in transformers.
        betaFast: rope.beta_fast || 32,
        betaSlow: rope.beta_slow || 1,
        ...(rope.attention_factor ? { attentionFactor: rope.attention_factor } : {}),
        ...(rope.mscale ? { mscale: rope.mscale } : {}),
        ...(rope.mscale_all_dim ? { mscaleAllDim: rope.mscale_all_dim } : {}),
        originalMaxPositionEmbeddings: original,
        truncate: rope.truncate ?? true,
      };
    }
    default:
      throw unsupported(source, 'The kind of RoPE is not supported', kind, supportedKinds);
  }
}

/** The keys of a `config.json` that say this, in the old form, which transformers 4 and 5 and llama.cpp all read. */
export function ropeToHuggingFace(rope: RopeConfig): Record<string, unknown> {
  return { rope_theta: rope.theta, rope_scaling: scalingOf(rope) };
}

function scalingOf(rope: RopeConfig): Record<string, unknown> | null {
  switch (rope.kind) {
    case 'default':
      return null;
    case 'linear':
      return { rope_type: 'linear', type: 'linear', factor: rope.factor };
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: rope.factor,
        low_freq_factor: rope.lowFreqFactor,
        high_freq_factor: rope.highFreqFactor,
        original_max_position_embeddings: rope.originalMaxPositionEmbeddings,
      };
    case 'yarn':
      return {
        rope_type: 'yarn',
        type: 'yarn',
        factor: rope.factor,
        original_max_position_embeddings: rope.originalMaxPositionEmbeddings,
        // Written only where they say something: llama.cpp's converter copies whatever it finds.
        ...(rope.attentionFactor === undefined ? {} : { attention_factor: rope.attentionFactor }),
        ...(rope.mscale === undefined ? {} : { mscale: rope.mscale }),
        ...(rope.mscaleAllDim === undefined ? {} : { mscale_all_dim: rope.mscaleAllDim }),
        ...(rope.betaFast === 32 ? {} : { beta_fast: rope.betaFast }),
        ...(rope.betaSlow === 1 ? {} : { beta_slow: rope.betaSlow }),
        ...(rope.truncate ? {} : { truncate: false }),
      };
  }
}

function required(value: number | null | undefined, key: string, kind: string, source: string): number {
  if (value !== undefined && value !== null) return value;
  throw invalid(source, `RoPE of kind ${kind} lacks a number`, `no ${key}`, `a number ${key}`);
}
