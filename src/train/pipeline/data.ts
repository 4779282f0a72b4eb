/** Rows of training data as the tokens of a stage's model. */
import { chatTemplateOf } from '../../text/chat-template.ts';
import { type ExampleData, loadExampleData } from '../example-data.ts';
import { createExampleEncoder } from '../example-encoder.ts';
import type { SftConfig } from '../sft-config.ts';
import type { StageContext, StageModel } from './stage.ts';

export async function loadStageData(
  context: StageContext,
  model: StageModel,
  config: SftConfig,
  files: readonly string[],
): Promise<ExampleData> {
  const tokenizer = model.tokenizer();
  const { codec } = await context.posed(model);
  const data = await loadExampleData({
    files: (await Promise.all(files.map(async (file) => context.tools.dataFiles(file)))).flat(),
    encode: createExampleEncoder({
      tokenizer,
      codec,
      template: chatTemplateOf(tokenizer),
      learn: config.learn,
    }),
    config,
    contextLength: model.policy.capabilities.contextLength,
  });
  for (const text of data.notes) context.emit({ type: 'note', text });
  return data;
}
