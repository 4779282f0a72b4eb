/** The endpoint of a judge (`train/reward-parts.ts`), with its key from the environment. */
import { AhaError } from '../../errors.ts';
import { type Endpoint, openEndpoint } from '../../provider/endpoint.ts';
import type { RewardParts } from '../../train/reward-parts.ts';

export function openJudge({ address, model, keyVariable }: NonNullable<RewardParts['judge']>): Endpoint {
  const key = keyVariable === undefined ? undefined : process.env[keyVariable];
  if (keyVariable !== undefined && (key === undefined || key === '')) {
    throw new AhaError({
      code: 'endpoint-key-missing',
      boundary: 'configuration',
      what: 'The environment variable that holds the key of the judge is not set',
      found: keyVariable,
      fix: `Set it: ${keyVariable}=… aha train zero …`,
    });
  }
  return openEndpoint({ address, model, key, keyVariable });
}
