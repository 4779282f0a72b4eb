/**
 * Stands between the WebAssembly instance of Pyodide and JavaScript. Until sealed, everything passes: the interpreter
 * needs it to start. Sealed, only what a C library needs passes: files (in memory), clock, random bytes, memory. The
 * rest of Pyodide's imports, which reach JavaScript objects, load code or open sockets, ends the program.
 */

import type { Global, Imports, Instance, Table } from './web-assembly.ts';

/** Ends the program from within a call; carries its exit status. */
export class GateError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

type Native = (...values: number[]) => unknown;

/** By their names in the C library and in Pyodide's build of Python. They touch memory and the file system only. */
const harmless = new Set(
  [
    'faccessat',
    'chdir',
    'chmod',
    'dup',
    'dup3',
    'fadvise64',
    'fallocate',
    'fchdir',
    'fchmod',
    'fchmodat2',
    'fchown32',
    'fchownat',
    'fcntl64',
    'fdatasync',
    'fstat64',
    'fstatfs64',
    'ftruncate64',
    'getcwd',
    'getdents64',
    'ioctl',
    'lstat64',
    'mkdirat',
    'mknodat',
    'newfstatat',
    'openat',
    'poll',
    'readlinkat',
    'renameat',
    'rmdir',
    'stat64',
    'statfs64',
    'symlinkat',
    'truncate64',
    'unlinkat',
    'utimensat',
    'umask_js',
    'getuid32_js',
  ].map((name) => `__syscall_${name}`),
);
for (const name of [
  '_tzset_js',
  '_timegm_js',
  '_mktime_js',
  '_localtime_js',
  '_gmtime_js',
  'emscripten_date_now',
  'emscripten_get_now',
  'emscripten_get_heap_max',
  '_emscripten_get_progname',
  '_mmap_js',
  '_munmap_js',
  '_msync_js',
  '_Py_emscripten_runtime',
  '_Py_CheckEmscriptenSignals_Helper',
  '_PyEM_TrampolineCall_JS',
  'Jsv_GetError_import',
  'JsvError_Check',
  '_try_fcntl64',
  'environ_sizes_get',
  'environ_get',
  'fd_close',
  'fd_read',
  'fd_write',
  'clock_res_get',
  'clock_time_get',
  'fd_sync',
  'random_get',
  'fd_fdstat_get',
  'fd_seek',
  'fd_pread',
]) {
  harmless.add(name);
}

/** Negative numbers of errors as the C library of Emscripten has them. */
const [functionNotSupported, hostNotFound] = [-52, -2];

/** Answered with an error that Python turns into an exception. */
const refused: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    [
      'accept4',
      'bind',
      'connect',
      'getpeername',
      'getsockname',
      'getsockopt',
      'listen',
      'recvfrom',
      'recvmsg',
    ]
      .concat(['pipe', 'sendmsg', 'sendto', 'socket'])
      .map((name) => [`__syscall_${name}`, functionNotSupported]),
  ),
  _emscripten_system: functionNotSupported,
  _setitimer_js: functionNotSupported,
  getaddrinfo: hostNotFound,
  getnameinfo: hostNotFound,
  getprotobyname: 0,
  _dlopen_js: 0,
  _dlsym_js: 0,
};

export interface Gate {
  /** The imports to instantiate with. */
  imports(imports: Imports): Imports;
  /** Closes the gate for good. */
  seal(instance: Instance): void;
  /** A program starts. */
  begin(): void;
  /** The globals that hold addresses of functions. */
  readonly addresses: readonly Global[];
  /** What the program since `begin` called and must not. */
  violation(): string | null;
  /** Whether it was refused memory. */
  memoryRefused(): boolean;
}

export interface GateOptions {
  /** Bytes to which memory may grow, now. */
  readonly memoryLimit: () => number;
  /** Called after the program has written; may throw a `GateError`. */
  readonly afterWrite: () => void;
}

export function gateImports({ memoryLimit, afterWrite }: GateOptions): Gate {
  let sealed = false;
  let violation: string | null = null;
  let memoryRefused = false;
  const functions: Global[] = [];
  const guard = (name: string, original: Native): Native => {
    if (name === 'proc_exit' || name === 'exit') {
      return (status) => {
        if (!sealed) return original(status);
        throw new GateError(status & 0xff, 'exit');
      };
    }
    if (name === 'emscripten_resize_heap') {
      return (bytes) => {
        if (!sealed || bytes >>> 0 <= memoryLimit()) return original(bytes);
        memoryRefused = true;
        return 0;
      };
    }
    if (name === 'fd_write' || name === 'fd_pwrite') {
      return (...values) => {
        const result = original(...values);
        if (sealed) afterWrite();
        return result;
      };
    }
    if (harmless.has(name)) return original;
    const answer = Object.hasOwn(refused, name) ? refused[name] : undefined;
    return (...values) => {
      if (!sealed) return original(...values);
      if (answer !== undefined) return answer;
      if (name !== '_abort_js' && name !== '__assert_fail') violation ??= name;
      throw new GateError(134, name);
    };
  };
  return {
    addresses: functions,
    imports: (imports) => {
      const guarded: Record<string, Imports[string]> = {};
      for (const [module, values] of Object.entries(imports)) {
        // The tables of addresses are proxies that make entries when asked; they stay what they are.
        if (module !== 'env' && module !== 'wasi_snapshot_preview1') {
          guarded[module] = values;
          continue;
        }
        guarded[module] = new Proxy(values, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name);
            return typeof value === 'function' && typeof name === 'string'
              ? guard(name, value as Native)
              : value;
          },
        });
      }
      const table = imports['GOT.func'];
      if (table !== undefined) {
        guarded['GOT.func'] = new Proxy(table, {
          get: (target, name) => {
            const value = Reflect.get(target, name) as Global;
            functions.push(value);
            return value;
          },
        });
      }
      return guarded;
    },
    seal: (instance) => {
      // JavaScript functions whose addresses WebAssembly knows (WebGL, the console): nothing is at these addresses now.
      const table = instance.exports['__indirect_function_table'] as Table;
      for (const { value } of functions) {
        const address = Number(value);
        if (address > 0 && address < table.length) table.set(address, null);
      }
      sealed = true;
    },
    begin: () => {
      violation = null;
      memoryRefused = false;
    },
    violation: () => violation,
    memoryRefused: () => memoryRefused,
  };
}
