import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lettersCodec, lettersPolicy, lettersTask } from '../../test/support/letters.ts';
import { defineTask } from '../task/task.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { evaluate, type EvaluateOptions } from './evaluate.ts';
import { evaluationFiles, readEvaluation } from './evaluation-folder.ts';
import { policyResponder } from './policy-responder.ts';
import type { Responder } from './responder.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aha-evaluate-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A responder that counts what it is asked, and can be stopped after some responses. */
function counted(stopAfter = Number.POSITIVE_INFINITY, stop: () => void = () => undefined) {
  const inner = policyResponder({
    name: 'letters',
    policy: lettersPolicy(),
    codec: lettersCodec,
    identity: { weights: 'table' },
  });
  const asked: string[] = [];
  const responder: Responder = {
    ...inner,
    async respond(jobs, settings, options) {
      let answered = 0;
      await inner.respond(jobs, settings, {
        ...options,
        onResponse: (job, sample, response) => {
          if (answered >= stopAfter) return;
          answered++;
          asked.push(`${JSON.stringify(jobs[job]!.prompt)} ${sample}`);
          options.onResponse(job, sample, response);
          if (answered === stopAfter) stop();
        },
      });
      options.signal?.throwIfAborted();
    },
  };
  return { responder, asked };
}

const basics: Omit<EvaluateOptions, 'responder'> = {
  tasks: [{ task: lettersTask(), count: 100 }],
  samples: 5,
  settings: { maxTokens: 4, temperature: 1 },
  seed: 3,
};

