/**
 * What a decoder is, in one normalised form, whatever file described it. Reads the `config.json` of a Hugging Face
 * checkpoint in the forms of transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`), with the
 * defaults of transformers for keys that are absent, and refuses whatever would make the same weights mean
 * something else: another architecture, activation, kind of RoPE, quantisation. Keys that it does not know are fine:
 * Hugging Face writes many.
 */
import { z } from 'zod';
import { invalid, unsupported } from './config-errors.ts';
import { problemIn } from './json.ts';
import { parseRope, ropeToHuggingFace, type RopeConfig } from './rope-config.ts';

export type { DefaultRope, LinearRope, Llama3Rope, RopeConfig, YarnRope } from './rope-config.ts';

export const architectures = ['llama', 'mistral', 'qwen2', 'qwen3'] as const;
export type Architecture = (typeof architectures)[number];

export interface ModelConfig {
  readonly architecture: Architecture;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Heads of keys and values; divides `heads`. */
  readonly keyValueHeads: number;
  /** Size of one head; even. Not always hiddenSize / heads. */
  readonly headDim: number;
  /** Width of the feed-forward block. */
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  /** Whether the head uses the embedding matrix; there is no `lm_head.weight` then. */
  readonly tieWordEmbeddings: boolean;
  /** Which projections of attention have a bias. */
  readonly attentionBias: 'none' | 'qkv' | 'qkvo';
  /** Whether gate, up and down projections have a bias. */
  readonly mlpBias: boolean;
  /** Whether queries and keys are normalised per head (Qwen3). */
  readonly queryKeyNorm: boolean;
  /** Longest sequence for which the decoder is exact. */
  readonly contextLength: number;
  /**
   * The sliding window of a checkpoint that has one. Up to its length attention is full, so `contextLength` is at
   * most this, and the decoder needs to know nothing about windows.
   */
  readonly slidingWindow: number | null;
  readonly rope: RopeConfig;
  /** Standard deviation of initial weights. */
  readonly initializerRange: number;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | null;
}

/** As in the configuration classes of transformers 4 and 5, where a key is absent. */
const defaults: Readonly<
  Record<
    Architecture,
    { keyValueHeads?: number; headDim?: number; contextLength: number; bos: number | null }
  >
> = {
  llama: { contextLength: 2048, bos: 1 },
  mistral: { contextLength: 131_072, keyValueHeads: 8, bos: 1 },
  qwen2: { contextLength: 32_768, keyValueHeads: 32, bos: null },
  qwen3: { contextLength: 32_768, keyValueHeads: 32, headDim: 128, bos: null },
};

const className: Readonly<Record<Architecture, string>> = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
};

// Bounds that no model reaches, so that a damaged number cannot ask for all memory there is.
const count = z
  .int()
  .positive()
  .max(2 ** 31 - 1);
const layerCount = z.int().positive().max(4096);
const tokenId = z.int().nonnegative();

const schema = z.looseObject({
  model_type: z.string(),
  architectures: z.array(z.string()).nullish(),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: z.string().default('silu'),
  max_position_embeddings: count.optional(),
  rms_norm_eps: z.number().positive().max(1).default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  initializer_range: z.number().nonnegative().max(1).default(0.02),
  sliding_window: z.int().nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().nullish(),
  layer_types: z.array(z.string()).nullish(),
  quantization_config: z.unknown().optional(),
  bos_token_id: tokenId.nullish(),
  // Meta's own Llama files pad with -1: none.
  pad_token_id: z.int().nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
});
type RawConfig = z.infer<typeof schema>;

/**
 * Normalises the contents of a `config.json`. `source` names the file in errors.
 * Throws `AhaError` (model): `config-invalid`, or `model-unsupported` for what aha cannot run exactly.
 */
export function parseHuggingFaceConfig(json: unknown, source: string): ModelConfig {
  const architecture = supportedArchitecture(json, source);
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw invalid(source, 'It is not the configuration of a decoder', problemIn(parsed.error), undefined);
  }
  const raw = parsed.data;
  refuseWhatDiffers(raw, architecture, source);
  const fallback = defaults[architecture];
  const keyValueHeads =
    (raw.num_key_value_heads === undefined ? fallback.keyValueHeads : raw.num_key_value_heads) ??
    raw.num_attention_heads;
  const headDim = raw.head_dim ?? fallback.headDim ?? raw.hidden_size / raw.num_attention_heads;
  const trained = raw.max_position_embeddings ?? fallback.contextLength;
  const slidingWindow = windowOf(raw, architecture, source);
  const eos = raw.eos_token_id;
  const bos = raw.bos_token_id === undefined ? fallback.bos : raw.bos_token_id;
  const pad = raw.pad_token_id ?? null;
  return checkConfig(
    {
      architecture,
      vocabularySize: raw.vocab_size,
      hiddenSize: raw.hidden_size,
      layers: raw.num_hidden_layers,
      heads: raw.num_attention_heads,
      keyValueHeads,
      headDim,
      intermediateSize: raw.intermediate_size,
      rmsNormEps: raw.rms_norm_eps,
      tieWordEmbeddings: raw.tie_word_embeddings,
      attentionBias: biasOf(raw, architecture),
      mlpBias: architecture === 'llama' && raw.mlp_bias,
      queryKeyNorm: architecture === 'qwen3',
      contextLength: Math.min(trained, slidingWindow ?? trained),
      slidingWindow,
      rope: parseRope(raw, trained, source),
      initializerRange: raw.initializer_range,
      bosTokenId: bos,
      eosTokenIds: eos === undefined || eos === null ? [] : Array.isArray(eos) ? eos : [eos],
      padTokenId: pad === null || pad < 0 ? null : pad,
    },
    source,
  );
}

