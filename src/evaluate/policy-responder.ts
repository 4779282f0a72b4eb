/** A local policy as something that answers prompts. */
import type { Policy, SampleRequest } from '../engine/policy.ts';
import type { Prompt } from '../task/presentation.ts';
import { prefilledThinking } from '../verify/format.ts';
import type { Responder } from './responder.ts';

/** The part of a prompt codec (`train/prompt-codec.ts`) that answering needs. */
export interface ResponseCodec {
  encodePrompt(prompt: Prompt): { readonly tokens: Int32Array; readonly text: string };
  decodeResponse(tokens: ArrayLike<number>): string;
  readonly stopTokens: readonly number[];
  readonly stopStrings: readonly string[];
}

export interface PolicyResponderOptions {
  readonly name: string;
  readonly policy: Pick<Policy, 'sample' | 'capabilities'>;
  readonly codec: ResponseCodec;
  /** What makes the model the model it is: the hash of its weights, its prompt form. JSON. */
  readonly identity: Readonly<Record<string, unknown>>;
}

/** All samples go to the engine at once: it batches them, and what is drawn does not depend on how. */
export function policyResponder({ name, policy, codec, identity }: PolicyResponderOptions): Responder {
  const { contextLength } = policy.capabilities;
  return {
    name,
    identity: { kind: 'local', ...identity },
    refusal(prompt) {
      const { length } = codec.encodePrompt(prompt).tokens;
      if (length === 0) return 'the prompt has no tokens';
      if (length < contextLength) return undefined;
      return `the prompt has ${length} tokens, and the model's context is ${contextLength}`;
    },
    async respond(jobs, settings, { onResponse, signal }) {
      const prompts = jobs.map(({ prompt }) => codec.encodePrompt(prompt));
      const requests = jobs.map(({ samples }, index): SampleRequest => {
        const prompt = prompts[index]!.tokens;
        return {
          prompt,
          streams: samples.map(({ stream }) => stream),
          maxTokens: Math.min(settings.maxTokens, contextLength - prompt.length),
          temperature: settings.temperature,
          ...(settings.topP === undefined ? {} : { topP: settings.topP }),
          ...(settings.topK === undefined ? {} : { topK: settings.topK }),
          ...(settings.minP === undefined ? {} : { minP: settings.minP }),
          stopTokens: codec.stopTokens,
          stopStrings: codec.stopStrings,
        };
      });
      await policy.sample(requests, {
        ...(signal === undefined ? {} : { signal }),
        onCompletion: ({ request, completion, drawn }) => {
          onResponse(request, jobs[request]!.samples[completion]!.index, {
            text: codec.decodeResponse(drawn.tokens),
            prefilled: prefilledThinking(prompts[request]!.text),
            tokens: drawn.tokens.length,
            finish: drawn.finish,
          });
        },
      });
    },
  };
}
