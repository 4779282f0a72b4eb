/** Abuse in the languages of native toolchains. See abuse.ts for what the suite checks of every program. */
import type { Language, Limits } from '../../../src/sandbox/sandbox.ts';
import { hits, prints, type AbuseProgram } from './abuse.ts';

/** What the suite has set up on the host for programs to attack. */
export interface Host {
  /** Of a server on 127.0.0.1, TCP and UDP. */
  readonly port: number;
  /** Name of a Unix socket without a file. */
  readonly socket: string;
  /** Of a process to kill. */
  readonly process: number;
  /** A file with the secret in it. */
  readonly file: string;
}

const mebibyte = 1024 * 1024;
const files: Partial<Record<Language, string>> = {
  python: 'main.py',
  node: 'main.js',
  c: 'main.c',
  cpp: 'main.cpp',
  go: 'main.go',
  rust: 'main.rs',
  java: 'Main.java',
};

function program(
  language: Language,
  name: string,
  text: string,
  holds: AbuseProgram['holds'],
  limits: Partial<Limits> = {},
): AbuseProgram {
  return { name: `${name} (${language})`, language, files: { [files[language]!]: text }, holds, limits };
}

/** Prints `refused`, with no other output, when the statement raises an operating system error. */
const refusedPython = (setup: string, statement: string) =>
  `import os, sys, socket, time, ctypes, resource, errno, fcntl\n${setup}\ntry:\n  ${statement}\n  print("done")\nexcept (OSError, ValueError):\n  print("refused")\n`;
/** The same for a call of the C library that says -1. */
const call = (expression: string) =>
  `import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint("refused" if ${expression} == -1 else "done")\n`;
/** Prints the name of the error that ends writing without end. */
const fill = (step: string) =>
  `import os, errno\nn = 0\ntry:\n  while True:\n    n += 1\n    ${step}\nexcept OSError as e:\n  print(errno.errorcode[e.errno])\n`;
const ends = hits('wall', 'cpu', 'memory', 'processes', 'output', 'file', 'crash');

