import { describe, expect, it } from 'vitest';
import { createCharacterTokenizer } from '../../text/character-tokenizer.ts';
import { cutAtStop, stopWatcher } from './stop-watcher.ts';

const tokenizer = createCharacterTokenizer({ alphabet: 'abc</>n' });

function stopsAt(text: string, stops: readonly string[]): number | undefined {
  const watcher = stopWatcher(tokenizer)(stops);
  const tokens = tokenizer.encode(text);
  const index = tokens.findIndex((token) => watcher.push(token));
  return index === -1 ? undefined : index + 1;
}

describe('stopWatcher', () => {
  it('stops with the token that completes a stop string', () => {
    expect(stopsAt('ab</ab>c', ['</ab>'])).toBe(7);
    expect(stopsAt('aaab', ['aab'])).toBe(4);
    expect(stopsAt('abc', ['b'])).toBe(2);
    expect(stopsAt('abc', ['cc', 'c'])).toBe(3);
  });

  it('does not stop for less, nor for nothing', () => {
    expect(stopsAt('</a</a', ['</ab>'])).toBeUndefined();
    expect(stopsAt('abc', [])).toBeUndefined();
  });
});

describe('cutAtStop', () => {
  it('keeps what comes before the first stop string', () => {
    expect(cutAtStop('one</a> two</b>', ['</b>', '</a>'])).toBe('one');
    expect(cutAtStop('one', ['two'])).toBe('one');
  });
});
