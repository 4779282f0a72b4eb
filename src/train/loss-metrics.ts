/** What the GRPO loss reports beside itself: entropy, KL, ratios and clipping, over one or several batches. */

/** One batch as it was computed: arrays per sequence and token, meaning only where the weight is not 0. */
export interface LossObservation {
  readonly weights: readonly ArrayLike<number>[];
  readonly entropies: readonly ArrayLike<number>[];
  readonly ratio: readonly ArrayLike<number>[];
  /** −1, 0, +1 as `grpoLoss` says. */
  readonly clipped: readonly ArrayLike<number>[];
  readonly kl?: readonly ArrayLike<number>[] | undefined;
}

export interface LossMetrics {
  /** Mean over tokens, nats. */
  readonly entropy: number;
  /** Mean over tokens; null without a reference. */
  readonly kl: number | null;
  /** Shares of tokens, or of sequences where ratios are of sequences. */
  readonly clipShare: number;
  readonly clipLowShare: number;
  readonly clipHighShare: number;
  /** The least share of tokens clipped from below of any sequence. */
  readonly clipLowMin: number;
  /** The largest share of tokens clipped from above of any sequence. */
  readonly clipHighMax: number;
  readonly ratioMean: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  /** Tokens that were counted. */
  readonly tokens: number;
  readonly sequences: number;
}

/** Sums over batches; `read` gives the means. Sequences without a weighted token are not counted. */
export class LossMeter {
  readonly #level: 'token' | 'sequence';
  #entropy = 0;
  #kl = 0;
  #sawKl = false;
  #low = 0;
  #high = 0;
  #ratio = 0;
  #ratios = 0;
  #ratioMin = Infinity;
  #ratioMax = -Infinity;
  #lowMin = Infinity;
  #highMax = -Infinity;
  #tokens = 0;
  #sequences = 0;

  /** `level`: what the ratio of the loss belongs to. */
  constructor(level: 'token' | 'sequence') {
    this.#level = level;
  }

  add(observation: LossObservation): void {
    const { weights, entropies, ratio, clipped, kl } = observation;
    for (const [index, row] of weights.entries()) {
      let tokens = 0;
      let low = 0;
      let high = 0;
      for (let t = 0; t < row.length; t++) {
        if (row[t] === 0) continue;
        // All tokens of a sequence have its ratio: count it once.
        const counted = this.#level === 'token' || tokens === 0;
        tokens++;
        this.#entropy += entropies[index]![t]!;
        if (kl !== undefined) this.#kl += kl[index]![t]!;
        if (!counted) continue;
        const r = ratio[index]![t]!;
        this.#ratio += r;
        this.#ratios++;
        this.#ratioMin = Math.min(this.#ratioMin, r);
        this.#ratioMax = Math.max(this.#ratioMax, r);
        if (clipped[index]![t]! < 0) low++;
        if (clipped[index]![t]! > 0) high++;
      }
      if (tokens === 0) continue;
      this.#sequences++;
      this.#tokens += tokens;
      this.#low += low;
      this.#high += high;
      const counted = this.#level === 'token' ? tokens : 1;
      this.#lowMin = Math.min(this.#lowMin, low / counted);
      this.#highMax = Math.max(this.#highMax, high / counted);
    }
    this.#sawKl ||= kl !== undefined;
  }

  /** Zeros (and ratios of 1) when nothing was counted. */
  read(): LossMetrics {
    const none = this.#tokens === 0;
    const mean = (total: number, count: number) => (count === 0 ? 0 : total / count);
    return {
      entropy: mean(this.#entropy, this.#tokens),
      kl: this.#sawKl ? mean(this.#kl, this.#tokens) : null,
      clipShare: mean(this.#low + this.#high, this.#ratios),
      clipLowShare: mean(this.#low, this.#ratios),
      clipHighShare: mean(this.#high, this.#ratios),
      clipLowMin: none ? 0 : this.#lowMin,
      clipHighMax: none ? 0 : this.#highMax,
      ratioMean: none ? 1 : this.#ratio / this.#ratios,
      ratioMin: none ? 1 : this.#ratioMin,
      ratioMax: none ? 1 : this.#ratioMax,
      tokens: this.#tokens,
      sequences: this.#sequences,
    };
  }
}
