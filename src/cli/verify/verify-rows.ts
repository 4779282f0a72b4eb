/** Judges rows with a verifier and prints a verdict for each, in their order. */
import { existsSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { AhaError, describeError } from '../../errors.ts';
import { builtInTasks } from '../../task/load.ts';
import type { Problem } from '../../task/problem.ts';
import { readLines } from '../../util/lines.ts';
import { nearestWord, parseWithSchema } from '../../util/schema.ts';
import { findVerifier, namedVerifiers, type VerifierRow } from '../../verify/named-verifiers.ts';
import { judge, type Verdict } from '../../verify/verdict.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import type { VerifyFlags } from '../commands/verify.ts';
import { openTask } from '../task/open-task.ts';
import { exitCodes } from '../exit-codes.ts';

/** A program may run several times, each with a limit of its own. */
const deadline = 300_000;

interface Judge {
  readonly judge: (row: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<Verdict>;
}

export function listVerifiers({ reporter }: CommandContext): CommandResult {
  for (const { name, description } of namedVerifiers) reporter.line(`${name.padEnd(10)} ${description}`);
  reporter.line(`A task's own:  ${Object.keys(builtInTasks).join(', ')}`);
  const verifiers = namedVerifiers.map(({ name, description }) => ({ name, description }));
  return { result: { verifiers, tasks: Object.keys(builtInTasks) } };
}

export async function verifyRows(
  name: string | undefined,
  flags: VerifyFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter, interruption, clock } = context;
  const { judge: run } = await open(name, parseOptions(flags.set ?? []), context);
  const counts = { rows: 0, scored: 0, failed: 0, malformed: 0 };
  let total = 0;
  const start = clock.monotonic();
  const waiting: Promise<{ readonly line: number; readonly record: Record<string, unknown> }>[] = [];
  const print = async () => {
    const { line, record } = await waiting.shift()!;
    if ('error' in record) counts.malformed++;
    else if (record['outcome'] === 'failed') counts.failed++;
    else {
      counts.scored++;
      total += record['score'] as number;
    }
    // With --json, standard output is for the summary.
    reporter.line(JSON.stringify({ line, ...record }));
  };
  for await (const line of readLines(flags.file ?? (process.stdin as AsyncIterable<Buffer>))) {
    if (interruption.signal.aborted) break;
    counts.rows++;
    waiting.push(judgeLine(line, run, interruption.signal).then((record) => ({ line: line.number, record })));
    if (waiting.length >= flags.concurrency) await print();
  }
  while (waiting.length > 0) await print();
  if (counts.rows === 0) {
    throw new AhaError({
      code: 'no-rows',
      boundary: 'data',
      what: 'There are no rows to judge',
      found: flags.file ?? 'an empty standard input',
      expected: 'one JSON object a line, with a response',
    });
  }
  const seconds = (clock.monotonic() - start) / 1000;
  const mean = counts.scored === 0 ? null : total / counts.scored;
  reporter.note(
    `${counts.rows} rows: ${counts.scored} scored${mean === null ? '' : ` (mean ${mean.toFixed(3)})`}, ` +
      `${counts.failed} failed, ${counts.malformed} malformed; ${(counts.rows / seconds).toFixed(1)} a second`,
  );
  return {
    result: { ...counts, mean, seconds },
    ...(counts.malformed > 0 ? { exitCode: exitCodes.failure } : {}),
  };
}

async function judgeLine(
  line: { readonly text: string; readonly fault?: string },
  run: Judge['judge'],
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  if (line.fault !== undefined) return { error: line.fault };
  let row: unknown;
  try {
    row = JSON.parse(line.text);
  } catch (error) {
    return { error: `not JSON (${describeError(error).slice(0, 100)})` };
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return { error: 'no JSON object' };
  const columns = row as Record<string, unknown>;
  if (typeof columns['response'] !== 'string') {
    const nearest = nearestWord('response', Object.keys(columns).slice(0, 100));
    return { error: `no response that is text${nearest === undefined ? '' : ` (is ${nearest} meant?)`}` };
  }
  try {
    return { ...(await run(columns, signal)) };
  } catch (error) {
    return { error: describeError(error).slice(0, 500) };
  }
}

async function open(
  name: string | undefined,
  options: Record<string, unknown>,
  context: CommandContext,
): Promise<Judge> {
  const known = [...namedVerifiers.map((one) => one.name), ...Object.keys(builtInTasks)];
  const named = name === undefined ? undefined : findVerifier(name);
  if (named !== undefined) {
    const parsed = parseWithSchema(named.options, options, {
      what: `The options of verifier ${named.name}`,
      boundary: 'configuration',
    });
    const verify = named.create(parsed);
    const rowSchema = named.row(parsed);
    return {
      judge: async (row, signal) => {
        const fields = parseWithSchema(rowSchema, row, { what: 'The row', boundary: 'data' });
        const response = row['response'] as string;
        const full: VerifierRow = { ...row, ...fields, response };
        return judge((inner, pause) => verify(full, response, { response, signal: inner, pause }), {
          deadline,
          signal,
        });
      },
    };
  }
  if (name === undefined || (!Object.hasOwn(builtInTasks, name) && !existsSync(name))) {
    const nearest = name === undefined ? undefined : nearestWord(name, known);
    throw new AhaError({
      code: 'verifier-unknown',
      boundary: 'configuration',
      what: name === undefined ? 'No verifier was named' : 'There is no such verifier',
      ...(name === undefined ? {} : { found: name }),
      expected: `${known.join(', ')}, or a task file`,
      ...(nearest === undefined ? {} : { fix: `Did you mean ${nearest}?` }),
    });
  }
  const { form, ...own } = options;
  const task = await openTask(
    name,
    {
      options: own,
      check: false,
      ...(form === undefined ? {} : { form: form as 'raw' | 'r1-zero' | 'chat' }),
    },
    context,
  );
  const problemSchema = z.looseObject({ prompt: z.string() });
  return {
    judge: async (row, signal) => {
      const problem = parseWithSchema(problemSchema, row['problem'], {
        what: "The row's problem",
        boundary: 'data',
        fix: 'Give the problem as the task makes it: aha task show prints some.',
      }) as Problem;
      return task.verify(problem, row['response'] as string, { signal, finish: 'stop' });
    },
  };
}

/** `scoring=all`, values in YAML. */
export function parseOptions(pairs: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) {
        throw new AhaError({
          code: 'invalid-option',
          boundary: 'configuration',
          what: 'An option must name a key and a value',
          found: pair,
          expected: '--set key=value',
        });
      }
      return [pair.slice(0, at), parse(pair.slice(at + 1)) as unknown];
    }),
  );
}
