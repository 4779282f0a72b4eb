import { describe, expect, it } from 'vitest';
import { type KernelMachine, obstacle, widest } from './support.ts';

const good: KernelMachine = {
  platform: 'linux',
  architecture: 'x64',
  flags: ['fpu', 'avx', 'fma', 'avx2'],
  setting: undefined,
};

describe('obstacle', () => {
  it.each([
    ['nothing', {}, undefined],
    ['another setting', { setting: 'on' }, undefined],
    ['switched off', { setting: 'off' }, 'AHA_KERNELS is off'],
    [
      'another system',
      { platform: 'darwin', architecture: 'arm64' },
      'they are for linux-x64, not darwin-arm64',
    ],
    ['Windows', { platform: 'win32' }, 'they are for linux-x64, not win32-x64'],
    ['an old processor', { flags: ['fpu', 'avx'] }, 'the processor lacks avx2, fma'],
    ['an unreadable processor', { flags: [] }, 'the processor lacks avx, avx2, fma'],
  ])('%s', (_name, change, expected) => {
    expect(obstacle({ ...good, ...change })).toBe(expected);
  });
});

describe('widest', () => {
  it.each([
    ['no more than is needed', {}, 'avx2'],
    ['wider registers', { flags: ['avx2', 'avx512f'] }, 'avx512'],
    ['wider registers that are not wanted', { flags: ['avx2', 'avx512f'], setting: 'avx2' }, 'avx2'],
    ['other settings', { flags: ['avx2', 'avx512f'], setting: 'on' }, 'avx512'],
  ])('%s', (_name, change, expected) => {
    expect(widest({ ...good, ...change })).toBe(expected);
  });
});
