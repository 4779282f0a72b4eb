/**
 * What processes have used so far, seen from outside. Linux: read from /proc, cheap enough to poll often. macOS: asked
 * of `ps`, so polled seldom. Windows: not measured.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Usage {
  /** Milliseconds of processor time, user and system, of all threads. */
  readonly cpuMs: number;
  /** Bytes of memory that are resident now, and at most so far. */
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** USER_HZ, which Linux has fixed at 100 for programs on every architecture that Node.js runs on. */
const millisecondsPerTick = 10;

/** How often polling makes sense here, in milliseconds. */
export const pollInterval = process.platform === 'linux' ? 50 : 500;

/** Undefined where the process has ended or the system does not tell. */
export async function usageOf(pid: number): Promise<Usage | undefined> {
  if (process.platform === 'linux') return linuxUsage(pid);
  if (process.platform === 'darwin') return darwinUsage(pid);
  return undefined;
}

export function linuxUsage(pid: number): Usage | undefined {
  try {
    // The name of the program, in parentheses, may contain anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kilobytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
    return {
      cpuMs: (Number(fields[11]) + Number(fields[12])) * millisecondsPerTick,
      residentBytes: kilobytes('VmRSS'),
      peakBytes: kilobytes('VmHWM'),
    };
  } catch {
    return undefined;
  }
}

async function darwinUsage(pid: number): Promise<Usage | undefined> {
  return new Promise((resolve) => {
    execFile('/bin/ps', ['-o', 'rss=,time=', '-p', String(pid)], { timeout: 2000 }, (error, stdout) => {
      const match = /^\s*(\d+)\s+(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)/.exec(stdout);
      if (error !== null || match === null) {
        resolve(undefined);
        return;
      }
      const [, rss, days = 0, hours = 0, minutes, seconds] = match;
      const residentBytes = Number(rss) * 1024;
      const total = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
      resolve({ cpuMs: total * 1000, residentBytes, peakBytes: residentBytes });
    });
  });
}
