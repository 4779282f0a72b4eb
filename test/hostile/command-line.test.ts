/**
 * Bad input and bad surroundings as a user of the program meets them: the exit status, one line of JSON, a sentence
 * and a next step, and nothing lost of what was good before.
 */
import { execFile, execFileSync } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ahaFailure, ahaJson, tinyRecipe } from '../cli/aha.ts';
import { fixture } from '../model-files.ts';
import { compiledModule } from '../support/compiled.ts';

// Each test starts several processes, and a machine may be busy.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aha-hostile-'));
  await writeFile(join(cwd, 'tiny.yaml'), tinyRecipe);
  await ahaJson(['train', 'zero', '--config', 'tiny.yaml', '--output', 'good'], { cwd });
});
afterAll(() => rm(cwd, { recursive: true }));

describe('prompts', () => {
  it('refuses one that is longer than the context', async () => {
    const failure = await ahaFailure(['sample', 'good', '1+'.repeat(200)], { cwd });
    expect(failure).toMatchObject({ exit: 1 });
    expect(failure.message).toMatch(/found 400 tokens, expected less than 64/);
    expect(failure.fix).toBeDefined();
    expect(await ahaFailure(['score', 'good', '--text', '1+'.repeat(200)], { cwd })).toMatchObject({
      code: 'sequence-too-long',
      exit: 1,
    });
  });

  it('refuses 20 MB, bytes that are no text, and characters that the model does not know', async () => {
    const long = await ahaFailure(['sample', 'good'], { cwd, input: '1'.repeat(20_000_000) });
    expect(long).toMatchObject({ code: 'prompt-too-long', exit: 1 });
    const binary = await ahaFailure(['sample', 'good'], { cwd, input: Uint8Array.of(0xff, 0xfe, 0, 1) });
    expect(binary).toMatchObject({ code: 'prompt-not-text', exit: 1 });
    const unknown = await ahaFailure(['sample', 'good', 'What?'], { cwd });
    expect(unknown.exit).toBe(1);
    expect(unknown.message).toContain('"W"');
  });
});

describe('models', () => {
  it('refuses weights that are not numbers, naming file and tensor', async () => {
    const folder = join(cwd, 'nan');
    await mkdir(folder);
    await copyFile(fixture('models', 'llama', 'config.json'), join(folder, 'config.json'));
    const weights = await readFile(fixture('models', 'llama', 'model.safetensors'));
    weights.writeFloatLE(Number.NaN, weights.length - 4);
    await writeFile(join(folder, 'model.safetensors'), weights);
    await writeFile(join(cwd, 'ids.json'), '[[1, 2, 3]]');
    const failure = await ahaFailure(['score', 'nan', '--tokens', 'ids.json'], { cwd });
    expect(failure).toMatchObject({ exit: 1 });
    expect(failure.message).toMatch(/model\.safetensors.*NaN/s);
  });

  it('leaves nothing behind when the model, the task or the recipe cannot be used', async () => {
    const before = await readdir(cwd);
    const cases = [
      [['./nowhere', '--task', 'arithmetic'], 'model-not-found', 1],
      [['good', '--task', 'arithmetics'], 'task-unknown', 1],
      [['good', '--task', 'arithmetic', '--set', 'kl.betta=1'], 'invalid-configuration', 2],
      [['good', '--task', 'arithmetic', '--config', 'nowhere.yaml'], 'storage-enoent', 1],
    ] as const;
    for (const [args, code, exit] of cases) {
      expect(await ahaFailure(['train', 'zero', ...args], { cwd })).toMatchObject({ code, exit });
    }
    expect(await readdir(cwd)).toEqual(before);
  });
});

