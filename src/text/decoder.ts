/**
 * Decoders of a `tokenizer.json`: token strings in, text out, piece by piece. A decoder is a chain of steps that
 * each keep as little as they need to keep, so that text comes out as soon as it cannot change any more, and what
 * comes out in pieces is what comes out at once. As in Rust's `tokenizers` (`decode_chain`), which the tests
 * compare with; `@huggingface/tokenizers` 0.2 differs for bytes that are not valid UTF-8, among others.
 *
 * A step gets whole tokens, unless a step before it has fused them (`Fuse`, `ByteLevel`): then it gets fragments
 * of the one token that is left.
 */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { fromByteCharacters } from './byte-alphabet.ts';
import { compilePattern, patternSchema, replacerOf } from './pattern.ts';

const leafSchemas = [
  z.object({ type: z.enum(['ByteLevel', 'ByteFallback', 'Fuse']) }),
  z.object({
    type: z.literal('Metaspace'),
    replacement: z.string().min(1).default('▁'),
    prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
    add_prefix_space: z.boolean().optional(),
  }),
  z.object({ type: z.literal('Replace'), pattern: patternSchema, content: z.string() }),
  z.object({
    type: z.literal('Strip'),
    content: z.string().length(1),
    start: z.int().min(0).max(1024),
    stop: z.int().min(0).max(1024),
  }),
  z.object({ type: z.literal('WordPiece'), prefix: z.string(), cleanup: z.boolean() }),
  z.object({ type: z.literal('BPEDecoder'), suffix: z.string() }),
] as const;

type LeafConfig = z.output<(typeof leafSchemas)[number]>;
export type DecoderConfig =
  LeafConfig | { readonly type: 'Sequence'; readonly decoders: readonly DecoderConfig[] };

export const decoderSchema: z.ZodType<DecoderConfig> = z.lazy(() =>
  z.discriminatedUnion('type', [
    ...leafSchemas,
    z.object({ type: z.literal('Sequence'), decoders: z.array(decoderSchema).max(64) }),
  ]),
);

type Emit = (text: string) => void;

/** One step at work on one sequence. */
interface Step {
  push(text: string, emit: Emit): void;
  finish(emit: Emit): void;
}

/** A chain at work on one sequence of tokens. */
export interface Decoding {
  /** The text that became certain with this token. */
  push(token: string): string;
  /** The rest. */
  finish(): string;
}

export interface Decoder {
  start(): Decoding;
  /** The same at once. */
  decode(tokens: readonly string[]): string;
  /** Whether every pattern in it is known to take linear time. */
  readonly trusted: boolean;
}

export function createDecoder(config: DecoderConfig | null): Decoder {
  const leaves = config === null ? [] : flatten(config);
  let fused = false;
  let trusted = true;
  const makers = leaves.map((leaf) => {
    const { make, isTrusted } = stepMaker(leaf, fused);
    trusted &&= isTrusted;
    fused ||= leaf.type === 'Fuse' || leaf.type === 'ByteLevel';
    return make;
  });
  // Without a decoder, tokens are words.
  if (config === null) makers.push(() => separated());
  const start = (): Decoding => startDecoding(makers.map((make) => make()));
  const onlyBytes = leaves.length === 1 && leaves[0]!.type === 'ByteLevel';
  return { start, decode: onlyBytes ? decodeBytes : (tokens) => decodeAll(start(), tokens), trusted };
}

function decodeAll(decoding: Decoding, tokens: readonly string[]): string {
  let text = '';
  for (const token of tokens) text += decoding.push(token);
  return text + decoding.finish();
}

const wholeDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The common case without a chain: the bytes of all tokens, decoded once. */
function decodeBytes(tokens: readonly string[]): string {
  return wholeDecoder.decode(Buffer.concat(tokens.map(fromByteCharacters)));
}

function flatten(config: DecoderConfig): LeafConfig[] {
  return config.type === 'Sequence' ? config.decoders.flatMap(flatten) : [config];
}

function startDecoding(steps: readonly Step[]): Decoding {
  let text = '';
  // emits[i] hands text to step i; the last one collects it.
  const emits: Emit[] = [];
  emits[steps.length] = (part) => {
    text += part;
  };
  for (let i = steps.length - 1; i >= 0; i--) {
    emits[i] = (part) => steps[i]!.push(part, emits[i + 1]!);
  }
  const take = (): string => {
    const taken = text;
    text = '';
    return taken;
  };
  return {
    push(token) {
      emits[0]!(token);
      return take();
    },
    finish() {
      steps.forEach((step, i) => step.finish(emits[i + 1]!));
      return take();
    },
  };
}

const nothing = (): void => undefined;

/** A step without memory. */
function stateless(change: (text: string) => string): Step {
  return { push: (text, emit) => emit(change(text)), finish: nothing };
}

interface StepMaker {
  readonly make: () => Step;
  readonly isTrusted: boolean;
}

