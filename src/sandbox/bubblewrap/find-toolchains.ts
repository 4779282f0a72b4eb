/** All toolchains of this machine that the sandbox knows how to use. */
import { findGo } from './go.ts';
import {
  findC,
  findJava,
  findNode,
  findPython,
  findRust,
  type Finder,
  type Toolchain,
} from './toolchains.ts';

const finders: readonly Finder[] = [findPython, findNode, findC, findGo, findRust, findJava];

/** `path` is the value of PATH to search. */
export async function findToolchains(
  path: string = process.env['PATH'] ?? '',
): Promise<readonly Toolchain[]> {
  const found = await Promise.all(finders.map(async (find) => find(path)));
  return found.flatMap((one) => one ?? []);
}
