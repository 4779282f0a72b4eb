/** Calls of an answer's functions in its own process, in Python or in TypeScript and JavaScript. */
import type { PlainValue } from './plain-value.ts';
import { pythonCandidate } from './python-candidate.ts';
import { describeEnd, newMarker, runForRecords, type RunSettings } from './run-program.ts';
import { scriptCandidate, withExports } from './script-candidate.ts';

export type CallLanguage = 'python' | 'typescript' | 'javascript' | 'node';

export interface Call {
  readonly name: string;
  readonly args: readonly PlainValue[];
  readonly kwargs?: Readonly<Record<string, PlainValue>>;
}

export interface CallResult {
  /** Absent when the call never came back. */
  readonly returned?: PlainValue;
  readonly raised?: readonly string[];
  readonly message?: string;
}

export interface CallResults {
  readonly results: readonly CallResult[];
  /** Why the answer did not load, or why it ended before its last call. */
  readonly problem?: string;
}

export async function runCalls(
  language: CallLanguage,
  source: string,
  calls: readonly Call[],
  settings: RunSettings,
): Promise<CallResults> {
  const marker = newMarker();
  const { records, result } =
    language === 'python'
      ? await runForRecords(
          { language: 'python', files: { 'main.py': pythonCandidate } },
          JSON.stringify({ source, marker, calls }),
          marker,
          settings,
        )
      : await runScript(language, source, calls, marker, settings);
  const [load] = records;
  if (load === undefined || !('load' in load)) {
    return { results: calls.map(() => ({})), problem: `the program did not load (${describeEnd(result)})` };
  }
  if (load['load'] !== null) {
    const kind = Array.isArray(load['load']) ? String(load['load'][0] ?? 'an error') : 'an error';
    const line = typeof load['line'] === 'number' ? ` (line ${load['line']})` : '';
    return {
      results: calls.map(() => ({})),
      problem: `the program did not load: ${kind}: ${textOf(load['message'])}${line}`,
    };
  }
  const results: CallResult[] = calls.map(() => ({}));
  for (const record of records) {
    const index = record['n'];
    // The first word counts: whatever else an answer prints, a call has one result.
    if (typeof index !== 'number' || results[index] === undefined || Object.keys(results[index]).length > 0)
      continue;
    if ('returned' in record) results[index] = { returned: record['returned'] as PlainValue };
    else if (Array.isArray(record['raised'])) {
      results[index] = {
        raised: record['raised'].map(String).slice(0, 20),
        message: textOf(record['message']),
      };
    }
  }
  const unfinished = results.findIndex((one) => Object.keys(one).length === 0);
  return unfinished < 0
    ? { results }
    : { results, problem: `the program ended in call ${unfinished + 1} (${describeEnd(result)})` };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 300) : '';
}

async function runScript(
  language: 'typescript' | 'javascript' | 'node',
  source: string,
  calls: readonly Call[],
  marker: string,
  settings: RunSettings,
) {
  const typescript = language === 'typescript';
  // One file is by far the fastest in Deno; other runtimes import no blobs.
  const blob = settings.sandbox.name === 'deno';
  const harness = scriptCandidate({ source, typescript, marker, calls, import: blob ? 'blob' : 'file' });
  const names = calls.map(({ name }) => name);
  return runForRecords(
    blob
      ? // The harness is JavaScript; what strips types is the import of an answer in TypeScript.
        {
          language: typescript ? 'typescript' : 'javascript',
          files: { 'main.mjs': harness },
          entry: 'main.mjs',
        }
      : {
          language,
          files: {
            [typescript ? 'main.ts' : 'main.mjs']: typescript ? `// @ts-nocheck\n${harness}` : harness,
            [typescript ? 'answer.ts' : 'answer.mjs']: withExports(source, names),
          },
          entry: typescript ? 'main.ts' : 'main.mjs',
        },
    '',
    marker,
    settings,
  );
}
