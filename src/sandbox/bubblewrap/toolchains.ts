/**
 * The native toolchains of this machine: where each lies, what a sandbox must see of it, and how it compiles and runs
 * a program. Found once, by asking the tools themselves; nothing of a program's is run here.
 */
import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve, sep } from 'node:path';
import type { PreparedProgram } from '../program.ts';
import type { Language, Limits } from '../sandbox.ts';
import { buildFolder, home } from './arguments.ts';

export interface Recipe {
  /** Absent for languages that are not compiled. */
  readonly compile?: readonly string[];
  readonly run: readonly string[];
  /** Whether the language's runtime reserves address space far beyond what it uses. */
  readonly reserves: boolean;
}

export interface Toolchain {
  readonly language: Language;
  /** `Python 3.11.7`, as `aha doctor` prints it. */
  readonly version: string;
  /** Folders outside /usr. */
  readonly folders: readonly string[];
  /** Variables for compiling and running. */
  readonly environment: Readonly<Record<string, string>>;
  recipe(program: PreparedProgram, limits: Limits): Recipe | Promise<Recipe>;
}

export type Finder = (path: string) => Promise<Toolchain | readonly Toolchain[] | undefined>;

export const findPython: Finder = async (path) => {
  const python = find(['python3', 'python'], path);
  if (python === undefined) return undefined;
  const script =
    'import sys; print(sys.executable, sys.prefix, sys.base_prefix, sys.version.split()[0], sep="\\n")';
  const [executable, prefix, base, version] = (await ask(python, ['-I', '-c', script]))?.split('\n') ?? [];
  if (executable === undefined || prefix === undefined || base === undefined || version === undefined)
    return undefined;
  const folders = [prefix, base];
  // A virtual environment's python is a link to the one that made it.
  if (!folders.every(mayBeShown)) return undefined;
  return {
    language: 'python',
    version: `Python ${version}`,
    folders: outside(folders),
    environment: {},
    recipe: ({ entry, arguments: words }) => ({
      run: [executable, '-B', '-s', entry, ...words],
      reserves: false,
    }),
  };
};

export const findNode: Finder = async (path) => {
  const node = find(['node'], path) ?? process.execPath;
  const real = realpathSync(node);
  const version = await ask(real, ['--version']);
  const folder = dirname(dirname(real));
  if (version === undefined || !mayBeShown(folder)) return undefined;
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  const strips = Number(major) > 22 || (Number(major) === 22 && Number(minor) >= 6);
  const languages: Language[] = strips ? ['node', 'javascript', 'typescript'] : ['node', 'javascript'];
  const flags = strips && Number(major) < 24 ? ['--experimental-strip-types', '--no-warnings'] : [];
  return languages.map((language) => ({
    language,
    version: `Node.js ${version.slice(1)}`,
    folders: outside([folder]),
    environment: {},
    recipe: ({ entry, arguments: words }) => ({
      run: [real, ...(language === 'typescript' ? flags : []), entry, ...words],
      reserves: true,
    }),
  }));
};

export const findC: Finder = async (path) => {
  const one = async (
    language: 'c' | 'cpp',
    names: readonly string[],
    standard: string,
    extension: RegExp,
  ): Promise<Toolchain | undefined> => {
    const compiler = find(names, path);
    if (compiler === undefined) return undefined;
    const real = realpathSync(compiler);
    const version = (await ask(compiler, ['--version']))?.split('\n')[0];
    const folder = dirname(dirname(real));
    if (version === undefined || !mayBeShown(folder)) return undefined;
    return {
      language,
      version,
      folders: outside([folder]),
      environment: {},
      recipe: ({ files, entry, arguments: words }) => {
        const sources = Object.keys(files).filter((file) => extension.test(file));
        const units = sources.includes(entry) ? sources : [entry];
        const kind = extension.test(entry) ? [] : ['-x', language === 'c' ? 'c' : 'c++'];
        return {
          compile: [
            compiler,
            standard,
            '-O2',
            '-o',
            `${buildFolder}/program`,
            ...kind,
            ...units,
            '-lm',
            '-pthread',
          ],
          run: [`${buildFolder}/program`, ...words],
          reserves: false,
        };
      },
    };
  };
  const found = await Promise.all([
    one('c', ['gcc', 'clang', 'cc'], '-std=gnu17', /\.c$/),
    one('cpp', ['g++', 'clang++', 'c++'], '-std=gnu++20', /\.(cc|cpp|cxx|C)$/),
  ]);
  return found.filter((toolchain) => toolchain !== undefined);
};

