import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lettersTask } from '../../test/support/letters.ts';
import type { DrawnResponse, Responder } from '../evaluate/responder.ts';
import { failed, scored } from '../verify/verdict.ts';
import { collectTexts, type CollectTextsOptions } from './text-distillation.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-texts-'));
});
afterEach(() => rm(folder, { recursive: true }));

const answer = (text: string, finish: DrawnResponse['finish'] = 'stop'): DrawnResponse => ({
  text,
  prefilled: '',
  tokens: text.length,
  finish,
});

/** Answers each sample of a prompt; counts what it was asked, and may stop in between. */
function teacher(say: (prompt: string, sample: number) => DrawnResponse, limit = Infinity) {
  const asked: string[] = [];
  const responder: Responder = {
    name: 'teacher',
    identity: {},
    refusal: () => undefined,
    async respond(jobs, _, { onResponse }) {
      for (const [job, { prompt, samples }] of jobs.entries()) {
        const text = prompt.kind === 'text' ? prompt.text : 'a conversation';
        for (const { index } of samples) {
          if (asked.length === limit) throw new Error('the teacher is gone');
          asked.push(`${text}/${index}`);
          onResponse(job, index, say(text, index));
        }
      }
    },
  };
  return { responder, asked };
}

const right = (prompt: string) => answer(prompt.at(-1)!.toUpperCase());

function collect(responder: Responder, options: Partial<CollectTextsOptions> = {}) {
  const task = options.task ?? lettersTask();
  const { config, ...rest } = options;
  return collectTexts({
    responder,
    source: { teacher: './big', kind: 'local', terms: 'Apache-2.0' },
    task,
    studentTask: task,
    seed: 1,
    folder,
    ...rest,
    config: {
      problems: 12,
      samples: 2,
      maxTokens: 8,
      temperature: 1,
      topP: 1,
      minScore: 1,
      keepPerProblem: 4,
      ...config,
    },
  });
}

const rowsOf = async (name: string) =>
  (await readFile(join(folder, name), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('collectTexts', () => {
  it('keeps right answers, each once, with where they came from', async () => {
    const { responder } = teacher((prompt, sample) => (sample === 0 ? right(prompt) : answer('Z')));
    const collected = await collect(responder);
    expect(collected).toMatchObject({ reason: 'completed', drawn: 24, kept: 12, problemsKept: 12 });
    expect(collected.dropped).toMatchObject({ wrong: 12, repeated: 0 });
    const rows = await rowsOf('examples.jsonl');
    expect(rows).toHaveLength(12);
    for (const { prompt, completion, source } of rows) {
      expect(completion).toBe((prompt as string).at(-1)!.toUpperCase());
      expect(source).toEqual({ teacher: './big', kind: 'local', terms: 'Apache-2.0' });
    }
    expect(new Set(rows.map(({ problem }) => problem)).size).toBe(12);
    expect(await rowsOf('texts.jsonl')).toHaveLength(24);
  });

  it('counts what it leaves out by the reason', async () => {
    const said = [
      answer(' '),
      answer('A', 'length'),
      answer('?'),
      answer('A'),
      answer('A'),
      answer('AA'),
      answer('AAA'),
      answer('Z'),
    ];
    const task = lettersTask((_, text) => {
      if (text === '?') return failed('verifier', 'broken');
      return scored(text.startsWith('A') ? 1 : 0);
    });
    const { responder } = teacher((_, sample) => said[sample]!);
    const config = {
      problems: 1,
      samples: said.length,
      keepPerProblem: 2,
    } as CollectTextsOptions['config'];
    const collected = await collect(responder, { task, config });
    expect(collected.dropped).toEqual({
      empty: 1,
      'cut-off': 1,
      unjudged: 1,
      repeated: 1,
      surplus: 1,
      wrong: 1,
    });
    expect((await rowsOf('examples.jsonl')).map(({ completion }) => completion)).toEqual(['A', 'AA']);
  });

  it('asks nothing twice after a failure or a crash, and ends in the same examples', async () => {
    const elsewhere = join(folder, 'whole');
    await collect(teacher(right).responder, { folder: elsewhere });
    const first = teacher(right, 7);
    await expect(collect(first.responder)).rejects.toThrow('the teacher is gone');
    expect(await rowsOf('texts.jsonl')).toHaveLength(7);
    // As a process leaves it that is killed while it writes.
    await appendFile(join(folder, 'texts.jsonl'), '{"problem":"0a","ind');
    const second = teacher(right);
    expect(await collect(second.responder)).toMatchObject({ reason: 'completed', drawn: 24 });
    expect(second.asked).toHaveLength(24 - 7);
    expect(first.asked.filter((one) => second.asked.includes(one))).toEqual([]);
    const third = teacher(right);
    await collect(third.responder);
    expect(third.asked).toEqual([]);
    const [own, whole] = await Promise.all(
      [folder, elsewhere].map(async (at) => readFile(join(at, 'examples.jsonl'), 'utf8')),
    );
    expect(own).toBe(whole);
  });

  it('says that it was interrupted, and goes on', async () => {
    const controller = new AbortController();
    const { responder } = teacher(right);
    const stopping: Responder = {
      ...responder,
      async respond(jobs, settings, options) {
        await responder.respond(jobs.slice(0, 3), settings, options);
        controller.abort();
        throw new Error('stopped');
      },
    };
    const stopped = await collect(stopping, { signal: controller.signal });
    expect(stopped).toMatchObject({ reason: 'interrupted', drawn: 6 });
    expect(await collect(responder)).toMatchObject({ reason: 'completed', drawn: 24 });
  });

  it('does not mix answers that were asked for in another way', async () => {
    await collect(teacher(right).responder);
    const config = { temperature: 0.5 } as CollectTextsOptions['config'];
    await expect(collect(teacher(right).responder, { config })).rejects.toMatchObject({
      code: 'texts-differ',
    });
    const source = { teacher: './other', kind: 'local', terms: null } as const;
    await expect(collect(teacher(right).responder, { source })).rejects.toMatchObject({
      code: 'texts-differ',
    });
    // How much is asked, and what of it is kept, may change.
    const more = teacher(right);
    const wider = { samples: 3 } as CollectTextsOptions['config'];
    expect(await collect(more.responder, { config: wider })).toMatchObject({ drawn: 36 });
    expect(more.asked).toHaveLength(12);
  });

  it('leaves out problems that the teacher cannot be asked', async () => {
    const { responder, asked } = teacher(right);
    const refusing: Responder = {
      ...responder,
      refusal: (prompt) => (prompt.kind === 'text' && prompt.text.endsWith('a') ? 'too long' : undefined),
    };
    const collected = await collect(refusing);
    expect(collected).toMatchObject({ reason: 'completed', drawn: 18, kept: 9, unasked: 3 });
    expect(asked.every((one) => !one.includes('a/'))).toBe(true);
  });
});
