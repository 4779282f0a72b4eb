/** The loss of a policy on examples that it does not learn from. */
import type { Policy } from '../engine/policy.ts';
import { countLearned, type EncodedExample } from './example-encoder.ts';

/** Examples that are handed to the engine at once: bounds what is held of their results. */
const atOnce = 256;

/** Mean −log p over the learned tokens of examples, in nats; null without any. */
export async function heldOutLoss(
  policy: Policy,
  examples: readonly EncodedExample[],
): Promise<{ readonly loss: number | null; readonly tokens: number }> {
  let sum = 0;
  const tokens = countLearned(examples);
  for (let start = 0; start < examples.length; start += atOnce) {
    const part = examples.slice(start, start + atOnce);
    const { logprobs } = await policy.forward(
      part.map(({ tokens: own, learned }) => ({ tokens: own, weights: Float32Array.from(learned) })),
    );
    for (const row of logprobs) for (const logprob of row) sum -= logprob;
  }
  return { loss: tokens === 0 ? null : sum / tokens, tokens };
}
