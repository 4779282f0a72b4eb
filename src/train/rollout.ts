/**
 * What a step samples: groups of completions of one problem each, with their verdicts. `sampleGroups` draws them;
 * `sampleAndScore` checks them, too, while others are drawn. Both are deterministic but for verifiers that are not.
 */
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Completion, Policy, SampleRequest } from '../engine/policy.ts';
import { AhaError } from '../errors.ts';
import type { Problem, ProblemAddress } from '../task/problem.ts';
import type { Task } from '../task/task.ts';
import { Queue } from '../util/queue.ts';
import { streamKey, type StreamName } from '../util/random.ts';
import { prefilledThinking } from '../verify/format.ts';
import { failed, type Verdict } from '../verify/verdict.ts';
import type { EncodedPrompt, PromptCodec } from './prompt-codec.ts';

/** A problem that is ready to be put to the policy. */
export interface PosedProblem {
  readonly address: ProblemAddress;
  readonly problem: Problem;
  readonly prompt: EncodedPrompt;
}

export interface ScoredCompletion extends Completion {
  readonly response: string;
  readonly verdict: Verdict;
}

export interface Group extends PosedProblem {
  readonly completions: readonly ScoredCompletion[];
}

/** How completions are drawn. */
export interface SamplingOptions {
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
}

export interface FailedVerdictPolicy {
  readonly action: 'drop' | 'retry';
  readonly retries: number;
}

/**
 * How many checks are begun at a time. Programs wait in the sandbox, which runs one on each core: enough are in line
 * that no core is idle and that the compiler checks many together. Their deadlines do not count the wait.
 */
const checksAtOnce = 8 * availableParallelism();
/** A verdict's evidence may be anything; more than this of it is not kept. */
const mostEvidenceCharacters = 20_000;

/**
 * The problem of an address with its prompt in tokens, or undefined if the prompt leaves no room for
 * `maxCompletionTokens` in the policy's context.
 */
export function poseProblem(
  task: Task,
  codec: PromptCodec,
  address: ProblemAddress,
  room: { readonly contextLength: number; readonly maxCompletionTokens: number },
): PosedProblem | undefined {
  const problem = task.problem(address);
  const prompt = codec.encodePrompt(task.prompt(problem));
  if (prompt.tokens.length === 0) {
    throw new AhaError({
      code: 'prompt-empty',
      boundary: 'task',
      what: `A prompt of task ${task.name} has no tokens`,
      found: prompt.text,
      expected: 'at least one token',
      fix: 'Give problems a prompt, or use a tokenizer that begins texts with a token.',
    });
  }
  if (prompt.tokens.length + room.maxCompletionTokens > room.contextLength) return undefined;
  return { address, problem, prompt };
}

/**
 * `size` completions of each problem. The stream of completion c of problem p is named by `stream(p)` and c, so that
 * what is drawn does not depend on how problems are batched.
 */
export function sampleGroups(
  policy: Policy,
  codec: PromptCodec,
  problems: readonly PosedProblem[],
  options: {
    readonly size: number;
    readonly sampling: SamplingOptions;
    readonly seed: number | string;
    readonly stream: (problem: number) => StreamName;
    /** See `SampleOptions.remember`. */
    readonly remember?: string;
    readonly onProgress?: (done: { readonly completions: number; readonly tokens: number }) => void;
    /** Called with each completion as it ends, where the policy says so. */
    readonly onDrawn?: (problem: number, completion: number, drawn: Completion) => void;
  },
): Promise<Completion[][]> {
  const { size, sampling, seed, stream, remember, onProgress, onDrawn } = options;
  const requests = problems.map(({ prompt }, index): SampleRequest => {
    return {
      ...sampling,
      prompt: prompt.tokens,
      streams: Array.from({ length: size }, (_, c) => streamKey(seed, ...stream(index), c)),
      stopTokens: codec.stopTokens,
      stopStrings: codec.stopStrings,
    };
  });
  let completions = 0;
  let tokens = 0;
  return policy.sample(requests, {
    ...(remember === undefined ? {} : { remember }),
    onToken: () => {
      tokens++;
    },
    onCompletion: ({ request, completion, drawn }) => {
      onDrawn?.(request, completion, drawn);
      completions++;
      onProgress?.({ completions, tokens });
    },
  });
}

/** Draws the completions of each problem and checks each as soon as it is drawn. */
export async function sampleAndScore(
  policy: Policy,
  task: Task,
  codec: PromptCodec,
  problems: readonly PosedProblem[],
  options: Omit<Parameters<typeof sampleGroups>[3], 'onDrawn'> & {
    readonly failures: FailedVerdictPolicy;
    /** Called when all are drawn; verdicts may still be under way. */
    readonly onSampled?: () => void;
  },
): Promise<Group[]> {
  const check = checker(task, codec, options.failures);
  const begun = problems.map(() => [] as Promise<CheckedResponse>[]);
  const unwanted = new AbortController();
  // Every check listens.
  setMaxListeners(0, unwanted.signal);
  const begin = (p: number, c: number, completion: Completion): Promise<CheckedResponse> => {
    const checked = check(problems[p]!, completion, unwanted.signal);
    // Whoever waits for it learns of it; when sampling fails, nobody does.
    checked.catch(() => undefined);
    return (begun[p]![c] = checked);
  };
  try {
    const completions = await sampleGroups(policy, codec, problems, {
      ...options,
      onDrawn: (p, c, drawn) => void begin(p, c, drawn),
    });
    options.onSampled?.();
    return await Promise.all(
      problems.map(async (posed, p) => ({
        ...posed,
        completions: await Promise.all(
          completions[p]!.map(async (completion, c) => ({
            ...completion,
            ...(await (begun[p]![c] ?? begin(p, c, completion))),
          })),
        ),
      })),
    );
  } finally {
    unwanted.abort();
  }
}

interface CheckedResponse {
  readonly response: string;
  readonly verdict: Verdict;
}

/** Checks completions, and again those whose check failed as often as `failures` says. */
function checker(task: Task, codec: PromptCodec, failures: FailedVerdictPolicy) {
  const queue = new Queue(checksAtOnce);
  const tries = failures.action === 'retry' ? failures.retries + 1 : 1;
  return async (
    posed: PosedProblem,
    { tokens, finish }: Completion,
    signal: AbortSignal,
  ): Promise<CheckedResponse> => {
    const response = codec.decodeResponse(tokens);
    const detail = {
      prefilled: prefilledThinking(posed.prompt.text),
      finish,
      tokens: tokens.length,
      signal,
    };
    return queue.run(async () => {
      let verdict: Verdict = failed('verifier', 'not checked');
      for (let attempt = 0; attempt < tries && verdict.outcome === 'failed'; attempt++) {
        verdict = await task.verify(posed.problem, response, detail);
      }
      return { response, verdict: { ...verdict, evidence: storable(verdict.evidence) } };
    }, signal);
  };
}

/** Evidence as plain JSON: whatever a verifier put there must not make a run unable to store its rollouts. */
function storable(evidence: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    const text = JSON.stringify(evidence);
    if (text.length <= mostEvidenceCharacters) return JSON.parse(text) as Record<string, unknown>;
    return { omitted: `${text.length} characters of evidence` };
  } catch {
    return { omitted: 'evidence that is no JSON' };
  }
}
