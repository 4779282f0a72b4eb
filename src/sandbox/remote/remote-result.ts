/** What services send, cut and named as results of ours. */
import type { RunResult } from '../sandbox.ts';

/** The first `bytes` of a text in UTF-8. */
export function cut(text: string, bytes: number): { readonly text: string; readonly truncated: boolean } {
  const all = Buffer.from(text);
  if (all.length <= bytes) return { text, truncated: false };
  return {
    text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(all.subarray(0, bytes)),
    truncated: true,
  };
}

/** Streams as a result has them; the limit `output` when one is cut and nothing else ended the program. */
export function streams(
  stdout: string,
  stderr: string,
  bytes: number,
): Pick<RunResult, 'stdout' | 'stderr' | 'stdoutTruncated' | 'stderrTruncated'> {
  const [out, error] = [cut(stdout, bytes), cut(stderr, bytes)];
  return {
    stdout: out.text,
    stderr: error.text,
    stdoutTruncated: out.truncated,
    stderrTruncated: error.truncated,
  };
}
