/**
 * Go without its build cache, which no sandbox could write or trust: the compiler and the linker are called
 * themselves, with the compiled standard library beside them. That library is built here, outside, by the toolchain
 * from its own sources, the first time a package is imported, kept in the user's cache folder, and shown read-only.
 * A program is one package; modules of others cannot be fetched without a network and are not supported.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { AhaError } from '../../errors.ts';
import { writeFileAtomic } from '../../util/files.ts';
import { buildFolder } from './arguments.ts';
import { ask, find, mayBeShown, outside, type Toolchain } from './toolchains.ts';

export async function findGo(path: string): Promise<Toolchain | undefined> {
  const go = find(['go'], path);
  if (go === undefined) return undefined;
  const [root, tools, version] =
    (await ask(go, ['env', 'GOROOT', 'GOTOOLDIR', 'GOVERSION']))?.trim().split('\n') ?? [];
  if (root === undefined || tools === undefined || version === undefined || !mayBeShown(root))
    return undefined;
  if (!existsSync(join(tools, 'compile')) || !existsSync(join(tools, 'link'))) return undefined;
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'aha', 'go', version);
  const library = new StandardLibrary(go, cache);
  if (!library.prepare()) return undefined;
  return {
    language: 'go',
    version: version.replace(/^go/, 'Go '),
    folders: outside([root, dirname(tools), cache]),
    environment: {},
    recipe: async ({ files, entry, arguments: words }) => {
      const folder = entry.includes('/') ? dirname(entry) : '.';
      const sources = Object.keys(files).filter((file) => {
        return file.endsWith('.go') && !file.endsWith('_test.go') && dirname(file) === folder;
      });
      const units = sources.includes(entry) ? sources : [entry];
      const imports = await library.imports(units.map((file) => files[file] ?? ''));
      const object = `${buildFolder}/main.a`;
      const compile = [
        join(tools, 'compile'),
        '-o',
        object,
        '-p',
        'main',
        '-complete',
        '-pack',
        '-importcfg',
        imports,
      ];
      const link = [
        join(tools, 'link'),
        '-o',
        `${buildFolder}/program`,
        '-importcfg',
        imports,
        '-s',
        '-w',
        object,
      ];
      return {
        // "$@" is the compiler's command; the linker's is plain words of ours.
        compile: [
          '/bin/sh',
          '-c',
          `exec >&2; "$@" && exec '${link.join("' '")}'`,
          'sh',
          ...compile,
          ...units,
        ],
        run: [`${buildFolder}/program`, ...words],
        reserves: true,
      };
    },
  };
}

class StandardLibrary {
  readonly #go: string;
  readonly #folder: string;
  readonly #built = new Map<string, Promise<string>>();
  #names: Promise<ReadonlySet<string>> | undefined;

  constructor(go: string, folder: string) {
    this.#go = go;
    this.#folder = folder;
  }

  /** False where the folder cannot be written. */
  prepare(): boolean {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
      return true;
    } catch {
      return false;
    }
  }

  /** The path of a list of compiled packages that covers what these files import of the standard library. */
  async imports(sources: readonly string[]): Promise<string> {
    this.#names ??= this.#run(['list', 'std']).then((text) => new Set(text.split('\n')));
    const names = await this.#names;
    const wanted = new Set<string>(['runtime']);
    for (const source of sources) {
      // More than the import declarations may match; only names of the standard library count.
      for (const [, name] of source.matchAll(/["`]([\w./]+)["`]/g)) {
        if (name !== undefined && names.has(name) && !/(^|\/)(internal|vendor|cmd)(\/|$)/.test(name))
          wanted.add(name);
      }
    }
    const list = [...wanted].toSorted();
    const key = createHash('sha256').update(list.join('\n')).digest('hex').slice(0, 16);
    let path = this.#built.get(key);
    if (path === undefined) {
      path = this.#build(join(this.#folder, `${key}.importcfg`), list);
      this.#built.set(key, path);
      path.catch(() => this.#built.delete(key));
    }
    return path;
  }

  async #build(path: string, names: readonly string[]): Promise<string> {
    if (existsSync(path)) return path;
    const format = '{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}';
    const text = await this.#run(['list', '-deps', '-export', '-f', format, ...names]);
    await writeFileAtomic(path, text.replaceAll(/\n+/g, '\n'));
    return path;
  }

  async #run(words: readonly string[]): Promise<string> {
    const environment = {
      GOCACHE: this.#folder,
      GOFLAGS: '',
      GOTOOLCHAIN: 'local',
      GOPROXY: 'off',
      GO111MODULE: 'off',
      CGO_ENABLED: '0',
    };
    const text = await ask(this.#go, words, environment, 600_000);
    if (text !== undefined) return text;
    throw new AhaError({
      code: 'sandbox-failed',
      boundary: 'sandbox',
      what: `Go could not build its standard library for the sandbox (go ${words[0] ?? ''})`,
      found: this.#folder,
      fix: `Check that the folder can be written and has room, or delete it and run the same command again.`,
    });
  }
}
