/** Parquet files that pyarrow wrote (test/fixtures/parquet/make-examples.py). */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRowFile } from '../util/row-file.ts';
import { exampleOf } from './example-schema.ts';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../test/fixtures/parquet/${name}.parquet`, import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-rows-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function examples(file: string) {
  const found: { readonly line: number; readonly example: ReturnType<typeof exampleOf> }[] = [];
  for await (const { line, value, fault } of readRowFile(file)) {
    found.push({ line, example: value === undefined ? fault! : exampleOf(value) });
  }
  return found;
}

describe('rows of Parquet', () => {
  it.each(['none', 'snappy', 'gzip', 'brotli'])('are read with compression %s', async (compression) => {
    const completion = (letter: string) => ({
      form: 'completion',
      prompt: letter,
      completion: letter.toUpperCase(),
    });
    expect(await examples(fixture(`completions-${compression}`))).toEqual([
      { line: 1, example: completion('a') },
      { line: 2, example: completion('b') },
      { line: 3, example: expect.any(String) as string },
      { line: 4, example: 'completion is empty' },
      { line: 5, example: completion('e') },
    ]);
  });

  it('hold conversations as lists of structs', async () => {
    const [first, second] = await examples(fixture('messages'));
    const said = { role: 'assistant', content: 'Ünïcödé: 4' };
    const asked = { role: 'user', content: 'What is 2 + 2? 🙂' };
    const turn = (message: object) => ({ message, train: undefined });
    expect(first!.example).toEqual({ form: 'messages', messages: [turn(asked), turn(said)] });
    expect(second!.example).toEqual({ form: 'messages', messages: [turn(said), turn(asked), turn(said)] });
  });

  it('are told by the content of the file, not by its name', async () => {
    const path = join(folder, 'data.jsonl');
    await writeFile(path, await readFile(fixture('completions-snappy')));
    expect(await examples(path)).toHaveLength(5);
  });

  it('that cannot be read say which compressions can', async () => {
    const refusal = { code: 'parquet-unreadable', message: expect.stringContaining('Snappy') as string };
    await expect(examples(fixture('completions-zstd'))).rejects.toMatchObject(refusal);
    const path = join(folder, 'cut.parquet');
    const whole = await readFile(fixture('completions-snappy'));
    await writeFile(path, whole.subarray(0, whole.length - 100));
    await expect(examples(path)).rejects.toMatchObject(refusal);
    await expect(examples(join(folder, 'none.parquet'))).rejects.toMatchObject({ boundary: 'storage' });
  });
});
