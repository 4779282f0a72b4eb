/**
 * Reads the documents of a Hugging Face tokenizer (`tokenizer.json`, `tokenizer_config.json`, …) into checked parts.
 * Whatever is wrong with them is an `AhaError` (text) that names the document and the place.
 *
 * Keys that this module does not know are ignored, as transformers ignores them: the documents are other people's.
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { parseWithSchema } from '../util/schema.ts';
import { addedTokenSchema, type AddedToken } from './added-tokens.ts';
import { BpeModel } from './bpe.ts';
import { decoderSchema, type DecoderConfig } from './decoder.ts';
import type { EncodingModel } from './encoding-model.ts';
import { normalizerSchema, type NormalizerConfig } from './normalizer.ts';
import { postProcessorSchema, type PostProcessorConfig } from './post-processor.ts';
import { preTokenizerSchema, type PreTokenizerConfig } from './pre-tokenizer.ts';
import { UnigramModel } from './unigram.ts';
import { MAXIMUM_ID, Vocabulary } from './vocabulary.ts';
import { WordLevelModel } from './word-level.ts';

const documentSchema = z.object({
  added_tokens: z.array(addedTokenSchema).default([]),
  normalizer: normalizerSchema.nullish(),
  pre_tokenizer: preTokenizerSchema.nullish(),
  post_processor: postProcessorSchema.nullish(),
  decoder: decoderSchema.nullish(),
  model: z.record(z.string(), z.unknown()),
});

export interface TokenizerParts {
  readonly addedTokens: readonly AddedToken[];
  readonly normalizer: NormalizerConfig | null;
  readonly preTokenizer: PreTokenizerConfig | null;
  readonly postProcessor: PostProcessorConfig | null;
  readonly decoder: DecoderConfig | null;
  /** The model's tokens; the added ones are not in it yet. */
  readonly vocabulary: Vocabulary;
  /** The model over `vocabulary`, given what the pre-tokenizer says about bytes. */
  readonly createModel: (byteLevel: boolean) => EncodingModel;
}

/** `source` names the document in messages: `models/x/tokenizer.json`. */
export function readTokenizerDocument(document: unknown, source: string): TokenizerParts {
  const parsed = parseWithSchema(documentSchema, document, {
    what: source,
    boundary: 'text',
    code: 'tokenizer-malformed',
    fix: 'Check that it is the tokenizer.json of a model, complete; download it again if in doubt.',
  });
  return {
    addedTokens: parsed.added_tokens,
    normalizer: parsed.normalizer ?? null,
    preTokenizer: parsed.pre_tokenizer ?? null,
    postProcessor: parsed.post_processor ?? null,
    decoder: parsed.decoder ?? null,
    ...readModel(parsed.model, source),
  };
}

type ModelParts = Pick<TokenizerParts, 'vocabulary' | 'createModel'>;

function readModel(model: Readonly<Record<string, unknown>>, source: string): ModelParts {
  const type = model['type'] ?? guessType(model);
  switch (type) {
    case 'BPE':
      return readBpe(model, source);
    case 'Unigram':
      return readUnigram(model, source);
    case 'WordLevel':
      return readWordLevel(model, source);
    default:
      throw new AhaError({
        code: 'tokenizer-unsupported',
        boundary: 'text',
        what: `${source} is of a kind that is not supported`,
        found: type,
        expected: 'BPE, Unigram or WordLevel',
        fix: 'WordPiece and others belong to models that do not generate text; use the tokenizer of a decoder model.',
      });
  }
}

/** Old documents do not name the type. */
function guessType(model: Readonly<Record<string, unknown>>): string | undefined {
  if ('merges' in model) return 'BPE';
  return Array.isArray(model['vocab']) ? 'Unigram' : undefined;
}

const bpeSchema = z.object({
  dropout: z.number().nullish(),
  unk_token: z.string().nullish(),
  continuing_subword_prefix: z.string().nullish(),
  end_of_word_suffix: z.string().nullish(),
  fuse_unk: z.boolean().default(false),
  byte_fallback: z.boolean().default(false),
  ignore_merges: z.boolean().default(false),
});

function readBpe(model: Readonly<Record<string, unknown>>, source: string): ModelParts {
  const options = parseModel(bpeSchema, model, source);
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix'] as const) {
    const value = options[key];
    if (value === null || value === undefined || value === 0 || value === '') continue;
    throw new AhaError({
      code: 'tokenizer-unsupported',
      boundary: 'text',
      what: `${source} uses the option ${key} of BPE`,
      found: value,
      expected: 'none: no decoder model of the supported architectures has it',
      fix: 'Remove the option if the tokenizer works without it, or use another tokenizer.',
    });
  }
  const vocabulary = readVocabulary(model['vocab'], source);
  const merges = readMerges(model['merges'], source);
  return {
    vocabulary,
    createModel: (byteLevel) =>
      new BpeModel({
        vocabulary,
        merges,
        unknownToken: options.unk_token ?? undefined,
        fuseUnknown: options.fuse_unk,
        byteFallback: options.byte_fallback,
        ignoreMerges: options.ignore_merges,
        byteLevel,
      }),
  };
}