/** Checks what holds between the fields. Returns `config`; throws `AhaError` (model, `config-invalid`). */
export function checkConfig(config: ModelConfig, source: string): ModelConfig {
  const { heads, keyValueHeads, headDim } = config;
  if (heads % keyValueHeads !== 0) {
    const found = `${heads} heads and ${keyValueHeads} of keys and values`;
    throw invalid(source, 'Heads of keys and values must divide the heads', found, undefined);
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    const expected = 'an even integer (head_dim, or else hidden_size / num_attention_heads)';
    throw invalid(source, 'RoPE turns pairs of numbers, so a head must have an even size', headDim, expected);
  }
  // Only ids that end a text matter: transformers writes its default bos id whatever the vocabulary.
  const outside = config.eosTokenIds.find((id) => id >= config.vocabularySize);
  if (outside !== undefined) {
    throw invalid(
      source,
      'eos_token_id lies outside the vocabulary',
      outside,
      `less than ${config.vocabularySize}`,
    );
  }
  return config;
}

/**
 * The `config.json` that describes this model to transformers 4 and 5 and to llama.cpp's converter: for models
 * trained from scratch and those that came without one (GGUF).
 */
export function configToHuggingFace(config: ModelConfig): Record<string, unknown> {
  const { architecture } = config;
  const qwen = architecture === 'qwen2' || architecture === 'qwen3';
  return {
    architectures: [className[architecture]],
    model_type: architecture,
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headDim,
    hidden_act: 'silu',
    max_position_embeddings: config.contextLength,
    rms_norm_eps: config.rmsNormEps,
    tie_word_embeddings: config.tieWordEmbeddings,
    ...(architecture === 'llama' || architecture === 'qwen3'
      ? { attention_bias: config.attentionBias === 'qkvo' }
      : {}),
    ...(architecture === 'llama' ? { mlp_bias: config.mlpBias } : {}),
    attention_dropout: 0,
    ...ropeToHuggingFace(config.rope),
    // Within contextLength attention is full, so the window, if there was one, never closes.
    ...(qwen ? { use_sliding_window: false } : {}),
    ...(qwen || architecture === 'mistral' ? { sliding_window: null } : {}),
    initializer_range: config.initializerRange,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length > 1 ? config.eosTokenIds : (config.eosTokenIds[0] ?? null),
    pad_token_id: config.padTokenId,
    use_cache: true,
  };
}

function supportedArchitecture(json: unknown, source: string): Architecture {
  const head = z.looseObject({ model_type: z.string() }).safeParse(json);
  if (!head.success) {
    const fix = 'Is it the config.json of a transformers language model?';
    throw invalid(source, 'It names no architecture', problemIn(head.error), 'a string model_type', fix);
  }
  const found = architectures.find((name) => name === head.data.model_type);
  if (found !== undefined) return found;
  throw unsupported(
    source,
    'The architecture is not supported',
    head.data.model_type,
    architectures.join(', '),
  );
}

function refuseWhatDiffers(raw: RawConfig, architecture: Architecture, source: string): void {
  const wanted = className[architecture];
  const classes = raw.architectures ?? [];
  if (classes.length > 0 && !classes.some((name) => name.toLowerCase() === wanted.toLowerCase())) {
    throw unsupported(source, 'The checkpoint is not a language model of this architecture', classes, wanted);
  }
  if (raw.hidden_act !== 'silu' && raw.hidden_act !== 'swish') {
    throw unsupported(source, 'The activation hidden_act is not supported', raw.hidden_act, 'silu');
  }
  if (raw.quantization_config !== undefined && raw.quantization_config !== null) {
    const method = z.looseObject({ quant_method: z.string() }).safeParse(raw.quantization_config);
    const found = method.success
      ? `quantization_config with ${method.data.quant_method}`
      : 'quantization_config';
    throw unsupported(
      source,
      'The weights are quantised in a way that is not supported',
      found,
      'unquantised weights, or a GGUF file',
    );
  }
}

function biasOf(raw: RawConfig, architecture: Architecture): ModelConfig['attentionBias'] {
  switch (architecture) {
    case 'qwen2':
      return 'qkv';
    case 'mistral':
      return 'none';
    case 'llama':
    case 'qwen3':
      return raw.attention_bias ? 'qkvo' : 'none';
  }
}

/** The window within which layers attend, or null if all of them attend to everything. */
function windowOf(raw: RawConfig, architecture: Architecture, source: string): number | null {
  const strange = (raw.layer_types ?? []).find(
    (type) => type !== 'full_attention' && type !== 'sliding_attention',
  );
  if (strange !== undefined) {
    throw unsupported(
      source,
      'A kind of layer is not supported',
      strange,
      'full_attention, sliding_attention',
    );
  }
  if (architecture === 'llama') return null;
  if (architecture === 'mistral')
    return checkWindow(raw.sliding_window === undefined ? 4096 : raw.sliding_window);
  if (raw.use_sliding_window !== true) return null;
  const slides =
    raw.layer_types === undefined || raw.layer_types === null
      ? raw.num_hidden_layers > (raw.max_window_layers ?? 28)
      : raw.layer_types.includes('sliding_attention');
  return slides ? checkWindow(raw.sliding_window === undefined ? 4096 : raw.sliding_window) : null;

  function checkWindow(window: number | null): number | null {
    if (window === null || window >= 2) return window;
    throw invalid(source, 'The sliding window is too short', window, 'null or at least 2');
  }
}
