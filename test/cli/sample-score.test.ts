/** `aha score` against transformers' numbers, `aha sample` and `aha doctor`, as child processes. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadFixture, fixtureFolder, fixtureNames } from '../parity/fixture.ts';
import { fixture } from '../model-files.ts';
import { aha, ahaFailure, ahaJson } from './aha.ts';

// Each test starts several processes, and a machine may be busy.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

/** A checkpoint with a tokenizer of bytes and a chat template, as people have them. */
const chat = 'chat';
let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aha-sample-'));
  const folder = join(cwd, chat);
  await mkdir(folder);
  for (const file of ['config.json', 'model.safetensors']) {
    await copyFile(join(fixtureFolder('qwen2'), file), join(folder, file));
  }
  const document: unknown = JSON.parse(
    await readFile(fixture('text', 'tokenizers', 'added-tokens.json'), 'utf8'),
  );
  const { tokenizer = document } = document as { tokenizer?: unknown };
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  const template = '{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] ';
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ chat_template: template }));
});
afterAll(() => rm(cwd, { recursive: true }));

interface Scores {
  readonly tokens: number[][];
  readonly logprobs: (number | null)[][];
  readonly sequences: { total: number; perplexity: number; texts?: string[] }[];
}

describe('aha score', () => {
  it.each(fixtureNames)(
    'gives the log-probabilities of transformers at temperature 0.7 (%s)',
    async (name) => {
      const { golden } = await loadFixture(name);
      const ids = golden.get('input_ids')!;
      const mask = golden.get('attention_mask')!;
      const expected = golden.get('logprobs_t07')!;
      const [rows, columns] = ids.shape as [number, number];
      const lengths = Array.from({ length: rows }, (_, row) =>
        mask.data.subarray(row * columns, (row + 1) * columns).reduce((a, b) => a + b, 0),
      );
      const sequences = lengths.map((length, row) => [
        ...ids.data.subarray(row * columns, row * columns + length),
      ]);
      await writeFile(join(cwd, `${name}.json`), JSON.stringify(sequences));
      const args = ['score', fixtureFolder(name), '--tokens', `${name}.json`, '--temperature', '0.7'];
      const { tokens, logprobs } = await ahaJson<Scores>(args, { cwd });
      expect(tokens).toEqual(sequences);
      for (const [row, length] of lengths.entries()) {
        expect(logprobs[row]![0]).toBeNull();
        expect(logprobs[row]).toHaveLength(length);
        for (let t = 1; t < length; t++) {
          const wanted = expected.data[row * (columns - 1) + t - 1]!;
          expect(Math.abs(logprobs[row]![t]! - wanted) / Math.abs(wanted)).toBeLessThan(1e-5);
        }
      }
    },
  );

  it('scores texts and files, and prints them as a table for people', async () => {
    await writeFile(join(cwd, 'essay.txt'), 'hello there.');
    const args = ['score', chat, '--text', 'hello there.', '--file', 'essay.txt'];
    const { sequences, logprobs } = await ahaJson<Scores>(args, { cwd });
    expect(sequences[0]!.texts!.join('')).toBe('hello there.');
    expect(sequences[1]).toMatchObject({ name: 'essay.txt', total: sequences[0]!.total });
    const sum = logprobs[0]!.reduce<number>((total, value) => total + (value ?? 0), 0);
    expect(sequences[0]!.total).toBeCloseTo(sum, 5);
    const { stdout } = await aha(args, { cwd });
    expect(stdout).toContain(`sum ${sum.toFixed(4)}, perplexity `);
  });

  it('refuses to score nothing', async () => {
    expect(await ahaFailure(['score', chat], { cwd })).toMatchObject({ code: 'nothing-to-score', exit: 2 });
  });
});

interface Sampled {
  readonly text: string;
  readonly prompt: string;
  readonly form: string;
  readonly responses: { text: string; tokens: number; logprob: number; finish: string }[];
}