function readUnigram(model: Readonly<Record<string, unknown>>, source: string): ModelParts {
  const options = parseModel(
    z.object({ unk_id: z.int().min(0).nullish(), byte_fallback: z.boolean().default(false) }),
    model,
    source,
  );
  const rows = model['vocab'];
  if (!Array.isArray(rows) || rows.length === 0)
    throw malformed(source, 'model.vocab', rows, 'a list of [token, score]');
  const scores = new Float64Array(rows.length);
  const entries = rows.map((row: unknown, id): [string, number] => {
    if (!Array.isArray(row) || typeof row[0] !== 'string' || typeof row[1] !== 'number') {
      throw malformed(source, `model.vocab[${id}]`, row, '[token, score]');
    }
    scores[id] = row[1];
    return [row[0], id];
  });
  const vocabulary = new Vocabulary(entries);
  const unknownId = options.unk_id ?? undefined;
  if (unknownId !== undefined && unknownId >= rows.length) {
    throw malformed(source, 'model.unk_id', unknownId, `an id below ${rows.length}`);
  }
  return {
    vocabulary,
    createModel: (byteLevel) => {
      if (byteLevel)
        throw malformed(source, 'pre_tokenizer', 'ByteLevel', 'no byte level with a Unigram model');
      return new UnigramModel({ vocabulary, scores, unknownId, byteFallback: options.byte_fallback });
    },
  };
}

function readWordLevel(model: Readonly<Record<string, unknown>>, source: string): ModelParts {
  const options = parseModel(z.object({ unk_token: z.string().nullish() }), model, source);
  const vocabulary = readVocabulary(model['vocab'], source);
  return {
    vocabulary,
    createModel: (byteLevel) => {
      if (byteLevel)
        throw malformed(source, 'pre_tokenizer', 'ByteLevel', 'no byte level with a WordLevel model');
      return new WordLevelModel(vocabulary, options.unk_token ?? undefined);
    },
  };
}

function parseModel<S extends z.ZodType>(schema: S, model: unknown, source: string): z.output<S> {
  return parseWithSchema(schema, model, {
    what: `The model of ${source}`,
    boundary: 'text',
    code: 'tokenizer-malformed',
    fix: 'Download tokenizer.json again.',
  });
}

/** By hand, because a schema over 250,000 entries takes seconds. */
function readVocabulary(vocab: unknown, source: string): Vocabulary {
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) {
    throw malformed(source, 'model.vocab', vocab, 'an object of token → id');
  }
  const entries = Object.entries(vocab as Record<string, unknown>).map(([token, id]): [string, number] => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAXIMUM_ID) {
      throw malformed(
        source,
        `model.vocab[${JSON.stringify(token.slice(0, 60))}]`,
        id,
        `an id from 0 to ${MAXIMUM_ID}`,
      );
    }
    return [token, id];
  });
  return new Vocabulary(entries);
}

/** Pairs, or in older documents strings with a space between the two. */
function readMerges(merges: unknown, source: string): [string, string][] {
  if (!Array.isArray(merges)) throw malformed(source, 'model.merges', merges, 'a list of pairs of tokens');
  return merges.map((merge: unknown, i): [string, string] => {
    const parts: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    const [left, right] = parts;
    if (parts.length === 2 && typeof left === 'string' && typeof right === 'string') return [left, right];
    throw malformed(source, `model.merges[${i}]`, merge, 'a pair of tokens');
  });
}

function malformed(source: string, place: string, found: unknown, expected: string): AhaError {
  return new AhaError({
    code: 'tokenizer-malformed',
    boundary: 'text',
    what: `${source}: this value cannot be used at ${place}`,
    found: found === undefined ? 'nothing' : found,
    expected,
    fix: 'Check that it is the tokenizer.json of a model, complete; download it again if in doubt.',
  });
}

const tokenNameSchema = z.union([
  z.string(),
  z.object({ content: z.string() }).transform((token) => token.content),
]);
const idsSchema = z
  .union([z.int().min(0), z.array(z.int().min(0))])
  .nullish()
  .transform((ids) => (ids === null || ids === undefined ? [] : typeof ids === 'number' ? [ids] : ids));

const namesSchema = z.object({
  bos_token: tokenNameSchema.nullish(),
  eos_token: tokenNameSchema.nullish(),
  pad_token: tokenNameSchema.nullish(),
  unk_token: tokenNameSchema.nullish(),
});

const configSchema = namesSchema.extend({
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  added_tokens_decoder: z
    .record(z.string().regex(/^\d+$/), addedTokenSchema.omit({ id: true }))
    .nullish()
    .transform((tokens) =>
      Object.entries(tokens ?? {}).map(([id, token]): AddedToken => ({ id: Number(id), ...token })),
    ),
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});
export type TokenizerConfig = z.output<typeof configSchema>;
export type TokenNames = z.output<typeof namesSchema>;

export function readTokenizerConfig(document: unknown, source: string): TokenizerConfig {
  return parseWithSchema(configSchema, document, {
    what: source,
    boundary: 'text',
    code: 'tokenizer-malformed',
    fix: 'Check that it is the tokenizer_config.json of a model.',
  });
}

export function readTokenNames(document: unknown, source: string): TokenNames {
  return parseWithSchema(namesSchema, document, {
    what: source,
    boundary: 'text',
    code: 'tokenizer-malformed',
    fix: 'Check that it is the special_tokens_map.json of a model.',
  });
}

/** The `eos_token_id` of `generation_config.json` or `config.json`: one, several or none. */
export function readEosIds(document: unknown, source: string): number[] {
  const parsed = parseWithSchema(z.object({ eos_token_id: idsSchema }), document, {
    what: source,
    boundary: 'text',
    code: 'tokenizer-malformed',
    fix: 'eos_token_id is the id of the token that ends a text, or a list of ids.',
  });
  return parsed.eos_token_id;
}
