/**
 * A decoder in a GGUF file, in Hugging Face terms: its configuration from the metadata, and its tensors under their
 * Hugging Face names with the rows of queries and keys in Hugging Face order.
 * Source: llama.cpp's converter (conversion/llama.py, qwen.py) and loader (llama-model.cpp).
 */
import { AhaError } from '../errors.ts';
import { checkConfig, type Architecture, type ModelConfig, type RopeConfig } from './config.ts';
import { invalid, unsupported } from './config-errors.ts';
import type { GgufFile, GgufTensorInfo, GgufValue } from './gguf.ts';
import { elementCount, storedTensor, type StoredTensor } from './stored-tensor.ts';

/** llama.cpp knows Mistral as llama: the same decoder. */
const supported: Readonly<Record<string, Architecture>> = { llama: 'llama', qwen2: 'qwen2', qwen3: 'qwen3' };

/** Metadata that would make the decoder another one, with the values that do not. */
const mustBeNeutral: readonly (readonly [key: string, ...neutral: number[]])[] = [
  ['expert_count', 0],
  ['expert_used_count', 0],
  ['logit_scale', 0, 1],
  ['embedding_scale', 0, 1],
  ['residual_scale', 0, 1],
  ['attention.scale', 0],
  ['attention.clamp_kqv', 0],
  ['attention.max_alibi_bias', 0],
  ['rope.scaling.alpha', 0],
  ['rope.scaling.yarn_log_multiplier', 0],
  ['rope.scaling.yarn_ext_factor', -1, 1],
];

/** The configuration of the model in `gguf`. Throws `AhaError` (model). */
export async function ggufConfig(gguf: GgufFile): Promise<ModelConfig> {
  const { path, tensors } = gguf;
  const splits = gguf.metadata.get('split.count');
  if (typeof splits === 'number' && splits > 1) {
    const fix = 'Merge the parts with llama.cpp: llama-gguf-split --merge FIRST-PART OUT.gguf';
    throw invalid(path, 'It is one part of a split model', `${splits} parts`, 'one file', fix);
  }
  const name = gguf.metadata.get('general.architecture');
  if (typeof name !== 'string')
    throw invalid(path, 'It names no architecture', name ?? 'nothing', 'general.architecture');
  const architecture = Object.hasOwn(supported, name) ? supported[name] : undefined;
  if (architecture === undefined) {
    throw unsupported(path, 'The architecture is not supported', name, Object.keys(supported).join(', '));
  }
  const read = new MetadataReader(gguf, name);
  for (const [key, ...neutral] of mustBeNeutral) {
    const value = read.number(key);
    if (value === undefined || neutral.includes(value)) continue;
    throw unsupported(path, `${name}.${key} is not supported`, value, neutral.join(' or '));
  }

  const embedding = tensors.get('token_embd.weight');
  if (embedding?.shape.length !== 2) throw missingTensor(path, 'token_embd.weight');
  const hiddenSize = read.size('embedding_length');
  const heads = read.size('attention.head_count');
  const headDim = read.number('attention.key_length') ?? hiddenSize / heads;
  const valueDim = read.number('attention.value_length') ?? headDim;
  if (valueDim !== headDim)
    throw unsupported(path, 'Values have another size than keys', valueDim, `${headDim}`);
  const rotated = read.number('rope.dimension_count') ?? headDim;
  if (rotated !== headDim)
    throw unsupported(path, 'RoPE covers only a part of each head', rotated, `${headDim}`);
  const trained = read.size('context_length');
  const window = read.number('attention.sliding_window') ?? 0;
  const slidingWindow = window >= 1 ? Math.floor(window) : null;
  const layers = read.size('block_count', 4096);
  return checkConfig(
    {
      architecture,
      vocabularySize: embedding.shape[0]!,
      hiddenSize,
      layers,
      heads,
      keyValueHeads: read.optionalSize('attention.head_count_kv') ?? heads,
      headDim,
      intermediateSize: read.size('feed_forward_length'),
      rmsNormEps: read.required('attention.layer_norm_rms_epsilon'),
      tieWordEmbeddings: !tensors.has('output.weight'),
      attentionBias: biasOf(gguf, architecture),
      mlpBias: tensors.has('blk.0.ffn_up.bias'),
      queryKeyNorm: architecture === 'qwen3',
      contextLength: Math.min(trained, slidingWindow ?? trained),
      slidingWindow,
      rope: await ropeOf(gguf, read, { headDim, trained }),
      initializerRange: 0.02,
      bosTokenId: read.tokenId('bos_token_id') ?? null,
      eosTokenIds: [
        ...new Set(['eos_token_id', 'eot_token_id'].flatMap((key) => read.tokenId(key) ?? [])),
      ].filter((id) => id < embedding.shape[0]!),
      padTokenId: read.tokenId('padding_token_id') ?? null,
    },
    path,
  );
}

