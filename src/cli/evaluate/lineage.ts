/** What the run that made a model says about it: how it is asked, on what it was trained. */
import { readStoredRecipe } from '../runs/run-files.ts';

export interface Lineage {
  readonly task: string | undefined;
  readonly taskOptions: Readonly<Record<string, unknown>>;
  readonly seed: number | string;
  /** How the run drew responses; undefined where it drew none. */
  readonly temperature: number | undefined;
  readonly maxTokens: number;
  /** Of the chat template. */
  readonly templateVariables: Readonly<Record<string, unknown>>;
  /** Training problems of the task that the run may have drawn. */
  readonly drawnProblems: number;
  /** Files, or data sets on the Hub, of examples. */
  readonly data: readonly string[];
}

/** undefined for a model that no run has made. */
export async function lineageOf(name: string): Promise<Lineage | undefined> {
  const stored = await readStoredRecipe(name);
  if (stored === undefined) return undefined;
  const { recipe } = stored;
  const shared = { task: recipe.task, taskOptions: recipe.taskOptions, seed: recipe.seed };
  if ('groupSize' in recipe) {
    return {
      ...shared,
      temperature: recipe.sampling.temperature,
      maxTokens: recipe.maxCompletionTokens,
      templateVariables: {},
      drawnProblems: recipe.steps * recipe.problemsPerStep,
      data: [],
    };
  }
  return {
    ...shared,
    temperature: undefined,
    maxTokens: recipe.evaluation.maxCompletionTokens,
    templateVariables: recipe.templateVariables,
    drawnProblems: 0,
    data: recipe.data,
  };
}
