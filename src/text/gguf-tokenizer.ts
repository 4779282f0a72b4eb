/**
 * A tokenizer from the metadata of a GGUF file, as the `tokenizer.json` and `tokenizer_config.json` that the model's
 * Hugging Face folder would hold. Byte-level BPE (`gpt2`) and SentencePiece BPE (`llama`).
 *
 * SentencePiece vocabularies have scores, not merges: every way to put a token together from two others becomes a
 * merge, the best score first, which is how transformers converts them (`generate_merges`).
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { parseWithSchema } from '../util/schema.ts';
import { ggufPreTokenizer } from './gguf-pre-tokenizers.ts';
import { Tokenizer } from './tokenizer.ts';

/** `llama_token_type` of llama.cpp. */
const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const integer = z.union([z.int(), z.bigint().transform(Number)]);
const id = integer.pipe(z.int().min(0)).optional();
/** A list of numbers, or a typed array of them. */
const numbers = z.custom<ArrayLike<number | bigint>>(
  (value) => Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView)),
  'expected a list of numbers',
);
const strings = z.custom<readonly string[]>(
  (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  'expected a list of strings',
);

const metadataSchema = z.object({
  'tokenizer.ggml.model': z.string(),
  'tokenizer.ggml.pre': z.string().optional(),
  'tokenizer.ggml.tokens': strings,
  'tokenizer.ggml.scores': numbers.optional(),
  'tokenizer.ggml.token_type': numbers.optional(),
  'tokenizer.ggml.merges': strings.optional(),
  'tokenizer.ggml.bos_token_id': id,
  'tokenizer.ggml.eos_token_id': id,
  'tokenizer.ggml.eot_token_id': id,
  'tokenizer.ggml.eom_token_id': id,
  'tokenizer.ggml.unknown_token_id': id,
  'tokenizer.ggml.padding_token_id': id,
  'tokenizer.ggml.add_bos_token': z.boolean().optional(),
  'tokenizer.ggml.add_eos_token': z.boolean().optional(),
  'tokenizer.ggml.add_space_prefix': z.boolean().optional(),
  'tokenizer.chat_template': z.string().optional(),
});
type Metadata = z.output<typeof metadataSchema>;

/**
 * `metadata` is the file's key–value pairs as plain values (numbers or bigints, strings, booleans, lists, typed
 * arrays); `source` names the file in messages. The result's `files` are the documents made from it. Throws an
 * `AhaError` (text).
 */
export function tokenizerFromGguf(metadata: Readonly<Record<string, unknown>>, source: string): Tokenizer {
  const parsed = parseWithSchema(metadataSchema, metadata, {
    what: `The tokenizer of ${source}`,
    boundary: 'text',
    code: 'tokenizer-malformed',
    fix: 'Check that the GGUF file is complete and holds a model with its tokenizer.',
  });
  const tokens = checkTokens(parsed, source);
  const model = parsed['tokenizer.ggml.model'];
  if (model !== 'gpt2' && model !== 'llama') {
    throw new AhaError({
      code: 'tokenizer-unsupported',
      boundary: 'text',
      what: `${source}: tokenizer.ggml.model is of a kind that is not supported`,
      found: model,
      expected: 'gpt2 (byte-level BPE) or llama (SentencePiece BPE)',
      fix: 'Use the model in its Hugging Face layout (safetensors and tokenizer.json) instead.',
    });
  }
  const ids = specialIds(parsed, model);
  const parts =
    model === 'gpt2' ? byteLevelParts(parsed, tokens, source) : sentencePieceParts(parsed, tokens, source);
  const around = (flag: boolean, special: number | undefined): number[] =>
    flag && special !== undefined ? [special] : [];
  const before = around(parsed['tokenizer.ggml.add_bos_token'] ?? parts.addBos, ids.bos);
  const after = around(parsed['tokenizer.ggml.add_eos_token'] ?? false, ids.eos);
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(parsed, tokens),
    ...parts.document,
    post_processor: postProcessor(tokens, before, after),
  };
  const name = (special: number | undefined): string | null =>
    special === undefined ? null : (tokens[special] ?? `id ${special}`);
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    bos_token: name(ids.bos),
    eos_token: name(ids.eos),
    pad_token: name(ids.pad),
    unk_token: name(ids.unknown),
    ...('tokenizer.chat_template' in parsed ? { chat_template: parsed['tokenizer.chat_template'] } : {}),
  };
  const ends = [ids.eos, parsed['tokenizer.ggml.eot_token_id'], parsed['tokenizer.ggml.eom_token_id']];
  const generationConfig = {
    ...(ids.bos === undefined ? {} : { bos_token_id: ids.bos }),
    eos_token_id: [...new Set(ends.filter((end) => end !== undefined))],
  };
  return new Tokenizer({
    tokenizer,
    config,
    generationConfig,
    files: new Map([
      ['tokenizer.json', toFile(tokenizer)],
      ['tokenizer_config.json', toFile(config)],
      ['generation_config.json', toFile(generationConfig)],
    ]),
    source,
  });
}

