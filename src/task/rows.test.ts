import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRows } from './rows.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-rows-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let count = 0;
const file = async (content: string | Uint8Array) => {
  const path = join(folder, `${count++}.jsonl`);
  await writeFile(path, content);
  return path;
};
const good = Array.from({ length: 99 }, (_, i) => JSON.stringify({ prompt: `p${i}`, answer: `a${i}` }));

describe('readRows', () => {
  it('gives prompts and answers, other columns kept', async () => {
    const path = await file(
      '\uFEFF{"prompt":"a","answer":"b","id":7}\r\n\n{"prompt":"c","answer":42}\n   \n{"prompt":"d","answer":0.5}',
    );
    expect(await readRows(path)).toEqual({
      data: { files: [path], pinned: path },
      problems: [
        { prompt: 'a', answer: 'b', id: 7 },
        { prompt: 'c', answer: '42' },
        { prompt: 'd', answer: '0.5' },
      ],
      notes: [],
    });
    expect((await readRows(pathToFileURL(path))).problems).toHaveLength(3);
  });

  it('reads other column names', async () => {
    const path = await file('{"question":"a","target":"b"}\n');
    const rows = await readRows(path, { fields: { prompt: 'question', answer: 'target' } });
    expect(rows.problems).toEqual([{ prompt: 'a', answer: 'b' }]);
  });

  it('keeps characters that a chunk border cuts in two', async () => {
    const prompts = Array.from({ length: 4000 }, (_, i) => `${'é'.repeat(i % 97)}漢字🙂${i}`);
    const path = await file(prompts.map((prompt) => JSON.stringify({ prompt, answer: 'x' })).join('\n'));
    expect((await readRows(path)).problems.map((problem) => problem.prompt)).toEqual(prompts);
  });

  it.each([
    ['{"prompt":"x","answer":"y"', /^not JSON/],
    ['NaN', /^not JSON/],
    ['{"prompt":"x","answer":NaN}', /^not JSON/],
    ['null', /^no JSON object$/],
    ['[1]', /^no JSON object$/],
    ['"text"', /^no JSON object$/],
    ['{"promt":"x","answer":"y"}', /^no prompt \(is "promt" meant\?\)$/],
    ['{"prompt":"x"}', /^no answer$/],
    ['{"prompt":"x","answer":null}', /^answer is null$/],
    ['{"prompt":null,"answer":"y"}', /^prompt is null$/],
    ['{"prompt":3,"answer":"y"}', /^prompt is no text$/],
    ['{"prompt":["x"],"answer":"y"}', /^prompt is no text$/],
    ['{"prompt":" ","answer":"y"}', /^prompt is empty$/],
    ['{"prompt":"x","answer":" "}', /^answer is empty$/],
    ['{"prompt":"x","answer":true}', /^answer is neither text nor a number/],
    ['{"prompt":"x","answer":{"a":1}}', /^answer is neither/],
    ['{"prompt":"x","answer":1e400}', /^answer is neither/],
    ['{"prompt":"x","answer":12345678901234567890}', /^answer is neither/],
    ['{"prompt":"x","answer":1e-9}', /^answer is neither/],
    ['{"__proto__":{"prompt":"x","answer":"y"}}', /^no prompt/],
    ['{"prompt":"p1","answer":"another"}', /^an earlier row has the same prompt with another answer$/],
    ['{"prompt":"x","answer":"y","level":-1}', /^level cannot be used$/],
    ['\u0000\u0001', /^not JSON/],
  ])('leaves out and counts %j', async (line, fault) => {
    const path = await file([...good.slice(0, 50), line, ...good.slice(50)].join('\n'));
    const rows = await readRows(path);
    expect(rows.problems).toHaveLength(99);
    const [, number, what] = /1 of 100 rows left out \(line (\d+): (.*)\)$/s.exec(rows.notes[0]!)!;
    expect(number).toBe('51');
    expect(what).toMatch(fault);
    await expect(readRows(path, { maxBadShare: 0 })).rejects.toThrow(/found 1 bad rows of 100 \(line 51: /);
  });

  it('leaves out a line of 10 MB', async () => {
    const long = `{"prompt":"${'x'.repeat(10 * 2 ** 20)}","answer":"y"}`;
    const rows = await readRows(await file([...good, long].join('\n')));
    expect(rows.problems).toHaveLength(99);
    expect(rows.notes[0]).toMatch(/line 100: 10485\d+ bytes long, more than 1048576/);
  });

  it('leaves out text that is not UTF-8', async () => {
    const path = await file(
      Buffer.concat([
        Buffer.from(`${good.join('\n')}\n{"prompt":"`),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('","answer":"y"}'),
      ]),
    );
    expect((await readRows(path)).notes[0]).toContain('line 100: not UTF-8');
  });

  it('shows the first bad lines and refuses too many', async () => {
    const path = await file(['{}', '[]', 'x', '{}', ...good].join('\n'));
    await expect(readRows(path)).rejects.toThrow(
      /rows that cannot be used: found 4 bad rows of 103 \(line 1: no prompt; line 2: no JSON object; line 3: not JSON .*expected at most 1 % of the rows/,
    );
    expect((await readRows(path, { maxBadShare: 0.05 })).problems).toHaveLength(99);
  });

  it('refuses a file without a good row, whatever share is allowed', async () => {
    await expect(readRows(await file(''))).rejects.toThrow(/has no rows: found an empty file/);
    await expect(readRows(await file('\n \n\n'))).rejects.toThrow(/has no rows/);
    await expect(readRows(await file('x\ny'), { maxBadShare: 1 })).rejects.toThrow(/2 bad rows of 2/);
    await expect(readRows(await file('x'.repeat(10 * 2 ** 20)))).rejects.toThrow(
      /line 1: 10485760 bytes long/,
    );
  });

  it('refuses what is no such file', async () => {
    await expect(readRows(join(folder, 'none.jsonl'))).rejects.toThrow(
      /Could not read .*none.jsonl.*Check the path/,
    );
    await expect(readRows(folder)).rejects.toThrow(/The path is a folder/);
    await expect(readRows(await file(gzipSync(good.join('\n')).subarray(0, 30)))).rejects.toThrow(
      /Could not read/,
    );
  });

  it('unpacks gzip data', async () => {
    const { problems } = await readRows(await file(good.join('\n')));
    expect((await readRows(await file(gzipSync(good.join('\n'))))).problems).toEqual(problems);
  });

  it('lets the caller refuse more', async () => {
    const path = await file(good.join('\n'));
    const fault = (problem: { answer: string }) => (problem.answer === 'a7' ? 'unlucky' : undefined);
    await expect(readRows(path, { fault })).rejects.toThrow(/line 8: unlucky/);
  });
});
