/** Several models on the same held-out problems: a report of each, and each compared with the first. */
import { join } from 'node:path';
import { compareEvaluations } from '../../../evaluate/compare.ts';
import { evaluate, type EvaluationOutcome } from '../../../evaluate/evaluate.ts';
import { policyResponder } from '../../../evaluate/policy-responder.ts';
import { writeFileAtomic } from '../../../util/files.ts';
import type { StageOf } from '../recipe.ts';
import { writeRows } from '../rows.ts';
import type { StageContext, StageOutcome } from '../stage.ts';

export async function evaluateStage(context: StageContext<StageOf<'evaluate'>>): Promise<StageOutcome> {
  const { stage, recipe, seed, tools, work, emit, planned } = context;
  const outcomes: { readonly name: string; readonly outcome: EvaluationOutcome }[] = [];
  for (const [index, name] of stage.models.entries()) {
    const role = `models[${index}]`;
    await using model = await tools.openModel(context.modelPath(role), { seed });
    const { task, codec } = await context.posed(model);
    const outcome = await evaluate({
      responder: policyResponder({
        name,
        policy: model.policy,
        codec,
        identity: { stage: planned.key, role },
      }),
      tasks: [{ task, count: stage.measure.problems }],
      samples: stage.measure.samples,
      settings: { maxTokens: stage.measure.maxTokens, temperature: stage.measure.temperature },
      seed: recipe.seed,
      folder: join(work, `responses-${index}`),
      clock: tools.clock,
      ...(tools.signal === undefined ? {} : { signal: tools.signal }),
      onProgress: ({ done, total }) => emit({ type: 'responses', done, total }),
    });
    if (outcome.reason === 'interrupted') return { reason: 'interrupted' };
    outcomes.push({ name, outcome });
  }
  const [first] = outcomes;
  const models = outcomes.map(({ name, outcome }) => {
    const { seconds: _seconds, ...report } = outcome.report!;
    return {
      name,
      measures: report.measures,
      byLevel: report.byLevel,
      ...(outcome === first!.outcome
        ? {}
        : {
            against: {
              name: first!.name,
              ...compareEvaluations(
                { report: first!.outcome.report!, records: first!.outcome.records },
                { report: outcome.report!, records: outcome.records },
              ),
            },
          }),
    };
  });
  return {
    reason: 'completed',
    write: async (folder) => {
      await writeFileAtomic(join(folder, 'report.json'), `${JSON.stringify({ models }, null, 2)}\n`);
      for (const [index, { outcome }] of outcomes.entries()) {
        await writeRows(join(folder, `responses-${index}.jsonl`), outcome.records);
      }
      return {
        models: models.map(({ name, measures, ...rest }) => ({
          name,
          accuracy: measures.passAt1,
          ...('against' in rest ? { difference: rest.against.accuracy } : {}),
        })),
      };
    },
  };
}