describe('evaluate', () => {
  it('asks every held-out problem as often as told and counts what is right', async () => {
    const { responder, asked } = counted();
    const { reason, report, records } = await evaluate({ ...basics, responder });
    expect(reason).toBe('completed');
    expect(asked).toHaveLength(4 * 5);
    expect(new Set(asked).size).toBe(20);
    const right = records.filter(({ answer, response }) => answer === response.trim()).length;
    expect(right).toBeGreaterThan(0);
    expect(right).toBeLessThan(20);
    expect(report!.measures.passAt1!.mean).toBeCloseTo(right / 20, 12);
    expect(report!.measures).toMatchObject({ problems: 4, responses: 20, failed: 0, formatKept: null });
  });

  it('draws the same whatever else is asked, and other things under another seed', async () => {
    const all = await evaluate({ ...basics, responder: counted().responder });
    const fewer = await evaluate({ ...basics, samples: 2, responder: counted().responder });
    expect(fewer.records).toEqual(all.records.filter(({ sample }) => sample < 2));
    const other = await evaluate({ ...basics, seed: 4, responder: counted().responder });
    expect(other.records.map(({ response }) => response)).not.toEqual(
      all.records.map(({ response }) => response),
    );
  });

  it('goes on where it was stopped, at any point, and ends in the same files', async () => {
    const whole = join(folder, 'whole');
    await evaluate({ ...basics, responder: counted().responder, folder: whole });
    const expected = await readFile(evaluationFiles(whole).responses);
    for (const stopAfter of [1, 7, 19]) {
      const own = join(folder, `stopped-${stopAfter}`);
      const controller = new AbortController();
      const first = counted(stopAfter, () => controller.abort());
      const stopped = await evaluate({
        ...basics,
        responder: first.responder,
        folder: own,
        signal: controller.signal,
      });
      expect(stopped).toMatchObject({ reason: 'interrupted', done: stopAfter, total: 20 });
      await expect(readEvaluation(own)).rejects.toThrow('no finished evaluation');
      // As SIGKILL leaves it: in the middle of a line.
      await appendFile(evaluationFiles(own).responses, '{"task":"letters","problem":"ab');
      const second = counted();
      const resumed = await evaluate({ ...basics, responder: second.responder, folder: own });
      expect(resumed).toMatchObject({ reason: 'completed', known: stopAfter });
      expect(second.asked).toHaveLength(20 - stopAfter);
      expect(await readFile(evaluationFiles(own).responses)).toEqual(expected);
      const { report } = await readEvaluation(own);
      expect(report.measures).toEqual(resumed.report!.measures);
    }
  });

  it('counts the time of all processes that worked on it', async () => {
    /** Half a second passes at every look. */
    const clock = (): Clock => {
      let now = 0;
      return { ...systemClock, monotonic: () => (now += 500) };
    };
    const controller = new AbortController();
    const { responder } = counted(7, () => controller.abort());
    await evaluate({ ...basics, responder, folder, clock: clock(), signal: controller.signal });
    const resumed = await evaluate({ ...basics, responder: counted().responder, folder, clock: clock() });
    // 7 responses in 3.5 s, of which 3 were noted; then 13, and the report.
    expect(resumed.report!.seconds).toBe(3 + 7);
    await expect(readFile(evaluationFiles(folder).seconds)).rejects.toThrow('ENOENT');
    const again = await evaluate({ ...basics, responder: counted().responder, folder, clock: clock() });
    expect(again.report!.seconds).toBe(10 + 0.5);
  });

  it('asks nothing again once it is finished, and only what is damaged', async () => {
    await evaluate({ ...basics, responder: counted().responder, folder });
    const again = counted();
    await evaluate({ ...basics, responder: again.responder, folder });
    expect(again.asked).toEqual([]);
    const path = evaluationFiles(folder).responses;
    const good = await readFile(path, 'utf8');
    await writeFile(path, good.replace('"task":"letters"', '"tusk":"letters"'));
    const repaired = counted();
    await evaluate({ ...basics, responder: repaired.responder, folder });
    expect(repaired.asked).toHaveLength(1);
    expect(await readFile(path, 'utf8')).toBe(good);
    await truncate(path, good.length - 10);
    const completed = counted();
    await evaluate({ ...basics, responder: completed.responder, folder });
    expect(completed.asked).toHaveLength(1);
    expect(await readFile(path, 'utf8')).toBe(good);
  });

  it('refuses a folder of another evaluation, and says what differs', async () => {
    await evaluate({ ...basics, responder: counted().responder, folder });
    const settings = { ...basics.settings, temperature: 0.5 };
    await expect(evaluate({ ...basics, settings, responder: counted().responder, folder })).rejects.toThrow(
      'settings.temperature: 1, not 0.5',
    );
    const responder = { ...counted().responder, identity: { kind: 'local', weights: 'other' } };
    await expect(evaluate({ ...basics, responder, folder })).rejects.toThrow(
      'model.weights: "table", not "other"',
    );
  });

  it('keeps what was answered when the responder fails', async () => {
    const first = counted(6);
    const failing: Responder = {
      ...first.responder,
      async respond(jobs, settings, options) {
        await first.responder.respond(jobs, settings, options);
        throw new Error('the line is dead');
      },
    };
    await expect(evaluate({ ...basics, responder: failing, folder })).rejects.toThrow('the line is dead');
    const second = counted();
    await evaluate({ ...basics, responder: second.responder, folder });
    expect(second.asked).toHaveLength(14);
  });

  it('counts responses that could not be judged apart, and leaves out prompts that do not fit', async () => {
    const task = lettersTask((problem, answer) => {
      if (problem.prompt.endsWith('a')) throw new Error('broken');
      return answer.trim() === problem.answer;
    });
    const inner = counted().responder;
    const responder: Responder = {
      ...inner,
      refusal: (prompt) => (prompt.kind === 'text' && prompt.text.endsWith('b') ? 'too long' : undefined),
    };
    const { report } = await evaluate({ ...basics, tasks: [{ task, count: 100 }], responder });
    expect(report!.measures).toMatchObject({
      problems: 3,
      responses: 15,
      failed: 5,
      failedBy: { verifier: 5 },
    });
    expect(report!.measures.passAt1!.count).toBe(2);
    expect(report!.skipped).toEqual([expect.objectContaining({ task: 'letters', reason: 'too long' })]);
    await expect(evaluate({ ...basics, responder: { ...inner, refusal: () => 'too long' } })).rejects.toThrow(
      'No problem can be put to this model',
    );
  });

  it('reports a mixture by task, level and category', async () => {
    const rows = (category: string, level: number) =>
      ['a', 'b', 'c'].map((letter, i) => ({
        prompt: `${level}${letter}`,
        answer: letter.toUpperCase(),
        level: level + (i % 2),
        category,
      }));
    const other = defineTask({
      name: 'other',
      prompts: {
        train: rows('one', 1),
        heldOut: [...rows('one', 2), ...rows('two', 0).map((r) => ({ ...r, level: 1 }))],
      },
      verify: 'exact',
    });
    const { report } = await evaluate({
      ...basics,
      tasks: [...basics.tasks, { task: other, count: 100 }],
      responder: counted().responder,
    });
    expect(report!.byTask.map(({ name, problems }) => [name, problems])).toEqual([
      ['letters', 4],
      ['other', 6],
    ]);
    expect(report!.byCategory.map(({ name, problems }) => [name, problems])).toEqual([
      ['other, one', 3],
      ['other, two', 3],
    ]);
    expect(report!.byLevel.map(({ name, problems }) => [name, problems])).toEqual([
      ['other, level 1', 3],
      ['other, level 2', 2],
      ['other, level 3', 1],
    ]);
    await expect(
      evaluate({ ...basics, tasks: [...basics.tasks, ...basics.tasks], responder: counted().responder }),
    ).rejects.toThrow('same name');
  });
});
