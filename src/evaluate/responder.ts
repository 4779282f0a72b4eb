/**
 * What is evaluated: anything that answers prompts. A local policy (`policy-responder.ts`) and a model behind an
 * endpoint (`endpoint-responder.ts`) look the same from here.
 */
import type { Prompt } from '../task/presentation.ts';
import type { StreamKey } from '../util/random.ts';

/** How responses are drawn. */
export interface ResponseSettings {
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly minP?: number | undefined;
}

/** One prompt, to be answered once for each of its samples. */
export interface ResponseJob {
  readonly prompt: Prompt;
  readonly samples: readonly {
    /** Numbers the samples of a problem from 0. */
    readonly index: number;
    /** Names what is drawn: the same key gives the same response of the same local model. */
    readonly stream: StreamKey;
  }[];
}

export interface DrawnResponse {
  readonly text: string;
  /** The end of the prompt that belongs to the response, such as `<think>\n`; empty for none. */
  readonly prefilled: string;
  /** null where an endpoint does not say. */
  readonly tokens: number | null;
  /** `length`: cut off by the limit of tokens or by the model's context. */
  readonly finish: 'stop' | 'length';
}

export interface RespondOptions {
  /** Called with each response as soon as it is there, in any order. Must not throw. */
  readonly onResponse: (job: number, sample: number, response: DrawnResponse) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Responder {
  /** For people. */
  readonly name: string;
  /** JSON: all that responses depend on beside prompt, settings and stream. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Why this prompt cannot be answered at all, or undefined. */
  refusal(prompt: Prompt): string | undefined;
  /** Resolves once every sample of every job was handed to `onResponse`. Rejects when the signal aborts. */
  respond(jobs: readonly ResponseJob[], settings: ResponseSettings, options: RespondOptions): Promise<void>;
}
