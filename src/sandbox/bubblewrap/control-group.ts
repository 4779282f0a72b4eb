/**
 * Linux control groups, where this process may make them: one limit on memory and on processes for everything in a
 * sandbox together, and what it used, counted by the kernel. Where it may not (most users, most containers), the
 * sandbox's first process polls instead, and limits hold for each process.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Limits } from '../sandbox.ts';

export interface GroupUsage {
  readonly cpuMs: number | null;
  readonly peakBytes: number | null;
  /** The kernel killed something inside for want of memory. */
  readonly outOfMemory: boolean;
}

export interface ControlGroup {
  /** Moves a process, whose children will follow, into the group. */
  add(process: number): void;
  /** Also forgets the peak so far. Throws what the file system throws. */
  limit(limits: Limits): void;
  usage(): GroupUsage;
  /** When nothing is left inside. */
  remove(): Promise<void>;
}

type Version = 1 | 2;
const root = '/sys/fs/cgroup';
/** Processes of the sandbox that are not the program's. */
const ownProcesses = 2;
const ownBytes = 16 * 1024 * 1024;

/** The version that can be used here; undefined where none can. Tries it, once. */
export function controlGroupVersion(): Version | undefined {
  sweep();
  for (const version of [2, 1] as const) {
    try {
      const group = new Group(version);
      group.removeNow();
      return version;
    } catch {
      // Not mounted, not ours to write, or without the controllers.
    }
  }
  return undefined;
}

/** Groups that processes of ours left when they were killed; those that still hold something cannot be removed. */
function sweep(): void {
  for (const parent of [
    root,
    ...['memory', 'pids', 'cpuacct'].map((controller) => `${root}/${controller}`),
  ]) {
    try {
      for (const name of readdirSync(parent)) {
        const owner = /^aha-(\d+)-/.exec(name)?.[1];
        if (owner !== undefined && !existsSync(`/proc/${owner}`)) rmdirSync(`${parent}/${name}`);
      }
    } catch {
      // Not there, not ours, or not empty.
    }
  }
}

export function createControlGroup(version: Version): ControlGroup {
  return new Group(version);
}

class Group implements ControlGroup {
  readonly #version: Version;
  readonly #folders: readonly string[];

  constructor(version: Version) {
    const name = `aha-${process.pid}-${randomUUID().slice(0, 8)}`;
    this.#version = version;
    if (version === 2) {
      const controllers = readFileSync(`${root}/cgroup.subtree_control`, 'utf8').split(/\s+/);
      if (!['memory', 'pids'].every((one) => controllers.includes(one))) throw new Error('no controllers');
      this.#folders = [`${root}/${name}`];
    } else {
      this.#folders = ['memory', 'pids', 'cpuacct'].map((controller) => `${root}/${controller}/${name}`);
    }
    const made: string[] = [];
    try {
      for (const folder of this.#folders) {
        mkdirSync(folder);
        made.push(folder);
        if (!existsSync(`${folder}/cgroup.procs`)) throw new Error(`${folder} is no control group`);
      }
    } catch (error) {
      for (const folder of made) rmdirSync(folder);
      throw error;
    }
  }

  add(process: number): void {
    for (const folder of this.#folders) writeFileSync(`${folder}/cgroup.procs`, String(process));
  }

  limit(limits: Limits): void {
    const [memory, pids = memory] = this.#folders;
    const bytes = Number.isFinite(limits.memoryBytes) ? Math.ceil(limits.memoryBytes) + ownBytes : undefined;
    const processes = Number.isFinite(limits.processes)
      ? Math.ceil(limits.processes) + ownProcesses
      : undefined;
    writeFileSync(`${pids}/pids.max`, String(processes ?? 'max'));
    if (this.#version === 2) {
      writeFileSync(`${memory}/memory.max`, String(bytes ?? 'max'));
      if (existsSync(`${memory}/memory.swap.max`)) writeFileSync(`${memory}/memory.swap.max`, '0');
    } else {
      writeFileSync(`${memory}/memory.limit_in_bytes`, String(bytes ?? -1));
      writeFileSync(`${memory}/memory.max_usage_in_bytes`, '0');
    }
  }

  usage(): GroupUsage {
    const [memory, , account] = this.#folders;
    const events = this.#version === 2 ? 'memory.events' : 'memory.oom_control';
    const peak = this.#version === 2 ? 'memory.peak' : 'memory.max_usage_in_bytes';
    const cpu =
      this.#version === 2
        ? number(/^usage_usec (\d+)/m.exec(text(`${memory}/cpu.stat`))?.[1], 1000)
        : number(text(`${account}/cpuacct.usage`), 1e6);
    return {
      cpuMs: cpu,
      peakBytes: number(text(`${memory}/${peak}`), 1),
      outOfMemory: /^oom_kill [1-9]/m.test(text(`${memory}/${events}`)),
    };
  }

  async remove(): Promise<void> {
    // Processes that were killed take a moment to be gone.
    for (let attempt = 0; attempt < 200; attempt++) {
      try {
        this.removeNow();
        return;
      } catch {
        await sleep(attempt < 10 ? 2 : 20);
      }
    }
  }

  removeNow(): void {
    for (const folder of this.#folders) if (existsSync(folder)) rmdirSync(folder);
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function number(value: string | undefined, divisor: number): number | null {
  return value === undefined || value === '' ? null : Number(value) / divisor;
}
