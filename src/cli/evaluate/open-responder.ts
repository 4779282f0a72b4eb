/** From what a user calls a model to something that answers prompts, with the form in which they are put to it. */
import { join } from 'node:path';
import { endpointResponder } from '../../evaluate/endpoint-responder.ts';
import { policyResponder } from '../../evaluate/policy-responder.ts';
import type { Responder } from '../../evaluate/responder.ts';
import { fingerprintModel } from '../../model/fingerprint.ts';
import { type Endpoint, openEndpoint } from '../../provider/endpoint.ts';
import { AhaError } from '../../errors.ts';
import { cacheFolder } from '../../hub/client.ts';
import type { PromptForm } from '../../task/presentation.ts';
import { printable } from '../../text/printable.ts';
import type { CommandContext } from '../command.ts';
import { formatDuration } from '../terminal/quantities.ts';
import type { EvaluateFlags } from '../commands/evaluate.ts';
import { openModel } from '../model/open-model.ts';
import { chooseForm, codecFor } from '../model/prompt-form.ts';
import { type Lineage, lineageOf } from './lineage.ts';

export interface OpenResponder extends AsyncDisposable {
  readonly responder: Responder;
  readonly form: PromptForm;
  /** Of the run that made the model, if one did. */
  readonly lineage: Lineage | undefined;
}

export async function openResponder(
  name: string,
  flags: EvaluateFlags,
  { reporter, interruption }: CommandContext,
): Promise<OpenResponder> {
  const lineage = await lineageOf(name);
  const model = await openModel(name, {
    reporter,
    engine: { threads: flags.threads },
    signal: interruption.signal,
  });
  try {
    const tokenizer = model.tokenizer();
    const form = await chooseForm(flags.prompt, name, tokenizer);
    const progress = reporter.progress({
      label: `Reading ${model.source} for its hash`,
      unit: 'bytes',
      quiet: true,
    });
    let weights: string;
    try {
      weights = await fingerprintModel(model.checkpoint.path, {
        signal: interruption.signal,
        onProgress: (done, total) => {
          progress.update(done, total);
        },
      });
    } finally {
      progress.finish();
    }
    const variables = lineage?.templateVariables ?? {};
    return {
      responder: policyResponder({
        name: lineage === undefined ? model.source : join(name),
        policy: model.policy,
        codec: codecFor(tokenizer, form, model.source, [], variables),
        identity: { weights, form, ...(form === 'chat' ? { templateVariables: variables } : {}) },
      }),
      form,
      lineage,
      [Symbol.asyncDispose]: async () => model[Symbol.asyncDispose](),
    };
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}

/** The model behind the endpoint that the flags name. Its prompts are conversations unless asked otherwise. */
export function openEndpointResponder(
  flags: EvaluateFlags,
  { reporter, environment, clock }: CommandContext,
): OpenResponder & { readonly endpoint: Endpoint } {
  const { endpoint: address, model, keyVariable } = flags;
  if (address === undefined || model === undefined) {
    throw new AhaError({
      code: 'endpoint-incomplete',
      boundary: 'configuration',
      what:
        address === undefined
          ? '--model names a model behind an endpoint'
          : 'An endpoint needs the name of a model',
      expected: '--endpoint URL --model NAME',
      fix: 'For example: --endpoint http://127.0.0.1:8000/v1 --model qwen2.5-7b',
    });
  }
  const key = environment[keyVariable]?.trim();
  const endpoint = openEndpoint({
    address,
    model,
    key: key === '' ? undefined : key,
    keyVariable,
    concurrency: flags.concurrency,
    retries: flags.retries,
    timeoutMilliseconds: flags.timeout * 1000,
    budget: { requests: flags.maxRequests, tokens: flags.maxTotalTokens, price: flags.maxPrice },
    prices: flags.price,
    cache: flags.cache ?? join(cacheFolder(environment), 'endpoint'),
    clock,
    onPause: ({ reason, milliseconds }) => {
      if (milliseconds >= 5000) {
        reporter.note(
          `${printable(reason, { singleLine: true })} Trying again in ${formatDuration(milliseconds / 1000)}.`,
        );
      }
    },
  });
  return {
    responder: endpointResponder(endpoint),
    form: flags.prompt === 'auto' ? 'chat' : flags.prompt,
    lineage: undefined,
    endpoint,
    [Symbol.asyncDispose]: async () => Promise.resolve(),
  };
}
