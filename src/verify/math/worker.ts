/** A thread of the pool (`pool.ts`): says `ready` once, then one judgement for each question, in order. */
import { parentPort } from 'node:worker_threads';
import { judgeReference, judgeResponse } from './judgement.ts';
import type { Question } from './pool.ts';

parentPort?.on('message', ({ reference, response, options }: Question) => {
  const judgement =
    response === undefined ? judgeReference(reference) : judgeResponse(reference, response, options);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
  parentPort?.postMessage(judgement);
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
parentPort?.postMessage('ready');
