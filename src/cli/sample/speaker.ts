/** A model that is spoken to: prompts in, responses out as they are drawn. */
import type { Completion, SampleRequest } from '../../engine/policy.ts';
import { AhaError } from '../../errors.ts';
import { r1ZeroPrompt, type Prompt, type PromptForm } from '../../task/presentation.ts';
import { promptOpensReasoning, splitReasoning } from '../../text/reasoning.ts';
import { StreamingDecoder } from '../../text/streaming-decoder.ts';
import { StopStringMatcher } from '../../text/stop-strings.ts';
import type { PromptCodec } from '../../train/prompt-codec.ts';
import type { Clock } from '../../util/clock.ts';
import { streamKey } from '../../util/random.ts';
import type { OpenModel } from '../model/open-model.ts';
import { cutAtStop } from '../model/stop-watcher.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface SamplingSettings {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

export interface Response {
  readonly text: string;
  readonly reasoning: string;
  readonly answer: string;
  readonly tokens: number;
  /** Sum of the log-probabilities of its tokens, in nats. */
  readonly logprob: number;
  readonly finish: 'stop' | 'length';
}

export interface Reply {
  /** The prompt as the model saw it. */
  readonly prompt: string;
  /** Whether the prompt ends inside of reasoning. */
  readonly opened: boolean;
  readonly responses: readonly Response[];
  readonly seconds: number;
}

export interface SpeakerOptions {
  readonly model: OpenModel;
  readonly codec: PromptCodec;
  readonly form: PromptForm;
  readonly sampling: SamplingSettings;
  readonly maxTokens: number;
  /** Texts that end a response and do not belong to it. */
  readonly stops: readonly string[];
  readonly seed: number | string;
  readonly clock: Clock;
}

export class Speaker {
  readonly #options: SpeakerOptions;
  /** Names the draws: the second question of a conversation is not answered with the dice of the first. */
  #asked = 0;

  constructor(options: SpeakerOptions) {
    this.#options = options;
  }

  get form(): PromptForm {
    return this.#options.form;
  }

  /**
   * Draws `count` responses to a conversation; in raw form only the last message counts. `onText` hears the first
   * response as it is drawn.
   */
  async say(
    messages: readonly Message[],
    options: {
      readonly count: number;
      readonly signal?: AbortSignal;
      readonly onStart?: (opened: boolean) => void;
      readonly onText?: (text: string) => void;
    },
  ): Promise<Reply> {
    const { model, codec, sampling, stops, seed, clock } = this.#options;
    const { tokens: prompt, text } = codec.encodePrompt(this.#promptOf(messages));
    const opened = promptOpensReasoning(text);
    const request: SampleRequest = {
      prompt,
      maxTokens: this.#room(prompt.length),
      streams: Array.from({ length: options.count }, (_, index) =>
        streamKey(seed, 'cli-sample', this.#asked, index),
      ),
      ...sampling,
      stopTokens: codec.stopTokens,
      stopStrings: [...codec.stopStrings, ...stops],
    };
    this.#asked++;
    options.onStart?.(opened);
    const start = clock.monotonic();
    const ends = new Set(codec.stopTokens);
    const decoder = new StreamingDecoder(model.tokenizer(), { skipSpecialTokens: true });
    const matcher = new StopStringMatcher(stops);
    const completions = await model.policy.sample([request], {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onToken: ({ completion, token }) => {
        if (completion === 0 && !ends.has(token)) options.onText?.(matcher.push(decoder.push(token)).text);
      },
    });
    options.onText?.(matcher.push(decoder.finish()).text + matcher.finish());
    const seconds = (clock.monotonic() - start) / 1000;
    return {
      prompt: text,
      opened,
      responses: completions[0]!.map((completion) => this.#describe(completion, opened)),
      seconds,
    };
  }

  #describe(completion: Completion, opened: boolean): Response {
    const { codec, stops } = this.#options;
    const text = cutAtStop(codec.decodeResponse(completion.tokens), stops);
    const { reasoning, answer } = splitReasoning(text, { opened });
    return {
      text,
      reasoning,
      answer,
      tokens: completion.tokens.length,
      logprob: completion.logprobs.reduce((sum, value) => sum + value, 0),
      finish: completion.finish,
    };
  }

  #promptOf(messages: readonly Message[]): Prompt {
    const { form } = this.#options;
    if (form === 'chat') return { kind: 'chat', messages };
    const { content } = messages.at(-1)!;
    return { kind: 'text', text: form === 'r1-zero' ? r1ZeroPrompt(content) : content };
  }

  /** How many tokens a response may have after a prompt of this length. */
  #room(promptTokens: number): number {
    const { model, maxTokens } = this.#options;
    const { contextLength } = model.policy.capabilities;
    if (promptTokens < 1) {
      throw new AhaError({
        code: 'prompt-empty',
        boundary: 'data',
        what: 'The prompt has no tokens',
        expected: 'some text',
      });
    }
    if (promptTokens >= contextLength) {
      throw new AhaError({
        code: 'prompt-too-long',
        boundary: 'data',
        what: 'The prompt leaves no room for a response',
        found: `${promptTokens} tokens`,
        expected: `less than ${contextLength}, the model's context`,
        fix: 'Shorten it, or begin a new conversation.',
      });
    }
    return Math.min(maxTokens, contextLength - promptTokens);
  }
}
