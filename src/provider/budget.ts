/**
 * A limit on what may be spent: requests, tokens, money. What a request may cost at most is reserved before it is
 * sent, and settled when the answer says what it did cost, so that the limit holds with many requests under way.
 */
import { AhaError } from '../errors.ts';

export interface BudgetLimits {
  /** Requests that are sent, repeated ones included. */
  readonly requests?: number | undefined;
  /** Tokens of prompts and answers together. */
  readonly tokens?: number | undefined;
  /** In the currency of `prices`; needs them. */
  readonly price?: number | undefined;
}

/** Per million tokens. */
export interface Prices {
  readonly prompt: number;
  readonly completion: number;
}

export interface Usage {
  readonly requests: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** null without prices. */
  readonly price: number | null;
  /** Answers from the cache. */
  readonly cached: number;
}

interface Amount {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface Reservation {
  /** What it did cost. Later calls do nothing. */
  settle(amount: Amount): void;
}

export class Budget {
  readonly #limits: BudgetLimits;
  readonly #prices: Prices | undefined;
  #requests = 0;
  #promptTokens = 0;
  #completionTokens = 0;
  #cached = 0;
  #reservedPrompt = 0;
  #reservedCompletion = 0;

  /** @throws AhaError `budget-without-prices` */
  constructor(limits: BudgetLimits = {}, prices?: Prices) {
    if (limits.price !== undefined && prices === undefined) {
      throw new AhaError({
        code: 'budget-without-prices',
        boundary: 'configuration',
        what: 'A limit on the price needs the prices of tokens',
        fix: 'Give the price of a million prompt tokens and of a million completion tokens.',
      });
    }
    this.#limits = limits;
    this.#prices = prices;
  }

  get usage(): Usage {
    return {
      requests: this.#requests,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
      price: this.#prices === undefined ? null : this.#price(this.#promptTokens, this.#completionTokens),
      cached: this.#cached,
    };
  }

  countCached(): void {
    this.#cached++;
  }

  /**
   * Takes what one request may cost at most out of what is left.
   * @throws AhaError `endpoint-budget-exhausted`; nothing is then to be sent
   */
  reserve(most: Amount): Reservation {
    const promptTokens = this.#promptTokens + this.#reservedPrompt + most.promptTokens;
    const completionTokens = this.#completionTokens + this.#reservedCompletion + most.completionTokens;
    const { requests, tokens, price } = this.#limits;
    if (requests !== undefined && this.#requests + 1 > requests)
      throw exhausted('requests', this.#requests, requests);
    if (tokens !== undefined && promptTokens + completionTokens > tokens) {
      throw exhausted('tokens', this.#promptTokens + this.#completionTokens, tokens);
    }
    if (price !== undefined && this.#price(promptTokens, completionTokens) > price) {
      throw exhausted('price', this.#price(this.#promptTokens, this.#completionTokens), price);
    }
    this.#requests++;
    this.#reservedPrompt += most.promptTokens;
    this.#reservedCompletion += most.completionTokens;
    let open = true;
    return {
      settle: (amount) => {
        if (!open) return;
        open = false;
        this.#reservedPrompt -= most.promptTokens;
        this.#reservedCompletion -= most.completionTokens;
        this.#promptTokens += amount.promptTokens;
        this.#completionTokens += amount.completionTokens;
      },
    };
  }

  #price(promptTokens: number, completionTokens: number): number {
    const { prompt, completion } = this.#prices ?? { prompt: 0, completion: 0 };
    return (promptTokens * prompt + completionTokens * completion) / 1e6;
  }
}

function exhausted(kind: 'requests' | 'tokens' | 'price', spent: number, limit: number): AhaError {
  return new AhaError({
    code: 'endpoint-budget-exhausted',
    boundary: 'provider',
    what: `The budget does not allow another request`,
    found: `${+spent.toFixed(6)} spent; what the next request may need does not fit`,
    expected: `at most ${limit} (${kind})`,
    fix: 'What was answered is kept. Run the same command with a larger budget to go on.',
    fields: { kind, spent, limit },
  });
}