describe('corrupt runs', () => {
  async function flip(path: string): Promise<void> {
    const bytes = await readFile(path);
    bytes[bytes.length >> 1]! ^= 0xff;
    await writeFile(path, bytes);
  }

  it('goes on from the previous checkpoint when the last is corrupt, to the same weights', async () => {
    await cp(join(cwd, 'good'), join(cwd, 'corrupt'), { recursive: true });
    await rm(join(cwd, 'corrupt', 'model'), { recursive: true });
    await flip(join(cwd, 'corrupt', 'checkpoints', 'step-000008', 'policy', 'weights.safetensors'));
    await ahaJson(['train', 'zero', '--resume', 'corrupt'], { cwd });
    const weights = async (run: string) => readFile(join(cwd, run, 'model', 'model.safetensors'));
    expect((await weights('corrupt')).equals(await weights('good'))).toBe(true);
  });

  it('refuses to begin again when all are corrupt, and a recipe that cannot be read', async () => {
    await cp(join(cwd, 'good'), join(cwd, 'lost'), { recursive: true });
    for (const name of await readdir(join(cwd, 'lost', 'checkpoints'))) {
      if (name.startsWith('step'))
        await flip(join(cwd, 'lost', 'checkpoints', name, 'policy', 'weights.safetensors'));
    }
    const lost = await ahaFailure(['train', 'zero', '--resume', 'lost'], { cwd });
    expect(lost).toMatchObject({ code: 'no-good-checkpoint', exit: 1 });
    await writeFile(join(cwd, 'lost', 'recipe.json'), '{"format": "aha-rec');
    const unread = await ahaFailure(['train', 'zero', '--resume', 'lost'], { cwd });
    expect(unread).toMatchObject({ code: 'recipe-unreadable', exit: 1 });
    const absent = await ahaFailure(['train', 'zero', '--resume', 'nowhere'], { cwd });
    expect(absent).toMatchObject({ code: 'no-such-run', exit: 2 });
  });
});

describe('folders', () => {
  it('refuses one that cannot be written', async () => {
    const under = await ahaFailure(['train', 'zero', '--config', 'tiny.yaml', '-o', 'tiny.yaml/run'], {
      cwd,
    });
    expect(under).toMatchObject({ code: 'storage-enotdir', exit: 1 });
    const target = await ahaFailure(['export', 'good', '--to', 'tiny.yaml/model'], { cwd });
    expect(target).toMatchObject({ code: 'storage-enotdir', exit: 1 });
  });

  // Root may write everywhere.
  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'refuses one without permission',
    async () => {
      await mkdir(join(cwd, 'closed'));
      await chmod(join(cwd, 'closed'), 0o555);
      const failure = await ahaFailure(['train', 'zero', '--config', 'tiny.yaml', '-o', 'closed/run'], {
        cwd,
      });
      expect(failure).toMatchObject({ code: 'storage-eacces', exit: 1 });
    },
  );
});

/** Whether this machine lets us mount a small file system of our own. */
function canMount(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    execFileSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}

// Needs user namespaces (Linux); src/train/run-folder.test.ts tests the same with an injected error everywhere.
it.skipIf(!canMount())(
  'says that the disk is full, keeps the last good checkpoint, and goes on from it',
  async () => {
    const main = fileURLToPath(compiledModule('src/cli/main.ts'));
    await mkdir(join(cwd, 'small'));
    const train = `"${process.execPath}" "${main}" train zero --config "${join(cwd, 'tiny.yaml')}" --output small/run --json`;
    const script = [
      'mount -t tmpfs -o size=1000k tmpfs small',
      // Something else that fills the disk while the run goes on.
      `head -c 380000 /dev/zero > small/ballast`,
      `${train} > result.json 2> messages.txt`,
      'echo $? > status',
      'cp -r small/run rescued',
    ].join('\n');
    await new Promise<void>((resolve, reject) => {
      execFile('unshare', ['-rm', 'sh', '-c', script], { cwd }, (error, _stdout, stderr) => {
        if (error === null) resolve();
        else reject(new Error(`${error.message}\n${stderr}`));
      });
    });
    const { error } = JSON.parse((await readFile(join(cwd, 'result.json'), 'utf8')).trim()) as {
      error?: { code: string; fix: string };
    };
    expect(error).toMatchObject({ code: 'storage-enospc', fix: expect.stringContaining('free some space') });
    expect((await readFile(join(cwd, 'status'), 'utf8')).trim()).toBe('1');
    await ahaJson(['train', 'zero', '--resume', 'rescued'], { cwd });
    const weights = async (run: string) => readFile(join(cwd, run, 'model', 'model.safetensors'));
    expect((await weights('rescued')).equals(await weights('good'))).toBe(true);
  },
);
