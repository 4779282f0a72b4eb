/**
 * Text distillation, first half: what a teacher says to the problems of a task, judged by the task, and of that what
 * is worth learning. The second half is supervised fine-tuning (`sft.ts`) on the file that is written here. It is
 * what DeepSeek-R1's distilled models are (arXiv 2501.12948, section 2.4), and all that an endpoint allows.
 *
 * Every answer is appended to `texts.jsonl` once it is judged, with where it came from and under which terms. A run
 * that is interrupted or killed asks for nothing twice that it has there.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { Responder } from '../evaluate/responder.ts';
import type { Prompt } from '../task/presentation.ts';
import type { Problem } from '../task/problem.ts';
import type { Task } from '../task/task.ts';
import { storageError, writeFileAtomic } from '../util/files.ts';
import { streamKey } from '../util/random.ts';
import type { TextDistillConfig } from './distill-config.ts';

/** Where texts come from. */
export interface TextSource {
  /** A model, for people: a folder, or a name and an address. */
  readonly teacher: string;
  readonly kind: 'local' | 'endpoint';
  /** Licence or terms of use; null when nobody has said. */
  readonly terms: string | null;
}

export interface CollectTextsOptions {
  readonly responder: Responder;
  readonly source: TextSource;
  /** As the teacher is asked. */
  readonly task: Task;
  /** As the student will be asked. */
  readonly studentTask: Task;
  readonly config: Pick<
    TextDistillConfig,
    'problems' | 'samples' | 'maxTokens' | 'temperature' | 'topP' | 'minScore' | 'keepPerProblem'
  >;
  readonly seed: number | string;
  /** Gets `texts.jsonl` and `examples.jsonl`. */
  readonly folder: string;
  readonly onProgress?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

export interface CollectedTexts {
  readonly reason: 'completed' | 'interrupted';
  /** Rows of prompt and completion. */
  readonly file: string;
  readonly drawn: number;
  readonly kept: number;
  /** Answers that were not kept, by the reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Problems of which some answer was kept. */
  readonly problemsKept: number;
  /** Problems that the teacher cannot be asked: their prompt does not fit its context. */
  readonly unasked: number;
}

type DropReason = 'empty' | 'wrong' | 'cut-off' | 'unjudged' | 'repeated' | 'surplus';

const textSchema = z.strictObject({
  problem: z.string(),
  index: z.int().min(0),
  sample: z.int().min(0),
  response: z.string(),
  finish: z.enum(['stop', 'length']),
  tokens: z.int().min(0).nullable(),
  /** null: no verdict was reached. */
  score: z.number().nullable(),
  source: z.strictObject({
    teacher: z.string(),
    kind: z.enum(['local', 'endpoint']),
    terms: z.string().nullable(),
  }),
});
type Text = z.output<typeof textSchema>;

/** Problems that are asked together: what a local model batches, and what a crash may cost at most. */
const problemsAtOnce = 32;

/** Asks, judges and selects. Throws `AhaError` of the responder or the storage; what was answered is kept. */
export async function collectTexts(options: CollectTextsOptions): Promise<CollectedTexts> {
  const { task, responder, config, seed, folder, signal } = options;
  const path = join(folder, 'texts.jsonl');
  await mkdir(folder, { recursive: true });
  await checkAsked(join(folder, 'texts.json'), options);
  const texts = await readTexts(path);
  const aborted = () => signal?.aborted ?? false;
  const unasked = new Set<number>();
  const known = new Set(texts.map(({ index, sample }) => `${index}/${sample}`));
  const total = config.problems * config.samples;
  const record = async (text: Text) => {
    try {
      await appendFile(path, `${JSON.stringify(text)}\n`);
    } catch (error) {
      throw storageError(`Could not write ${path}`, error);
    }
    texts.push(text);
    options.onProgress?.(texts.length, total);
  };
  options.onProgress?.(texts.length, total);
  for (let start = 0; start < config.problems && !aborted(); start += problemsAtOnce) {
    const indices = Array.from(
      { length: Math.min(problemsAtOnce, config.problems - start) },
      (_, at) => start + at,
    );
    const jobs = indices.flatMap((index) => {
      const problem = task.problem({ split: 'train', index });
      const samples = Array.from({ length: config.samples }, (_, sample) => sample)
        .filter((sample) => !known.has(`${index}/${sample}`))
        .map((sample) => ({ index: sample, stream: streamKey(seed, 'teacher', index, sample) }));
      if (samples.length === 0) return [];
      const prompt = task.prompt(problem);
      if (responder.refusal(prompt) === undefined) return [{ index, problem, prompt, samples }];
      unasked.add(index);
      return [];
    });
    if (jobs.length === 0) continue;
    let written: Promise<void> = Promise.resolve();
    try {
      await responder.respond(jobs, config, {
        onResponse(at, sample, response) {
          const { index, problem } = jobs[at]!;
          // In turn, so that lines do not mix; an error is met below.
          written = written.then(async () =>
            record({
              problem: task.identity(problem),
              index,
              sample,
              response: response.text,
              finish: response.finish,
              tokens: response.tokens,
              score: await scoreOf(task, problem, response),
              source: { ...options.source },
            }),
          );
          written.catch(() => undefined);
        },
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      await written;
      if (aborted()) break;
      throw error;
    }
    await written;
  }
  return select(options, texts, unasked.size);
}

async function scoreOf(
  task: Task,
  problem: Problem,
  response: { readonly text: string; readonly finish: 'stop' | 'length'; readonly prefilled: string },
): Promise<number | null> {
  const verdict = await task.verify(problem, response.text, {
    finish: response.finish,
    prefilled: response.prefilled,
  });
  return verdict.outcome === 'scored' ? verdict.score : null;
}

/** Writes the rows that are worth learning, in the order of problems and samples. */
async function select(
  options: CollectTextsOptions,
  texts: readonly Text[],
  unasked: number,
): Promise<CollectedTexts> {
  const { config, studentTask, folder } = options;
  const dropped: Record<DropReason, number> = {
    empty: 0,
    wrong: 0,
    'cut-off': 0,
    unjudged: 0,
    repeated: 0,
    surplus: 0,
  };
  const lines: string[] = [];
  const keptOf = new Map<number, Set<string>>();
  const asked = texts
    .filter(({ index, sample }) => index < config.problems && sample < config.samples)
    .toSorted((a, b) => a.index - b.index || a.sample - b.sample);
  for (const text of asked) {
    const kept = keptOf.get(text.index) ?? new Set();
    const reason = dropReason(text, kept, config);
    if (reason !== undefined) {
      dropped[reason]++;
      continue;
    }
    keptOf.set(text.index, kept.add(text.response));
    const prompt = studentTask.prompt(studentTask.problem({ split: 'train', index: text.index }));
    lines.push(
      JSON.stringify({
        prompt: promptOf(prompt),
        completion: text.response,
        problem: text.problem,
        source: text.source,
      }),
    );
  }
  const file = join(folder, 'examples.jsonl');
  await writeFileAtomic(file, lines.map((line) => `${line}\n`).join(''));
  return {
    reason: asked.length < (config.problems - unasked) * config.samples ? 'interrupted' : 'completed',
    file,
    drawn: asked.length,
    kept: lines.length,
    dropped,
    problemsKept: keptOf.size,
    unasked,
  };
}

function dropReason(
  text: Text,
  kept: ReadonlySet<string>,
  { minScore, keepPerProblem }: CollectTextsOptions['config'],
): DropReason | undefined {
  if (text.response.trim() === '') return 'empty';
  if (text.finish === 'length') return 'cut-off';
  if (text.score === null) return 'unjudged';
  if (text.score < minScore) return 'wrong';
  if (kept.has(text.response)) return 'repeated';
  return kept.size >= keepPerProblem ? 'surplus' : undefined;
}

function promptOf(prompt: Prompt): unknown {
  return prompt.kind === 'text' ? prompt.text : prompt.messages;
}

/** Answers that were drawn in another way must not mix with these. @throws AhaError `texts-differ` */
async function checkAsked(path: string, { source, config, seed, task }: CollectTextsOptions): Promise<void> {
  const { temperature, topP, maxTokens } = config;
  const { name, presentation } = task;
  const asked = JSON.stringify({ ...source, seed, temperature, topP, maxTokens, task: name, presentation });
  let known: string | undefined;
  try {
    known = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw storageError(`Could not read ${path}`, error);
  }
  if (known === undefined) await writeFileAtomic(path, `${asked}\n`);
  else if (known !== asked) {
    throw new AhaError({
      code: 'texts-differ',
      boundary: 'configuration',
      what: `${path} says that the answers there were asked for with other settings`,
      found: asked,
      expected: known,
      fix: 'Go on with the settings that they were asked for with, or start a new run.',
    });
  }
}

/** What is there already. A last line that a crash has cut off, and whatever else cannot be read, is asked again. */
async function readTexts(path: string): Promise<Text[]> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw storageError(`Could not read ${path}`, error);
  }
  const texts = content.split('\n').flatMap((line): Text[] => {
    try {
      const parsed = textSchema.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
  // Whole lines again, so that what is appended begins on a line of its own.
  if (content !== '' && !content.endsWith('\n')) {
    await writeFileAtomic(path, texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
  }
  return texts;
}
