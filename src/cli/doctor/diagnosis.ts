/** What a machine's facts mean for aha: checks with a verdict, and what fits into its memory. */
import { packedBytes, rememberedBytes } from '../../engine/local-policy.ts';
import { AhaError } from '../../errors.ts';
import { formatBytes, formatCount, formatNumber } from '../terminal/quantities.ts';
import type { MachineFacts } from './machine.ts';

export interface Check {
  readonly name: string;
  /** `info` is neither good nor bad. */
  readonly status: 'ok' | 'info' | 'warning' | 'failed';
  readonly detail: string;
  /** What to do, where something is to be done. */
  readonly fix?: string;
}

export interface Capacity {
  readonly use: 'sample' | 'train with LoRA' | 'train fully';
  /** Parameters of the largest model for which the memory is likely to be enough. */
  readonly parameters: number;
}

/** The oldest Node.js that package.json admits. */
export const minimumNode = [20, 19] as const;

/** float32 weights; LoRA adds little; full training adds gradient and two moments (AdamW). */
const bytesPerParameter: Readonly<Record<Capacity['use'], number>> = {
  sample: 4,
  'train with LoRA': 4.4,
  'train fully': 16,
};
/** For the cache of keys and values, and JavaScript. */
const workingBytes = 1e9;
/**
 * For the activations of a micro-batch of the default size, at 135M parameters; they grow as the square root, with
 * width times depth. Measured (docs/experiments.md): SmolLM2-135M takes 6.8 GB with LoRA and 9.5 GB fully.
 */
const activations = { bytes: 5.5e9, parameters: 135e6 } as const;
const productTolerance = 1e-4;
const lowDiskBytes = 2e9;

export function diagnose(facts: MachineFacts): Check[] {
  return [
    nodeCheck(facts),
    { name: 'System', status: 'info', detail: `${facts.platform} ${facts.architecture}, ${facts.processor}` },
    libraryCheck(facts),
    kernelCheck(facts),
    ...trialCheck(facts),
    threadCheck(facts),
    memoryCheck(facts),
    gpuCheck(facts),
    ...sandboxChecks(facts),
    ...facts.folders.map((folder): Check => {
      const free = folder.freeBytes === undefined ? 'unknown space' : formatBytes(folder.freeBytes);
      const detail = `${folder.path} (${free} free)`;
      if (!folder.writable) {
        return {
          name: folder.purpose,
          status: 'failed',
          detail: `${folder.path} cannot be written to`,
          fix: 'Change its permissions, or choose another folder.',
        };
      }
      if (folder.freeBytes !== undefined && folder.freeBytes < lowDiskBytes) {
        return { name: folder.purpose, status: 'warning', detail, fix: 'Free some space: models are large.' };
      }
      return { name: folder.purpose, status: 'ok', detail };
    }),
    ...Object.entries(facts.variables).map(([name, value]): Check => ({
      name,
      status: 'info',
      detail: value,
    })),
  ];
}

export function capacities(facts: MachineFacts): Capacity[] {
  return (Object.keys(bytesPerParameter) as Capacity['use'][]).map((use) => {
    const bytes = bytesPerParameter[use];
    const kept = use === 'sample' ? 0 : rememberedBytes;
    const room = Math.max(0, facts.availableBytes * 0.9 - workingBytes - kept);
    const share = use === 'sample' ? 0 : activations.bytes / Math.sqrt(activations.parameters);
    const large = mostParameters(room, bytes, share);
    // Smaller weights exist twice while a model samples.
    const isLarge = 4 * large > packedBytes;
    return { use, parameters: Math.floor(isLarge ? large : mostParameters(room, bytes + 4, share)) };
  });
}

/** The most parameters P for which each·P + share·√P fits `room`. */
function mostParameters(room: number, each: number, share: number): number {
  return ((Math.sqrt(share ** 2 + 4 * each * room) - share) / (2 * each)) ** 2;
}

