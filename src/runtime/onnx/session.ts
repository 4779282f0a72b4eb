/** Makes sessions of ONNX Runtime from models. */
import type { NativeHeap } from './buffer.ts';
import { NameTable } from './name-table.ts';
import { encodeModel, type OnnxModel } from './protobuf.ts';

export interface SessionOptions {
  /** ONNX Runtime's own rewriting of the graph: 0 none, 1 basic, 2 extended, 99 all. */
  readonly optimization?: number;
  /** Writes a profile of every run to a file that starts with this, when the session is released. */
  readonly profile?: string;
  /** Further entries of the session's configuration. */
  readonly entries?: Readonly<Record<string, string>>;
  /** The handles of the model's constants, which must outlive the session. */
  readonly constants?: ReadonlyMap<string, bigint>;
}

/** Models in the form of bytes, kept as long as they are. */
const encoded = new WeakMap<OnnxModel, Uint8Array>();

/** The handle of a session that runs `model`. */
export async function createSession(
  heap: NativeHeap,
  model: OnnxModel,
  { optimization = 0, profile, entries = {}, constants = new Map() }: SessionOptions = {},
): Promise<bigint> {
  const { library, handle, operators } = heap.environment;
  const bytes = encoded.get(model) ?? encodeModel(model);
  encoded.set(model, bytes);
  const out = new BigUint64Array(1);
  library.CreateSessionOptions(out);
  const options = out[0]!;
  try {
    library.DisablePerSessionThreads(options);
    // A memory pattern holds for one set of shapes; ours change from run to run.
    library.DisableMemPattern(options);
    library.SetSessionGraphOptimizationLevel(options, optimization);
    library.AddSessionConfigEntry(options, 'session.use_env_allocators', '1');
    operators.addTo(options);
    for (const [key, value] of Object.entries(entries)) library.AddSessionConfigEntry(options, key, value);
    if (profile !== undefined) library.EnableProfiling(options, new TextEncoder().encode(`${profile}\0`));
    using names = new NameTable(heap, [...constants.keys()]);
    const values = BigUint64Array.from(constants.values());
    library.AddExternalInitializers(options, names.address, values, values.length);
    await library.createSessionAsync(handle, bytes, bytes.length, options, out);
    return out[0]!;
  } finally {
    library.ReleaseSessionOptions(options);
  }
}
