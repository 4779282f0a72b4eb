import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeTerminal } from '../../../test/cli/fake-terminal.ts';
import { LiveRegion } from './live-region.ts';
import { describeTerminal } from './terminal.ts';

function regionOn(stream: FakeTerminal): LiveRegion {
  return new LiveRegion(describeTerminal(stream, { TERM: 'xterm-256color' }));
}

describe('LiveRegion', () => {
  // Only the redraw timer is faked: the emulator parses in turns of its own.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('redraws in place and leaves the last lines behind', async () => {
    const stream = new FakeTerminal(40, 10);
    stream.write('before\n');
    const region = regionOn(stream);
    let count = 0;
    const view = () => [`count ${count}`, 'second line'];
    region.add(view);
    for (count = 1; count <= 5; count++) {
      region.refresh();
      vi.advanceTimersByTime(100);
    }
    expect(await stream.text()).toBe('before\ncount 5\nsecond line');
    region.remove(view, ['done after 5']);
    stream.write('after\n');
    expect(await stream.text()).toBe('before\ndone after 5\nafter');
  });

  it('redraws at most ten times a second', () => {
    const stream = new FakeTerminal(40, 10);
    const region = regionOn(stream);
    let drawn = 0;
    region.add(() => [`drawn ${++drawn}`]);
    for (let millisecond = 0; millisecond < 1000; millisecond++) {
      region.refresh();
      vi.advanceTimersByTime(1);
    }
    expect(drawn).toBe(11);
    region.close();
  });

  it('keeps frames right when lines appear and vanish in the middle', async () => {
    const stream = new FakeTerminal(40, 12);
    const region = regionOn(stream);
    let lines = ['a', 'b', 'c'];
    region.add(() => lines);
    for (const next of [['a', 'x', 'y', 'c'], ['a', 'c'], ['a', 'b', 'b2', 'c', 'd'], ['z']]) {
      lines = next;
      region.draw();
      expect(await stream.text()).toBe(next.join('\n'));
    }
    region.close();
  });

  it('lets permanent text scroll by above', async () => {
    const stream = new FakeTerminal(40, 6);
    const region = regionOn(stream);
    region.add(() => ['live 1', 'live 2']);
    for (let i = 0; i < 10; i++) {
      region.erase();
      stream.write(`line ${i}\n`);
      vi.advanceTimersByTime(100);
    }
    const text = await stream.text();
    expect(text.split('\n')).toEqual([
      ...Array.from({ length: 10 }, (_, i) => `line ${i}`),
      'live 1',
      'live 2',
    ]);
    region.close();
  });

  it('cuts what is wider or higher than the terminal', async () => {
    const stream = new FakeTerminal(20, 5);
    stream.write('history\n');
    const region = regionOn(stream);
    region.add(() => Array.from({ length: 30 }, (_, i) => `line ${i} ${'x'.repeat(50)}`));
    vi.advanceTimersByTime(3000);
    const visible = await stream.visible();
    expect(visible).toEqual([...Array.from({ length: 4 }, (_, i) => `line ${i} ${'x'.repeat(11)}…`), '']);
    expect((await stream.text()).split('\n')[0]).toBe('history');
    region.close();
  });

  it('stacks views', async () => {
    const stream = new FakeTerminal(40, 10);
    const region = regionOn(stream);
    const first = () => ['first'];
    const second = () => ['second'];
    region.add(first);
    region.add(second);
    expect(await stream.text()).toBe('first\nsecond');
    region.remove(first);
    expect(await stream.text()).toBe('second');
    region.close();
    expect(await stream.text()).toBe('second');
  });

  it.each([
    [80, 30],
    [30, 80],
    [100, 20],
    [20, 100],
  ])('leaves no remains when resized from %d to %d columns', async (from, to) => {
    const stream = new FakeTerminal(from, 40);
    for (let i = 0; i < 3; i++) stream.write(`kept ${i}\n`);
    const region = regionOn(stream);
    const view = ({ columns }: { columns: number }) =>
      Array.from({ length: 5 }, (_, i) => `${i}`.repeat(columns));
    region.add(view);
    await stream.resize(from, 40);
    await stream.resize(to, 40);
    region.refresh();
    vi.advanceTimersByTime(1000);
    const lines = (await stream.text()).split('\n');
    expect(lines).toEqual([
      ...[0, 1, 2].map((i) => `kept ${i}`),
      ...[0, 1, 2, 3, 4].map((i) => `${i}`.repeat(to - 1)),
    ]);
    region.close();
  });

  it('hides the cursor only while it draws, and stops listening at the end', () => {
    const stream = new FakeTerminal(40, 10);
    const region = regionOn(stream);
    region.add(() => ['x']);
    expect(stream.listenerCount).toBe(1);
    region.close();
    expect(stream.listenerCount).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
