/**
 * Every class of bad input, at the functions through which all commands take it: a model (`openModel`), a task
 * (`loadTask`), a configuration (`readConfigFile`, `parseRecipe`), token ids. Each is one error with a code, what
 * was found or expected, and the next step; none a crash, a hang or a silent success. Finer cases lie beside each
 * reader (src/model/*.test.ts, src/text/tokenizer-hostile.test.ts, src/task/*.test.ts).
 */
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../src/cli/model/open-model.ts';
import { readConfigFile } from '../../src/cli/recipe/config-file.ts';
import { deriveDefaults, parseRecipe } from '../../src/cli/recipe/recipe.ts';
import { readTokenFile } from '../../src/cli/score/score.ts';
import { Reporter } from '../../src/cli/terminal/reporter.ts';
import { AhaError } from '../../src/errors.ts';
import { loadTask } from '../../src/task/load.ts';
import { chatTemplateOf } from '../../src/text/chat-template.ts';
import { FakeClock, FakePipe } from '../cli/fake-terminal.ts';
import { characterTokenizerFiles } from '../character-files.ts';
import { fixture } from '../model-files.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aha-hostile-'));
});
afterAll(() => rm(root, { recursive: true }));

const tenMegabytes = 'x'.repeat(10_000_000);

/** The error that `work` ends with: ours, short, with a next step or what was expected. */
async function refusal(work: () => Promise<unknown>): Promise<AhaError> {
  const outcome = await work().then(
    () => 'it succeeded',
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(AhaError);
  const error = outcome as AhaError;
  expect(error.message.length, error.message).toBeLessThan(2500);
  expect(error.fix ?? error.expected, error.message).toBeDefined();
  // oxlint-disable-next-line no-control-regex
  expect(error.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  return error;
}

describe('checkpoints and tokenizers', () => {
  let next = 0;

  /** A whole checkpoint that `spoil` then changes. */
  async function spoiled(spoil: (folder: string) => Promise<void>): Promise<AhaError> {
    const folder = join(root, `model-${next++}`);
    await mkdir(folder);
    for (const file of ['config.json', 'model.safetensors']) {
      await copyFile(fixture('models', 'llama', file), join(folder, file));
    }
    for (const [name, bytes] of characterTokenizerFiles()) await writeFile(join(folder, name), bytes);
    await spoil(folder);
    const reporter = new Reporter({
      stdout: new FakePipe(),
      stderr: new FakePipe(),
      environment: {},
      clock: new FakeClock(),
    });
    return refusal(async () => {
      await using model = await openModel(folder, { reporter, engine: { threads: 1 } });
      chatTemplateOf(model.tokenizer());
    });
  }

  const edit = (name: string, change: (json: Record<string, unknown>) => void) => async (folder: string) => {
    const path = join(folder, name);
    const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    change(json);
    await writeFile(path, JSON.stringify(json));
  };
  const replace = (name: string, text: string | Uint8Array) => async (folder: string) =>
    writeFile(join(folder, name), text);

  it.each<[string, (folder: string) => Promise<void>, RegExp]>([
    [
      'an empty folder',
      async (folder) => {
        await rm(folder, { recursive: true });
        await mkdir(folder);
      },
      /^checkpoint-not-found$/,
    ],
    ['no weights', async (folder) => rm(join(folder, 'model.safetensors')), /./],
    ['weights cut in half', async (folder) => truncate(join(folder, 'model.safetensors'), 5000), /./],
    ['weights of no bytes', replace('model.safetensors', ''), /./],
    ['weights that are text', replace('model.safetensors', 'not a tensor '.repeat(100)), /./],
    [
      'a header of 2^60 bytes',
      async (folder) => {
        const bytes = await readFile(join(folder, 'model.safetensors'));
        bytes.writeBigUInt64LE(2n ** 60n, 0);
        await writeFile(join(folder, 'model.safetensors'), bytes);
      },
      /./,
    ],
    [
      'NaN among the weights',
      async (folder) => {
        const bytes = await readFile(join(folder, 'model.safetensors'));
        bytes.writeFloatLE(Number.NaN, bytes.length - 8);
        await writeFile(join(folder, 'model.safetensors'), bytes);
      },
      /./,
    ],
    ['a configuration that is no JSON', replace('config.json', '{"hidden_size": '), /./],
    ['a configuration that is a list', replace('config.json', '[1, 2]'), /./],
    ['a configuration of no bytes', replace('config.json', ''), /./],
    ['a configuration of one line of 10 MB', replace('config.json', `{"a": "${tenMegabytes}"}`), /./],
    ['a number that is text', edit('config.json', (json) => (json['hidden_size'] = '64')), /./],
    ['a negative size', edit('config.json', (json) => (json['num_hidden_layers'] = -1)), /./],
    ['a huge size', edit('config.json', (json) => (json['vocab_size'] = 1e15)), /./],
    ['heads that do not divide', edit('config.json', (json) => (json['num_attention_heads'] = 7)), /./],
    [
      'another architecture',
      edit('config.json', (json) => {
        json['model_type'] = 'mamba';
        json['architectures'] = ['MambaForCausalLM'];
      }),
      /./,
    ],
    ['a tensor too few', edit('config.json', (json) => (json['num_hidden_layers'] = 9)), /^tensor-missing$/],
    ['another shape', edit('config.json', (json) => (json['vocab_size'] = 321)), /^tensor-shape$/],
    ['a tokenizer that is no JSON', replace('tokenizer.json', '{'), /./],
    ['a tokenizer that is null', replace('tokenizer.json', 'null'), /./],
    ['a tokenizer without a model', edit('tokenizer.json', (json) => delete json['model']), /./],
    [
      'a vocabulary of wrong types',
      edit('tokenizer.json', (json) => {
        (json['model'] as Record<string, unknown>)['vocab'] = { a: 'one' };
      }),
      /./,
    ],
    ['a tokenizer of one line of 10 MB', replace('tokenizer.json', tenMegabytes), /./],
    [
      'a tokenizer of another model',
      async (folder) => {
        const path = join(folder, 'tokenizer.json');
        await edit('tokenizer.json', (json) => {
          const model = json['model'] as { vocab: Record<string, number> };
          for (let id = 20; id < 400; id++) model.vocab[String.fromCodePoint(0x4e00 + id)] = id;
        })(folder);
        expect((await readFile(path)).length).toBeGreaterThan(1000);
      },
      /./,
    ],
    [
      'a chat template that is no template',
      edit('tokenizer_config.json', (json) => {
        json['chat_template'] = '{% for %}';
      }),
      /./,
    ],
  ])('%s', async (_name, spoil, code) => {
    const error = await spoiled(spoil);
    expect(error.code).toMatch(code);
    expect(['model', 'text', 'storage']).toContain(error.boundary);
  });

  it.each([
    ['cut short', 3000],
    ['of four bytes', 4],
    ['empty', 0],
  ])('a GGUF file %s', async (_name, length) => {
    const path = join(root, `cut-${length}.gguf`);
    await copyFile(fixture('checkpoints', 'models', 'qwen2', 'converted.gguf'), path);
    await truncate(path, length);
    const reporter = new Reporter({
      stdout: new FakePipe(),
      stderr: new FakePipe(),
      environment: {},
      clock: new FakeClock(),
    });
    expect((await refusal(async () => openModel(path, { reporter }))).boundary).toBe('model');
  });
});

describe('task files', () => {
  let next = 0;
  it.each([
    ['jsonl', 'empty', ''],
    ['jsonl', 'blank lines', '\n\n\n'],
    ['jsonl', 'one line of 10 MB', tenMegabytes],
    ['jsonl', 'no JSON', 'hello\nworld\n'],
    ['jsonl', 'wrong types', '{"prompt": 1, "answer": []}\n'.repeat(5)],
    ['jsonl', 'no answers', '{"prompt": "a"}\n'.repeat(5)],
    ['jsonl', 'cut in the middle', '{"prompt": "1+1", "answer": "2"}\n{"prompt": "1+2", "ans'],
    ['jsonl', 'one row alone', '{"prompt": "1+1", "answer": "2"}\n'],
    ['yaml', 'empty', ''],
    ['yaml', 'a list', '- a\n'],
    ['yaml', 'unknown keys', 'name: x\nverifyer: exact\nrows: [{prompt: a, answer: b}]\n'],
    ['yaml', 'wrong types', 'name: [1]\nrows: 7\n'],
    ['yaml', 'no rows', 'name: x\nrows: []\n'],
    ['json', 'cut', '{"name": "x", '],
    ['mjs', 'a syntax error', 'export default {'],
    ['mjs', 'an exception', 'throw new Error("no")'],
    ['mjs', 'no default export', 'export const task = 1'],
    [
      'mjs',
      'a verifier that throws',
      "export default { name: 'x', prompts: [{ prompt: 'a', answer: 'b' }, { prompt: 'c', answer: 'd' }], verify: () => { throw new Error('no'); } }",
    ],
    [
      'mjs',
      'a verifier that finds its own reference wrong',
      "export default { name: 'x', prompts: [{ prompt: 'a', answer: 'b' }, { prompt: 'c', answer: 'd' }], verify: () => 0 }",
    ],
    [
      'mjs',
      'a score that is no number',
      "export default { name: 'x', prompts: [{ prompt: 'a', answer: 'b' }, { prompt: 'c', answer: 'd' }], verify: () => NaN }",
    ],
    ['mjs', 'no problems', "export default { name: 'x', prompts: [], verify: () => 1 }"],
    [
      'mjs',
      'prompts that are none',
      "export default { name: 'x', prompts: () => undefined, verify: () => 1 }",
    ],
    ['txt', 'another kind of file', 'hello'],
  ])('%s: %s', async (extension, _name, text) => {
    const path = join(root, `task-${next++}.${extension}`);
    await writeFile(path, text);
    expect((await refusal(async () => loadTask(path))).boundary).toMatch(/^(task|data)$/);
  });

  it.each<[string, Record<string, unknown>]>([
    ['arithmetic', { level: [1] }],
    ['arithmetic', { levels: [] }],
    ['arithmetic', { levels: ['1'] }],
    ['arithmetic', { wrongDirect: 2 }],
    ['countdown', { target: -1 }],
    ['countdown', { levels: [99] }],
    ['gsm8k', {}],
    ['gsm8k', { train: '/nowhere/gsm8k.jsonl' }],
    ['arithmetics', {}],
  ])('%s with %j', async (name, options) => {
    expect((await refusal(async () => loadTask(name, { options }))).code).toMatch(/^[a-z0-9-]+$/);
  });
});

describe('configuration', () => {
  let next = 0;
  it.each([
    ['empty', ''],
    ['a list', '- model: scratch\n'],
    ['cut', 'model: scratch\ntask: "arith'],
    ['one line of 10 MB', `model: ${tenMegabytes}`],
    ['an unknown key', 'model: scratch\ntask: arithmetic\nlearningrate: 1\n'],
    ['an unknown key inside', 'model: scratch\ntask: arithmetic\nkl: { betta: 1 }\n'],
    ['text for a number', 'model: scratch\ntask: arithmetic\nsteps: many\n'],
    ['a negative number', 'model: scratch\ntask: arithmetic\nsteps: -3\n'],
    ['infinity', 'model: scratch\ntask: arithmetic\noptimizer: { learningRate: .inf }\n'],
    ['NaN', 'model: scratch\ntask: arithmetic\noptimizer: { learningRate: .nan }\n'],
    ['a choice that is none', 'model: scratch\ntask: arithmetic\nloss: { type: ppo }\n'],
    ['a contradiction', 'model: scratch\ntask: arithmetic\nloss: { type: dapo, ratio: sequence }\n'],
    ['a prototype', 'model: scratch\ntask: arithmetic\n__proto__: { steps: 1 }\n'],
  ])('%s', async (_name, text) => {
    const path = join(root, `recipe-${next++}.yaml`);
    await writeFile(path, text);
    const error = await refusal(async () => parseRecipe(deriveDefaults(await readConfigFile(path)), path));
    expect(error.boundary).toBe('configuration');
    expect(error.message).toContain(path);
  });

  it('names the nearest key', async () => {
    const read = async () =>
      parseRecipe({ model: 'scratch', task: 'arithmetic', kl: { betta: 1 } }, 'x.yaml');
    expect((await refusal(read)).message).toContain('beta');
  });
});

describe('token ids', () => {
  let next = 0;
  it.each([
    ['nothing', ''],
    ['cut', '[[1, 2'],
    ['an object', '{"ids": [1]}'],
    ['no sequence', '[]'],
    ['text', '[["a"]]'],
    ['a fraction', '[[1.5, 2]]'],
    ['a negative', '[[-1, 2]]'],
    ['beyond 31 bits', '[[4294967296, 2]]'],
    ['one line of 10 MB', tenMegabytes],
  ])('%s', async (_name, text) => {
    const path = join(root, `ids-${next++}.json`);
    await writeFile(path, text);
    expect((await refusal(async () => readTokenFile(path))).code).toBe('token-file-invalid');
  });
});
