/** Responses to the same held-out problems by the model before and after, out of the log of a run. */
import { z } from 'zod';
import { readRunLog } from '../runs/run-files.ts';

const evaluationSchema = z.looseObject({
  type: z.literal('evaluation'),
  rollouts: z.array(
    z.looseObject({
      problem: z.string(),
      prompt: z.string(),
      response: z.string(),
      reward: z.number().nullable(),
      tokens: z.number(),
    }),
  ),
});

type Response = z.output<typeof evaluationSchema>['rollouts'][number];

export interface ResponsePair {
  readonly prompt: string;
  readonly before: Response;
  readonly after: Response;
}

/**
 * The first `count` problems of which the first and the last evaluation both have a response, those first that were
 * answered wrongly at first and rightly at last: they show what was learned. At most one pair in four shows
 * something else, if there is such a one.
 */
export async function responsePairs(folder: string, count: number): Promise<ResponsePair[]> {
  const evaluations = (await readRunLog(folder)).flatMap((record) => {
    const parsed = evaluationSchema.safeParse(record);
    return parsed.success ? [parsed.data] : [];
  });
  const first = evaluations[0];
  const last = evaluations.at(-1);
  if (first === undefined || last === undefined) return [];
  const afterwards = new Map(last.rollouts.map((response) => [response.problem, response]));
  const pairs = first.rollouts.flatMap((before): ResponsePair[] => {
    const after = afterwards.get(before.problem);
    return after === undefined ? [] : [{ prompt: before.prompt, before, after }];
  });
  const learned = pairs.filter(({ before, after }) => before.reward !== 1 && after.reward === 1);
  const others = pairs.filter((pair) => !learned.includes(pair));
  const chosen = others.slice(0, Math.floor(count / 4));
  return [...learned.slice(0, count - chosen.length), ...chosen, ...others.slice(chosen.length)].slice(
    0,
    count,
  );
}
