import { describe, expect, it } from 'vitest';
import { randomStream } from '../util/random.ts';
import { StopStringMatcher } from './stop-strings.ts';

describe('StopStringMatcher', () => {
  it('finds the stop string that is complete first, however the text is cut', () => {
    const random = randomStream(1, 'stops');
    for (let trial = 0; trial < 500; trial++) {
      const draw = (length: number) => Array.from({ length }, () => random.pick(['a', 'b', 'c'])).join('');
      const stops = Array.from({ length: 1 + random.integer(3) }, () => draw(1 + random.integer(4)));
      const text = draw(random.integer(30));
      const matcher = new StopStringMatcher(stops);
      let out = '';
      let stopped = false;
      for (let at = 0; at < text.length && !stopped;) {
        const next = at + 1 + random.integer(5);
        const result = matcher.push(text.slice(at, next));
        out += result.text;
        stopped = result.stopped;
        at = next;
      }
      if (!stopped) out += matcher.finish();
      const ends = Array.from({ length: text.length + 1 }, (_, end) => end);
      const end = ends.find((at) => stops.some((stop) => text.slice(0, at).endsWith(stop)));
      const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop));
      expect(stopped).toBe(end !== undefined);
      expect(out).toBe(
        end === undefined ? text : text.slice(0, end - Math.max(...ending.map((s) => s.length))),
      );
    }
  });

  it('passes text on as soon as it cannot begin a stop string', () => {
    const matcher = new StopStringMatcher(['</answer>']);
    expect(matcher.push('42 <')).toEqual({ text: '42 ', stopped: false });
    expect(matcher.push('b> and </answer')).toEqual({ text: '<b> and ', stopped: false });
    expect(matcher.push('>!')).toEqual({ text: '', stopped: true });
    expect(matcher.push('more')).toEqual({ text: '', stopped: true });
  });

  it('refuses an empty stop string', () => {
    expect(() => new StopStringMatcher(['x', ''])).toThrow(/stop string is empty/);
  });
});
