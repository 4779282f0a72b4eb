/**
 * Holds all of HumanEval and MBPP against their verifiers: every reference must score 1; with its body replaced by
 * `pass`, by a constant, by `exit(0)` or by an object that equals everything, none may. Prints counts, and the
 * exceptions by name:
 *
 *     npm run bench:code-tasks -- --humaneval HumanEval.jsonl.gz --mbpp mbpp.jsonl --tier bubblewrap
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Queue } from '../src/util/queue.ts';
import { openSandbox, type TierName } from '../src/sandbox/open.ts';
import { humanEvalTask } from '../src/task/humaneval.ts';
import { mbppTask } from '../src/task/mbpp.ts';
import type { Problem } from '../src/task/problem.ts';
import type { Task } from '../src/task/task.ts';
import { useSandbox } from '../src/verify/code/shared-sandbox.ts';

const { values } = parseArgs({
  options: {
    humaneval: { type: 'string' },
    mbpp: { type: 'string' },
    tier: { type: 'string', default: 'auto' },
    concurrency: { type: 'string', default: String(2 * availableParallelism()) },
    /** Problems of each data set. */
    limit: { type: 'string', default: 'Infinity' },
    /** `reference`, or a body by its name; several. Default: all. */
    kind: { type: 'string', multiple: true },
  },
});

const impostor = [
  'class E:',
  '    def __eq__(s, o): return True',
  '    def __ne__(s, o): return False',
  '    def __bool__(s): return True',
  '    def __hash__(s): return 0',
  '    def __getattr__(s, n): return s',
  '    def __call__(s, *a): return s',
  '    __sub__ = __rsub__ = __abs__ = __getitem__ = __call__',
  '    def __lt__(s, o): return True',
  '    __le__ = __gt__ = __ge__ = __lt__',
].join('\n');

/** What stands in the function's place, beside the reference. */
const bodies: Readonly<Record<string, string>> = {
  pass: 'pass',
  'a constant': 'return 7654',
  True: 'return True',
  'exit(0)': 'exit(0)',
  'os._exit(0)': 'import os; os._exit(0)',
  'an object that equals everything': 'return E()',
};

interface Case {
  readonly id: string;
  readonly kind: string;
  readonly run: () => ReturnType<Task['verify']>;
}

function casesOf<P extends Problem & { readonly id: string }>(
  task: Task<P>,
  corrupt: (problem: P, body: string) => string,
): Case[] {
  const problems = (['train', 'heldOut'] as const).flatMap((split) =>
    Array.from({ length: task.size(split) }, (_, index) => task.problem({ split, index })),
  );
  const some = problems.slice(0, Number(values.limit));
  const all = some.flatMap((problem): Case[] => [
    {
      id: `${task.name} ${problem.id}`,
      kind: 'reference',
      run: async () => task.verify(problem, task.reference(problem)!),
    },
    ...Object.entries(bodies).map(([kind, body]) => ({
      id: `${task.name} ${problem.id}`,
      kind,
      run: async () => task.verify(problem, corrupt(problem, body)),
    })),
  ]);
  return all.filter(({ kind }) => values.kind?.includes(kind) ?? true);
}

async function prove(name: string, cases: readonly Case[]): Promise<void> {
  const tally: Record<string, { checked: number; ones: number; failed: number }> = {};
  const exceptions: string[] = [];
  const start = performance.now();
  // Bounded: what waits in line holds memory.
  const queue = new Queue(Number(values.concurrency));
  const one = async ({ id, kind, run }: Case) => {
    const verdict = await run();
    const entry = (tally[kind] ??= { checked: 0, ones: 0, failed: 0 });
    entry.checked++;
    if (verdict.outcome === 'failed') {
      entry.failed++;
      exceptions.push(`${id}, ${kind}: no verdict: ${verdict.boundary}: ${verdict.reason}`);
      return;
    }
    if (verdict.score === 1) entry.ones++;
    if ((verdict.score === 1) !== (kind === 'reference')) {
      const { compared } = (verdict.evidence['accuracy'] ?? {}) as { compared?: string };
      exceptions.push(`${id}, ${kind}: scores ${verdict.score} (compared: ${compared ?? 'nothing'})`);
    }
  };
  await Promise.all(cases.map(async (each) => queue.run(async () => one(each))));
  const seconds = (performance.now() - start) / 1000;
  process.stdout.write(
    `${name}: ${cases.length} checks in ${seconds.toFixed(0)} s (${(cases.length / seconds).toFixed(1)} a second)\n`,
  );
  for (const [kind, { checked, ones, failed }] of Object.entries(tally)) {
    process.stdout.write(
      `  ${kind.padEnd(34)} ${ones} of ${checked} score 1${failed > 0 ? `, ${failed} without a verdict` : ''}\n`,
    );
  }
  process.stdout.write(`  exceptions: ${exceptions.length === 0 ? 'none' : ''}\n`);
  for (const one of exceptions.toSorted()) process.stdout.write(`    ${one}\n`);
}

await using sandbox = await openSandbox({ tier: values.tier as TierName });
useSandbox(sandbox);
process.stdout.write(`sandbox: ${sandbox.name}, ${values.concurrency} checks at once\n`);
if (values.humaneval !== undefined) {
  const task = await humanEvalTask({ file: values.humaneval });
  // The body comes first: it completes the function that the prompt began.
  await prove(
    'HumanEval',
    casesOf(task, (_problem, body) => `    ${body}\n${impostor}\n`),
  );
}
if (values.mbpp !== undefined) {
  const task = await mbppTask({ file: values.mbpp });
  const corrupt = (names: readonly string[], body: string) =>
    `${impostor}\n${names.map((name) => `def ${name}(*a, **k):\n    ${body}\n`).join('')}`;
  await prove(
    'MBPP',
    casesOf(task, ({ functions }, body) => corrupt(functions, body)),
  );
}
