/** How Deno is started so that what runs in it may do nothing: no permission, no cache, no configuration, no network. */
import { fileURLToPath } from 'node:url';

/** A file beside this one that Deno runs: TypeScript in the sources, JavaScript once built. */
export function denoScript(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`./${name}.${extension}`, import.meta.url));
}

export function denoCommand(
  binary: string,
  script: string,
  v8Flags: readonly string[],
): [string, ...string[]] {
  return [
    binary,
    'run',
    '--quiet',
    '--no-prompt',
    '--no-config',
    '--no-lock',
    '--no-remote',
    '--no-npm',
    '--cached-only',
    '--no-code-cache',
    ...(v8Flags.length === 0 ? [] : [`--v8-flags=${v8Flags.join(',')}`]),
    script,
  ];
}

/**
 * `cache` is a folder of one process alone, which must be removed after it. Without one nothing can be kept at all:
 * a folder below a file cannot exist. Then a process that strips types wastes 0.15 s on writing the result again and
 * again.
 */
export function denoEnvironment(script: string, cache = `${script}/none`): Record<string, string> {
  return {
    DENO_DIR: cache,
    DENO_NO_PACKAGE_JSON: '1',
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
    ...(process.platform === 'win32' && process.env['SystemRoot'] !== undefined
      ? { SystemRoot: process.env['SystemRoot'] }
      : {}),
  };
}
