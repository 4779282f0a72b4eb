/**
 * Ten thousand programs in one sandbox, and what is left of them: `npm run bench:many-runs -- [options]`. Most end by
 * themselves; some flood, take memory, run for ever or leave children and files. Prints processes, temporary folders,
 * open files and memory of this process as it goes, and fails if anything has grown at the end.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { openSandbox, type TierName } from '../src/sandbox/open.ts';
import type { Program } from '../src/sandbox/sandbox.ts';
import { table, whole } from './report.ts';

const { values } = parseArgs({
  options: {
    tier: { type: 'string', default: 'deno' },
    count: { type: 'string', default: '10000' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Usage: npm run bench:many-runs -- [options]

  --tier NAME   deno or bubblewrap (default deno)
  --count N     programs (default 10000)
  --help`);
  process.exit(0);
}

const javascript = (text: string): Program => ({ language: 'javascript', files: { 'main.js': text } });
const python = (text: string): Program => ({ language: 'python', files: { 'main.py': text } });
const usual = [
  javascript('console.log(6 * 7)'),
  javascript('import { writeFileSync } from "node:fs"; try { writeFileSync("left", "x"); } catch {}'),
  python('print(sum(range(10)))'),
  python('open("left", "w").write("x" * 1000)'),
];
const hostile = [
  javascript('for (;;);'),
  javascript('for (;;) console.log("x".repeat(10000));'),
  javascript('const all = []; for (;;) all.push(new Array(100000).fill(1.5));'),
  javascript('throw new Error("no")'),
  python('while True: pass'),
  python('import os; os._exit(3)'),
];

/** Processes of ours, alive or not collected; -1 where there is no /proc. */
function descendants(): number {
  const parents = new Map<number, number>();
  try {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
        parents.set(Number(name), Number(fields[1]));
      } catch {
        // It has just ended.
      }
    }
  } catch {
    return -1;
  }
  const isOurs = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === process.pid || isOurs(parent));
  };
  return [...parents.keys()].filter(isOurs).length;
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return -1;
  }
}

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('aha-')).length;
const state = () => {
  (globalThis as { gc?: () => void }).gc?.();
  return {
    processes: descendants(),
    folders: folders(),
    files: openFiles(),
    memory: Math.round(process.memoryUsage().rss / 2 ** 20),
  };
};

const count = Number(values.count);
const before = state();
const sandbox = await openSandbox({ tier: values.tier as TierName });
const programOf = (index: number) =>
  index % 50 === 49 ? hostile[((index - 49) / 50) % hostile.length]! : usual[index % usual.length]!;
const rows: string[][] = [];
const start = performance.now();
const report = (name: string) => {
  const { processes, folders: temporary, files, memory } = state();
  const seconds = (performance.now() - start) / 1000;
  const row = [name, whole(seconds), ...[processes, temporary, files, memory].map(whole)];
  console.error(row.join('  '));
  rows.push(row);
};
let next = 0;
let done = 0;
const worker = async () => {
  while (next < count) {
    await sandbox.run(programOf(next++), {}, { limits: { wallMs: 2000, memoryBytes: 256 * 2 ** 20 } });
    done++;
    if (done === Math.min(100, count) || done % Math.ceil(count / 10) === 0) report(`${done} runs`);
  }
};
await Promise.all(Array.from({ length: 4 }, worker));
await sandbox[Symbol.asyncDispose]();
report('closed');
console.log(table(['', 'seconds', 'processes', 'folders', 'open files', 'MiB'], rows));
const after = state();
const [early] = rows;
const grown = [
  ...(after.processes > before.processes ? [`${after.processes - before.processes} processes are left`] : []),
  ...(after.folders > before.folders ? [`${after.folders - before.folders} folders are left`] : []),
  ...(after.files > before.files + 2 ? [`${after.files - before.files} files are open`] : []),
  ...(after.memory > Number(early!.at(-1)!.replaceAll(/\D/g, '')) + 100
    ? ['memory has grown by 100 MiB']
    : []),
];
console.log(grown.length === 0 ? '\nNothing is left.' : `\nLeft behind: ${grown.join(', ')}.`);
if (grown.length > 0) process.exitCode = 1;