describe('aha sample', () => {
  const greedy = ['--temperature', '0', '--max-tokens', '12'];

  it('continues a raw prompt greedily, the same from an argument and from standard input, and streams it', async () => {
    const given = await ahaJson<Sampled>(['sample', chat, 'Hello', '--raw', ...greedy], { cwd });
    expect(given).toMatchObject({ prompt: 'Hello', form: 'raw' });
    const piped = await ahaJson<Sampled>(['sample', chat, '--raw', ...greedy], { cwd, input: 'Hello\n' });
    expect(piped.responses).toEqual(given.responses);
    const plain = await aha(['sample', chat, 'Hello', '--raw', ...greedy], { cwd });
    // Content alone goes to standard output; how it went, to standard error.
    expect(plain.stdout.trimEnd()).toContain(given.text.trim().split('\n')[0]);
    expect(plain.stderr).toMatch(/\d+ tokens in .* tokens\/s/);
  });

  it('puts a chat prompt through the template of the model', async () => {
    const { form, prompt } = await ahaJson<Sampled>(['sample', chat, 'Hello', ...greedy], { cwd });
    expect(form).toBe('chat');
    expect(prompt).toBe('[user] Hello\n[assistant] ');
  });

  it('stops at a text, which is not part of the response', async () => {
    const whole = await ahaJson<Sampled>(['sample', chat, 'Hello', '--raw', ...greedy], { cwd });
    const stop = whole.text.slice(3, 5);
    const args = ['sample', chat, 'Hello', '--raw', ...greedy, '--stop', stop];
    const { text, responses } = await ahaJson<Sampled>(args, { cwd });
    expect(text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(responses[0]!.finish).toBe('stop');
  });

  it('draws the same again from the same seed, and others from another', async () => {
    const draw = async (seed: string) => {
      const args = [
        'sample',
        chat,
        'Hello',
        '--raw',
        '-m',
        '12',
        '-n',
        '3',
        '--temperature',
        '1',
        '--seed',
        seed,
      ];
      return (await ahaJson<Sampled>(args, { cwd })).responses.map(({ text }) => text);
    };
    const first = await draw('a');
    expect(new Set(first).size).toBe(3);
    expect(await draw('a')).toEqual(first);
    expect(await draw('b')).not.toEqual(first);
  });

  it('refuses flags that contradict each other, and an empty prompt', async () => {
    const failures = [
      [['sample', chat, 'x', '--raw', '--prompt', 'chat'], 'prompt-form-conflict'],
      [['sample', chat, 'x', '--raw', '--system', 'y'], 'system-without-chat'],
      [['sample', chat], 'prompt-missing'],
    ] as const;
    for (const [args, code] of failures) {
      expect(await ahaFailure(args, { cwd })).toMatchObject({ code, exit: 2 });
    }
  });
});

describe('aha doctor', () => {
  it('says what this machine can run, for people and for programs', async () => {
    const result = await ahaJson<{ ok: boolean; checks: { name: string; status: string }[] }>(['doctor'], {
      cwd,
    });
    expect(result.ok).toBe(true);
    expect(result.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['Node.js', 'ONNX Runtime', 'Memory', 'Threads']),
    );
    const { stdout } = await aha(['doctor'], { cwd });
    expect(stdout).toContain('All that aha needs is here.');
  });
});

describe('arguments', () => {
  it.each([
    [['scor'], 'Did you mean score?'],
    [['score', 'x', '--txt', 'y'], 'Did you mean --text?'],
    [['score'], "missing required argument 'model'"],
    [['sample', 'x', 'y', '--temperature', 'warm'], 'Expected a number'],
    [['sample', 'x', 'y', '--max-tokens', '-1'], 'Expected an integer'],
  ])('%j: %s', async (args, said) => {
    const { code, stderr, last } = await aha([...args, '--json'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain(said);
    expect(JSON.parse(last)).toMatchObject({ error: { code: 'usage' } });
  });
});
