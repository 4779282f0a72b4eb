/** What every sandbox promises, as tests over one. Each tier's test file calls it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Language, Sandbox } from '../../src/sandbox/sandbox.ts';
import { nativeSamples } from './native-samples.ts';

/** The same small programs in each language. Python, Node.js and the native languages add theirs. */
export interface Samples {
  readonly file: string;
  readonly hello: string;
  /** Prints its standard input in upper case. */
  readonly upper: string;
  /** Prints its arguments, separated by commas. */
  readonly arguments: string;
  /** Writes `out` to standard output and `err` to standard error, and ends with status 3. */
  readonly exit: string;
  /** Fails with an error whose message is `boom`. */
  readonly fail: string;
  readonly endless: string;
  /** Prints without end. */
  readonly flood: string;
  /** Does not even parse. */
  readonly broken: string;
  /** Takes memory without end. */
  readonly memory: string;
  /** Two files: the entry prints `value` of the other, which is 42. */
  readonly several: Readonly<Record<string, string>>;
  readonly severalEntry: string;
}

const script: Samples = {
  file: 'main.js',
  hello: 'console.log("hello, wörld")',
  upper: 'import { readFileSync } from "node:fs"; console.log(readFileSync(0, "utf8").toUpperCase())',
  arguments: 'import process from "node:process"; console.log(process.argv.slice(2).join(","))',
  exit: 'import process from "node:process"; console.log("out"); console.error("err"); process.exit(3)',
  fail: 'throw new Error("boom")',
  endless: 'for (;;);',
  flood: 'for (;;) console.log("x".repeat(1000));',
  broken: 'const = ;',
  memory: 'const all = []; for (;;) all.push(new Array(100000).fill(1.5));',
  several: {
    'main.js': 'import { value } from "./lib/a.js"; console.log(value)',
    'lib/a.js': 'export const value = 42',
  },
  severalEntry: 'main.js',
};

const python: Samples = {
  file: 'main.py',
  hello: 'print("hello, wörld")',
  upper: 'import sys; print(sys.stdin.read().upper())',
  arguments: 'import sys; print(",".join(sys.argv[1:]))',
  exit: 'import sys; print("out"); print("err", file=sys.stderr); sys.exit(3)',
  fail: 'raise ValueError("boom")',
  endless: 'while True: pass',
  flood: 'while True: print("x" * 1000)',
  broken: 'def f(:',
  memory: 'all = []\nwhile True: all.append(bytearray(1000000))',
  several: { 'main.py': 'from lib.a import value\nprint(value)', 'lib/a.py': 'value = 42' },
  severalEntry: 'main.py',
};

export const samples: Partial<Record<Language, Samples>> = {
  ...nativeSamples,
  python,
  javascript: script,
  typescript: {
    ...script,
    file: 'main.ts',
    hello: 'const text: string = "hello, wörld"; console.log(text)',
    several: {
      'main.ts': 'import { value, type T } from "./lib/a.ts"; const t: T = value; console.log(t)',
      'lib/a.ts': 'export type T = number; enum E { A = 42 } export const value: T = E.A',
    },
    severalEntry: 'main.ts',
  },
};

