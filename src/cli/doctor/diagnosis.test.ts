import { describe, expect, it } from 'vitest';
import { AhaError } from '../../errors.ts';
import { capacities, describeCapacity, diagnose } from './diagnosis.ts';
import type { MachineFacts } from './machine.ts';

const healthy: MachineFacts = {
  node: '20.19.0',
  platform: 'linux',
  architecture: 'x64',
  processor: 'A Processor',
  threads: 8,
  quota: undefined,
  memoryBytes: 16e9,
  availableBytes: 10e9,
  gpus: [],
  library: { path: '/lib/libonnxruntime.so', version: '1.30.0' },
  kernelObstacle: undefined,
  vectors: 'avx512',
  trial: { threads: 8, gigaflops: 123.4, largestError: 1e-6 },
  folders: [{ purpose: 'Runs', path: '/runs', writable: true, freeBytes: 50e9 }],
  sandboxes: [{ tier: 'deno', languages: ['typescript', 'python'] }],
  variables: {},
};

function check(name: string, changes: Partial<MachineFacts>) {
  return diagnose({ ...healthy, ...changes }).find((one) => one.name === name);
}

describe('diagnose', () => {
  it('finds nothing wrong with a healthy machine', () => {
    expect(diagnose(healthy).filter(({ status }) => status === 'failed' || status === 'warning')).toEqual([]);
  });

  it.each([
    ['20.19.0', 'ok'],
    ['20.18.3', 'failed'],
    ['18.20.0', 'failed'],
    ['22.0.0', 'ok'],
    ['100.1.0', 'ok'],
  ])('Node.js %s: %s', (node, status) => {
    expect(check('Node.js', { node })?.status).toBe(status);
  });

  it('passes on what to do about a missing library, once', () => {
    const error = new AhaError({
      code: 'onnxruntime-missing',
      boundary: 'runtime',
      what: 'Not there',
      fix: 'Run npm ci.',
    });
    expect(check('ONNX Runtime', { library: { error }, trial: undefined })).toEqual({
      name: 'ONNX Runtime',
      status: 'failed',
      detail: 'Not there.',
      fix: 'Run npm ci.',
    });
    expect(check('Arithmetic', { trial: undefined })).toBeUndefined();
  });

  it('says why kernels do not run', () => {
    const found = check('Kernels', {});
    expect([found?.status, found?.detail]).toEqual(['ok', 'machine code for this processor (AVX-512)']);
    const reason = 'the processor lacks avx2';
    expect(check('Kernels', { kernelObstacle: reason })).toEqual({
      name: 'Kernels',
      status: 'info',
      detail: `those of ONNX Runtime only, which are slower: ${reason}`,
    });
  });

  it('fails when products are wrong, also by what is no number', () => {
    for (const largestError of [0.1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(check('Arithmetic', { trial: { threads: 1, gigaflops: 1, largestError } })?.status).toBe(
        'failed',
      );
    }
    expect(check('Arithmetic', { trial: { error: new Error('boom') } })?.detail).toBe('boom');
  });

  it('warns of a container that grants fewer cores than it shows', () => {
    expect(check('Threads', { quota: 2.5 })).toMatchObject({ status: 'warning' });
    expect(check('Threads', { quota: 2.5 })?.fix).toContain('--threads 2');
    expect(check('Threads', { quota: 8 })?.status).toBe('ok');
  });

  it('warns when no sandbox works, and says why one does not', () => {
    const error = new AhaError({ code: 'x', boundary: 'sandbox', what: 'Not there', fix: 'Install it.' });
    const missing = { tier: 'bubblewrap', languages: [], error } as const;
    expect(check('Sandbox deno', {})).toMatchObject({ status: 'ok', detail: 'runs typescript, python' });
    expect(check('Sandbox bubblewrap', { sandboxes: [...healthy.sandboxes, missing] })).toEqual({
      name: 'Sandbox bubblewrap',
      status: 'info',
      detail: 'Not there.',
      fix: 'Install it.',
    });
    expect(check('Sandbox bubblewrap', { sandboxes: [missing] })?.status).toBe('warning');
  });

  it('warns of little memory and little disk, fails where nothing can be written', () => {
    expect(check('Memory', { availableBytes: 5e8 })?.status).toBe('warning');
    const folder = healthy.folders[0]!;
    expect(check('Runs', { folders: [{ ...folder, freeBytes: 1e9 }] })?.status).toBe('warning');
    expect(check('Runs', { folders: [{ ...folder, writable: false }] })?.status).toBe('failed');
    expect(check('Runs', { folders: [{ ...folder, freeBytes: undefined }] })?.status).toBe('ok');
  });
});

describe('capacities', () => {
  it('says what fits into memory', () => {
    const most = (use: string, availableBytes: number) =>
      capacities({ ...healthy, availableBytes }).find((one) => one.use === use)!.parameters;
    expect(most('sample', healthy.availableBytes)).toBe(2e9);
    // What SmolLM2 of 135M parameters took in docs/experiments.md, what drawing may leave behind, a tenth kept free.
    const kept = 2 * 2 ** 30;
    expect(most('train with LoRA', (6.8e9 + kept) / 0.9)).toBeGreaterThan(100e6);
    expect(most('train with LoRA', (6e9 + kept) / 0.9)).toBeLessThan(135e6);
    expect(most('train fully', (9.6e9 + kept) / 0.9)).toBeGreaterThan(135e6);
    expect(most('train fully', (8e9 + kept) / 0.9)).toBeLessThan(135e6);
    expect(capacities({ ...healthy, availableBytes: 1e8 }).every(({ parameters }) => parameters === 0)).toBe(
      true,
    );
    expect(describeCapacity({ use: 'train fully', parameters: 5e8 })).toBe(
      'train fully: up to 500M parameters',
    );
    expect(describeCapacity({ use: 'sample', parameters: 0 })).toBe('sample: too little memory');
  });
});
