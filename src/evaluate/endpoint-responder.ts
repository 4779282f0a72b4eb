/** A model behind an endpoint as something that answers prompts. */
import type { Endpoint } from '../provider/endpoint.ts';
import type { CompletionReply } from '../provider/completion.ts';
import type { DrawnResponse, Responder } from './responder.ts';

/**
 * Samples are told apart by a seed of their own, for servers that honour it, and in the endpoint's cache. The first
 * error ends the evaluation; answers that were on their way are waited for, since they are paid for.
 */
export function endpointResponder(endpoint: Endpoint): Responder {
  return {
    name: `${endpoint.model} at ${endpoint.address}`,
    identity: { kind: 'endpoint', address: endpoint.address, model: endpoint.model },
    // Only the server knows its context; it refuses what does not fit.
    refusal: () => undefined,
    async respond(jobs, settings, { onResponse, signal }) {
      const open = jobs.flatMap((job, index) => job.samples.map((sample) => ({ job, index, sample })));
      const failures: unknown[] = [];
      let next = 0;
      const work = async () => {
        while (next < open.length && failures.length === 0) {
          const { job, index, sample } = open[next++]!;
          const reply = await endpoint.complete(
            {
              prompt: job.prompt,
              maxTokens: settings.maxTokens,
              temperature: settings.temperature,
              topP: settings.topP,
              seed: sample.stream[0] & 0x7fff_ffff,
              variant: sample.index,
            },
            { signal },
          );
          onResponse(index, sample.index, toResponse(reply));
        }
      };
      const workers = Array.from({ length: Math.min(endpoint.concurrency, open.length) }, async () =>
        work().catch((error: unknown) => {
          failures.push(error);
        }),
      );
      await Promise.all(workers);
      signal?.throwIfAborted();
      // oxlint-disable-next-line typescript/only-throw-error
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** Reasoning that the server keeps apart is put back where a model writes it. */
function toResponse({ text, reasoning, finish, completionTokens }: CompletionReply): DrawnResponse {
  return {
    text: reasoning === '' ? text : `<think>${reasoning}</think>\n${text}`,
    prefilled: '',
    tokens: completionTokens,
    finish: finish === 'length' ? 'length' : 'stop',
  };
}
