/** Makes sessions of ONNX Runtime from models. */
import type { Environment } from './environment.ts';
import { encodeModel, type OnnxModel } from './protobuf.ts';

export interface SessionOptions {
  /** ONNX Runtime's own rewriting of the graph: 0 none, 1 basic, 2 extended, 99 all. */
  readonly optimization?: number;
  /** Writes a profile of every run to a file that starts with this, when the session is released. */
  readonly profile?: string;
  /** Further entries of the session's configuration. */
  readonly entries?: Readonly<Record<string, string>>;
}

/** The handle of a session that runs `model`. */
export function createSession(
  { library, handle }: Environment,
  model: OnnxModel,
  { optimization = 0, profile, entries = {} }: SessionOptions = {},
): bigint {
  const bytes = encodeModel(model);
  const out = new BigUint64Array(1);
  library.CreateSessionOptions(out);
  const options = out[0]!;
  try {
    library.DisablePerSessionThreads(options);
    // A memory pattern holds for one set of shapes; ours change from run to run.
    library.DisableMemPattern(options);
    library.SetSessionGraphOptimizationLevel(options, optimization);
    library.AddSessionConfigEntry(options, 'session.use_env_allocators', '1');
    for (const [key, value] of Object.entries(entries)) library.AddSessionConfigEntry(options, key, value);
    if (profile !== undefined) library.EnableProfiling(options, new TextEncoder().encode(`${profile}\0`));
    library.CreateSessionFromArray(handle, bytes, bytes.length, options, out);
    return out[0]!;
  } finally {
    library.ReleaseSessionOptions(options);
  }
}
