/** Whole pieces as tokens. */
import type { IdBuffer } from './id-buffer.ts';
import { characterUnknown, type EncodingModel } from './encoding-model.ts';
import type { Vocabulary } from './vocabulary.ts';

export class WordLevelModel implements EncodingModel {
  readonly #vocabulary: Vocabulary;
  readonly #unknownId: number | undefined;

  constructor(vocabulary: Vocabulary, unknownToken: string | undefined) {
    this.#vocabulary = vocabulary;
    // Rust's `tokenizers` names "<unk>" even where the vocabulary has none; it matters only when it is needed.
    this.#unknownId = unknownToken === undefined ? undefined : vocabulary.idOf(unknownToken);
  }

  encode(piece: string, out: IdBuffer): void {
    const id = this.#vocabulary.idOf(piece) ?? this.#unknownId;
    if (id === undefined) throw characterUnknown(piece, piece.slice(0, 60));
    out.push(id);
  }
}
