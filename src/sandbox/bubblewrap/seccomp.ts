/**
 * A filter of system calls, as a program for the kernel's packet filter machine (seccomp(2)), so that no compiler or
 * library is needed. The namespaces are the boundary; this takes away the parts of the kernel that programs never
 * need and escapes usually do: new namespaces (with them, capabilities), mounts, tracing, keys, kernel modules,
 * eBPF, io_uring, and sockets of families that no network namespace confines.
 */

/** From the kernel's syscall tables: x86-64 and arm64 (the generic table). */
const numbers: Readonly<Record<string, { readonly x64: number; readonly arm64: number }>> = {
  acct: { x64: 163, arm64: 89 },
  add_key: { x64: 248, arm64: 217 },
  bpf: { x64: 321, arm64: 280 },
  chroot: { x64: 161, arm64: 51 },
  delete_module: { x64: 176, arm64: 106 },
  finit_module: { x64: 313, arm64: 273 },
  fsconfig: { x64: 431, arm64: 431 },
  fsmount: { x64: 432, arm64: 432 },
  fsopen: { x64: 430, arm64: 430 },
  fspick: { x64: 433, arm64: 433 },
  init_module: { x64: 175, arm64: 105 },
  io_uring_enter: { x64: 426, arm64: 426 },
  io_uring_register: { x64: 427, arm64: 427 },
  io_uring_setup: { x64: 425, arm64: 425 },
  kexec_file_load: { x64: 320, arm64: 294 },
  kexec_load: { x64: 246, arm64: 104 },
  keyctl: { x64: 250, arm64: 219 },
  mount: { x64: 165, arm64: 40 },
  mount_setattr: { x64: 442, arm64: 442 },
  move_mount: { x64: 429, arm64: 429 },
  name_to_handle_at: { x64: 303, arm64: 264 },
  open_by_handle_at: { x64: 304, arm64: 265 },
  open_tree: { x64: 428, arm64: 428 },
  perf_event_open: { x64: 298, arm64: 241 },
  pivot_root: { x64: 155, arm64: 41 },
  process_vm_readv: { x64: 310, arm64: 270 },
  process_vm_writev: { x64: 311, arm64: 271 },
  ptrace: { x64: 101, arm64: 117 },
  quotactl: { x64: 179, arm64: 60 },
  reboot: { x64: 169, arm64: 142 },
  request_key: { x64: 249, arm64: 218 },
  setns: { x64: 308, arm64: 268 },
  swapoff: { x64: 168, arm64: 225 },
  swapon: { x64: 167, arm64: 224 },
  syslog: { x64: 103, arm64: 116 },
  umount2: { x64: 166, arm64: 39 },
  unshare: { x64: 272, arm64: 97 },
  userfaultfd: { x64: 323, arm64: 282 },
};
const clone = { x64: 56, arm64: 220 };
const clone3 = 435;
const ioctl = { x64: 16, arm64: 29 };
const socket = { x64: 41, arm64: 198 };
const audit = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** From linux/filter.h and linux/seccomp.h. */
const load = 0x20;
const equal = 0x15;
const atLeast = 0x35;
const anyBit = 0x45;
const give = 0x06;
const allow = 0x7fff0000;
const kill = 0x80000000;
const refuse = 0x00050000;
const notPermitted = refuse | 1;
/** C libraries then use clone, whose flags can be seen. */
const notImplemented = refuse | 38;
const familyNotSupported = refuse | 97;
const offsets = { number: 0, architecture: 4, argument0: 16, argument1: 24 };

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const newNamespaces = 0x7e020000;
/** Typing into a terminal as if one were its user. */
const terminalInjection = [0x5412, 0x541c];
/** Unix, Internet 4 and 6, netlink (asking for the addresses of the sandbox's own network). */
const families = [1, 2, 10, 16];
const x32 = 0x40000000;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

const built = new Map<string, Uint8Array>();

/** Empty on processors whose system calls we do not know. */
export function seccompFilter(architecture: string = process.arch): Uint8Array {
  if (architecture !== 'x64' && architecture !== 'arm64') return new Uint8Array();
  let filter = built.get(architecture);
  if (filter === undefined) built.set(architecture, (filter = build(architecture)));
  return filter;
}

function build(architecture: 'x64' | 'arm64'): Uint8Array {
  const program: Instruction[] = [
    [load, 0, 0, offsets.architecture],
    [equal, 1, 0, audit[architecture]],
    // 32-bit calls have other numbers: nothing that we start makes them.
    [give, 0, 0, kill],
    [load, 0, 0, offsets.number],
  ];
  if (architecture === 'x64') program.push([atLeast, 0, 1, x32], [give, 0, 0, notPermitted]);
  for (const number of Object.values(numbers)) {
    program.push([equal, 0, 1, number[architecture]], [give, 0, 0, notPermitted]);
  }
  program.push([equal, 0, 1, clone3], [give, 0, 0, notImplemented]);
  program.push(
    [equal, 0, 4, clone[architecture]],
    [load, 0, 0, offsets.argument0],
    [anyBit, 0, 1, newNamespaces],
    [give, 0, 0, notPermitted],
    [give, 0, 0, allow],
  );
  const [first, second] = terminalInjection as [number, number];
  program.push(
    [equal, 0, 5, ioctl[architecture]],
    [load, 0, 0, offsets.argument1],
    [equal, 1, 0, first],
    [equal, 0, 1, second],
    [give, 0, 0, notPermitted],
    [give, 0, 0, allow],
  );
  program.push([equal, 0, families.length + 2, socket[architecture]], [load, 0, 0, offsets.argument0]);
  for (const [index, family] of families.entries()) program.push([equal, families.length - index, 0, family]);
  program.push([give, 0, 0, familyNotSupported], [give, 0, 0, allow]);
  const bytes = new DataView(new ArrayBuffer(program.length * 8));
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.setUint16(index * 8, code, true);
    bytes.setUint8(index * 8 + 2, ifTrue);
    bytes.setUint8(index * 8 + 3, ifFalse);
    bytes.setUint32(index * 8 + 4, value >>> 0, true);
  }
  return new Uint8Array(bytes.buffer);
}
