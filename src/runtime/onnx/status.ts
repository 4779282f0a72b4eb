/** What ONNX Runtime reports, as our errors: its message without the place in its sources. */
import { AhaError } from '../../errors.ts';

/** The error for a status that `name` returned with this message. */
export function statusError(name: string, message: string): AhaError {
  const text = message.replace(/\/onnxruntime_src\/\S+:\d+ .*?\) /, '').trim();
  const fields = { function: name, message };
  const wanted = /Failed to allocate memory for requested buffer of size (\d+)|std::bad_alloc/.exec(message);
  if (wanted !== null) {
    return new AhaError({
      code: 'out-of-memory',
      boundary: 'runtime',
      what: 'There is not enough memory',
      found: wanted[1] === undefined ? text : `a request for ${wanted[1]} bytes`,
      fix: 'Use a smaller model, batch or context, or close other programs.',
      fields,
    });
  }
  return new AhaError({
    code: 'onnxruntime-failed',
    boundary: 'runtime',
    what: `ONNX Runtime refused ${name}`,
    found: text,
    fields,
  });
}
