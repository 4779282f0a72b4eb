/** Measures the model of a stage on held-out problems. The responses are an artifact of their own, made once. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { evaluate } from '../../evaluate/evaluate.ts';
import { measure } from '../../evaluate/measures.ts';
import { policyResponder } from '../../evaluate/policy-responder.ts';
import type { ResponseRecord } from '../../evaluate/record.ts';
import { AhaError } from '../../errors.ts';
import type { Artifact, ArtifactStore } from './artifacts.ts';
import { hashOf, taskOf } from './plan.ts';
import { modelFolder, type StageContext } from './stage.ts';
import type { StageMeasures } from './status.ts';

const responsesFile = 'responses.jsonl';

/** The measures of a stage's artifact, found or made. */
export async function measureModel(
  context: StageContext,
  artifact: Artifact,
  store: ArtifactStore,
): Promise<StageMeasures | 'interrupted'> {
  const { recipe, stage, tools } = context;
  const { measure: settings } = recipe;
  const key = hashOf({
    kind: 'measure',
    version: 1,
    model: artifact.key,
    task: await tools.taskIdentity(taskOf(recipe, stage).task, taskOf(recipe, stage).taskOptions),
    prompt: recipe.prompt,
    settings,
    seed: recipe.seed,
  });
  const known = await store.find(key);
  if (known !== undefined) return measuresOf(await readResponses(known.folder));
  await using model = await tools.openModel(join(artifact.folder, modelFolder), { seed: context.seed });
  const { task, codec } = await context.posed(model);
  const outcome = await evaluate({
    responder: policyResponder({
      name: stage.kind,
      policy: model.policy,
      codec,
      identity: { key: artifact.key },
    }),
    tasks: [{ task, count: settings.problems }],
    samples: settings.samples,
    settings: { maxTokens: settings.maxTokens, temperature: settings.temperature },
    seed: recipe.seed,
    folder: join(store.workFolder(key), 'responses'),
    clock: tools.clock,
    ...(tools.signal === undefined ? {} : { signal: tools.signal }),
    onProgress: ({ done, total }) => context.emit({ type: 'responses', done, total }),
  });
  if (outcome.reason === 'interrupted') return 'interrupted';
  const { records } = outcome;
  await store.save({
    key,
    kind: 'measure',
    inputs: { model: artifact.key },
    settings,
    write: async (folder) => {
      await writeFile(
        join(folder, responsesFile),
        records.map((record) => `${JSON.stringify(record)}\n`).join(''),
      );
      return { ...measuresOf(records) };
    },
  });
  return measuresOf(records);
}

async function readResponses(folder: string): Promise<ResponseRecord[]> {
  const text = await readFile(join(folder, responsesFile), 'utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as ResponseRecord]));
}

export function measuresOf(records: readonly ResponseRecord[]): StageMeasures {
  const { problems, passAt1, length, truncated, formatKept } = measure(records);
  if (passAt1 === null) {
    throw new AhaError({
      code: 'nothing-measured',
      boundary: 'verifier',
      what: 'No response of the model could be checked',
      found: `${records.length} responses whose check failed`,
      fix: 'See what the verifier needs: aha task check, aha doctor.',
    });
  }
  return {
    problems,
    accuracy: passAt1.mean,
    low: passAt1.low,
    high: passAt1.high,
    length: length.mean,
    truncated,
    format: formatKept,
  };
}
