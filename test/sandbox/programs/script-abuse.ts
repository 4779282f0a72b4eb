/** Hostile JavaScript, TypeScript and Python for the tier that needs nothing but npm. */
import type { RunResult } from '../../../src/sandbox/sandbox.ts';
import { hits, plantedSecret, prints, type AbuseProgram } from './abuse.ts';

const quick = { wallMs: 1500, cpuMs: 60_000, memoryBytes: 256 * 1024 * 1024 };
const { name: secret } = plantedSecret;

/** Whatever it did, it was told no: the program prints `refused` where an attempt failed. */
const refused = prints('refused');
const anyEnd = (_result: RunResult) => undefined;

function typescript(name: string, text: string, holds: AbuseProgram['holds'] = refused): AbuseProgram {
  return {
    name: `typescript: ${name}`,
    language: 'typescript',
    files: { 'main.ts': text },
    limits: quick,
    holds,
  };
}

/** Tries each expression; all must throw or reject. */
function denied(name: string, ...attempts: string[]): AbuseProgram {
  const list = attempts.map((attempt) => `async () => ${attempt}`).join(',\n');
  return typescript(
    name,
    `for (const attempt of [${list}]) {
      try { const got = await attempt(); console.log('got', String(attempt), got); } catch {}
    }
    console.log('refused');`,
  );
}

function python(
  name: string,
  text: string,
  holds: AbuseProgram['holds'] = refused,
  limits = quick,
): AbuseProgram {
  return { name: `python: ${name}`, language: 'python', files: { 'main.py': text }, limits, holds };
}

/** Each line must raise. */
function deniedPython(name: string, ...attempts: string[]): AbuseProgram {
  return python(
    name,
    `for attempt in ${JSON.stringify(attempts)}:
    try:
        exec(attempt)
        print('got', attempt)
    except Exception:
        pass
print('refused')`,
    refused,
    // Importing alone takes seconds on a busy machine.
    { ...quick, wallMs: 30_000 },
  );
}

