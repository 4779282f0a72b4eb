/** Finds stop strings in the text of a completion while its tokens are drawn. */
import { StopStringMatcher } from '../../text/stop-strings.ts';
import { StreamingDecoder } from '../../text/streaming-decoder.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';

/** For `LocalPolicyOptions.watchStops`: `push` says whether one of the strings is in the text so far. */
export function stopWatcher(
  tokenizer: Tokenizer,
): (stops: readonly string[]) => { push(token: number): boolean } {
  return (stops) => {
    const decoder = new StreamingDecoder(tokenizer);
    const matcher = new StopStringMatcher(stops);
    return { push: (token) => matcher.push(decoder.push(token)).stopped };
  };
}

/** `text` up to the first of the strings, which are not part of it. */
export function cutAtStop(text: string, stops: readonly string[]): string {
  const matcher = new StopStringMatcher(stops);
  const result = matcher.push(text);
  return result.stopped ? result.text : result.text + matcher.finish();
}
