import { describe, expect, it } from 'vitest';
import { FakeClock, FakePipe, FakeTerminal } from '../../../test/cli/fake-terminal.ts';
import { Reporter } from './reporter.ts';
import { describeTerminal } from './terminal.ts';

function onPipes(options: { json?: boolean; about?: 'work' | 'content'; color?: boolean } = {}) {
  const stdout = new FakePipe();
  const stderr = new FakePipe();
  const clock = new FakeClock();
  const reporter = new Reporter({ stdout, stderr, clock, environment: {}, ...options });
  return { stdout, stderr, clock, reporter };
}

describe('Reporter on pipes', () => {
  it('writes plain lines without any escape', () => {
    const { reporter, stdout, stderr } = onPipes();
    reporter.line(reporter.colors.red('result'));
    reporter.note('working');
    reporter.warn('careful');
    reporter.failure(['error: it broke', '  next: mend it']);
    expect(stdout.written).toBe('result\nworking\n');
    expect(stderr.written).toBe('warning: careful\nerror: it broke\n  next: mend it\n');
  });

  it('keeps standard output for one JSON line with --json', () => {
    const { reporter, stdout, stderr } = onPipes({ json: true });
    reporter.write('for people, not ended');
    reporter.result({ accuracy: 0.5, missing: Number.NaN });
    expect(stdout.written).toBe('{"accuracy":0.5,"missing":null}\n');
    expect(stderr.written).toBe('for people, not ended\n');
  });

  it('prints no JSON without --json', () => {
    const { reporter, stdout } = onPipes();
    reporter.result({ accuracy: 0.5 });
    expect(stdout.written).toBe('');
  });

  it('keeps progress out of content', () => {
    const { reporter, stdout, stderr } = onPipes({ about: 'content' });
    reporter.note('loading');
    reporter.write('a completion');
    reporter.close();
    expect(stdout.written).toBe('a completion\n');
    expect(stderr.written).toBe('loading\n');
  });

  it('says how far it is every ten seconds, not more often', () => {
    const { reporter, stdout, clock } = onPipes();
    const progress = reporter.progress({ label: 'Downloading', total: 1000, unit: 'bytes' });
    for (let i = 1; i <= 100; i++) {
      clock.advance(0.25);
      progress.update(i * 10);
    }
    progress.finish('Downloaded');
    progress.update(5);
    expect(stdout.written.split('\n')).toEqual([
      'Downloading',
      'Downloading · 400 B of 1.00 KB · 40 % · 15 s left',
      'Downloading · 800 B of 1.00 KB · 80 % · 5.0 s left',
      'Downloaded',
      '',
    ]);
  });

  it('colours a pipe when forced to', () => {
    expect(onPipes({ color: true }).reporter.colors.red('x')).toBe('\u001B[31mx\u001B[39m');
  });
});

describe('Reporter on a terminal', () => {
  it('draws progress in place and prints above it', async () => {
    const screen = new FakeTerminal(60, 10);
    const clock = new FakeClock();
    const reporter = new Reporter({ stdout: screen, stderr: new FakePipe(), clock, environment: {} });
    const progress = reporter.progress({ label: 'Loading', total: 200 });
    clock.advance(1);
    progress.update(50);
    reporter.line('something else');
    reporter.show(() => ['a view'])!.close();
    expect(await screen.text()).toBe(
      'something else\nLoading · 50 of 200 · 25 % · 3.0 s left ████░░░░░░░░░░░░░',
    );
    progress.finish();
    reporter.line('end');
    expect(await screen.text()).toBe('something else\nend');
  });

  it('leaves what is shown as text when it is closed half-way', async () => {
    const screen = new FakeTerminal(40, 10);
    const reporter = new Reporter({
      stdout: screen,
      stderr: new FakePipe(),
      clock: new FakeClock(),
      environment: { NO_COLOR: '1' },
    });
    reporter.progress({ label: 'Loading' });
    reporter.close();
    expect(await screen.text()).toBe('Loading');
  });
});

describe('describeTerminal', () => {
  const screen = new FakeTerminal(100, 30);
  it.each([
    [{}, true, true],
    [{ NO_COLOR: '1' }, true, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
    [{ NO_COLOR: '' }, true, true],
    [{ TERM: 'dumb' }, false, false],
    [{ TERM: 'dumb', FORCE_COLOR: '1' }, false, true],
    [{ CI: 'true' }, false, true],
    [{ FORCE_COLOR: '0' }, true, false],
  ])('%j: live %s, colour %s', (environment, live, color) => {
    const terminal = describeTerminal(screen, environment);
    expect(terminal.live).toBe(live);
    expect(terminal.colors.isColorSupported).toBe(color);
  });

  it('gives a pipe 80 columns and no end of rows', () => {
    const terminal = describeTerminal(new FakePipe(), {});
    expect([terminal.columns, terminal.rows, terminal.live]).toEqual([80, Number.POSITIVE_INFINITY, false]);
  });

  it('knows consoles without block characters', () => {
    expect(describeTerminal(screen, { TERM: 'linux' }, { platform: 'linux' }).unicode).toBe(false);
    expect(describeTerminal(screen, {}, { platform: 'win32' }).unicode).toBe(false);
    expect(describeTerminal(screen, { WT_SESSION: 'x' }, { platform: 'win32' }).unicode).toBe(true);
    expect(describeTerminal(screen, {}, { platform: 'darwin' }).unicode).toBe(true);
  });
});