function toFile(document: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
}

function checkTokens(metadata: Metadata, source: string): readonly string[] {
  // llama.cpp names empty tokens so, too.
  const tokens = metadata['tokenizer.ggml.tokens'].map((token, i) => (token === '' ? `[EMPTY_${i}]` : token));
  for (const key of ['tokenizer.ggml.scores', 'tokenizer.ggml.token_type'] as const) {
    const list = metadata[key];
    if (list !== undefined && list.length !== tokens.length) {
      throw inconsistent(
        source,
        `${key} has another length than the list of tokens`,
        list.length,
        tokens.length,
      );
    }
  }
  const seen = new Map<string, number>();
  tokens.forEach((token, i) => {
    const first = seen.get(token);
    if (first !== undefined) {
      throw inconsistent(
        source,
        `the token ${JSON.stringify(token)} occurs twice`,
        `ids ${first} and ${i}`,
        'one id',
      );
    }
    seen.set(token, i);
  });
  return tokens;
}

function inconsistent(source: string, what: string, found: unknown, expected: unknown): AhaError {
  return new AhaError({
    code: 'tokenizer-inconsistent',
    boundary: 'text',
    what: `The tokenizer of ${source}: ${what}`,
    found,
    expected,
    fix: 'The GGUF file is damaged or was converted wrongly: download or convert it again.',
  });
}

interface SpecialIds {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly pad: number | undefined;
  readonly unknown: number | undefined;
}

/** With llama.cpp's defaults for SentencePiece. */
function specialIds(metadata: Metadata, model: 'gpt2' | 'llama'): SpecialIds {
  const sentencePiece = model === 'llama';
  return {
    bos: metadata['tokenizer.ggml.bos_token_id'] ?? (sentencePiece ? 1 : undefined),
    eos: metadata['tokenizer.ggml.eos_token_id'] ?? (sentencePiece ? 2 : undefined),
    unknown: metadata['tokenizer.ggml.unknown_token_id'] ?? (sentencePiece ? 0 : undefined),
    pad: metadata['tokenizer.ggml.padding_token_id'],
  };
}

function typeOf(metadata: Metadata, token: number): number {
  return Number(metadata['tokenizer.ggml.token_type']?.[token] ?? TOKEN_TYPE.normal);
}

function addedTokens(metadata: Metadata, tokens: readonly string[]): unknown[] {
  return tokens.flatMap((content, token) => {
    const type = typeOf(metadata, token);
    const special = type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
    if (!special && type !== TOKEN_TYPE.userDefined) return [];
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id: token, content, ...flags, special }];
  });
}

function postProcessor(
  tokens: readonly string[],
  before: readonly number[],
  after: readonly number[],
): unknown {
  if (before.length + after.length === 0) return null;
  const item = (token: number): unknown => ({ SpecialToken: { id: tokens[token] ?? '', type_id: 0 } });
  const single = [...before.map(item), { Sequence: { id: 'A', type_id: 0 } }, ...after.map(item)];
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: Object.fromEntries(
      [...before, ...after].map((token) => {
        const content = tokens[token] ?? '';
        return [content, { id: content, ids: [token], tokens: [content] }];
      }),
    ),
  };
}