export function pythonAbuse(host: Host): AbuseProgram[] {
  const one = (name: string, text: string, holds: AbuseProgram['holds'], limits: Partial<Limits> = {}) =>
    program('python', name, text, holds, limits);
  const brief = { wallMs: 1500 };
  return [
    one('fork bomb', 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass', ends, brief),
    one(
      'thread bomb',
      `import threading, time
n = 0
try:
  while True:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); n += 1
except RuntimeError: print("limited" if n < 64 else n, flush=True); import os; os._exit(0)`,
      prints('limited'),
    ),
    one('memory', 'a = []\nwhile True: a.append(bytearray(1 << 20))', hits('memory', 'crash'), {
      memoryBytes: 128 * mebibyte,
    }),
    one(
      'memory of many processes',
      `import os, time
for _ in range(8):
  if os.fork() == 0:
    a = bytearray(os.urandom(1)) * (40 << 20); time.sleep(20); os._exit(0)
time.sleep(20)`,
      hits('memory', 'crash'),
      { memoryBytes: 160 * mebibyte },
    ),
    one('disk fill', fill('open(f"f{n}", "wb").write(bytes(1 << 20))'), prints('ENOSPC'), {
      fileBytes: 4 * mebibyte,
    }),
    one('/tmp fill', fill('open(f"/tmp/f{n}", "wb").write(bytes(1 << 20))'), prints('ENOSPC'), {
      fileBytes: 4 * mebibyte,
    }),
    one('/dev/shm fill', fill('open(f"/dev/shm/f{n}", "wb").write(bytes(1 << 20))'), prints('ENOSPC'), {
      fileBytes: 4 * mebibyte,
    }),
    one('one big file', fill('open("f", "ab").write(bytes(1 << 20))'), prints('EFBIG'), {
      fileBytes: 4 * mebibyte,
    }),
    one('sparse file', refusedPython('f = open("f", "wb")', 'f.truncate(1 << 40)'), prints('refused')),
    one('inode exhaustion', fill('open(f"f{n}", "wb").close()'), prints('ENOSPC'), { fileBytes: mebibyte }),
    one('folder flood', fill('os.mkdir(f"d{n}")'), prints('ENOSPC'), { fileBytes: mebibyte }),
    one('descriptor flood', fill('os.open("/dev/null", 0)'), prints('EMFILE')),
    one('pipe flood', fill('os.pipe()'), prints('EMFILE')),
    one('output flood', 'while True: print("x" * 10000)', hits('output'), { outputBytes: 10_000 }),
    one('error flood', 'import sys\nwhile True: sys.stderr.write("x" * 10000)', hits('output'), {
      outputBytes: 10_000,
    }),
    one('sleep', 'import time\ntime.sleep(60)', hits('wall'), { wallMs: 700 }),
    one(
      'busy loop on many processes',
      'import os\nfor _ in range(4): os.fork()\nwhile True: pass',
      hits('cpu', 'wall'),
      { cpuMs: 800, wallMs: 3000 },
    ),
    one(
      'daemon',
      `import os, time, sys
if os.fork() == 0:
  os.setsid()
  if os.fork() == 0:
    while True: time.sleep(1)
  os._exit(0)
print("left", flush=True); os._exit(0)`,
      prints('left'),
    ),
    one(
      'daemon that holds the pipes',
      `import os, time
if os.fork() == 0:
  os.setsid()
  while True: time.sleep(1); os.write(1, b"late")
print("left", flush=True); os._exit(0)`,
      prints('left'),
    ),
    one('kill a process of the host', refusedPython('', `os.kill(${host.process}, 9)`), prints('refused')),
    one(
      'kill everything',
      'import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\nprint("alive")',
      ({ stdout, signal }) =>
        stdout === 'alive\n' || signal === 'SIGKILL' ? undefined : `printed ${stdout}`,
    ),
    one(
      'kill the first process',
      `import os, time, signal
for s in (9, 15, 11, 19, 14):
  try: os.kill(1, s)
  except OSError: pass
time.sleep(0.2)
print("alive")`,
      prints('alive'),
    ),
    one(
      'symbolic link to a file of the host',
      `import os\nos.symlink(${JSON.stringify(host.file)}, "out")\nprint(os.path.exists("out"))`,
      prints('False'),
    ),
    one(
      'look for the file of the host',
      `import os
for root in ("/", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/cwd/../../.."):
  try: print(open(root + ${JSON.stringify(host.file)}).read())
  except OSError: pass`,
      prints(''),
    ),
    one(
      'scan of /proc',
      `import os
for p in os.listdir("/proc"):
  if p.isdigit():
    for f in ("environ", "cmdline", "maps", "mountinfo"):
      try:
        t = open(f"/proc/{p}/{f}", "rb").read()
        if b"planted" in t: print(p, f, t)
      except OSError: pass
print(len([p for p in os.listdir("/proc") if p.isdigit()]))`,
      prints('2'),
    ),
    one(
      'environment of the first process',
      'try: print(open("/proc/1/environ").read())\nexcept OSError: print("")',
      prints(''),
    ),
    one('memory of the first process', refusedPython('', 'open("/proc/1/mem", "rb+")'), prints('refused')),
    one('descriptors of the first process', refusedPython('', 'os.listdir("/proc/1/fd")'), prints('refused')),
    one(
      'own environment',
      'import os\nprint(sorted(os.environ))',
      prints("['HOME', 'LANG', 'PATH', 'TMPDIR']"),
    ),
    one(
      'folders of the host',
      `import os
print([p for p in ("/work", "/home", "/var", "/run", "/sys", "/opt", "/mnt", "/srv", "/boot", "/etc/passwd", "/etc/shadow", "/etc/hosts", "/root/.ssh", "/dev/vda", "/dev/tty", "/dev/kvm", "/dev/mem") if os.path.exists(p)])`,
      prints('[]'),
    ),
    one(
      'write to the system',
      `import os
for p in ("/usr/evil", "/etc/evil", "/evil", "/dev/evil", "/usr/bin/python3", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
  try: open(p, "w"); print(p)
  except OSError: pass`,
      prints(''),
    ),
    one('trace', call('libc.ptrace(16, 1, 0, 0)'), prints('refused')),
    one('mount', call('libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)'), prints('refused')),
    one('unmount', call('libc.umount2(b"/proc", 2)'), prints('refused')),
    one('new user namespace', call('libc.unshare(0x10000000)'), prints('refused')),
    one('new network namespace', call('libc.unshare(0x40000000)'), prints('refused')),
    one(
      'other namespace',
      refusedPython(
        'libc = ctypes.CDLL(None)',
        'd = os.open("/proc/1/ns/mnt", 0); sys.exit(print("refused" if libc.setns(d, 0) == -1 else "done"))',
      ),
      prints('refused'),
    ),
    one('change of root', refusedPython('', 'os.chroot("/tmp")'), prints('refused')),
    one('another user', refusedPython('', 'os.setuid(0)'), prints('refused')),
    one('another group', refusedPython('', 'os.setgroups([0])'), prints('refused')),
    one(
      'programs that change the user',
      `import subprocess
r = subprocess.run(["/bin/sh", "-c", "su -c id; sudo id; mount; newgrp root"], capture_output=True, stdin=subprocess.DEVNULL)
print("uid=0" in r.stdout.decode())`,
      prints('False'),
    ),
    one('clock', refusedPython('', 'time.clock_settime(time.CLOCK_REALTIME, 0)'), prints('refused')),
    one('host name', refusedPython('', 'socket.sethostname("evil")'), prints('refused')),
    one('priority', refusedPython('', 'os.setpriority(os.PRIO_PROCESS, 0, -20)'), prints('refused')),
    one(
      'real time',
      refusedPython('', 'os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))'),
      prints('refused'),
    ),
    one(
      'raised limits',
      refusedPython('', 'resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999))'),
      prints('refused'),
    ),
    one(
      'core file',
      'import resource, os\nprint(resource.getrlimit(resource.RLIMIT_CORE), flush=True)\nos.abort()',
      ({ signal, stdout }) =>
        signal === 'SIGABRT' && stdout === '(0, 0)\n' ? undefined : `${signal}, ${stdout}`,
    ),
    one(
      'spared by the killer for memory',
      refusedPython('', 'f = open("/proc/self/oom_score_adj", "w"); f.write("-1000"); f.close()'),
      prints('refused'),
    ),
    one(
      'TCP to the host',
      refusedPython('', `socket.create_connection(("127.0.0.1", ${host.port}), 2)`),
      prints('refused'),
    ),
    one(
      'UDP to the host',
      `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: s.sendto(b"hello", ("127.0.0.1", ${host.port}))
except OSError: pass
print("sent")`,
      prints('sent'),
    ),
    one('Internet', refusedPython('', 'socket.create_connection(("192.0.2.1", 80), 2)'), prints('refused')),
    one('names', refusedPython('', 'socket.getaddrinfo("example.com", 80)'), prints('refused')),
    one(
      'Unix socket without a file',
      refusedPython('s = socket.socket(socket.AF_UNIX)', `s.connect("\\0${host.socket}")`),
      prints('refused'),
    ),
    one(
      'socket to the hypervisor',
      refusedPython('', 'socket.socket(40, socket.SOCK_STREAM)'),
      prints('refused'),
    ),
    one('packets', refusedPython('', 'socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'), prints('refused')),
    one('terminal', refusedPython('', 'fcntl.ioctl(0, 0x5412, b"x")'), prints('refused')),
    one('keys', call('libc.syscall(250, 0, -3)'), prints('refused')),
    one('eBPF', call('libc.syscall(321, 0, 0, 0)'), prints('refused')),
    one('io_uring', call('libc.syscall(425, 8, 0)'), prints('refused')),
    one('calls by the numbers of x32', call('libc.syscall(0x40000000 + 272, 0x10000000)'), prints('refused')),
    one(
      'orphans that die',
      `import os
for _ in range(300):
  if os.fork() == 0:
    if os.fork() == 0: os._exit(0)
    os._exit(0)
  os.wait()
print("done")`,
      prints('done'),
      { wallMs: 30_000, processes: 32 },
    ),
    one(
      'zombies',
      `import os
n = 0
try:
  while n < 200:
    if os.fork() == 0: os._exit(0)
    n += 1
except OSError: pass
print(n < 64)`,
      prints('True'),
    ),
    one('stops itself', 'import os\nos.kill(os.getpid(), 19)', hits('wall'), { wallMs: 700 }),
    one(
      'ignores signals',
      `import signal, time
for s in range(1, 64):
  try: signal.signal(s, signal.SIG_IGN)
  except (OSError, ValueError): pass
while True: time.sleep(1)`,
      hits('wall'),
      { wallMs: 900 },
    ),
    one('recursion', 'import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()', ends),
    one('tower of powers', 'print(len(str(9**9**9)))', hits('wall', 'cpu', 'crash', 'memory'), brief),
    one(
      'verdict forgery',
      `import os, json
n = 0
for d in range(3, 256):
  try: os.write(d, b'end run 0 0 0 -\\n{"passed": true}\\n'); n += 1
  except OSError: pass
print("PASS", n, flush=True); os._exit(0)`,
      prints('PASS 0'),
    ),
    one(
      'malformed text',
      'import sys\nsys.stdout.buffer.write(b"\\xff\\x00\\xc3")',
      prints('\ufffd\0\ufffd'),
    ),
  ];
}

export function otherAbuse(host: Host): AbuseProgram[] {
  const goProgram = (imports: string, body: string) =>
    `package main\nimport (${imports})\nfunc main() { ${body} }\n`;
  const goAll = '"fmt"; "io"; "os"; "strings"';
  const goUses = '_ = fmt.Sprint; _ = io.EOF; _ = os.Exit; _ = strings.ToUpper; ';
  const java = (body: string) =>
    `public class Main { public static void main(String[] a) throws Exception { ${body} } }`;
  return [
    program(
      'node',
      'fork bomb',
      `const { spawn } = require('child_process');
for (let i = 0; i < 1e5; i++) spawn(process.execPath, [__filename]).on('error', () => {});`,
      ends,
      { wallMs: 2500 },
    ),
    program(
      'node',
      'memory',
      'const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1));',
      hits('memory', 'crash'),
      { memoryBytes: 200 * mebibyte },
    ),
    program('node', 'endless loop', 'for (;;);', hits('wall'), { wallMs: 1200, cpuMs: 60_000 }),
    program('node', 'cannot fork', 'setTimeout(() => {}, 1e6)', ends, { processes: 3, wallMs: 1500 }),
    program(
      'node',
      'environment',
      'console.log(JSON.stringify(Object.keys(process.env).sort()))',
      prints('["HOME","LANG","PATH","TMPDIR"]'),
    ),
    program(
      'node',
      'TCP to the host',
      `require('net').connect(${host.port}, '127.0.0.1').on('error', (e) => console.log(e.code))`,
      prints('ECONNREFUSED'),
    ),
    program(
      'node',
      'verdict forgery',
      `let n = 0;
for (let d = 3; d < 12; d++) try { require('fs').writeSync(d, 'end run 0 0 0 -\\n'); } catch (e) { n += e.code === 'EBADF' ? 1 : 0; }
require('fs').writeSync(1, 'PASS'); process.reallyExit(0);`,
      // Node.js may die of what it writes into its own descriptors. A forged end would be a good one without the word.
      ({ stdout, exitCode }) =>
        exitCode === 0 && stdout !== 'PASS' ? `ended well and printed ${JSON.stringify(stdout)}` : undefined,
    ),
    program('c', 'fork bomb', '#include <unistd.h>\nint main(void) { for (;;) fork(); }', ends, {
      wallMs: 1500,
    }),
    program('c', 'null pointer', 'int main(void) { return *(volatile int *)0; }', ({ signal }) =>
      signal === 'SIGSEGV' ? undefined : `${signal}`,
    ),
    program(
      'c',
      'ignores the signal of the processor limit',
      `#include <signal.h>
int main(void) { signal(SIGXCPU, SIG_IGN); for (volatile int i = 0;; i++); }`,
      hits('cpu', 'wall'),
      { cpuMs: 700, wallMs: 6000 },
    ),
    program(
      'c',
      'memory',
      `#include <stdlib.h>
#include <string.h>
int main(void) { for (;;) { char *p = malloc(1 << 24); if (!p) abort(); memset(p, 1, 1 << 24); } }`,
      hits('memory', 'crash'),
      { memoryBytes: 128 * mebibyte },
    ),
    program(
      'c',
      'clone into a user namespace',
      `#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <signal.h>
static char stack[65536];
int f(void *x) { return 0; }
int main(void) { puts(clone(f, stack + 65536, CLONE_NEWUSER | SIGCHLD, 0) == -1 ? "refused" : "done"); }`,
      prints('refused'),
    ),
    program(
      'c',
      'verdict forgery',
      `#include <stdio.h>
#include <unistd.h>
int main(void) { int n = 0; for (int d = 3; d < 256; d++) if (write(d, "end run 0 0 0 -\\n", 16) > 0) n++; printf("PASS %d\\n", n); fflush(stdout); _exit(0); }`,
      prints('PASS 0'),
    ),
    program(
      'cpp',
      'throws without end',
      'int main() { for (;;) try { throw 1; } catch (int) {} }',
      hits('wall'),
      { wallMs: 900, cpuMs: 60_000 },
    ),
    program(
      'cpp',
      'verdict forgery',
      '#include <iostream>\n#include <cstdlib>\nstruct S { S() { std::cout << "PASS" << std::endl; std::_Exit(0); } } s;\nint main() { return 1; }',
      prints('PASS'),
    ),
    program('rust', 'abort', 'fn main() { std::process::abort() }', ({ signal }) =>
      signal === 'SIGABRT' ? undefined : `${signal}`,
    ),
    program(
      'rust',
      'thread bomb',
      `fn main() { let mut n = 0; loop {
  if std::thread::Builder::new().spawn(|| std::thread::sleep(std::time::Duration::from_secs(60))).is_err() { break }
  n += 1; }
  println!("{}", n < 64); }`,
      prints('true'),
    ),
    program(
      'rust',
      'verdict forgery',
      'fn main() { println!("test result: ok. 1 passed; 0 failed"); std::process::exit(0) }',
      prints('test result: ok. 1 passed; 0 failed'),
    ),
    program(
      'go',
      'goroutine bomb',
      goProgram(goAll, `${goUses} var f func(); f = func() { for { go f() } }; f()`),
      ends,
      { wallMs: 2500, memoryBytes: 128 * mebibyte },
    ),
    program(
      'go',
      'environment',
      goProgram(goAll, `${goUses} fmt.Println(strings.Contains(strings.Join(os.Environ(), " "), "planted"))`),
      prints('false'),
    ),
    program(
      'go',
      'verdict forgery',
      goProgram(goAll, `${goUses} fmt.Println("PASS"); fmt.Println("ok  \\tmain\\t0.001s"); os.Exit(0)`),
      prints('PASS\nok  \tmain\t0.001s'),
    ),
    program(
      'java',
      'memory',
      java('var l = new java.util.ArrayList<long[]>(); for (;;) l.add(new long[1 << 18]);'),
      ends,
      { memoryBytes: 256 * mebibyte },
    ),
    program(
      'java',
      'thread bomb',
      java(
        'try { for (;;) { var t = new Thread(() -> { try { Thread.sleep(60000); } catch (Exception e) {} }); t.setDaemon(true); t.start(); } } catch (Throwable t) { System.out.println("limited"); System.out.flush(); Runtime.getRuntime().halt(0); }',
      ),
      ({ stdout, exitCode, limit }) =>
        stdout.includes('limited') || limit !== null || exitCode !== 0 ? undefined : stdout,
    ),
    program(
      'java',
      'verdict forgery',
      java('System.out.println("OK (1 test)"); Runtime.getRuntime().halt(0);'),
      prints('OK (1 test)'),
    ),
  ];
}

/** Never reach their run, under limits of a few seconds. */
export function compilerAbuse(host: Host): AbuseProgram[] {
  const fails: AbuseProgram['holds'] = ({ stage, exitCode, stderr }) =>
    stage === 'compile' && exitCode !== 0
      ? undefined
      : `stage ${stage}, exit ${exitCode}; ${stderr.slice(0, 200)}`;
  const body = '\nint main(void) { return 0; }\n';
  return [
    program('c', 'includes a file of the host', `#include "${host.file}"${body}`, fails),
    program('c', 'includes the environment', `#include "/proc/1/environ"${body}`, fails),
    program('c', 'includes an endless device', `#include "/dev/zero"${body}`, fails),
    program('c', 'includes random numbers', `#include "/dev/urandom"${body}`, fails),
    program(
      'c',
      'includes itself twice',
      `#ifndef N\n#define N 0\n#endif\n#include "main.c"\n#include "main.c"${body}`,
      fails,
    ),
    program('c', 'assembles the secret', `__asm__(".incbin \\"${host.file}\\"");${body}`, fails),
    program('c', 'assembles without end', `__asm__(".rept 1000000000\\n.quad 0\\n.endr");${body}`, fails),
    program('c', 'huge array', `char a[1L << 33] = {1};int main(void) { return a[5]; }`, fails),
    program(
      'c',
      'macro bomb',
      `#define A(x) x x x x x x x x x x\n#define B(x) A(A(A(A(A(A(A(A(x))))))))\nint a[] = { B(1,) };${body}`,
      fails,
    ),
    program(
      'cpp',
      'endless templates',
      `template<int n> struct S { static const int v = S<n + 1>::v; }; int x = S<0>::v;${body}`,
      fails,
    ),
    program(
      'cpp',
      'exponential templates',
      `template<int n, int m> struct S { static const long v = S<n - 1, m * 2>::v + S<n - 1, m * 2 + 1>::v; };
template<int m> struct S<0, m> { static const long v = 1; }; long x = S<26, 0>::v;${body}`,
      fails,
    ),
    program(
      'cpp',
      'endless constants',
      `constexpr int f(int n) { int s = 0; for (;;) s ^= n; return s; } constexpr int x = f(1);${body}`,
      fails,
    ),
    program(
      'go',
      'embeds a file',
      `package main\nimport ("fmt"; _ "embed")\n//go:embed ${host.file}\nvar s string\nfunc main() { fmt.Println(s) }`,
      fails,
    ),
    program(
      'go',
      'C in Go',
      'package main\n// #include <stdio.h>\nimport "C"\nfunc main() { C.puts(nil) }',
      fails,
    ),
    program(
      'rust',
      'includes a file of the host',
      `fn main() { println!("{}", include_str!("${host.file}")); }`,
      fails,
    ),
    program(
      'rust',
      'reads the environment',
      'fn main() { println!("{}", env!("AHA_PLANTED_SECRET")); }',
      fails,
    ),
    program(
      'rust',
      'endless macros',
      'macro_rules! m { ($($t:tt)*) => { m!($($t)* $($t)* x) } } fn main() { m!(x) }',
      fails,
    ),
    program(
      'rust',
      'endless constants',
      '#![feature(const_eval_limit)] const X: u64 = { let mut i = 0u64; loop { i = i.wrapping_add(1); if i == u64::MAX { break } } i }; fn main() { println!("{}", X); }',
      fails,
    ),
    program(
      'rust',
      'huge array',
      'static A: [u8; 1 << 40] = [1; 1 << 40]; fn main() { println!("{}", A[5]); }',
      fails,
    ),
    program(
      'java',
      'reads a file as source',
      `import static ${host.file.replaceAll('/', '.')}; public class Main {}`,
      fails,
    ),
    program(
      'java',
      'huge constant',
      `public class Main { static final String A = "${'x'.repeat(60_000)}", B = A + A; public static void main(String[] a) {} }`,
      fails,
    ),
  ];
}