export const scriptAbuse: readonly AbuseProgram[] = [
  denied(
    'files',
    `Deno.readTextFile('/etc/passwd')`,
    `Deno.readTextFile('.')`,
    `Deno.writeTextFile('x', 'x')`,
    `Deno.makeTempFile()`,
    `Array.fromAsync(Deno.readDir('/'))`,
    `Deno.stat('/')`,
    `(await import('node:fs')).readFileSync('/etc/hostname')`,
    `(await import('node:fs')).writeFileSync('/tmp/aha-escaped', 'x')`,
    `(await import('node:fs')).readFileSync('/proc/self/environ')`,
    `(await import('node:fs')).readFileSync('/proc/1/environ')`,
  ),
  denied(
    'imports of local files',
    `import('file:///etc/passwd')`,
    `import('file:///etc/hostname', { with: { type: 'text' } })`,
    `import('file:///etc/package.json', { with: { type: 'json' } })`,
    `import('data:text/javascript,import x from "file:///etc/hostname" with { type: "text" }')`,
    `(await import('node:module')).createRequire('file:///etc/x.js')('./hostname')`,
  ),
  typescript(
    'a static import of a local file',
    `import text from 'file:///etc/hostname' with { type: 'text' }; console.log(text)`,
    prints(''),
  ),
  denied(
    'symlinks',
    `Deno.symlink('/etc/passwd', 'x')`,
    `Deno.link('/etc/passwd', 'x')`,
    `Deno.realPath('/')`,
  ),
  denied(
    'the environment',
    `Deno.env.get('${secret}')`,
    `Deno.env.toObject()`,
    `(await import('node:process')).env['${secret}']`.replace(/^/, '') + ` ?? Promise.reject()`,
    `Deno.hostname()`,
    `(await import('node:os')).userInfo()`,
    `Deno.networkInterfaces()`,
  ),
  denied(
    'the network',
    `fetch('http://127.0.0.1:1/')`,
    `fetch('file:///etc/passwd')`,
    `Deno.connect({ hostname: '127.0.0.1', port: 22 })`,
    `Deno.listen({ port: 0 })`,
    `Deno.resolveDns('example.com', 'A')`,
    `import('https://example.com/x.js')`,
    `import('npm:left-pad')`,
    `import('jsr:@std/assert')`,
    `new Promise((_, reject) => { const socket = new WebSocket('ws://127.0.0.1:1'); socket.onerror = reject; })`,
    `new Promise((_, reject) => import('node:net').then((net) => net.connect(22, '127.0.0.1').on('error', reject)).catch(reject))`,
    `new Promise((done, reject) => import('node:dns').then((dns) => dns.lookup('example.com', (error, at) => error ? reject(error) : done(at))))`,
  ),
  denied(
    'processes and signals',
    `new Deno.Command('ls').output()`,
    `Deno.kill(Deno.ppid, 'SIGKILL')`,
    `(await import('node:process')).kill(1, 'SIGKILL')`,
    `(await import('node:process')).kill(-1, 'SIGKILL')`,
    `(await import('node:child_process')).execSync('id')`,
    `new Promise((_, reject) => import('node:child_process').then((all) => all.spawn('id').on('error', reject)).catch(reject))`,
  ),
  denied(
    'native code and the debugger',
    `Deno.dlopen('libc.so.6', {})`,
    `(await import('node:inspector')).open(9229)`,
    `(await import('node:process')).dlopen({ exports: {} }, '/lib/x86_64-linux-gnu/libc.so.6')`,
  ),
  denied(
    'storage that lasts',
    `{ localStorage.setItem('a', 'b') }`,
    `caches.open('x')`,
    `Deno.openKv()`,
    `(await import('node:sqlite')).DatabaseSync && new (await import('node:sqlite')).DatabaseSync('/tmp/aha-escaped.db')`,
  ),
  denied(
    'permissions',
    `Deno.permissions.request({ name: 'read' }).then(({ state }) => { if (state !== 'granted') throw state; })`,
    `new Promise((done, reject) => { const worker = new Worker('data:text/javascript,postMessage(Deno.readTextFileSync("/etc/passwd"))', { type: 'module' }); worker.onmessage = done; worker.onerror = (event) => { event.preventDefault(); reject(event); }; })`,
    `new Promise((done, reject) => { const worker = new Worker('file:///etc/passwd', { type: 'module' }); worker.onmessage = done; worker.onerror = (event) => { event.preventDefault(); reject(event); }; })`,
  ),
  typescript('sleep', 'await new Promise((done) => setTimeout(done, 1e6))', hits('wall')),
  typescript(
    'an endless loop with all signals caught',
    `for (const one of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) try { Deno.addSignalListener(one, () => {}) } catch {}; for (;;);`,
    hits('wall'),
  ),
  typescript(
    'endless microtasks',
    'const again = (): unknown => Promise.resolve().then(again); await again();',
    hits('wall', 'memory'),
  ),
  typescript(
    'timers that keep it alive',
    'setInterval(() => {}, 1); globalThis.onunload = () => { for (;;); };',
    hits('wall'),
  ),
  typescript(
    'exit that never returns',
    'globalThis.addEventListener("unload", () => { for (;;); }); Deno.exit(0);',
    hits('wall'),
  ),
  typescript(
    'Atomics.wait',
    'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)',
    hits('wall', 'crash'),
  ),
  typescript(
    'a fork bomb of workers',
    `const bomb = 'data:text/javascript,' + encodeURIComponent('for (;;) new Worker("data:text/javascript,for(;;);", { type: "module" })'); for (;;) { new Worker(bomb, { type: 'module' }); await 0; }`,
    hits('wall', 'memory', 'crash'),
  ),
  typescript(
    'memory in arrays',
    'const all = []; for (;;) all.push(new Array(1e5).fill(Math.random()))',
    hits('memory', 'crash'),
  ),
  typescript(
    'memory in buffers',
    'const all = []; for (;;) all.push(new Uint8Array(1e7).fill(1))',
    hits('memory', 'crash'),
  ),
  typescript('one huge string', `let text = 'x'; for (;;) text += text;`, hits('memory', 'crash')),
  typescript(
    'a WebAssembly memory bomb',
    `const all = []; for (;;) { const m = new WebAssembly.Memory({ initial: 1000 }); new Uint8Array(m.buffer).fill(1); all.push(m); }`,
    hits('memory', 'crash', 'wall'),
  ),
  typescript(
    'an endless WebAssembly loop',
    'new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.of(0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,8,1,0,10,9,1,7,0,3,64,12,0,11,11)))',
    hits('wall'),
  ),
  typescript('a regular expression bomb', '/^(a+)+$/.test("a".repeat(50) + "b")', hits('wall')),
  typescript('deep recursion', 'const f = (n: number): number => f(n + 1) + 1; f(0);', hits('crash')),
  typescript('deep nesting', `console.log(eval('['.repeat(1e6)))`, hits('crash')),
  typescript('a huge BigInt', 'let n = 3n; for (;;) n **= 3n;', hits('wall', 'memory', 'crash')),
  typescript(
    'a flood of output',
    'const text = "x".repeat(65536); for (;;) Deno.stdout.writeSync(new TextEncoder().encode(text));',
    hits('output'),
  ),
  typescript('a flood of errors', 'for (;;) console.error("x".repeat(10000));', hits('output')),
  typescript(
    'escape codes and bytes that are no text',
    'Deno.stdout.writeSync(Uint8Array.of(27, 93, 48, 59, 255, 254, 0, 7)); Deno.exit(0)',
    ({ exitCode, stdout }) =>
      exitCode === 0 && stdout.startsWith('\u001b]0;\ufffd\ufffd\0') ? undefined : 'changed the bytes',
  ),
  typescript(
    'poisoned prototypes',
    `Object.prototype.toString = () => { throw 1 }; Array.prototype[Symbol.iterator] = null as never; JSON.parse = () => ({}); Promise.prototype.then = () => {}; (globalThis as any).Deno = undefined; throw new Error('x');`,
    anyEnd,
  ),
  typescript(
    'a lie about the clock',
    'Date.now = () => 0; performance.now = () => 0; for (;;);',
    hits('wall'),
  ),
  typescript('an exit before the end', 'Deno.exit(0); console.log("PASS")', prints('')),
  {
    name: 'javascript: __proto__ as a file',
    language: 'javascript',
    files: { 'main.js': 'import "./__proto__.js"; console.log({}.polluted)', '__proto__.js': 'export {}' },
    entry: 'main.js',
    limits: quick,
    holds: prints('undefined'),
  },

  deniedPython('JavaScript', 'import js', 'import pyodide_js'),
  python(
    'JavaScript, by way of an object that Python still holds',
    `import gc
for one in gc.get_objects():
    if type(one).__name__ in ('JsProxy', 'JsCallable', 'JsBuffer', 'JsGlobalThis'):
        for name in ('constructor', 'eval', 'Function', 'globalThis', 'js_id'):
            value = getattr(one, name)
            print('got', value)
print('refused')`,
    ({ stdout }) => (stdout.includes('got') ? `reached ${stdout}` : undefined),
  ),
  python(
    'JavaScript, by way of C',
    `import ctypes
ctypes.CDLL(None).emscripten_run_script(b"console.log('got')")
print('got')`,
    ({ stdout }) => (stdout.includes('got') ? 'ran JavaScript' : undefined),
  ),
  python(
    'the machine of another program, by way of C',
    `import ctypes
ctypes.memset(0, 255, 30_000_000)
print('got')`,
    anyEnd,
  ),
  deniedPython(
    'the network',
    'import socket; socket.create_connection(("127.0.0.1", 22), 1)',
    'import socket; socket.socket().connect(("127.0.0.1", 22))',
    'import urllib.request; urllib.request.urlopen("http://127.0.0.1:1")',
    'import socket; socket.gethostbyname("example.com")',
  ),
  deniedPython(
    'processes',
    'import subprocess; subprocess.run(["id"])',
    'import os; os.fork()',
    'import os; os.execv("/bin/sh", ["sh"])',
    'import os; os.kill(os.getppid(), 9)',
    'import multiprocessing; multiprocessing.Process(target=print).start()',
    'import threading; threading.Thread(target=print).start()',
  ),
  python(
    'a shell',
    `import os
status = os.system("id")
print("refused" if status != 0 else "got")`,
  ),
  deniedPython(
    'files of the host',
    'open("/etc/passwd")',
    'open("/proc/self/environ")',
    'open("/proc/1/environ")',
    'import os; os.listdir("/root")',
    'open("/etc/hostname")',
  ),
  python(
    'the environment',
    `import os
print("got" if ${JSON.stringify(secret)} in os.environ else "refused")`,
  ),
  python(
    'a symlink out',
    `import os
os.symlink("/etc/passwd", "link")
try:
    print(open("link").read())
except OSError:
    print("refused")`,
  ),
  python(
    'a loop of symlinks',
    `import os
os.symlink("b", "a"); os.symlink("a", "b")
try:
    open("a")
except OSError:
    print("refused")`,
  ),
  python(
    'a full disk',
    `try:
    with open("big", "wb") as file:
        while True:
            file.write(b"x" * 1000000)
except OSError:
    print("refused")`,
    refused,
    { ...quick, wallMs: 30_000 },
  ),
  python(
    'many files',
    `try:
    for n in range(10**6):
        with open(f"f{n}", "wb") as file:
            file.write(b"x" * 1000000)
except OSError:
    print("refused")`,
    // Told no by the file system, or ended by the memory that it takes.
    (result) => (result.limit === 'memory' ? undefined : refused(result)),
    { ...quick, wallMs: 30_000 },
  ),
  python('memory', 'a = []\nwhile True: a.append(bytearray(10**7))', hits('memory', 'crash')),
  python('one huge allocation', 'x = bytearray(10**10)', hits('memory', 'crash')),
  python('a huge list', 'x = [0] * 10**10', hits('memory', 'crash')),
  python('a huge number', 'print(9 ** 9 ** 9)', hits('wall', 'memory', 'crash')),
  python(
    'deep recursion without a limit',
    `import sys
sys.setrecursionlimit(10**9)
def f(n): return f(n + 1)
f(0)`,
    hits('crash', 'wall', 'memory'),
  ),
  python('deep nesting', 'eval("(" * 100000 + ")" * 100000)', hits('crash')),
  python('sleep', 'import time; time.sleep(1e6)', hits('wall')),
  python(
    'an endless loop that catches everything',
    `while True:
    try:
        while True: pass
    except BaseException:
        pass`,
    hits('wall'),
  ),
  python(
    'an exit handler that never ends',
    `import atexit
def f():
    while True: pass
atexit.register(f)`,
    hits('wall'),
  ),
  python('a regular expression bomb', 'import re; re.match(r"(a+)+$", "a" * 50 + "b")', hits('wall')),
  python('a flood of output', 'while True: print("x" * 100000)', hits('output')),
  python(
    'a forged end',
    `import os
frame = bytes([3]) + (2).to_bytes(4, "big") + b"{}"
for fd in (1, 2):
    os.write(fd, frame)
os._exit(7)`,
    ({ exitCode }) => (exitCode === 7 ? undefined : `exit ${exitCode}`),
  ),
  python('an abort', 'import os; os.abort()', hits('crash')),
  python('an exit before the end', 'import os; os._exit(0); print("PASS")', prints('')),
];

