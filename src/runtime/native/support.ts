/** Whether our kernels run on this machine. Where they do not, ONNX Runtime's do the same work, only slower. */
import { readFileSync } from 'node:fs';
import { makeExecutable } from './executable-memory.ts';
import type { VectorSet } from './tile.ts';

/** `off` leaves all work to ONNX Runtime's kernels; `avx2` uses nothing that came after it. */
export const kernelsVariable = 'AHA_KERNELS';

export interface KernelMachine {
  readonly platform: string;
  readonly architecture: string;
  /** What the processor can do, as Linux names it. */
  readonly flags: readonly string[];
  /** The value of the variable above. */
  readonly setting: string | undefined;
}

const neededFlags = ['avx', 'avx2', 'fma'];

/** Why kernels do not run on such a machine; undefined if nothing is in their way. */
export function obstacle({ platform, architecture, flags, setting }: KernelMachine): string | undefined {
  if (setting === 'off') return `${kernelsVariable} is off`;
  if (platform !== 'linux' || architecture !== 'x64')
    return `they are for linux-x64, not ${platform}-${architecture}`;
  const missing = neededFlags.filter((flag) => !flags.includes(flag));
  if (missing.length > 0) return `the processor lacks ${missing.join(', ')}`;
  return undefined;
}

let found: { readonly reason: string | undefined } | undefined;

/** Why our kernels do not run here; undefined if they do. */
export function kernelObstacle(): string | undefined {
  found ??= { reason: obstacle(thisMachine()) ?? memoryObstacle() };
  return found.reason;
}

/** The widest vectors that such a machine has. */
export function widest({ flags, setting }: Pick<KernelMachine, 'flags' | 'setting'>): VectorSet {
  return flags.includes('avx512f') && setting !== 'avx2' ? 'avx512' : 'avx2';
}

let vectors: VectorSet | undefined;

/** The widest vectors that this machine has. */
export function vectorSet(): VectorSet {
  vectors ??= widest(thisMachine());
  return vectors;
}

function thisMachine(): KernelMachine {
  const { platform, arch: architecture, env } = process;
  return { platform, architecture, flags: processorFlags(), setting: env[kernelsVariable] };
}

function processorFlags(): string[] {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/) ?? [];
  } catch {
    return [];
  }
}

/** Hardened systems let no memory that was written to be executed. */
function memoryObstacle(): string | undefined {
  const returns = Uint8Array.of(0xc3);
  try {
    if (makeExecutable(returns) !== undefined) return undefined;
  } catch {
    // A system without glibc.
  }
  return 'the system allows no machine code to be made';
}
