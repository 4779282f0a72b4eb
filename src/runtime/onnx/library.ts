/**
 * Finds and loads ONNX Runtime's shared library, checks its version, and gives its functions as typed JavaScript
 * functions whose OrtStatus is turned into an `AhaError`. No pointer leaves the folder that this file is in.
 *
 * The library is the one that the npm package `onnxruntime-node` carries; the environment variable
 * AHA_ONNXRUNTIME_LIBRARY names another.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { AhaError, describeError } from '../../errors.ts';
import { kernelFunctionNames, type KernelFunctions } from '../native/kernel.ts';
import { growStacks } from '../native/stacks.ts';
import { statusError } from './status.ts';
import { apiVersion, minimumVersion, symbols, type Parameter, type Symbol } from './symbols.ts';

export const libraryVariable = 'AHA_ONNXRUNTIME_LIBRARY';

/** An address in native memory, or JavaScript memory that is lent for the time of a call. 0n is NULL. */
export type Address = bigint | ArrayBufferView;

type ArgumentOf<P extends Parameter> = P extends 'address' ? Address : P extends 'name' ? string : number;
type Arguments<P extends readonly Parameter[]> = {
  [I in keyof P]: P[I] extends Parameter ? ArgumentOf<P[I]> : never;
};
type ResultOf<S extends Symbol> = S['result'] extends 'int'
  ? number
  : S['result'] extends 'name'
    ? string
    : void;

/** Every symbol as a function; one that returns a status throws instead. `Run` exists blocking and as a promise. */
export type OrtFunctions = {
  readonly [Name in keyof typeof symbols]: (
    ...args: Arguments<(typeof symbols)[Name]['parameters']>
  ) => ResultOf<(typeof symbols)[Name]>;
};

export interface OrtLibrary extends OrtFunctions {
  readonly path: string;
  readonly version: string;
  /** `Run` on a thread of its own, so that the event loop goes on. */
  runAsync(...args: Arguments<typeof symbols.Run.parameters>): Promise<void>;
  /** Where the functions are that kernels of our own call. */
  readonly kernelFunctions: KernelFunctions;
  /** `CreateSessionFromArray` likewise: it rearranges the weights. */
  createSessionAsync(...args: Arguments<typeof symbols.CreateSessionFromArray.parameters>): Promise<void>;
}

/** koffi unloads a library when its handle is collected, though functions of its table are still in use. */
const handles: LibraryHandle[] = [];

let loaded: OrtLibrary | undefined;

/** The library, loaded at the first call. @throws AhaError `onnxruntime-*` that says what to do. */
export function ortLibrary(): OrtLibrary {
  loaded ??= loadLibrary(process.env[libraryVariable] ?? findLibrary());
  return loaded;
}

/** Where the library of the npm package `onnxruntime-node` lies for this platform. */
export function findLibrary(
  platform: string = process.platform,
  architecture: string = process.arch,
): string {
  let root: string;
  try {
    root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  } catch (cause) {
    throw libraryError(
      'onnxruntime-missing',
      'The package onnxruntime-node is not installed',
      { cause },
      `Run npm install, or set ${libraryVariable} to the path of ONNX Runtime's shared library.`,
    );
  }
  const binaries = join(root, 'bin');
  const abis = existsSync(binaries) ? readdirSync(binaries).filter((name) => name.startsWith('napi-v')) : [];
  const available: string[] = [];
  for (const abi of abis) {
    const folder = join(binaries, abi, platform, architecture);
    const file = existsSync(folder)
      ? readdirSync(folder).find((name) =>
          /^(lib)?onnxruntime(\.[\d.]+)?\.(so|dylib|dll)(\.\d+)*$/.test(name),
        )
      : undefined;
    if (file !== undefined) return join(folder, file);
    for (const os of readdirSync(join(binaries, abi))) {
      for (const cpu of readdirSync(join(binaries, abi, os))) available.push(`${os}-${cpu}`);
    }
  }
  throw libraryError(
    'onnxruntime-unsupported-platform',
    'The package onnxruntime-node has no library for this platform',
    {
      found: `${platform}-${architecture}`,
      expected:
        available.length > 0 ? `one of ${available.join(', ')}` : `a folder of libraries in ${binaries}`,
    },
    `Install ONNX Runtime ${minimumVersion.major}.${minimumVersion.minor} or newer for it and set ${libraryVariable} to its shared library.`,
  );
}

