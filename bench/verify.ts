/**
 * How many programs a second are judged on this machine: `npm run bench:verify`. TypeScript checks with the
 * warm compiler, TypeScript tests in Deno, Python assertions in Pyodide; and, to compare with, the usual practice: a
 * process of plain Python for each sample, unprotected.
 */
import { spawn } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { openSandbox } from '../src/sandbox/open.ts';
import { code } from '../src/verify/code/code.ts';
import { judge, type Verifier } from '../src/verify/verdict.ts';
import { closeSharedTypeChecker, sharedTypeChecker } from '../src/verify/typescript/type-checker.ts';

const program = (i: number) =>
  `export function total${i}(xs: readonly number[]): number {\n  const seen = new Map<number, number>();\n` +
  `  for (const x of xs) seen.set(x, (seen.get(x) ?? 0) + ${i});\n  return [...seen.values()].reduce((a, b) => a + b, 0);\n}\n`;

async function rate(
  name: string,
  count: number,
  atOnce: number,
  run: (index: number) => Promise<void>,
): Promise<void> {
  // The first ones start compilers and interpreters.
  await Promise.all(Array.from({ length: atOnce }, (_, index) => run(-1 - index)));
  const start = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const perSecond = (count * 1000) / (performance.now() - start);
  process.stdout.write(
    `${name.padEnd(44)} ${perSecond.toFixed(1).padStart(8)} a second, ${Math.round(perSecond * 60)} a minute\n`,
  );
}

process.stdout.write(`load ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} cores\n`);
const sandbox = await openSandbox({ tier: 'deno' });
const judged = async (verify: Verifier<null>, response: string) => {
  const verdict = await judge((signal, pause) => verify(null, response, { response, signal, pause }), {
    deadline: 300_000,
  });
  if (verdict.outcome !== 'scored' || verdict.score !== 1) throw new Error(JSON.stringify(verdict));
};

const checker = sharedTypeChecker();
await rate('TypeScript type checks, warm', 5000, 256, async (i) => {
  const { outcome } = await checker.check(program(i + 1000));
  if (outcome !== 'passed') throw new Error(outcome);
});

const calls = {
  kind: 'calls',
  function: 'f',
  cases: [
    { args: [2], expected: 4 },
    { args: [3], expected: 6 },
  ],
} as const;
const callTests = { ...calls, cases: calls.cases.map((one) => ({ ...one, args: [...one.args] })) };
const typed = code.typescript<null>({ tests: callTests, sandbox });
await rate('TypeScript: check, then tests in Deno', 200, 32, (i) =>
  judged(typed, `const f = (x: number): number => x * 2; // ${i}`),
);
const script = code.javascript<null>({ tests: callTests, sandbox });
await rate('JavaScript: tests in Deno', 200, 8, (i) => judged(script, `const f = (x) => x * 2; // ${i}`));

const python = code.python<null>({
  tests: { kind: 'assertions', assertions: ['assert f(2) == 4', 'assert f(3) == 6', 'assert f(0) == 0'] },
  sandbox,
});
await rate('Python: assertions in Pyodide', 500, 8, (i) => judged(python, `def f(x): return x * 2 # ${i}`));

await rate('python -c, a process each, unprotected', 100, availableParallelism(), async (i) => {
  const child = spawn('python3', [
    '-c',
    `def f(x): return x * 2 # ${i}\nassert f(2) == 4\nassert f(3) == 6\nassert f(0) == 0`,
  ]);
  const exit = await new Promise((resolve) => child.once('close', resolve));
  if (exit !== 0) throw new Error(`exit ${String(exit)}`);
});

closeSharedTypeChecker();
await sandbox[Symbol.asyncDispose]();