function biasOf({ path, tensors }: GgufFile, architecture: Architecture): ModelConfig['attentionBias'] {
  const inputs = tensors.has('blk.0.attn_q.bias');
  const output = tensors.has('blk.0.attn_output.bias');
  const found = inputs ? (output ? 'qkvo' : 'qkv') : output ? 'o' : 'none';
  const possible: readonly string[] = architecture === 'qwen2' ? ['qkv'] : ['none', 'qkvo'];
  if (possible.includes(found) && found !== 'o') return found;
  const what = `The projections of attention that have a bias are not those of a ${architecture}`;
  throw unsupported(path, what, found, possible.join(' or '));
}

async function ropeOf(
  gguf: GgufFile,
  read: MetadataReader,
  { headDim, trained }: { headDim: number; trained: number },
): Promise<RopeConfig> {
  const { path } = gguf;
  const theta = read.positive('rope.freq_base') ?? 10_000;
  const factor = read.number('rope.scaling.factor') ?? read.number('rope.scale_linear') ?? 0;
  // llama.cpp takes a model without a type, but with a factor, as linearly scaled.
  const type = read.string('rope.scaling.type') ?? 'linear';
  const scaled = factor !== 0 && factor !== 1 && type !== 'none';
  if (scaled && factor < 1) throw invalid(path, 'The factor of RoPE is too small', factor, 'at least 1');
  const frequencies = gguf.tensors.get('rope_freqs.weight');
  if (frequencies !== undefined) {
    const rope = { factors: await readFactors(gguf, frequencies), theta, headDim };
    const llama3 = llama3FromFactors(rope.factors, theta, headDim);
    if (llama3 !== undefined && !scaled) return llama3;
    throw unsupported(
      path,
      'The factors of RoPE (rope_freqs.weight) are not those of Llama 3.1 to 3.3',
      [...rope.factors.slice(0, 8), '…'],
      'factor 8 or 32, low 1, high 4, original context 8192, and no other scaling',
    );
  }
  if (gguf.tensors.has('rope_factors_long.weight') || gguf.tensors.has('rope_factors_short.weight')) {
    throw unsupported(path, 'The kind of RoPE is not supported', 'longrope', 'default, linear, llama3, yarn');
  }
  if (type !== 'none' && type !== 'linear' && type !== 'yarn') {
    throw unsupported(path, 'The kind of RoPE is not supported', type, 'none, linear, yarn');
  }
  if (!scaled) return { kind: 'default', theta };
  if (type === 'linear') return { kind: 'linear', theta, factor };
  const attention = read.positive('rope.scaling.yarn_attn_factor');
  const extra = read.positive('rope.scaling.attn_factor') ?? 1;
  return {
    kind: 'yarn',
    theta,
    factor,
    betaFast: read.positive('rope.scaling.yarn_beta_fast') ?? 32,
    betaSlow: read.positive('rope.scaling.yarn_beta_slow') ?? 1,
    ...(attention === undefined && extra === 1
      ? {}
      : { attentionFactor: (attention ?? 0.1 * Math.log(factor) + 1) * extra }),
    originalMaxPositionEmbeddings: read.optionalSize('rope.scaling.original_context_length') ?? trained,
    truncate: true,
  };
}

async function readFactors(gguf: GgufFile, info: GgufTensorInfo): Promise<Float32Array> {
  const factors = new Float32Array(Math.min(elementCount(info.shape), 65_536));
  await tensorOf(gguf, info, 'rope_freqs.weight', undefined).readInto(factors);
  return factors;
}

/**
 * The parameters of Llama 3's scaling that give these factors. The converter writes the factors alone; every
 * published model of the family uses low 1, high 4, original context 8192 and differs only in `factor`.
 */
function llama3FromFactors(factors: Float32Array, theta: number, headDim: number): RopeConfig | undefined {
  const factor = Math.max(...factors);
  const [lowFreqFactor, highFreqFactor, original] = [1, 4, 8192];
  if (factors.length !== headDim / 2 || factor < 1) return undefined;
  for (const [i, found] of factors.entries()) {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim);
    const smooth = (original / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    const clamped = Math.min(1, Math.max(0, smooth));
    const expected = 1 / ((1 - clamped) / factor + clamped);
    if (Math.abs(found - expected) > 1e-4 * expected) return undefined;
  }
  return {
    kind: 'llama3',
    theta,
    factor,
    lowFreqFactor,
    highFreqFactor,
    originalMaxPositionEmbeddings: original,
  };
}

const blockNames: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

const topNames: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

/** The Hugging Face name of llama.cpp's tensor `name`; undefined if it is not a weight of our decoders. */
export function huggingFaceName(name: string): string | undefined {
  if (Object.hasOwn(topNames, name)) return topNames[name];
  const match = /^blk\.(0|[1-9]\d{0,3})\.([a-z_]+)\.(weight|bias)$/.exec(name);
  const module = match?.[2];
  if (match === null || module === undefined || !Object.hasOwn(blockNames, module)) return undefined;
  return `model.layers.${match[1]}.${blockNames[module]}.${match[3]}`;
}

