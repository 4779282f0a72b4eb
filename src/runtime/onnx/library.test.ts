import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { AhaError } from '../../errors.ts';
import { checkVersion, findLibrary, libraryVariable, loadLibrary, ortLibrary } from './library.ts';

function errorOf(action: () => unknown): AhaError {
  try {
    action();
  } catch (error) {
    return error as AhaError;
  }
  throw new Error('nothing was thrown');
}

describe('the shared library', () => {
  it('is found for this platform and speaks the version that package.json asks for', () => {
    expect(existsSync(findLibrary())).toBe(true);
    expect(ortLibrary().version).toMatch(/^1\.\d+\.\d+$/);
    expect(() => checkVersion(ortLibrary().version, '', '')).not.toThrow();
  });

  it('exists for every platform that the package names, under the names of each', () => {
    for (const [platform, cpu] of [
      ['linux', 'x64'],
      ['linux', 'arm64'],
      ['darwin', 'arm64'],
      ['win32', 'x64'],
      ['win32', 'arm64'],
    ] as const) {
      expect(findLibrary(platform, cpu)).toMatch(/onnxruntime(\.[\d.]+)?\.(so\.\d+|dylib|dll)$/);
    }
  });

  it('says which platforms there are when this one is not among them', () => {
    const error = errorOf(() => findLibrary('sunos', 'sparc'));
    expect(error.code).toBe('onnxruntime-unsupported-platform');
    expect(error.message).toContain('sunos-sparc');
    expect(error.message).toContain('linux-x64');
    expect(error.message).toContain(libraryVariable);
  });

  it('says what to do when the file is missing', () => {
    const error = errorOf(() => loadLibrary('/nowhere/libonnxruntime.so'));
    expect(error.code).toBe('onnxruntime-missing');
    expect(error.message).toContain('/nowhere/libonnxruntime.so');
    expect(error.message).toContain('npm ci');
  });

  it('says what to do when the file is not a library', () => {
    const error = errorOf(() => loadLibrary(fileURLToPath(import.meta.url)));
    expect(error.code).toBe('onnxruntime-unloadable');
    expect(error.message).toContain('library.test.ts');
  });

  it('says what to do when the file is another library', () => {
    // A shared library that every Node.js can load: koffi's own.
    const other = fileURLToPath(import.meta.resolve('koffi')).replace(/koffi[\\/]index\.js$/, '');
    const path = `${other}@koromix/koffi-${process.platform}-${process.arch}/${process.platform}_${process.arch}/koffi.node`;
    expect(existsSync(path)).toBe(true);
    const error = errorOf(() => loadLibrary(path));
    expect(error.code).toBe('onnxruntime-unloadable');
    expect(error.message).toContain('OrtGetApiBase');
  });

  it.each(['1.29.9', '0.9.0', '2.0.0', '', 'dev'])('refuses version "%s"', (version) => {
    const error = errorOf(() => checkVersion(version, '/some/library.so', 'Do this.'));
    expect(error.code).toBe('onnxruntime-version');
    expect(error.message).toMatch(/\/some\/library\.so.*1\.30.*Do this\./s);
  });

  it.each(['1.30.0', '1.30.4', '1.41.0'])('accepts version %s', (version) => {
    expect(() => checkVersion(version, '', '')).not.toThrow();
  });
});
