/**
 * Text ↔ token ids, from the documents of a Hugging Face tokenizer. The same ids and the same text as Python's
 * `tokenizers` 0.23 gives, with three differences, all on the side of caution: text that no token can stand for is
 * an error where Python drops it; half a surrogate pair is an error; `clean_up_tokenization_spaces` is never
 * applied, because it corrupts text (transformers ignores it for byte-pair encodings, too).
 *
 * `@huggingface/tokenizers` provides the Unicode normalizers and the translation of regular expressions. The rest of
 * its pipeline is not used, because version 0.2 differs from Python (see pre-tokenizer.ts, decoder.ts, bpe.ts).
 */
import { AhaError } from '../errors.ts';
import { AddedTokenFinder, type AddedToken } from './added-tokens.ts';
import { withDeadline } from './deadline.ts';
import { createDecoder, type Decoder, type Decoding } from './decoder.ts';
import type { EncodingModel } from './encoding-model.ts';
import { IdBuffer } from './id-buffer.ts';
import { createNormalizer, type Normalizer } from './normalizer.ts';
import { surroundingsOf, type Surroundings } from './post-processor.ts';
import { createPreTokenizer, type PreTokenizer } from './pre-tokenizer.ts';
import {
  readEosIds,
  readTokenizerConfig,
  readTokenizerDocument,
  readTokenNames,
  type TokenizerConfig,
  type TokenNames,
} from './tokenizer-document.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /**
   * Whether to put the tokens around the text that the tokenizer puts around a whole text (`<s>`, `<|begin_of_text|>`).
   * Default true, as in transformers. Pass false for text from a chat template, which brings its own.
   */
  readonly addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Whether to leave out special tokens (`<|im_end|>`, `</s>`). Default false. */
  readonly skipSpecialTokens?: boolean;
}

/** Parsed JSON documents of a tokenizer. Only the first is needed. */
export interface TokenizerDocuments {
  /** `tokenizer.json` */
  readonly tokenizer: unknown;
  /** `tokenizer_config.json` */
  readonly config?: unknown;
  /** `special_tokens_map.json`: names that the config does not have. */
  readonly specialTokensMap?: unknown;
  /** `generation_config.json`, for further end tokens. */
  readonly generationConfig?: unknown;
  /** `config.json` of the model, for end tokens when nothing else names one. */
  readonly modelConfig?: unknown;
  /** `chat_template.jinja`, which goes before the template in the config. */
  readonly chatTemplate?: string | undefined;
  /** What an export writes: file name → content. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
  /** The folder or file they come from, for messages. */
  readonly source: string;
  /** Milliseconds that unknown regular expressions of the tokenizer may take for one text. Default 10,000. */
  readonly patternDeadline?: number;
}

/** Longer texts are refused: about ten times the longest context there is. */
const MAXIMUM_TEXT = 2 ** 26;
const PATTERN_DEADLINE = 10_000;

export class Tokenizer {
  /** The largest id, added tokens included, plus one. A model's own vocabulary may be padded to more. */
  readonly vocabularySize: number;
  readonly bosId: number | undefined;
  /** The tokens that end a text, the tokenizer's own first; often several (`<|im_end|>`, `<|endoftext|>`). */
  readonly eosIds: readonly number[];
  readonly padId: number | undefined;
  readonly unknownId: number | undefined;
  /** Ids that `skipSpecialTokens` leaves out. */
  readonly specialIds: ReadonlySet<number>;
  /** Ids of all added tokens, special or not: each stands for a string that is never cut. */
  readonly addedIds: ReadonlySet<number>;
  /** The Jinja source of the chat template, if the model has one. */
  readonly chatTemplate: string | undefined;
  /** The documents it was made from, byte for byte: an export writes them back unchanged. */
  readonly files: ReadonlyMap<string, Uint8Array>;

  readonly #vocabulary: Vocabulary;
  readonly #plainTokens: AddedTokenFinder;
  readonly #normalizedTokens: AddedTokenFinder;
  readonly #normalizer: Normalizer | undefined;
  readonly #preTokenizer: PreTokenizer;
  readonly #model: EncodingModel;
  readonly #surroundings: Surroundings;
  readonly #decoder: Decoder;
  readonly #encodesTrusted: boolean;
  readonly #patternDeadline: number;
  /** Reused by every call: allocating one costs more than encoding a short text. */
  #out = new IdBuffer();

