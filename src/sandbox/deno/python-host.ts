/**
 * Runs inside Deno, without any permission: a Python interpreter (Pyodide) that runs one program after the other and
 * forgets each.
 *
 * The interpreter is started once, then sealed and photographed. Before each program, all that a program can have
 * changed is put back: the memory of the WebAssembly instance byte by byte, its globals and its tables (`restore.ts`),
 * and the file system that lives in JavaScript (`file-system.ts`). While a program runs, the functions through which
 * WebAssembly reaches JavaScript are those that a plain C library needs (`gate.ts`), so that Python's `js` is not
 * there and this realm cannot be changed. A program that tries costs the process: the host throws it away.
 *
 * Everything comes in on standard input and goes out in frames on standard output (`frames.ts`).
 */
import { sealFileSystem, type EmscriptenFileSystem } from './file-system.ts';
import { frame, type PythonJob, type PythonEnding } from './frames.ts';
import { gateImports, GateError } from './gate.ts';
import { exportState, photograph } from './restore.ts';
import { pythonImports, pythonSetup } from './python-setup.ts';
import { webAssembly, type Imports, type Instance, type Memory } from './web-assembly.ts';

interface DenoNamespace {
  readonly stdin: { readSync(buffer: Uint8Array): number | null };
  readonly stdout: { writeSync(bytes: Uint8Array): number };
  exit(this: void, code: number): never;
}
const { stdin, stdout, exit } = (globalThis as unknown as { Deno: DenoNamespace }).Deno;

interface StreamHandler {
  read?(buffer: Uint8Array): number;
  write?(buffer: Uint8Array): number;
  readonly isatty: boolean;
}
interface Pyodide {
  runPython(code: string): unknown;
  makeMemorySnapshot(): Uint8Array<ArrayBuffer>;
  setStdin(handler: StreamHandler): void;
  setStdout(handler: StreamHandler): void;
  setStderr(handler: StreamHandler): void;
  readonly FS: EmscriptenFileSystem;
  readonly _module: {
    _malloc(bytes: number): number;
    _PyRun_SimpleString(text: number): number;
  };
}
interface PyodideModule {
  loadPyodide(this: void, options: Readonly<Record<string, unknown>>): Promise<Pyodide>;
}
interface AssemblyModule {
  readonly default: unknown;
}

function read(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = stdin.readSync(bytes.subarray(filled));
    // The host has no more work.
    if (count === null) return exit(0);
    filled += count;
  }
  return bytes;
}

function readPart(): Uint8Array<ArrayBuffer> {
  return read(new DataView(read(4).buffer).getUint32(0));
}

function send(kind: Parameters<typeof frame>[0], bytes: Uint8Array): void {
  const whole = frame(kind, bytes);
  let sent = 0;
  while (sent < whole.length) sent += stdout.writeSync(whole.subarray(sent));
}

const scriptUrl = (bytes: Uint8Array<ArrayBuffer>) =>
  URL.createObjectURL(new Blob([bytes], { type: 'text/javascript' }));
const encoder = new TextEncoder();
const decoder = new TextDecoder();