interface Parts {
  readonly document: Readonly<Record<string, unknown>>;
  readonly addBos: boolean;
}

function byteLevelParts(metadata: Metadata, tokens: readonly string[], source: string): Parts {
  const merges = metadata['tokenizer.ggml.merges'];
  if (merges === undefined)
    throw inconsistent(source, 'merges are missing', 'nothing', 'tokenizer.ggml.merges');
  const pre = ggufPreTokenizer(metadata['tokenizer.ggml.pre'] ?? 'default', source);
  return {
    addBos: pre.addBos,
    document: {
      normalizer: pre.normalizer,
      pre_tokenizer: pre.preTokenizer,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        ...bpeDocument(
          vocabularyOf(tokens),
          merges.map((merge) => splitMerge(merge, source)),
        ),
        unk_token: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: pre.ignoreMerges,
      },
    },
  };
}

function sentencePieceParts(metadata: Metadata, tokens: readonly string[], source: string): Parts {
  const unknown = tokens[metadata['tokenizer.ggml.unknown_token_id'] ?? 0];
  const merges = metadata['tokenizer.ggml.merges']?.map((merge) => splitMerge(merge, source));
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const addSpace = metadata['tokenizer.ggml.add_space_prefix'] ?? true;
  return {
    addBos: true,
    document: {
      normalizer: {
        type: 'Sequence',
        normalizers: addSpace ? [{ type: 'Prepend', prepend: '▁' }, spaces] : [spaces],
      },
      pre_tokenizer: null,
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          ...(addSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
        ],
      },
      model: {
        ...bpeDocument(vocabularyOf(tokens), merges ?? mergesFromScores(metadata, tokens, source)),
        unk_token: unknown ?? null,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
      },
    },
  };
}

function bpeDocument(vocab: Record<string, number>, merges: readonly (readonly [string, string])[]): object {
  return {
    type: 'BPE',
    dropout: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    vocab,
    merges,
  };
}

function vocabularyOf(tokens: readonly string[]): Record<string, number> {
  // Without a prototype, so that a token `__proto__` is a token.
  const vocab = Object.create(null) as Record<string, number>;
  tokens.forEach((token, i) => {
    vocab[token] = i;
  });
  return vocab;
}

/** The space between the two; the first one may itself begin with a space (llama.cpp searches from index 1). */
function splitMerge(merge: string, source: string): [string, string] {
  const space = merge.indexOf(' ', 1);
  if (space < 0)
    throw inconsistent(source, 'a merge is not a pair of tokens', merge, 'two tokens and a space');
  return [merge.slice(0, space), merge.slice(space + 1)];
}

function mergesFromScores(metadata: Metadata, tokens: readonly string[], source: string): [string, string][] {
  const scores = metadata['tokenizer.ggml.scores'];
  if (scores === undefined)
    throw inconsistent(source, 'scores are missing', 'nothing', 'tokenizer.ggml.scores');
  const ids = new Map<string, number>();
  tokens.forEach((token, i) => {
    const type = typeOf(metadata, i);
    if (type === TOKEN_TYPE.normal || type === TOKEN_TYPE.userDefined) ids.set(token, i);
  });
  const merges: { left: string; right: string; score: number; leftId: number; rightId: number }[] = [];
  for (const [token, i] of ids) {
    const score = Number(scores[i]);
    // Longer "tokens" than any real one would make this quadratic.
    if (token.length > 512)
      throw inconsistent(source, `token ${i} is too long`, token.length, 'at most 512 characters');
    for (let cut = 1; cut < token.length; cut++) {
      const left = token.slice(0, cut);
      const right = token.slice(cut);
      const leftId = ids.get(left);
      const rightId = ids.get(right);
      if (leftId !== undefined && rightId !== undefined) merges.push({ left, right, score, leftId, rightId });
    }
  }
  merges.sort(
    (a, b) =>
      b.score - a.score ||
      b.left.length - a.left.length ||
      b.right.length - a.right.length ||
      a.leftId - b.leftId ||
      a.rightId - b.rightId,
  );
  return merges.map(({ left, right }) => [left, right]);
}