function nodeCheck({ node }: MachineFacts): Check {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const good = major > minimumNode[0] || (major === minimumNode[0] && minor >= minimumNode[1]);
  const expected = minimumNode.join('.');
  if (good) return { name: 'Node.js', status: 'ok', detail: `${node} (${expected} or newer is needed)` };
  return {
    name: 'Node.js',
    status: 'failed',
    detail: `${node}, but ${expected} or newer is needed`,
    fix: 'Install a newer version from https://nodejs.org.',
  };
}

function libraryCheck({ library }: MachineFacts): Check {
  const name = 'ONNX Runtime';
  if ('error' in library) return failure(name, library.error);
  return { name, status: 'ok', detail: `${library.version}, ${library.path}` };
}

function kernelCheck({ kernelObstacle: reason, vectors }: MachineFacts): Check {
  const name = 'Kernels';
  const registers = { avx2: 'AVX2', avx512: 'AVX-512' }[vectors];
  if (reason === undefined) {
    return { name, status: 'ok', detail: `machine code for this processor (${registers})` };
  }
  return { name, status: 'info', detail: `those of ONNX Runtime only, which are slower: ${reason}` };
}

function trialCheck({ trial }: MachineFacts): Check[] {
  const name = 'Arithmetic';
  if (trial === undefined) return [];
  if ('error' in trial) return [failure(name, trial.error)];
  const speed = `${formatNumber(trial.gigaflops)} GFLOP/s on ${trial.threads} threads`;
  if (!(trial.largestError <= productTolerance)) {
    return [
      {
        name,
        status: 'failed',
        detail: `a product of matrices is wrong by ${formatNumber(trial.largestError)}`,
        fix: 'Reinstall the dependencies (npm ci). If it stays wrong, report it with the output of aha doctor --json.',
      },
    ];
  }
  return [{ name, status: 'ok', detail: `matrix products are right, ${speed}` }];
}

function threadCheck({ threads, quota }: MachineFacts): Check {
  if (quota !== undefined && quota < threads - 0.01) {
    return {
      name: 'Threads',
      status: 'warning',
      detail: `${threads}, but this container grants the time of ${formatNumber(quota, 2)} cores`,
      fix: `Run with --threads ${Math.max(1, Math.floor(quota))}: more threads than cores only wait for each other.`,
    };
  }
  return { name: 'Threads', status: 'ok', detail: `${threads}` };
}

function memoryCheck(facts: MachineFacts): Check {
  const detail = `${formatBytes(facts.availableBytes)} available of ${formatBytes(facts.memoryBytes)}`;
  if (facts.availableBytes >= workingBytes) return { name: 'Memory', status: 'ok', detail };
  return {
    name: 'Memory',
    status: 'warning',
    detail,
    fix: 'Close other programs: even the demo may need 1 GB.',
  };
}

function gpuCheck({ gpus }: MachineFacts): Check {
  return {
    name: 'GPU',
    status: 'info',
    detail:
      gpus.length === 0
        ? 'none found (none is needed)'
        : `${gpus.join(', ')}: not used, aha computes on the CPU`,
  };
}

/** One that works is enough; without any, tasks whose answers are programs cannot be trained on. */
function sandboxChecks({ sandboxes }: MachineFacts): Check[] {
  const works = sandboxes.some(({ error }) => error === undefined);
  return sandboxes.map(({ tier, languages, error }): Check => {
    const name = `Sandbox ${tier}`;
    if (error === undefined) return { name, status: 'ok', detail: `runs ${languages.join(', ')}` };
    return { ...failure(name, error), status: works ? 'info' : 'warning' };
  });
}

function failure(name: string, error: Error): Check {
  const fix = error instanceof AhaError ? error.fix : undefined;
  const message =
    fix !== undefined && error.message.endsWith(` ${fix}`)
      ? error.message.slice(0, -fix.length - 1)
      : error.message;
  return { name, status: 'failed', detail: message, ...(fix === undefined ? {} : { fix }) };
}

/** `sample up to 1.8B parameters` */
export function describeCapacity({ use, parameters }: Capacity): string {
  return parameters < 1e6
    ? `${use}: too little memory`
    : `${use}: up to ${formatCount(parameters)} parameters`;
}
