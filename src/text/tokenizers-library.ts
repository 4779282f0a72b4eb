/**
 * What is used of `@huggingface/tokenizers`, with types: the declarations that version 0.2 ships cannot be resolved
 * by TypeScript's `nodenext` (their relative imports have no file extensions).
 */
import * as tokenizers from '@huggingface/tokenizers';

interface LibraryNormalizer {
  normalize(text: string): string;
}

interface Library {
  readonly NFCNormalizer: new (config: { type: string }) => LibraryNormalizer;
  readonly NFDNormalizer: new (config: { type: string }) => LibraryNormalizer;
  readonly NFKCNormalizer: new (config: { type: string }) => LibraryNormalizer;
  readonly NFKDNormalizer: new (config: { type: string }) => LibraryNormalizer;
  readonly PrependNormalizer: new (config: { type: string; prepend: string }) => LibraryNormalizer;
  readonly SplitPreTokenizer: new (config: {
    pattern: { Regex: string };
    behavior: string;
    invert: boolean;
  }) => {
    readonly pattern: RegExp | null;
  };
}

export const library = tokenizers as unknown as Library;
