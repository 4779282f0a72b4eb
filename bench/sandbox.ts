/**
 * Checks a second in each sandbox of this machine, beside the usual practice of a bare `python -c` for each sample,
 * which protects from nothing: `npm run bench:sandbox`. All take turns, round by round, so that a busy moment of the
 * machine hits all alike.
 */
import { execFileSync, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { describeError } from '../src/errors.ts';
import { openBubblewrapSandbox } from '../src/sandbox/bubblewrap/bubblewrap-sandbox.ts';
import { openDenoSandbox } from '../src/sandbox/deno/deno-sandbox.ts';
import { Queue } from '../src/util/queue.ts';
import type { Program, Sandbox } from '../src/sandbox/sandbox.ts';
import { table } from './report.ts';

const help = `Usage: npm run bench:sandbox -- [options]

  --rounds N     rounds (default 5)
  --count N      programs of each kind in a round (default 60)
  --help`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    count: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const rounds = Number(values.rounds);
const count = Number(values.count);

const python = `def add(a, b):
    return a + b
assert add(1, 2) == 3
assert add(-1, 1) == 0
assert add("a", "b") == "ab"
print("done")
`;
const typescript = `const add = (a: number, b: number): number => a + b;
if (add(1, 2) !== 3) throw new Error('no');
console.log('done');
`;
const programs: Readonly<Record<string, Program>> = {
  python: { language: 'python', files: { 'main.py': python } },
  typescript: { language: 'typescript', files: { 'main.ts': typescript } },
  node: { language: 'node', files: { 'main.js': typescript.replaceAll(': number', '') } },
  c: { language: 'c', files: { 'main.c': '#include <stdio.h>\nint main(void) { puts("done"); }' } },
};

interface Contestant {
  readonly name: string;
  readonly check: () => Promise<string>;
  readonly seconds: number[];
}

/** Itself, not a script that looks for it. */
const interpreter = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).trim();

const sandboxes: Sandbox[] = [];
const contestants: Contestant[] = [];
for (const [open, languages] of [
  [openDenoSandbox, ['typescript', 'python']],
  [openBubblewrapSandbox, ['python', 'node', 'c']],
] as const) {
  try {
    const sandbox = await open();
    sandboxes.push(sandbox);
    for (const language of languages) {
      if (!sandbox.languages.has(language)) continue;
      const check = async () => (await sandbox.run(programs[language]!)).stdout;
      contestants.push({ name: `${sandbox.name}: ${language}`, check, seconds: [] });
    }
  } catch (error) {
    console.error(describeError(error));
  }
}
contestants.push({ name: 'no sandbox: python -c', check: async () => bare(), seconds: [] });

const queue = new Queue(availableParallelism());
for (const { name, check } of contestants) {
  const text = await check();
  if (text !== 'done\n') throw new Error(`${name} printed ${JSON.stringify(text)}`);
}
for (let round = 0; round < rounds; round++) {
  for (const { check, seconds } of contestants) {
    const start = performance.now();
    await Promise.all(Array.from({ length: count }, async () => queue.run(check)));
    seconds.push((performance.now() - start) / 1000);
  }
}
await Promise.all(sandboxes.map(async (sandbox) => sandbox[Symbol.asyncDispose]()));

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
const reference = count / median(contestants.at(-1)!.seconds);
console.log(`${count} programs a round, ${rounds} rounds, ${queue.concurrency} at once`);
console.log(
  table(
    ['', 'a second', 'best', 'to python -c'],
    contestants.map(({ name, seconds }) => {
      const rate = count / median(seconds);
      return [
        name,
        rate.toFixed(1),
        (count / Math.min(...seconds)).toFixed(1),
        (rate / reference).toFixed(2),
      ];
    }),
  ),
);

async function bare(): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(interpreter, ['-c', python], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Uint8Array) => (text += Buffer.from(chunk).toString()));
    child.once('error', reject);
    child.once('close', () => resolve(text));
  });
}
