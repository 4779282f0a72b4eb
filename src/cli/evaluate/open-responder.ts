/** From what a user calls a model to something that answers prompts, with the form in which they are put to it. */
import { join } from 'node:path';
import { policyResponder } from '../../evaluate/policy-responder.ts';
import type { Responder } from '../../evaluate/responder.ts';
import { fingerprintModel } from '../../model/fingerprint.ts';
import type { PromptForm } from '../../task/presentation.ts';
import type { CommandContext } from '../command.ts';
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
