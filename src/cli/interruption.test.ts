import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/cli/fake-terminal.ts';
import { Interruption } from './interruption.ts';

function setUp() {
  const source = new EventEmitter();
  const clock = new FakeClock();
  const announced: string[] = [];
  const quits: number[] = [];
  const interruption = new Interruption({
    clock,
    source,
    announce: (text) => announced.push(text),
    quit: (code) => quits.push(code),
  });
  return { source, clock, announced, quits, interruption };
}

describe('Interruption', () => {
  it('quits at once when there is nothing to save', () => {
    const { source, quits, interruption } = setUp();
    source.emit('SIGINT', 'SIGINT');
    expect(quits).toEqual([130]);
    expect(interruption.signal.aborted).toBe(false);
  });

  it('asks the work to stop first, and quits at the second signal', () => {
    const { source, clock, announced, quits, interruption } = setUp();
    const held = interruption.defer('Finishing this step.');
    source.emit('SIGINT', 'SIGINT');
    expect(interruption.signal.aborted).toBe(true);
    expect(interruption.exitCode).toBe(130);
    expect(announced).toEqual(['Finishing this step.']);
    expect(quits).toEqual([]);
    clock.advance(1);
    source.emit('SIGINT', 'SIGINT');
    expect(quits).toEqual([130]);
    expect(announced).toHaveLength(1);
    held[Symbol.dispose]();
  });

  it('takes the copy that npm passes on for the same key press', () => {
    const { source, clock, quits, interruption } = setUp();
    using _held = interruption.defer('Finishing.');
    source.emit('SIGINT', 'SIGINT');
    clock.advance(0.05);
    source.emit('SIGINT', 'SIGINT');
    expect(quits).toEqual([]);
  });

  it('knows the exit status of each signal', () => {
    for (const [signal, code] of [
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      const { source, interruption } = setUp();
      using _held = interruption.defer('Finishing.');
      source.emit(signal, signal);
      expect(interruption.exitCode).toBe(code);
    }
  });

  it('says the message of the innermost work, and quits again once all work is over', () => {
    const { source, announced, quits, interruption } = setUp();
    const outer = interruption.defer('outer');
    interruption.defer('inner')[Symbol.dispose]();
    source.emit('SIGINT', 'SIGINT');
    expect(announced).toEqual(['outer']);
    outer[Symbol.dispose]();
    source.emit('SIGTERM', 'SIGTERM');
    expect(quits).toEqual([143]);
  });

  it('stops the work when nobody reads any longer', () => {
    const { quits, interruption } = setUp();
    interruption.request(0);
    expect(quits).toEqual([0]);
    using _held = interruption.defer('x');
    interruption.request(0);
    expect(interruption.signal.aborted).toBe(true);
    expect(interruption.exitCode).toBe(0);
  });

  it('stops listening when disposed', () => {
    const { source, interruption } = setUp();
    interruption.dispose();
    expect(source.eventNames()).toEqual([]);
  });
});
