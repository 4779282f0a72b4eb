/** What the measurements ran on, and how much of it others used meanwhile. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly platform: string;
  readonly node: string;
}

export function machine(): Machine {
  return {
    cpu: (cpus()[0]?.model ?? 'unknown').trim(),
    cores: availableParallelism(),
    platform: `${platform()}-${arch()}`,
    node: process.version,
  };
}

/** A name for files: `amd-epyc-2-cores`. */
export function machineName({ cpu, cores }: Machine): string {
  const words = cpu.replaceAll(/\((R|TM)\)|CPU|Processor|@.*$/gi, ' ');
  return `${words} ${cores} cores`
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}

/** Seconds of processor time: of all processes together, and of ours. */
export interface ProcessorTime {
  readonly all: number;
  readonly own: number;
}

/** Linux counts processor time in hundredths of a second. */
const ticksPerSecond = 100;

/**
 * Processor time so far; `others` are processes that belong to the measurement too. Undefined where the system does
 * not tell (it is read from /proc).
 */
export function processorTime(others: readonly number[] = []): ProcessorTime | undefined {
  try {
    const [user, nice, system, , , interrupts, softInterrupts, stolen] = readFileSync('/proc/stat', 'utf8')
      .split('\n')[0]!
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number) as [number, number, number, number, number, number, number, number];
    const usage = process.cpuUsage();
    let own = (usage.user + usage.system) / 1e6;
    for (const id of others) {
      // The name of the program, in parentheses, may contain spaces.
      const fields = readFileSync(`/proc/${id}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      own += (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    }
    return { all: (user + nice + system + interrupts + softInterrupts + stolen) / ticksPerSecond, own };
  } catch {
    return undefined;
  }
}