/** Loads the library at `path` and checks that it is an ONNX Runtime we can speak to. */
export function loadLibrary(path: string): OrtLibrary {
  const remedy = `Reinstall onnxruntime-node (npm ci), or set ${libraryVariable} to the shared library of ONNX Runtime ${minimumVersion.major}.${minimumVersion.minor} or newer.`;
  if (!existsSync(path)) {
    throw libraryError(
      'onnxruntime-missing',
      "ONNX Runtime's shared library does not exist",
      { found: path },
      remedy,
    );
  }
  growStacks();
  let base: bigint;
  try {
    const handle = koffi.load(path);
    base = handle.func('OrtGetApiBase', 'void *', [])() as bigint;
    handles.push(handle);
  } catch (cause) {
    const detail = { found: `${path}: ${describeError(cause)}`, cause };
    throw libraryError(
      'onnxruntime-unloadable',
      "ONNX Runtime's shared library cannot be loaded",
      detail,
      remedy,
    );
  }
  const pointer = (table: bigint, index: number) =>
    koffi.decode(table, index * koffi.sizeof('void *'), 'void *') as bigint;
  const version = koffi.decode(pointer(base, 1), koffi.proto('str', []))() as string;
  checkVersion(version, path, remedy);
  // An older library answers null; a newer one keeps the old tables.
  const table = koffi.decode(pointer(base, 0), koffi.proto('void *', ['uint32_t']))(apiVersion) as
    bigint | null;
  if (table === null) throw versionError(version, path, remedy);

  const native = (symbol: Symbol) =>
    koffi.decode(
      pointer(table, symbol.index),
      koffi.proto(
        resultTypes[symbol.result],
        symbol.parameters.map((parameter) => parameterTypes[parameter]),
      ),
    ) as NativeFunction;
  const message = native(symbols.GetErrorMessage);
  const release = native(symbols.ReleaseStatus);
  const check = (name: string, status: bigint | null) => {
    if (status === null) return;
    const text = message(status) as string;
    release(status);
    throw statusError(name, text);
  };
  const functions = Object.fromEntries(
    Object.entries(symbols).map(([name, symbol]) => {
      const call = native(symbol);
      return [
        name,
        symbol.result === 'status'
          ? (...args: unknown[]) => check(name, call(...args) as bigint | null)
          : call,
      ];
    }),
  ) as OrtFunctions;
  const onThread = (name: 'Run' | 'CreateSessionFromArray') => {
    const call = native(symbols[name]);
    return (...args: unknown[]) =>
      new Promise<void>((resolve, reject) => {
        call.async(...args, (error: Error | null, status: bigint | null) => {
          try {
            if (error !== null) throw error;
            check(name, status);
            resolve();
          } catch (failure) {
            reject(failure);
          }
        });
      });
  };
  return {
    ...functions,
    path,
    version,
    kernelFunctions: Object.fromEntries(
      kernelFunctionNames.map((name) => [name, pointer(table, symbols[name].index)]),
    ) as KernelFunctions,
    runAsync: onThread('Run'),
    createSessionAsync: onThread('CreateSessionFromArray'),
  };
}

interface NativeFunction {
  (...args: unknown[]): unknown;
  async(...args: unknown[]): void;
}

const resultTypes = { status: 'void *', void: 'void', int: 'int', name: 'str' } as const;
const parameterTypes = { address: 'void *', size: 'size_t', int: 'int', name: 'str' } as const;

/** @throws AhaError `onnxruntime-version` unless the lowering was written for this version. */
export function checkVersion(version: string, path: string, remedy: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major !== minimumVersion.major || !(minor >= minimumVersion.minor))
    throw versionError(version, path, remedy);
}

function versionError(version: string, path: string, remedy: string): AhaError {
  return libraryError(
    'onnxruntime-version',
    `The version of ONNX Runtime in ${path} does not fit`,
    {
      found: version,
      expected: `${minimumVersion.major}.${minimumVersion.minor} or a newer ${minimumVersion.major}.x`,
    },
    remedy,
  );
}

function libraryError(
  code: string,
  what: string,
  detail: { found?: unknown; expected?: unknown; cause?: unknown },
  fix: string,
): AhaError {
  return new AhaError({ code, boundary: 'runtime', what, fix, ...detail });
}