  /** Throws an `AhaError` (text) when the documents cannot be used. See `loadTokenizer` for a folder. */
  constructor(documents: TokenizerDocuments) {
    const { source } = documents;
    const parts = readTokenizerDocument(documents.tokenizer, `${source}: tokenizer.json`);
    const config = readTokenizerConfig(documents.config ?? {}, `${source}: tokenizer_config.json`);
    const names = resolveNames(documents, config);
    const vocabulary = parts.vocabulary;
    const added = mergeAddedTokens(parts.addedTokens, config.added_tokens_decoder);
    for (const token of added) vocabulary.add(token.content, token.id);

    this.#vocabulary = vocabulary;
    this.#patternDeadline = documents.patternDeadline ?? PATTERN_DEADLINE;
    this.#normalizer = createNormalizer(parts.normalizer);
    this.#preTokenizer = createPreTokenizer(parts.preTokenizer);
    this.#model = parts.createModel(this.#preTokenizer.byteLevel);
    this.#decoder = createDecoder(parts.decoder);
    this.#encodesTrusted = this.#preTokenizer.trusted && (this.#normalizer?.trusted ?? true);
    const isNormalized = (token: AddedToken): boolean => token.normalized ?? !token.special;
    this.#plainTokens = new AddedTokenFinder(
      added.filter((token) => !isNormalized(token)),
      (token) => token.content,
    );
    this.#normalizedTokens = new AddedTokenFinder(
      added.filter(isNormalized),
      (token) => this.#normalizer?.normalize(token.content) ?? token.content,
    );

    const idOf = (role: keyof TokenNames, needed: boolean): number | undefined => {
      const name = names[role];
      if (name === null || name === undefined || name === '') return undefined;
      return needed ? vocabulary.require(name, role) : vocabulary.idOf(name);
    };
    this.bosId = idOf('bos_token', true);
    const eosId = idOf('eos_token', true);
    this.padId = idOf('pad_token', false);
    this.unknownId = idOf('unk_token', false);
    this.eosIds = resolveEosIds(eosId, documents);
    const named = [this.bosId, eosId, this.padId, this.unknownId].filter((id) => id !== undefined);
    this.specialIds = new Set([...added.filter((token) => token.special).map((token) => token.id), ...named]);
    this.addedIds = new Set(added.map((token) => token.id));
    this.#surroundings = resolveSurroundings(
      surroundingsOf(parts.postProcessor, vocabulary),
      config,
      this.bosId,
      eosId,
    );
    this.vocabularySize = vocabulary.size;
    this.chatTemplate = documents.chatTemplate ?? resolveTemplate(config);
    this.files = documents.files ?? new Map();
  }

  /** Token ids [T] of `text`. Throws an `AhaError` (text) for text that cannot be encoded. */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    checkText(text);
    return this.#encodesTrusted
      ? this.#encode(text, options)
      : withDeadline(
          this.#patternDeadline,
          'Tokenizing with the regular expressions of this tokenizer',
          'One of them takes very long for this text: use another tokenizer, or shorter texts.',
          () => this.#encode(text, options),
        );
  }

  /**
   * The text of token ids. Bytes that are not valid UTF-8 become U+FFFD; ids beyond the vocabulary (models pad
   * theirs) stand for nothing, as in transformers. Throws an `AhaError` (text) for what is no id at all.
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const run = (): string => {
      const tokens: string[] = [];
      for (let i = 0; i < ids.length; i++) {
        const token = this.decodedToken(ids[i]!, options);
        if (token !== undefined) tokens.push(token);
      }
      return this.#decoder.decode(tokens);
    };
    return this.#decoder.trusted ? run() : this.withDecodingDeadline(run);
  }

  /** The id of a token as the vocabulary spells it (`Ġthe`, `▁the`, `<|im_end|>`). */
  tokenToId(token: string): number | undefined {
    return this.#vocabulary.idOf(token);
  }

  /** The token as the vocabulary spells it; `undefined` for an id that has none. */
  idToToken(id: number): string | undefined {
    return this.#vocabulary.tokenOf(id);
  }

  /** For `StreamingDecoder`: decodes one sequence token by token. */
  startDecoding(): Decoding {
    const decoding = this.#decoder.start();
    if (this.#decoder.trusted) return decoding;
    return {
      push: (token) => this.withDecodingDeadline(() => decoding.push(token)),
      finish: () => this.withDecodingDeadline(() => decoding.finish()),
    };
  }

  /** For `StreamingDecoder`: the token that `id` adds to the text, `undefined` when it adds none. */
  decodedToken(id: number, options: DecodeOptions): string | undefined {
    if (!Number.isInteger(id) || id < 0) {
      throw new AhaError({
        code: 'token-id-invalid',
        boundary: 'text',
        what: 'This is not a token id',
        found: String(id),
        expected: `an integer from 0 to ${this.vocabularySize - 1}`,
      });
    }
    return options.skipSpecialTokens === true && this.specialIds.has(id)
      ? undefined
      : this.#vocabulary.tokenOf(id);
  }

  private withDecodingDeadline<T>(run: () => T): T {
    return withDeadline(
      this.#patternDeadline,
      'Decoding with the regular expressions of this tokenizer',
      'One of them takes very long for this text: use another tokenizer.',
      run,
    );
  }

  #encode(text: string, options: EncodeOptions): Int32Array {
    const out = this.#out;
    out.clear();
    const special = options.addSpecialTokens ?? true;
    if (special) for (const id of this.#surroundings.before) out.push(id);
    const encodePiece = (piece: string): void => this.#model.encode(piece, out);
    const encodeNormalized = (section: string, token: AddedToken | undefined, atStart: boolean): void => {
      if (token !== undefined) out.push(token.id);
      else this.#preTokenizer.run(section, atStart, encodePiece);
    };
    this.#plainTokens.split(text, true, (section, token, atStart) => {
      if (token !== undefined) out.push(token.id);
      else {
        const normalized = this.#normalizer?.normalize(section) ?? section;
        this.#normalizedTokens.split(normalized, atStart, encodeNormalized);
      }
    });
    if (special) for (const id of this.#surroundings.after) out.push(id);
    const ids = out.toArray();
    // A text of megabytes must not keep its memory.
    if (out.length > 2 ** 20) this.#out = new IdBuffer();
    return ids;
  }
}

