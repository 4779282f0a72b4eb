/**
 * Where Deno is. It comes with the npm package `deno`, whose binaries are optional packages for each platform; they
 * are used where they lie, so that no install script is needed. `AHA_DENO` names another.
 */
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { AhaError } from '../../errors.ts';

/** Throws `AhaError` deno-missing. */
export function denoBinary(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const chosen = environment['AHA_DENO'];
  if (chosen !== undefined && chosen !== '') {
    const path = resolve(chosen);
    if (isExecutable(path)) return path;
    throw missing(`AHA_DENO names no program that can be run`, path);
  }
  const name = platformPackage();
  const file = platform() === 'win32' ? 'deno.exe' : 'deno';
  let path: string;
  try {
    // The platform's package is a dependency of `deno`, which need not be ours to resolve.
    const outer = createRequire(import.meta.url);
    const inner = createRequire(outer.resolve('deno/package.json'));
    path = join(dirname(inner.resolve(`${name}/package.json`)), file);
  } catch (cause) {
    throw missing(`Deno is not installed: the npm package ${name} is missing`, undefined, cause);
  }
  if (!isExecutable(path)) throw missing(`The npm package ${name} has no program that can be run`, path);
  return path;
}

function platformPackage(): string {
  const [system, processor] = [platform(), arch()];
  return system === 'linux' ? `@deno/linux-${processor}-glibc` : `@deno/${system}-${processor}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missing(what: string, found?: string, cause?: unknown): AhaError {
  return new AhaError({
    code: 'deno-missing',
    boundary: 'sandbox',
    what,
    found,
    fix:
      'Install the dependencies again with optional ones included (npm ci --include=optional), or install Deno ' +
      'from https://deno.com and set AHA_DENO to the path of its binary.',
    cause,
  });
}
