/**
 * The program as plain JavaScript, for tests that run it in processes of their own (to kill them). Compiled from the
 * sources as they are now, once per test process, into a folder from which dependencies resolve; removed at exit.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder: string | undefined;

/** The URL of the compiled module of `source`, a path such as `src/train/checkpoint.ts` or `test/support/x.ts`. */
export function compiledModule(source: string): string {
  if (folder === undefined) {
    const target = join(root, 'node_modules', '.cache', `aha-tests-${process.pid}`);
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['-p', join(root, 'tsconfig.json'), '--rootDir', root, '--outDir', target];
    const emit = ['--noEmit', 'false', '--allowImportingTsExtensions', 'false'];
    // Types are checked by `npm run check`; here they would only take time.
    execFileSync(process.execPath, [compiler, ...options, ...emit, '--noCheck'], { stdio: 'pipe' });
    // The program reads its version beside itself.
    copyFileSync(join(root, 'package.json'), join(target, 'package.json'));
    process.on('exit', () => rmSync(target, { recursive: true, force: true }));
    folder = target;
  }
  return pathToFileURL(join(folder, source.replace(/\.ts$/, '.js'))).href;
}
