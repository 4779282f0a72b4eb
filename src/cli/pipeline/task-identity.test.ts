import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTask } from '../../task/load.ts';
import { identityOfTask } from './task-identity.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aha-task-identity-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const identity = async (name: string, options: Record<string, unknown> = {}) =>
  identityOfTask(await loadTask(name, { options, check: false }), name, options);

function write(path: string, text: string): string {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
  return join(folder, path);
}

describe('the identity of a task', () => {
  it('is that of the problems in a file, wherever it lies, down to the last', async () => {
    const rows = Array.from({ length: 400 }, (_, index) =>
      JSON.stringify({ question: `What is ${index} + 1?`, answer: `#### ${index + 1}` }),
    );
    const here = await identity('gsm8k', { train: write('a/train.jsonl', rows.join('\n')) });
    const there = await identity('gsm8k', { train: write('b/other.jsonl', rows.join('\n')) });
    expect(there).toBe(here);
    for (const changed of [0, 200, 399]) {
      const text = rows.with(
        changed,
        JSON.stringify({ question: `What is ${changed} + 1?`, answer: '#### 0' }),
      );
      const other = await identity('gsm8k', { train: write('c/train.jsonl', text.join('\n')) });
      expect(other).not.toBe(here);
    }
  });

  it('counts the options that make the problems, and how they are judged', async () => {
    const identities = await Promise.all([
      identity('countdown', { levels: [1] }),
      identity('countdown', { levels: [2] }),
      identity('typescript-functions', { levels: [1] }),
      identity('typescript-functions', { levels: [1], scoring: 'all' }),
    ]);
    expect(new Set(identities).size).toBe(4);
    expect(await identity('countdown', { levels: [1] })).toBe(identities[0]);
  });

  it("counts the code of a task of one's own", async () => {
    const source = (score: number) => `export default {
      name: 'mine', prompts: [{ prompt: 'one' }, { prompt: 'two' }, { prompt: 'three' }],
      heldOutShare: 0.5, verify: () => ${score},
    };`;
    const first = await identity(write('mine.mjs', source(1)));
    expect(await identity(write('same/mine.mjs', source(1)))).toBe(first);
    expect(await identity(write('other/mine.mjs', source(0)))).not.toBe(first);
  });
});
