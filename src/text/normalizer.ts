/**
 * Normalizers of a `tokenizer.json`: text in, text out. Those of `@huggingface/tokenizers` where they agree with
 * Rust's `tokenizers`; the others (`Lowercase`, `Strip`, `StripAccents`, `Precompiled`) are written here.
 */
import { z } from 'zod';
import { library } from './tokenizers-library.ts';
import { compilePattern, patternSchema, replacerOf, type Pattern } from './pattern.ts';
import { precompiledNormalizer } from './precompiled-normalizer.ts';

const leafSchemas = [
  z.object({ type: z.enum(['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents']) }),
  z.object({ type: z.literal('Prepend'), prepend: z.string() }),
  z.object({ type: z.literal('Replace'), pattern: patternSchema, content: z.string() }),
  z.object({
    type: z.literal('Strip'),
    strip_left: z.boolean().default(true),
    strip_right: z.boolean().default(true),
  }),
  z.object({ type: z.literal('Precompiled'), precompiled_charsmap: z.string().nullable() }),
] as const;

type LeafConfig = z.output<(typeof leafSchemas)[number]>;
export type NormalizerConfig =
  LeafConfig | { readonly type: 'Sequence'; readonly normalizers: readonly NormalizerConfig[] };

export const normalizerSchema: z.ZodType<NormalizerConfig> = z.lazy(() =>
  z.discriminatedUnion('type', [
    ...leafSchemas,
    z.object({ type: z.literal('Sequence'), normalizers: z.array(normalizerSchema).max(64) }),
  ]),
);

export interface Normalizer {
  normalize(text: string): string;
  /** Whether every pattern in it is known to take linear time. */
  readonly trusted: boolean;
}

type Step = (text: string) => string;

/** `undefined` when there is nothing to normalize. */
export function createNormalizer(config: NormalizerConfig | null): Normalizer | undefined {
  if (config === null) return undefined;
  const patterns: Pattern[] = [];
  const steps = flatten(config).map((leaf) => createStep(leaf, patterns));
  if (steps.length === 0) return undefined;
  return {
    normalize: (text) => steps.reduce((result, step) => step(result), text),
    trusted: patterns.every((pattern) => pattern.trusted),
  };
}

function flatten(config: NormalizerConfig): LeafConfig[] {
  return config.type === 'Sequence' ? config.normalizers.flatMap(flatten) : [config];
}

function createStep(config: LeafConfig, patterns: Pattern[]): Step {
  switch (config.type) {
    case 'NFC':
      return fromLibrary(new library.NFCNormalizer(config));
    case 'NFD':
      return fromLibrary(new library.NFDNormalizer(config));
    case 'NFKC':
      return fromLibrary(new library.NFKCNormalizer(config));
    case 'NFKD':
      return fromLibrary(new library.NFKDNormalizer(config));
    case 'Lowercase':
      // Character by character, without the rule for a final sigma.
      return (text) => Array.from(text, (character) => character.toLowerCase()).join('');
    case 'StripAccents':
      return (text) => text.replaceAll(/\p{M}/gu, '');
    case 'Prepend': {
      const prepend = fromLibrary(new library.PrependNormalizer(config));
      return (text) => (text === '' ? text : prepend(text));
    }
    case 'Replace': {
      patterns.push(compilePattern(config.pattern));
      return replacerOf(config.pattern, config.content);
    }
    case 'Strip':
      return (text) => {
        let result = text;
        if (config.strip_left) result = result.replace(/^\p{White_Space}+/u, '');
        if (config.strip_right) result = trimEnd(result);
        return result;
      };
    case 'Precompiled':
      return precompiledNormalizer(config.precompiled_charsmap ?? '');
  }
}

function fromLibrary(normalizer: { normalize(text: string): string }): Step {
  return (text) => normalizer.normalize(text);
}

/** Removes white space at the end: Unicode's, not JavaScript's. Linear, which `/\s+$/` is not. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}
