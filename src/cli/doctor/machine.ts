/** What this machine is: facts without a judgement. Nothing is downloaded; the only programs started are trivial ones in the sandboxes. */
import { constants } from 'node:fs';
import { access, readdir, readFile, statfs } from 'node:fs/promises';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { trySandboxes, type TierTrial } from '../../sandbox/open.ts';
import { ortLibrary } from '../../runtime/onnx/library.ts';
import type { VectorSet } from '../../runtime/native/tile.ts';
import { kernelObstacle, vectorSet } from '../../runtime/native/support.ts';
import { multiplyOnce, type ProductTrial } from './product-trial.ts';

export interface FolderFacts {
  readonly purpose: string;
  readonly path: string;
  readonly writable: boolean;
  /** Of the file system that it is on, or would be. */
  readonly freeBytes: number | undefined;
}

export interface MachineFacts {
  readonly node: string;
  readonly platform: string;
  readonly architecture: string;
  readonly processor: string;
  /** Threads that the system lets this process use at once. */
  readonly threads: number;
  /** Cores' worth of time that a container grants, where it limits that. */
  readonly quota: number | undefined;
  readonly memoryBytes: number;
  readonly availableBytes: number;
  readonly gpus: readonly string[];
  readonly library: { readonly path: string; readonly version: string } | { readonly error: Error };
  /** Why kernels of our own do not run; undefined if they do. */
  readonly kernelObstacle: string | undefined;
  readonly vectors: VectorSet;
  /** One product of matrices through the runtime; absent when there is no library. */
  readonly trial: ProductTrial | { readonly error: Error } | undefined;
  readonly folders: readonly FolderFacts[];
  /** Trivial programs in each sandbox. */
  readonly sandboxes: readonly TierTrial[];
  /** Environment variables that change what aha does, and are set. Secrets are not shown. */
  readonly variables: Readonly<Record<string, string>>;
}

const variables = [
  'AHA_ONNXRUNTIME_LIBRARY',
  'AHA_KERNELS',
  'AHA_DEBUG',
  'AHA_CACHE',
  'AHA_DENO',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HF_ENDPOINT',
  'HF_TOKEN',
  'HF_HUB_OFFLINE',
  'NO_COLOR',
  'FORCE_COLOR',
];

export async function inspectMachine(
  folders: readonly { readonly purpose: string; readonly path: string }[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<MachineFacts> {
  const library = attempt(() => {
    const { path, version } = ortLibrary();
    return { path, version };
  });
  const constrained = process.constrainedMemory();
  const limit = constrained > 0 && constrained < os.totalmem() ? constrained : os.totalmem();
  return {
    node: process.versions.node,
    platform: process.platform,
    architecture: process.arch,
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    threads: os.availableParallelism(),
    quota: await containerQuota(),
    memoryBytes: limit,
    availableBytes: Math.min(limit, await availableMemory()),
    gpus: await findGpus(),
    library,
    kernelObstacle: kernelObstacle(),
    vectors: vectorSet(),
    trial:
      'error' in library
        ? undefined
        : await multiplyOnce().catch((error: unknown) => ({ error: asError(error) })),
    folders: await Promise.all(folders.map(async ({ purpose, path }) => inspectFolder(purpose, path))),
    sandboxes: await trySandboxes(),
    variables: Object.fromEntries(
      variables.flatMap((name): [string, string][] => {
        const value = environment[name];
        if (value === undefined || value === '') return [];
        return [[name, name === 'HF_TOKEN' ? 'set' : value]];
      }),
    ),
  };
}

function attempt<T>(work: () => T): T | { error: Error } {
  try {
    return work();
  } catch (error) {
    return { error: asError(error) };
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** cgroup v2, then v1. */
async function containerQuota(): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  const second = await readText('/sys/fs/cgroup/cpu.max');
  if (second !== undefined) {
    const [quota, period] = second.trim().split(/\s+/);
    return quota === 'max' ? undefined : positive(Number(quota) / Number(period));
  }
  const quota = await readText('/sys/fs/cgroup/cpu/cpu.cfs_quota_us');
  const period = await readText('/sys/fs/cgroup/cpu/cpu.cfs_period_us');
  return positive(Number(quota) / Number(period));
}

/** What programs can still get: free memory, and caches that the system would give up. */
async function availableMemory(): Promise<number> {
  const text = await readText('/proc/meminfo');
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text ?? '')?.[1];
  return kilobytes === undefined ? os.freemem() : Number(kilobytes) * 1024;
}

async function findGpus(): Promise<string[]> {
  if (process.platform === 'darwin') return process.arch === 'arm64' ? ['Apple GPU'] : [];
  if (process.platform !== 'linux') return [];
  const root = '/proc/driver/nvidia/gpus';
  const nvidia = await readdir(root).catch(() => []);
  const names = await Promise.all(
    nvidia.map(async (gpu) => {
      const text = await readText(join(root, gpu, 'information'));
      return /^Model:\s+(.+)$/m.exec(text ?? '')?.[1]?.trim() ?? 'NVIDIA GPU';
    }),
  );
  const amd = (await exists('/dev/kfd')) ? ['AMD GPU'] : [];
  return [...names, ...amd];
}

/** A folder that does not exist yet is judged by the nearest one above it that does. */
async function inspectFolder(purpose: string, path: string): Promise<FolderFacts> {
  let folder = resolve(path);
  while (!(await exists(folder)) && dirname(folder) !== folder) folder = dirname(folder);
  const writable = await access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  const system = await statfs(folder).catch(() => undefined);
  return {
    purpose,
    path: resolve(path),
    writable,
    freeBytes: system === undefined ? undefined : system.bavail * system.bsize,
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function positive(value: number): number | undefined {
  return Number.isFinite(value) && value > 0 ? value : undefined;
}