// 1. Pyodide, from the bytes that the host sends. It takes itself to be in a bare shell, which has only these.
const loader = readPart();
const assembly = readPart();
const wasm = readPart();
const library = readPart();
const lockFile = readPart();
/** Of an interpreter that has started before; empty in the first process, which makes it. */
const snapshot = readPart();
const globals = globalThis as unknown as Record<string, unknown>;
for (const name of ['Deno', 'process', 'prompt', 'alert', 'confirm', 'fetch', 'Worker']) {
  Reflect.deleteProperty(globals, name);
}
Object.assign(globals, {
  load: () => undefined,
  read: () => '',
  readbuffer: (path: string) => (path.endsWith('.wasm') ? exportState(wasm) : library).buffer,
  os: {
    // This is how the shell's version asks for random bytes: `head -c16 /dev/urandom | base64`.
    system: (_shell: string, words: readonly string[]) => {
      const count = Number(/head -c(\d+)/.exec(words.join(' '))?.[1] ?? 0);
      const bytes = new Uint8Array(count);
      for (let at = 0; at < count; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
      let text = '';
      for (const byte of bytes) text += String.fromCharCode(byte);
      return btoa(text);
    },
  },
});
const { loadPyodide } = (await import(scriptUrl(loader))) as PyodideModule;
const { default: createPyodideModule } = (await import(scriptUrl(assembly))) as AssemblyModule;

// 2. What the instance may call is decided here, between the glue code and WebAssembly.
const job = {
  input: new Uint8Array(0) as Uint8Array,
  memoryBytes: Infinity,
  /** Bytes that may still be printed. */
  room: { stdout: Infinity, stderr: Infinity },
  overflow: null as 'stdout' | 'stderr' | null,
};
const instantiate = webAssembly.instantiate.bind(webAssembly);
let instance: Instance | undefined;
const gate = gateImports({
  memoryLimit: () => job.memoryBytes,
  afterWrite: () => {
    if (job.overflow !== null) throw new GateError(1, 'output');
  },
});
Object.assign(webAssembly, {
  instantiate: async (bytes: Uint8Array, imports: Imports) => {
    const source = await instantiate(
      bytes,
      'env' in imports && 'GOT.func' in imports ? gate.imports(imports) : imports,
    );
    if ('GOT.func' in imports) instance ??= source.instance;
    return source;
  },
});
const pyodide = await loadPyodide({
  createPyodideModule,
  ...(snapshot.length === 0 ? { _makeSnapshot: true } : { _loadSnapshot: snapshot }),
  indexURL: '/pyodide/',
  lockFileContents: JSON.parse(decoder.decode(lockFile)),
  packageBaseUrl: '/pyodide/',
  checkAPIVersion: false,
  stdin: () => null,
  stdout: () => undefined,
  stderr: () => undefined,
  env: { HOME: '/program', PYTHONINSPECT: '' },
});
Object.assign(webAssembly, { instantiate });
if (instance === undefined) throw new Error('Pyodide did not instantiate its module as expected');

// 3. What later processes start from, so that they need not load the standard library again.
let made = new Uint8Array(0);
if (snapshot.length === 0) {
  pyodide.runPython(pythonImports);
  made = pyodide.makeMemorySnapshot();
}

// 4. Streams: what is printed goes out at once, what is read comes with the program.
const write = (kind: 'stdout' | 'stderr') => ({
  isatty: false,
  write: (bytes: Uint8Array): number => {
    const room = job.room[kind];
    if (job.overflow === null) send(kind, bytes.subarray(0, room));
    if (bytes.length > room) job.overflow ??= kind;
    job.room[kind] = Math.max(0, room - bytes.length);
    return bytes.length;
  },
});
pyodide.setStdin({
  isatty: false,
  read: (buffer) => {
    const count = Math.min(buffer.length, job.input.length);
    buffer.set(job.input.subarray(0, count));
    job.input = job.input.subarray(count);
    return count;
  },
});
pyodide.setStdout(write('stdout'));
pyodide.setStderr(write('stderr'));
pyodide.runPython(pythonSetup);

// 5. The photograph: from here on nothing that happens in the instance lasts.
const call = encoder.encode('import _aha_program; _aha_program.run()\0');
const pointer = pyodide._module._malloc(call.length);
new Uint8Array((instance.exports['memory'] as Memory).buffer).set(call, pointer);
const files = sealFileSystem(pyodide.FS);
const run = pyodide._module._PyRun_SimpleString.bind(pyodide._module);
gate.seal(instance);
const state = photograph(instance, gate.addresses);
send('ready', made);

// 6. Programs.
for (;;) {
  const description = JSON.parse(decoder.decode(readPart())) as PythonJob;
  job.input = readPart();
  job.memoryBytes = description.memoryBytes;
  job.room = { stdout: description.outputBytes, stderr: description.outputBytes };
  job.overflow = null;
  state.restore();
  files.restore();
  files.limit(description.fileBytes);
  gate.begin();
  for (const [path, text] of Object.entries(description.files))
    files.write(`/program/${path}`, encoder.encode(text));
  files.write(
    '/program/.aha.json',
    encoder.encode(JSON.stringify({ entry: description.entry, arguments: description.arguments })),
  );
  let [exitCode, crash]: [number, string | null] = [0, null];
  try {
    run(pointer);
  } catch (error) {
    if (error instanceof GateError) exitCode = error.status;
    else [exitCode, crash] = [1, error instanceof Error ? error.message : 'unknown'];
  }
  const ending: PythonEnding = {
    exitCode,
    crash,
    violation: gate.violation(),
    memoryRefused: gate.memoryRefused(),
    overflow: job.overflow,
    memoryBytes: state.memoryBytes(),
  };
  send('end', encoder.encode(JSON.stringify(ending)));
}
