import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunResult, Sandbox } from '../sandbox/sandbox.ts';
import { systemClock } from '../util/clock.ts';
import { code } from './code/code.ts';
import { Deadline } from './deadline.ts';
import { judge } from './verdict.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('Deadline', () => {
  it('passes after its time, without that of pauses', () => {
    const onPassed = vi.fn<() => void>();
    const deadline = new Deadline(100, systemClock, onPassed);
    vi.advanceTimersByTime(60);
    const [first, second] = [deadline.pause(), deadline.pause()];
    vi.advanceTimersByTime(10_000);
    first();
    first();
    vi.advanceTimersByTime(10_000);
    expect(onPassed).not.toHaveBeenCalled();
    second();
    vi.advanceTimersByTime(39);
    expect(onPassed).not.toHaveBeenCalled();
    expect(deadline.passed).toBe(false);
    vi.advanceTimersByTime(2);
    expect(onPassed).toHaveBeenCalledTimes(1);
    expect(deadline.passed).toBe(true);
  });

  it('says nothing once it has ended', () => {
    const onPassed = vi.fn<() => void>();
    const deadline = new Deadline(100, systemClock, onPassed);
    const resume = deadline.pause();
    deadline.end();
    resume();
    vi.advanceTimersByTime(1000);
    expect(onPassed).not.toHaveBeenCalled();
  });
});

describe('verdicts of programs', () => {
  /** Runs a program after so long in line, for so long. */
  const sandbox = (waiting: number, running: number): Sandbox => ({
    name: 'slow',
    languages: new Set(['c'] as const),
    run: async (_program, _input, options) => {
      await new Promise((resolve) => setTimeout(resolve, waiting));
      options?.onStart?.();
      await new Promise((resolve) => setTimeout(resolve, running));
      const result: Partial<RunResult> = {
        stage: 'run',
        exitCode: 0,
        stdout: '4\n',
        stderr: '',
        limit: null,
      };
      return result as RunResult;
    },
    [Symbol.asyncDispose]: async () => undefined,
  });

  it.each([
    [60_000, 900, { outcome: 'scored', score: 1 }],
    [60_000, 1100, { outcome: 'failed', boundary: 'verifier' }],
  ])('%d ms in line do not count, %d ms of running do', async (waiting, running, expected) => {
    const verify = code.program<null>('c', {
      tests: { kind: 'io', cases: [{ stdin: '2', stdout: '4' }] },
      sandbox: sandbox(waiting, running),
    });
    const verdict = judge((signal, pause) => verify(null, 'x', { response: 'x', signal, pause }), {
      deadline: 1000,
    });
    await vi.advanceTimersByTimeAsync(waiting + running);
    expect(await verdict).toMatchObject(expected);
  });
});
