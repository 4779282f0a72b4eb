import { createCharacterTokenizer } from '../src/text/character-tokenizer.ts';

/** The files of a small tokenizer, to lie beside a fixture checkpoint. */
export function characterTokenizerFiles(): ReadonlyMap<string, Uint8Array> {
  return createCharacterTokenizer({ alphabet: '0123456789+-=' }).files;
}