export const findRust: Finder = async (path) => {
  const rustc = find(['rustc'], path);
  if (rustc === undefined || find(['cc', 'gcc', 'clang'], path) === undefined) return undefined;
  // Without rustup, which would want its settings.
  const sysroot = (await ask(rustc, ['--print', 'sysroot']))?.trim();
  const version = (await ask(rustc, ['--version']))?.trim();
  if (sysroot === undefined || version === undefined || !mayBeShown(sysroot)) return undefined;
  return {
    language: 'rust',
    version,
    folders: outside([sysroot]),
    environment: {},
    recipe: ({ entry, arguments: words }) => ({
      compile: [
        join(sysroot, 'bin', 'rustc'),
        '--edition=2021',
        '-Copt-level=2',
        '-Cdebuginfo=0',
        '--crate-name=program',
        '-o',
        `${buildFolder}/program`,
        entry,
      ],
      run: [`${buildFolder}/program`, ...words],
      reserves: false,
    }),
  };
};

export const findJava: Finder = async (path) => {
  const javac = find(['javac'], path);
  if (javac === undefined) return undefined;
  const folder = dirname(dirname(realpathSync(javac)));
  const version = (await ask(javac, ['-version']))?.trim();
  if (version === undefined || !mayBeShown(folder)) return undefined;
  // Debian keeps the settings of its Java outside of it.
  const settings =
    (existsSync('/etc') ? ['/etc/java-', '/etc/.java'] : []).length === 0 ? [] : javaSettings(folder);
  return {
    language: 'java',
    version: version.replace('javac', 'Java'),
    folders: [...outside([folder]), ...settings],
    environment: {},
    recipe: ({ files, entry, arguments: words }, { memoryBytes }) => {
      const sources = Object.keys(files).filter((file) => file.endsWith('.java'));
      const packageName = /^\s*package\s+([\w.]+)\s*;/m.exec(files[entry] ?? '')?.[1];
      const name = entry.replace(/^.*\//, '').replace(/\.java$/, '');
      const heap = Math.max(16, Math.floor(Math.min(memoryBytes, 2 ** 40) / 2 / 2 ** 20));
      const common = ['-XX:+UseSerialGC', '-XX:-UsePerfData', '-XX:TieredStopAtLevel=1'];
      return {
        compile: [
          join(folder, 'bin', 'javac'),
          ...common.map((flag) => `-J${flag}`),
          '-J-Xmx512m',
          '-proc:none',
          '-encoding',
          'UTF-8',
          '-d',
          buildFolder,
          ...(sources.includes(entry) ? sources : [entry]),
        ],
        run: [
          join(folder, 'bin', 'java'),
          ...common,
          `-Xmx${heap}m`,
          '-cp',
          buildFolder,
          packageName === undefined ? name : `${packageName}.${name}`,
          ...words,
        ],
        reserves: true,
      };
    },
  };
};

function javaSettings(folder: string): string[] {
  const settings = join(folder, 'conf', 'security', 'java.security');
  if (!existsSync(settings)) return [];
  const real = realpathSync(settings);
  return real.startsWith('/etc/') ? [dirname(dirname(real))] : [];
}

/** The first of `names` on `path`. */
export function find(names: readonly string[], path: string): string | undefined {
  for (const name of names) {
    for (const folder of path.split(delimiter)) {
      if (folder !== '' && existsSync(join(folder, name))) return resolve(folder, name);
    }
  }
  return undefined;
}

/** Undefined where it fails. With our environment: the tool is the machine's own. */
export async function ask(
  program: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  timeout = 30_000,
): Promise<string | undefined> {
  return new Promise((answer) => {
    const env = { ...process.env, ...environment };
    execFile(program, words, { timeout, env, cwd: '/', maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      answer(error === null ? stdout || stderr : undefined);
    });
  });
}

/** Never the whole system, a home folder, or a folder with homes in it, for the sake of a tool that lies there. */
export function mayBeShown(folder: string): boolean {
  const own = homedir();
  return folder !== '/' && folder !== own && !own.startsWith(`${folder}${sep}`) && folder !== '/etc';
}

/** Without those that every sandbox sees anyway. */
export function outside(folders: readonly string[]): string[] {
  return [...new Set(folders)].filter((folder) => folder !== '/usr' && !folder.startsWith('/usr/'));
}

/** For programs and compilers alike. */
export const baseEnvironment: Readonly<Record<string, string>> = {
  HOME: home,
  LANG: 'C.UTF-8',
  PATH: '/usr/local/bin:/usr/bin:/bin',
  TMPDIR: '/tmp',
};
