/**
 * What `tokenizer.ggml.pre` of a GGUF file stands for: how llama.cpp (src/llama-vocab.cpp) cuts text before merging,
 * written as the pre-tokenizer of a `tokenizer.json`. The expressions are those of the original tokenizers.
 */
import { AhaError } from '../errors.ts';
import { nearestWord } from '../util/schema.ts';
import { SPLITS } from './pattern.ts';

type Split = keyof typeof SPLITS;

interface Family {
  /** Expressions applied one after the other; `gpt2` last means ByteLevel's own expression. */
  readonly splits: readonly Split[];
  /** A piece that is a token is taken whole. */
  readonly ignoreMerges?: true;
  /** Whether a text begins with the bos token when the file does not say. */
  readonly addBos?: true;
  /** Whether the original tokenizer normalizes to NFC (llama.cpp does not). */
  readonly nfc?: true;
}

const GPT2: Family = { splits: ['gpt2'] };
const LLAMA3: Family = { splits: ['llama3'], ignoreMerges: true, addBos: true };
const LLAMA3_SPLIT: Family = { splits: ['llama3'] };
const QWEN2: Family = { splits: ['qwen2'] };
const DIGITS: Family = { splits: ['digit', 'gpt2'] };
const GPT4O: Family = { splits: ['gpt4o'] };

const FAMILIES: Readonly<Record<string, Family>> = {
  default: { splits: ['punctuation', 'gpt2', 'digits', 'asciiDigitTriple'] },
  'gpt-2': GPT2,
  'phi-2': GPT2,
  gigachat: GPT2,
  'roberta-bpe': GPT2,
  mpt: GPT2,
  olmo: GPT2,
  jais: GPT2,
  'llama-bpe': LLAMA3,
  llama3: LLAMA3,
  'llama-v3': LLAMA3,
  falcon3: LLAMA3,
  'falcon-h1': LLAMA3,
  pixtral: LLAMA3,
  'midm-2.0': LLAMA3,
  lfm2: LLAMA3,
  dbrx: LLAMA3_SPLIT,
  'smaug-bpe': LLAMA3_SPLIT,
  'chatglm-bpe': LLAMA3_SPLIT,
  qwen2: { ...QWEN2, nfc: true },
  'deepseek-r1-qwen': QWEN2,
  stablelm2: QWEN2,
  megrez: QWEN2,
  hunyuan: QWEN2,
  qwen35: { splits: ['qwen35'], nfc: true },
  smollm: DIGITS,
  starcoder: DIGITS,
  refact: DIGITS,
  'command-r': DIGITS,
  codeshell: DIGITS,
  exaone: DIGITS,
  'minerva-7b': DIGITS,
  tekken: { splits: ['tekken'], ignoreMerges: true, addBos: true },
  'gpt-4o': GPT4O,
  llama4: GPT4O,
  'deepseek-v3': { splits: ['digitTriple', 'deepseek3Han', 'deepseek3'] },
  'deepseek-coder': { splits: ['lineBreak', 'spacedLetters', 'spacedPunctuation', 'han', 'digit'] },
  falcon: { splits: ['falconPunctuation', 'gpt2', 'asciiDigitTriple'] },
};

export interface GgufPreTokenizer {
  /** `pre_tokenizer` of a `tokenizer.json`. */
  readonly preTokenizer: unknown;
  readonly normalizer: unknown;
  readonly ignoreMerges: boolean;
  readonly addBos: boolean;
}

/** Throws an `AhaError` (`tokenizer-unsupported`) for a name that is not in the table. */
export function ggufPreTokenizer(name: string, source: string): GgufPreTokenizer {
  const family = Object.hasOwn(FAMILIES, name) ? FAMILIES[name] : undefined;
  if (family === undefined) {
    const nearest = nearestWord(name, Object.keys(FAMILIES));
    throw new AhaError({
      code: 'tokenizer-unsupported',
      boundary: 'text',
      what: `${source}: tokenizer.ggml.pre names a way to cut text that is not supported`,
      found: name,
      expected: Object.keys(FAMILIES).join(', '),
      fix:
        nearest === undefined
          ? 'Use the model in its Hugging Face layout (safetensors and tokenizer.json) instead.'
          : `If the file is meant to say ${JSON.stringify(nearest)}, correct its metadata; else use the model in its Hugging Face layout.`,
    });
  }
  const endsInByteLevel = family.splits.at(-1) === 'gpt2';
  const regexes = endsInByteLevel ? family.splits.slice(0, -1) : family.splits;
  return {
    preTokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...regexes.map((split) => ({
          type: 'Split',
          pattern: { Regex: SPLITS[split] },
          behavior: 'Isolated',
          invert: false,
        })),
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: endsInByteLevel },
      ],
    },
    normalizer: family.nfc === true ? { type: 'NFC' } : null,
    ignoreMerges: family.ignoreMerges ?? false,
    addBos: family.addBos ?? false,
  };
}