/** The tensors by their Hugging Face names. Names that no decoder of ours has are kept as they are. */
export function ggufTensors(gguf: GgufFile, config: ModelConfig): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const info of gguf.tensors.values()) {
    // Read into the configuration already.
    if (info.name === 'rope_freqs.weight') continue;
    const name = huggingFaceName(info.name) ?? info.name;
    // Where the rows are no whole heads the shape is wrong, and is refused as such.
    const rowOf = info.shape[0]! % config.headDim === 0 ? rowOrder(name, config) : undefined;
    tensors.set(name, tensorOf(gguf, info, name, rowOf));
  }
  return tensors;
}

/**
 * llama.cpp turns neighbouring pairs of dimensions where Hugging Face turns pairs that are half a head apart, so for
 * the llama architecture the converter reorders the rows of q and k. This undoes it: stored row 2j+half of a head is
 * row half·D/2+j.
 */
function rowOrder(
  name: string,
  { architecture, headDim }: ModelConfig,
): ((row: number) => number) | undefined {
  if (architecture !== 'llama' || !/\.self_attn\.[qk]_proj\.(weight|bias)$/.test(name)) return undefined;
  return (row) => {
    const within = row % headDim;
    return row - within + (within % 2) * (headDim / 2) + Math.floor(within / 2);
  };
}

function tensorOf(
  { path, file }: GgufFile,
  info: GgufTensorInfo,
  name: string,
  rowOf: ((row: number) => number) | undefined,
): StoredTensor {
  const { shape, encoding, offset, dtype } = info;
  if (encoding !== undefined) {
    return storedTensor({
      name,
      shape,
      encoding,
      file,
      path,
      offset,
      ...(rowOf === undefined ? {} : { rowOf }),
    });
  }
  return {
    name,
    shape,
    dtype,
    async readInto() {
      throw new AhaError({
        code: 'tensor-type-unsupported',
        boundary: 'model',
        what: `Tensor ${info.name} in ${path} cannot be read`,
        found: `type ${dtype}`,
        expected: 'F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K',
        fix: 'Choose another quantisation of the model, such as Q8_0 or Q4_K_M.',
        fields: { file: path, tensor: info.name },
      });
    },
  };
}

/** Metadata of one architecture, by the names after its prefix. */
class MetadataReader {
  readonly #gguf: GgufFile;
  readonly #prefix: string;

  constructor(gguf: GgufFile, prefix: string) {
    this.#gguf = gguf;
    this.#prefix = prefix;
  }

  number(key: string): number | undefined {
    const full = `${this.#prefix}.${key}`;
    const value = this.#gguf.metadata.get(full);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isFinite(value)) return shortestDecimal(value);
    // Some keys may be given per layer; ours must agree on one value.
    if (Array.isArray(value) && value.length > 0 && value.every((item) => item === value[0])) {
      const first: unknown = value[0];
      if (typeof first === 'number' && Number.isFinite(first)) return shortestDecimal(first);
    }
    throw this.#wrong(full, value, 'one number');
  }

  string(key: string): string | undefined {
    const full = `${this.#prefix}.${key}`;
    const value = this.#gguf.metadata.get(full);
    if (value === undefined || typeof value === 'string') return value;
    throw this.#wrong(full, value, 'a text');
  }

  positive(key: string): number | undefined {
    const value = this.number(key);
    if (value === undefined || value > 0) return value;
    throw this.#wrong(`${this.#prefix}.${key}`, value, 'a positive number');
  }

  required(key: string): number {
    const value = this.positive(key);
    if (value !== undefined) return value;
    throw this.#wrong(`${this.#prefix}.${key}`, value, 'a positive number');
  }

  optionalSize(key: string, limit = 2 ** 31 - 1): number | undefined {
    const value = this.positive(key);
    if (value === undefined || (Number.isInteger(value) && value <= limit)) return value;
    throw this.#wrong(`${this.#prefix}.${key}`, value, `an integer from 1 to ${limit}`);
  }

  size(key: string, limit?: number): number {
    return this.optionalSize(key, limit) ?? this.required(key);
  }

  tokenId(key: string): number | undefined {
    const value = this.#gguf.metadata.get(`tokenizer.ggml.${key}`);
    return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
  }

  #wrong(key: string, value: GgufValue | undefined, expected: string): AhaError {
    const found = value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : String(value);
    return invalid(this.#gguf.path, `Its metadata ${key} is not usable`, found, expected);
  }
}

/** 1e-5 for the float32 nearest to it, rather than 0.000009999999747378752: what the author wrote. */
function shortestDecimal(value: number): number {
  if (Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

function missingTensor(path: string, name: string): AhaError {
  return new AhaError({
    code: 'tensor-missing',
    boundary: 'model',
    what: `${path} lacks the matrix ${name}`,
    fix: 'The file is not a complete language model: use another one.',
    fields: { file: path, tensor: name },
  });
}