function stepMaker(config: LeafConfig, fused: boolean): StepMaker {
  switch (config.type) {
    case 'ByteLevel':
      return { make: fused ? buffered(byteLevel) : byteLevel, isTrusted: true };
    case 'ByteFallback':
      return { make: fused ? buffered(byteFallback) : byteFallback, isTrusted: true };
    case 'Fuse':
      return { make: () => stateless((text) => text), isTrusted: true };
    case 'Metaspace':
      return { make: fused ? buffered(() => metaspace(config)) : () => metaspace(config), isTrusted: true };
    case 'Strip': {
      const strip = (): Step => stateless((text) => stripped(text, config));
      if (!fused) return { make: strip, isTrusted: true };
      return { make: config.stop > 0 ? buffered(strip) : () => stripStart(config), isTrusted: true };
    }
    case 'Replace': {
      const { trusted } = compilePattern(config.pattern);
      const replacer = replacerOf(config.pattern, config.content);
      const replace = (): Step => stateless(replacer);
      // One character cannot be split by fragments; anything longer might be.
      const whole = fused && !('String' in config.pattern && config.pattern.String.length === 1);
      return { make: whole ? buffered(replace) : replace, isTrusted: trusted };
    }
    case 'WordPiece':
      return { make: fused ? buffered(() => wordPiece(config)) : () => wordPiece(config), isTrusted: true };
    case 'BPEDecoder': {
      if (config.suffix === '') {
        throw new AhaError({
          code: 'tokenizer-malformed',
          boundary: 'text',
          what: 'The decoder BPEDecoder of the tokenizer has an empty suffix',
          expected: 'the mark at the end of a word, such as "</w>"',
          fix: 'Download tokenizer.json again.',
        });
      }
      const make = (): Step => bpeSuffix(config.suffix);
      return { make: fused ? buffered(make) : make, isTrusted: true };
    }
  }
}

/** Gives a step that needs its whole input the whole input, at the end. */
function buffered(make: () => Step): () => Step {
  return () => {
    const step = make();
    let whole: string | undefined;
    return {
      push(text) {
        whole = (whole ?? '') + text;
      },
      finish(emit) {
        if (whole !== undefined) step.push(whole, emit);
        step.finish(emit);
      },
    };
  };
}

function byteLevel(): Step {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (token, emit) => {
      const text = decoder.decode(fromByteCharacters(token), { stream: true });
      if (text !== '') emit(text);
    },
    finish: (emit) => {
      const text = decoder.decode();
      if (text !== '') emit(text);
    },
  };
}

const BYTE_TOKEN = /^<0x(?:[0-9A-Fa-f]{2}|\+[0-9A-Fa-f])>$/;

function byteFallback(): Step {
  // One byte that is not valid makes replacement characters of all its run: the run has to be kept.
  let run: number[] = [];
  const flush = (emit: Emit): void => {
    if (run.length === 0) return;
    const bytes = Uint8Array.from(run);
    run = [];
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      for (let i = 0; i < bytes.length; i++) emit('\ufffd');
      return;
    }
    emit(text);
  };
  return {
    push(token, emit) {
      if (token.length === 6 && BYTE_TOKEN.test(token)) run.push(Number.parseInt(token.slice(3, 5), 16));
      else {
        flush(emit);
        emit(token);
      }
    },
    finish: flush,
  };
}

function metaspace(config: Extract<LeafConfig, { type: 'Metaspace' }>): Step {
  const scheme = config.prepend_scheme ?? (config.add_prefix_space === false ? 'never' : 'always');
  let first = true;
  return {
    push(token, emit) {
      emit(token.replaceAll(config.replacement, first && scheme !== 'never' ? '' : ' '));
      first = false;
    },
    finish: nothing,
  };
}

/** Up to `start` times `content` off the beginning of a token and up to `stop` times off its end. */
function stripped(token: string, config: Extract<LeafConfig, { type: 'Strip' }>): string {
  let start = 0;
  while (start < config.start && token[start] === config.content) start++;
  let end = token.length;
  while (token.length - end < config.stop && end > start && token[end - 1] === config.content) end--;
  return token.slice(start, end);
}

/** As `stripped`, for the beginning of a token that comes in fragments. */
function stripStart(config: Extract<LeafConfig, { type: 'Strip' }>): Step {
  let left = config.start;
  return stateless((text) => {
    let start = 0;
    while (left > 0 && start < text.length) {
      if (text[start] === config.content) {
        start++;
        left--;
      } else left = 0;
    }
    return text.slice(start);
  });
}

function wordPiece(config: Extract<LeafConfig, { type: 'WordPiece' }>): Step {
  let first = true;
  return {
    push(token, emit) {
      let text = token;
      if (!first) text = text.startsWith(config.prefix) ? text.slice(config.prefix.length) : ` ${text}`;
      first = false;
      emit(config.cleanup ? cleanUp(text) : text);
    },
    finish: nothing,
  };
}

const CLEAN_UPS: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

function cleanUp(text: string): string {
  return CLEAN_UPS.reduce((result, [from, to]) => result.replaceAll(from, to), text);
}

/** The suffix that ends a word is a space, but nothing after the last token. */
function bpeSuffix(suffix: string): Step {
  let last: string | undefined;
  return {
    push(token, emit) {
      if (last !== undefined) emit(last.replaceAll(suffix, ' '));
      last = token;
    },
    finish(emit) {
      if (last !== undefined) emit(last.replaceAll(suffix, ''));
    },
  };
}

function separated(): Step {
  let first = true;
  return {
    push(token, emit) {
      emit(first ? token : ` ${token}`);
      first = false;
    },
    finish: nothing,
  };
}