/** `open` is called once. The tier's own tests say what else it must do. */
export function conformance(
  name: string,
  open: () => Promise<Sandbox>,
  languages: readonly Language[],
): void {
  describe(`${name} keeps what every sandbox promises`, () => {
    let sandbox: Sandbox;
    beforeAll(async () => {
      sandbox = await open();
    });
    afterAll(async () => {
      await sandbox[Symbol.asyncDispose]();
    });

    it('offers the languages it should', () => {
      for (const language of languages) expect(sandbox.languages.has(language), language).toBe(true);
    });

    for (const language of languages) {
      const sample = samples[language];
      if (sample === undefined) throw new Error(`No samples for ${language}: add them to conformance.ts`);
      const program = (text: string) => ({ language, files: { [sample.file]: text } });

      describe(`in ${language}`, () => {
        it('says that it starts, and gives back what was printed, as UTF-8', async () => {
          let starts = 0;
          const result = await sandbox.run(program(sample.hello), {}, { onStart: () => starts++ });
          expect(starts).toBe(1);
          expect(result).toMatchObject({
            stage: 'run',
            exitCode: 0,
            signal: null,
            limit: null,
            stdoutTruncated: false,
            stderrTruncated: false,
          });
          expect(result.stdout).toBe('hello, wörld\n');
          expect(result.stderr).toBe('');
          expect(result.wallMs).toBeGreaterThan(0);
        });

        it('feeds standard input and ends it', async () => {
          expect((await sandbox.run(program(sample.upper), { stdin: 'abc é' })).stdout).toBe('ABC É\n');
          expect((await sandbox.run(program(sample.upper))).stdout).toBe('\n');
        });

        it('passes arguments', async () => {
          const words = ['one', 'two words', '"3"', '$HOME'];
          const result = await sandbox.run({ ...program(sample.arguments), arguments: words });
          expect(result.stdout).toBe(`${words.join(',')}\n`);
        });

        it('keeps the streams apart and reports the exit status', async () => {
          expect(await sandbox.run(program(sample.exit))).toMatchObject({
            exitCode: 3,
            stdout: 'out\n',
            stderr: 'err\n',
            limit: null,
          });
        });

        it('reports an error of the program on its standard error', async () => {
          const result = await sandbox.run(program(sample.fail));
          expect(result.exitCode).not.toBe(0);
          expect(result.stderr).toContain('boom');
        });

        it('runs a program that does not parse to a failure', async () => {
          const result = await sandbox.run(program(sample.broken));
          expect(result.exitCode).not.toBe(0);
          expect(result.stderr).not.toBe('');
        });

        it('runs programs of several files', async () => {
          const result = await sandbox.run({ language, files: sample.several, entry: sample.severalEntry });
          expect(result.stdout, result.stderr).toBe('42\n');
        });

        it('ends what runs for too long', async () => {
          const result = await sandbox.run(
            program(sample.endless),
            {},
            { limits: { wallMs: 700, cpuMs: 60_000 } },
          );
          expect(result).toMatchObject({ exitCode: null, limit: 'wall' });
          expect(result.wallMs).toBeGreaterThanOrEqual(700);
        });

        it('ends what prints too much, and keeps the beginning', async () => {
          const result = await sandbox.run(program(sample.flood), {}, { limits: { outputBytes: 5000 } });
          expect(result).toMatchObject({ exitCode: null, limit: 'output', stdoutTruncated: true });
          expect(result.stdout).toHaveLength(5000);
        });

        it('ends what takes too much memory', async () => {
          const limits = { memoryBytes: 192 * 1024 * 1024, wallMs: 60_000 };
          const result = await sandbox.run(program(sample.memory), {}, { limits });
          expect(result.exitCode).not.toBe(0);
          expect(result.limit === 'memory' || /memory/i.test(result.stderr), result.stderr).toBe(true);
        });

        it('stops when told to', async () => {
          const controller = new AbortController();
          const run = sandbox.run(program(sample.endless), {}, { signal: controller.signal });
          setTimeout(() => controller.abort(new Error('no longer wanted')), 300);
          await expect(run).rejects.toThrow('no longer wanted');
        });
      });
    }

    it('refuses what it cannot run, and says so', async () => {
      const files = { 'main.cob': '' };
      await expect(sandbox.run({ language: 'cobol' as Language, files })).rejects.toMatchObject({
        code: 'language-unavailable',
      });
      const language = languages[0]!;
      for (const path of ['../x', '/etc/x', 'a/../../x', 'a//b', 'c:x', 'a\\b', '', 'a\0b']) {
        await expect(sandbox.run({ language, files: { [path]: '' } }), path).rejects.toMatchObject({
          code: 'invalid-program',
        });
      }
      await expect(sandbox.run({ language, files: { a: '', b: '' } })).rejects.toMatchObject({
        code: 'invalid-program',
      });
    });

    it('works through a queue longer than it can run at once', async () => {
      const language = languages[0]!;
      const sample = samples[language]!;
      const results = await Promise.all(
        Array.from({ length: 12 }, async (_, index) =>
          sandbox.run({ language, files: { [sample.file]: sample.arguments }, arguments: [`${index}`] }),
        ),
      );
      expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, index) => `${index}\n`));
    });
  });
}