/** Run in one process one after the other: what the first changes, the second must not see. */
export const leftovers: readonly {
  readonly name: string;
  readonly poison: string;
  readonly probe: string;
  readonly expected: string;
}[] = [
  {
    name: 'builtins',
    poison: 'import builtins; builtins.print = None; builtins.len = lambda x: 42; builtins.leaked = 1',
    probe: 'print(len([1]), "leaked" in dir(__builtins__))',
    expected: '1 False',
  },
  {
    name: 'modules',
    poison:
      'import math, sys, json; math.pi = 3; json.loads = None; sys.modules["evil"] = math; sys.path.insert(0, "/tmp")',
    probe:
      'import math, sys, json; print(math.pi > 3.1, json.loads("1"), "evil" in sys.modules, "/tmp" in sys.path)',
    expected: 'True 1 False False',
  },
  {
    name: 'globals',
    poison: 'leaked = 1; import __main__; __main__.leaked = 2',
    probe: 'print("leaked" in globals())',
    expected: 'False',
  },
  {
    name: 'types',
    poison:
      'import collections; collections.OrderedDict.__eq__ = lambda a, b: True; collections.Counter.most_common = None',
    probe:
      'import collections; print(collections.OrderedDict(a=1) == collections.OrderedDict(b=1), collections.Counter("aab").most_common(1))',
    expected: "False [('a', 2)]",
  },
  {
    name: 'files',
    poison:
      'import os\nopen("/program/x", "w").write("x"); open("/tmp/y", "w").write("y"); os.makedirs("/home/a/b"); os.symlink("/tmp", "/link"); os.mkdir("/tmp/__proto__")',
    probe:
      'import os; print(os.listdir("/program"), os.listdir("/tmp"), os.path.exists("/home/a"), os.path.lexists("/link"))',
    expected: "['main.py'] [] False False",
  },
  {
    name: 'the standard library on disk',
    poison:
      'import sys\npath = next(one for one in sys.path if one.endswith(".zip"))\nopen(path, "r+b").write(b"x" * 100000)',
    probe: 'import tomllib; print(tomllib.loads("a = 1"))',
    expected: "{'a': 1}",
  },
  {
    name: 'open files and the working folder',
    poison:
      'import os\nf = open("/tmp/z", "w"); os.dup2(f.fileno(), 1); os.close(2); os.chdir("/"); os.close(0)',
    probe: 'import os, sys; print(os.getcwd()); print(os.listdir("/proc/self/fd") if False else "ok")',
    expected: '/program\nok',
  },
  {
    name: 'the environment and the clock',
    poison:
      'import os, time; os.environ["LEAKED"] = "1"; os.putenv("LEAKED", "1"); os.environ["TZ"] = "Asia/Tokyo"; time.tzset(); os.umask(0)',
    probe: 'import os, time; print("LEAKED" in os.environ, time.timezone)',
    expected: 'False 0',
  },
  {
    name: 'interpreter settings',
    poison:
      'import sys, gc; sys.setrecursionlimit(5000); gc.disable(); sys.settrace(lambda *a: None); sys.stdout = None; sys.excepthook = None; sys.set_int_max_str_digits(0)',
    probe:
      'import sys, gc; print(sys.getrecursionlimit(), gc.isenabled(), sys.gettrace(), sys.get_int_max_str_digits())',
    expected: '1000 True None 4300',
  },
  {
    name: 'memory that grew',
    poison: 'x = bytearray(b"A" * 40_000_000)',
    probe: 'x = bytearray(1000); print(max(x))',
    expected: '0',
  },
  {
    name: 'a crash',
    poison: 'import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)',
    probe: 'def f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(900))',
    expected: '900',
  },
];
