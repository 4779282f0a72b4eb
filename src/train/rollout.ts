/**
 * What a step samples: groups of completions of one problem each, with their verdicts. `sampleGroups` draws them and
 * `scoreGroups` checks them; both are deterministic but for verifiers that are not.
 */
import type { Completion, Policy, SampleRequest } from '../engine/policy.ts';
import { AhaError } from '../errors.ts';
import type { Problem, ProblemAddress } from '../task/problem.ts';
import type { Task } from '../task/task.ts';
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

/** How many verifiers run at a time; those in a sandbox are processes. */
const verifiersAtOnce = 8;
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
    readonly onProgress?: (done: { readonly completions: number; readonly tokens: number }) => void;
  },
): Promise<Completion[][]> {
  const { size, sampling, seed, stream, onProgress } = options;
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
    onToken: () => {
      tokens++;
    },
    onCompletion: () => {
      completions++;
      onProgress?.({ completions, tokens });
    },
  });
}

/** Checks every completion, and again those whose check failed as often as `failures` says. */
export async function scoreGroups(
  task: Task,
  codec: PromptCodec,
  problems: readonly PosedProblem[],
  completions: readonly (readonly Completion[])[],
  failures: FailedVerdictPolicy,
): Promise<Group[]> {
  const responses = completions.map((group) => group.map(({ tokens }) => codec.decodeResponse(tokens)));
  const jobs = problems.flatMap((posed, p) =>
    responses[p]!.map((response, c) => ({ posed, response, p, c })),
  );
  const verdicts = problems.map(() => [] as Verdict[]);
  const tries = failures.action === 'retry' ? failures.retries + 1 : 1;
  await inParallel(verifiersAtOnce, jobs, async ({ posed, response, p, c }) => {
    const { tokens, finish } = completions[p]![c]!;
    const detail = { prefilled: prefilledThinking(posed.prompt.text), finish, tokens: tokens.length };
    let verdict: Verdict = failed('verifier', 'not checked');
    for (let attempt = 0; attempt < tries && verdict.outcome === 'failed'; attempt++) {
      verdict = await task.verify(posed.problem, response, detail);
    }
    verdicts[p]![c] = { ...verdict, evidence: storable(verdict.evidence) };
  });
  return problems.map((posed, p) => ({
    ...posed,
    completions: completions[p]!.map((completion, c) => ({
      ...completion,
      response: responses[p]![c]!,
      verdict: verdicts[p]![c]!,
    })),
  }));
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

async function inParallel<T>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