function checkText(text: unknown): asserts text is string {
  if (typeof text !== 'string') {
    throw new AhaError({
      code: 'text-malformed',
      boundary: 'text',
      what: 'Only text can be tokenized',
      found: text === null ? 'null' : typeof text,
      expected: 'a string',
    });
  }
  if (text.length > MAXIMUM_TEXT) {
    throw new AhaError({
      code: 'text-too-long',
      boundary: 'text',
      what: 'The text is too long to tokenize at once',
      found: `${text.length} characters`,
      expected: `at most ${MAXIMUM_TEXT}`,
      fix: 'Split it into documents: no model reads as much.',
    });
  }
  // In unicode mode only half a surrogate pair is a character of the category Cs.
  const at = text.search(/\p{Cs}/u);
  if (at >= 0) {
    throw new AhaError({
      code: 'text-malformed',
      boundary: 'text',
      what: 'The text has half a surrogate pair, which is no character',
      found: `U+${text.charCodeAt(at).toString(16).toUpperCase()} at position ${at}`,
      expected: 'valid Unicode',
      fix: 'The text was cut inside a character or decoded wrongly: repair it, or replace the half by U+FFFD (text.toWellFormed()).',
      fields: { position: at },
    });
  }
}

/** The config's flags go before those of tokenizer.json; tokens that only the config has are added. */
function mergeAddedTokens(own: readonly AddedToken[], fromConfig: readonly AddedToken[]): AddedToken[] {
  const byContent = new Map(own.map((token) => [token.content, token]));
  for (const token of fromConfig) byContent.set(token.content, token);
  return [...byContent.values()];
}

function resolveNames(documents: TokenizerDocuments, config: TokenizerConfig): TokenNames {
  const map = readTokenNames(
    documents.specialTokensMap ?? {},
    `${documents.source}: special_tokens_map.json`,
  );
  return {
    bos_token: config.bos_token ?? map.bos_token,
    eos_token: config.eos_token ?? map.eos_token,
    pad_token: config.pad_token ?? map.pad_token,
    unk_token: config.unk_token ?? map.unk_token,
  };
}

function resolveEosIds(eosId: number | undefined, documents: TokenizerDocuments): number[] {
  const ids = new Set<number>();
  if (eosId !== undefined) ids.add(eosId);
  const { source } = documents;
  for (const id of readEosIds(documents.generationConfig ?? {}, `${source}: generation_config.json`))
    ids.add(id);
  if (ids.size === 0) {
    for (const id of readEosIds(documents.modelConfig ?? {}, `${source}: config.json`)) ids.add(id);
  }
  return [...ids];
}

/** transformers 5 rebuilds the post-processor when the config says whether to add bos or eos. */
function resolveSurroundings(
  own: Surroundings,
  config: TokenizerConfig,
  bosId: number | undefined,
  eosId: number | undefined,
): Surroundings {
  if (typeof config.add_bos_token !== 'boolean' && typeof config.add_eos_token !== 'boolean') return own;
  return {
    before: config.add_bos_token === true && bosId !== undefined ? [bosId] : [],
    after: config.add_eos_token === true && eosId !== undefined ? [eosId] : [],
  };
}

function resolveTemplate(config: TokenizerConfig): string | undefined {
  const template = config.chat_template;
  if (typeof template === 'string') return template;
  return template?.find((entry) => entry.name === 'default')?.template;
}
