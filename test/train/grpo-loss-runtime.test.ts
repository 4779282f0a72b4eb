/** The GRPO loss on every runtime: TRL's numbers, in float32. The interpreter's own test asks for 1e-9. */
import { afterAll, describe, expect, it } from 'vitest';
import type { HostTensor, Runtime } from '../../src/runtime/runtime.ts';
import { runtimes } from '../runtimes.ts';
import { lossProblem } from '../support/loss-batch.ts';
import { builtCases, prepareTrlCase } from '../support/trl-cases.ts';

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let opened: Runtime | undefined;
  const runtime = () => (opened ??= open());
  afterAll(async () => opened?.[Symbol.asyncDispose]());

  it.each(builtCases)('%s: loss and gradient', async (name, test) => {
    const { fn, values, read } = lossProblem(prepareTrlCase(test));
    const inputs = Object.fromEntries(
      Object.entries(values).map(([key, { shape, data }]): [string, HostTensor] => {
        const integers = fn.inputs.get(key)!.dtype === 'i64';
        return [key, { shape, data: integers ? BigInt64Array.from(data, BigInt) : Float32Array.from(data) }];
      }),
    );
    using program = await runtime().compile(fn, { name });
    const outputs = await program.run(inputs);
    const found = read(outputs as Record<string, { data: Float32Array }>);
    expect(Math.abs(found.loss - test.loss)).toBeLessThan(1e-4);
    for (const [s, row] of test.grad.entries()) {
      for (const [t, value] of row.entries())
        expect(Math.abs(found.gradient[s]![t]! - value)).toBeLessThan(1e-4);
    }
    expect(found.padding).toBeCloseTo(0, 15);
  });
});
