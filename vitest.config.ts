import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One worker a core at most: the runtime is multi-threaded itself.
    maxWorkers: 2,
    pool: 'forks',
  },
});
