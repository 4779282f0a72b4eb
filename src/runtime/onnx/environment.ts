/**
 * ONNX Runtime's environment: one per process, with one pool of threads that all sessions share, so that training
 * and sampling do not fight for the cores. The number of threads is fixed while any runtime is open; when the last
 * one is closed the pool is gone, and the next may choose another number.
 */
import { availableParallelism } from 'node:os';
import { AhaError } from '../../errors.ts';
import { CustomOperators } from './custom-operators.ts';
import { ortLibrary, type OrtLibrary } from './library.ts';

export interface EnvironmentOptions {
  /** Threads that compute. Default: all cores. */
  readonly threads?: number;
  /** Whether idle threads wait in a loop for a moment before they sleep. */
  readonly spinning?: boolean;
}

export interface Environment {
  readonly library: OrtLibrary;
  readonly handle: bigint;
  readonly threads: number;
  /** Describes plain CPU memory. */
  readonly memoryInfo: bigint;
  /** Allocates plain CPU memory, aligned for every kernel. Owned by the library. */
  readonly allocator: bigint;
  /** Kernels of our own. */
  readonly operators: CustomOperators;
}

interface Shared extends Environment {
  users: number;
  readonly spinning: boolean;
}

let shared: Shared | undefined;
/** As the library, they stay loaded. */
let operators: CustomOperators | undefined;

/** Fatal only: ONNX Runtime writes to stderr itself, and its errors come back as statuses. */
const logSeverity = 4;
const arenaAllocator = 1;
const deviceAllocator = 0;
const defaultMemory = 0;

/** Takes a share of the process's environment; give it back with `releaseEnvironment`. */
export function acquireEnvironment(options: EnvironmentOptions = {}): Environment {
  const threads = options.threads ?? availableParallelism();
  const spinning = options.spinning ?? true;
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new AhaError({
      code: 'threads-invalid',
      boundary: 'runtime',
      what: 'The number of threads is invalid',
      found: threads,
      expected: 'a whole number from 1 to 1024',
    });
  }
  if (shared !== undefined && (shared.threads !== threads || shared.spinning !== spinning)) {
    throw new AhaError({
      code: 'threads-in-use',
      boundary: 'runtime',
      what: 'A runtime with another thread pool is open in this process',
      found: `${threads} threads${spinning ? '' : ', not spinning'}`,
      expected: `${shared.threads} threads${shared.spinning ? '' : ', not spinning'}`,
      fix: 'Dispose the open runtime first, or use the same number of threads.',
    });
  }
  shared ??= createEnvironment(ortLibrary(), threads, spinning);
  shared.users++;
  return shared;
}

/** Gives a share back. The last one stops the threads. */
export function releaseEnvironment(): void {
  if (shared === undefined || --shared.users > 0) return;
  const { library, handle, memoryInfo } = shared;
  shared = undefined;
  library.ReleaseMemoryInfo(memoryInfo);
  library.ReleaseEnv(handle);
}

function createEnvironment(library: OrtLibrary, threads: number, spinning: boolean): Shared {
  const out = new BigUint64Array(1);
  library.CreateThreadingOptions(out);
  const threading = out[0]!;
  let handle: bigint;
  try {
    library.SetGlobalIntraOpNumThreads(threading, threads);
    library.SetGlobalInterOpNumThreads(threading, 1);
    library.SetGlobalSpinControl(threading, Number(spinning));
    // Subnormal numbers slow a kernel down tenfold and mean nothing in training.
    library.SetGlobalDenormalAsZero(threading);
    library.CreateEnvWithGlobalThreadPools(logSeverity, 'aha', threading, out);
    handle = out[0]!;
  } finally {
    library.ReleaseThreadingOptions(threading);
  }
  library.CreateCpuMemoryInfo(deviceAllocator, defaultMemory, out);
  const memoryInfo = out[0]!;
  library.GetAllocatorWithDefaultOptions(out);
  const environment: Shared = {
    library,
    handle,
    threads,
    spinning,
    memoryInfo,
    allocator: out[0]!,
    operators: operatorsFor(library, threads),
    users: 0,
  };
  registerArena(environment);
  return environment;
}

/** One arena for the temporaries of all sessions: memory that training used is there for sampling. */
function registerArena({ library, handle }: Environment): void {
  const out = new BigUint64Array(1);
  library.CreateCpuMemoryInfo(arenaAllocator, defaultMemory, out);
  const memoryInfo = out[0]!;
  try {
    library.CreateAndRegisterAllocator(handle, memoryInfo, 0n);
  } finally {
    library.ReleaseMemoryInfo(memoryInfo);
  }
}

/** They outlive environments, as their code and sessions do; how work is cut depends on the threads of this one. */
function operatorsFor(library: OrtLibrary, threads: number): CustomOperators {
  operators ??= new CustomOperators(library);
  operators.threads = threads;
  return operators;
}
