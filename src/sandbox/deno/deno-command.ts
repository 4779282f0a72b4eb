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

export function denoEnvironment(script: string): Record<string, string> {
  return {
    // A folder below a file cannot exist, so nothing is ever kept: no compiled code, no localStorage, no caches.
    DENO_DIR: `${script}/none`,
    DENO_NO_PACKAGE_JSON: '1',
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
    ...(process.platform === 'win32' && process.env['SystemRoot'] !== undefined
      ? { SystemRoot: process.env['SystemRoot'] }
      : {}),
  };
}
