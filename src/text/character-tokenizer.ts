/**
 * A tokenizer with one token per character (Unicode code point), for models trained from scratch. It is a standard
 * `tokenizer.json` (a byte-pair encoding without merges) that Python's `tokenizers` and transformers load and that
 * encodes the same there; llama.cpp reads it as a SentencePiece vocabulary, which is why a space is spelled `▁`
 * (its converter takes `addedTokens` for ordinary ones, so that it spells them out).
 *
 * A character outside of the alphabet is an error, or `<unk>` if there is one.
 */
import { AhaError } from '../errors.ts';
import { Tokenizer } from './tokenizer.ts';

export interface CharacterTokenizerOptions {
  /** The characters, each once. Their ids follow those of the other tokens, in this order. */
  readonly alphabet: string;
  /** Default `<pad>`, id 0. */
  readonly padToken?: string;
  /** Default `<bos>`, id 1. `encode` does not add it. */
  readonly bosToken?: string;
  /** Default `<eos>`, id 2. `encode` does not add it. */
  readonly eosToken?: string;
  /** Stands for characters outside of the alphabet. Default none: such a character is an error. */
  readonly unknownToken?: string;
  /** Strings that are one token each and part of the text: `<think>`. Default none. */
  readonly addedTokens?: readonly string[];
  /** Jinja source, written into `tokenizer_config.json`. Default none. */
  readonly chatTemplate?: string;
}

const SPACE = '▁';
/** What `▁` in a text is turned into, so that it is not taken for a space: never in an alphabet. */
const NEVER = '\ufffd';

/** Ids: pad, bos, eos, unknown (if any), added tokens, then the alphabet. Throws an `AhaError` (text). */
export function createCharacterTokenizer(options: CharacterTokenizerOptions): Tokenizer {
  const { padToken = '<pad>', bosToken = '<bos>', eosToken = '<eos>', unknownToken } = options;
  const special = [padToken, bosToken, eosToken, ...(unknownToken === undefined ? [] : [unknownToken])];
  const added = [...special, ...(options.addedTokens ?? [])];
  const characters = checkAlphabet(options.alphabet);
  for (const [i, token] of added.entries()) {
    if (token === '' || added.indexOf(token) !== i || characters.includes(token)) {
      throw badAlphabet(
        'A token of the character tokenizer is empty or occurs twice',
        token,
        'distinct tokens',
      );
    }
  }
  const tokens = [...added, ...characters.map((character) => (character === ' ' ? SPACE : character))];
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: special.includes(content),
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Replace', pattern: { String: SPACE }, content: NEVER },
        { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknownToken ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      // No byte has a token, so this changes nothing; llama.cpp's converter looks for it.
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
    },
  };
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    pad_token: padToken,
    bos_token: bosToken,
    eos_token: eosToken,
    ...(unknownToken === undefined ? {} : { unk_token: unknownToken }),
    ...(options.chatTemplate === undefined ? {} : { chat_template: options.chatTemplate }),
  };
  const toFile = (document: unknown): Uint8Array => Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
  return new Tokenizer({
    tokenizer,
    config,
    files: new Map([
      ['tokenizer.json', toFile(tokenizer)],
      ['tokenizer_config.json', toFile(config)],
    ]),
    source: 'the character tokenizer',
  });
}

function checkAlphabet(alphabet: string): string[] {
  const characters = Array.from(alphabet);
  if (characters.length === 0) {
    throw badAlphabet('The alphabet of a character tokenizer is empty', alphabet, 'at least one character');
  }
  const seen = new Set<string>();
  for (const character of characters) {
    if (seen.has(character)) {
      throw badAlphabet('A character occurs twice in the alphabet', character, 'each character once');
    }
    if (character === SPACE || character === NEVER || /\p{Cs}/u.test(character)) {
      throw badAlphabet(
        'The alphabet has a character that cannot be in one',
        `U+${character.codePointAt(0)!.toString(16).toUpperCase()}`,
        'no U+2581 (it stands for the space), no U+FFFD, no half of a surrogate pair',
      );
    }
    seen.add(character);
  }
  return characters;
}

function badAlphabet(what: string, found: string, expected: string): AhaError {
  return new AhaError({
    code: 'alphabet-invalid',
    boundary: 'text',
    what,
    found: JSON.stringify(found),
    expected,
    fix: 'Correct the alphabet or the names of the tokens.',
  });
}
