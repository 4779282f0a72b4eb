/** Memory that the processor may execute: written first, then closed for writing. Linux only. */
import koffi from 'koffi';
import { growStacks } from './stacks.ts';

const protection = { read: 1, write: 2, execute: 4 } as const;
const privateAnonymous = 0x22;
const failed = -1n;

/**
 * `code` where it can be run, for as long as the process lives: its address. `link` may write into it once the address
 * is known. Undefined if the system allows no memory to become executable.
 */
export function makeExecutable(
  code: Uint8Array,
  link: (memory: DataView, address: bigint) => void = () => {},
): bigint | undefined {
  growStacks();
  const library = koffi.load('libc.so.6');
  const map = library.func('mmap', 'intptr_t', ['void *', 'size_t', 'int', 'int', 'int', 'intptr_t']);
  const protect = library.func('mprotect', 'int', ['intptr_t', 'size_t', 'int']);
  const unmap = library.func('munmap', 'int', ['intptr_t', 'size_t']);
  const { read, write, execute } = protection;
  const address = BigInt(map(null, code.length, read | write, privateAnonymous, -1, 0) as number | bigint);
  if (address === failed) return undefined;
  const memory = koffi.view(address, code.length);
  new Uint8Array(memory).set(code);
  link(new DataView(memory), address);
  if (protect(address, code.length, read | execute) === 0) return address;
  unmap(address, code.length);
  return undefined;
}
