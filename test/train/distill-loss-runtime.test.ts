/** The distillation losses on every runtime: TRL's numbers, in float32. The interpreter's own test asks for 1e-9. */
import { afterAll, describe, expect, it } from 'vitest';
import type { HostTensor, Runtime } from '../../src/runtime/runtime.ts';
import { runtimes } from '../runtimes.ts';
import { distillCases, divergenceProblem, vocabulary } from '../support/distill-cases.ts';

describe.each(Object.entries(runtimes))('%s', (_, open) => {
  let opened: Runtime | undefined;
  const runtime = () => (opened ??= open());
  afterAll(async () => opened?.[Symbol.asyncDispose]());

  const supports = [undefined, vocabulary];
  it.each(supports.flatMap((width) => distillCases.map((test) => ({ ...test, width }))))(
    '$name, from the $width most likely tokens: loss and gradient',
    async ({ name, beta, temperature, width, loss, gradient }) => {
      const options = width === undefined ? {} : { width };
      const { fn, values } = divergenceProblem({ beta, temperature, ...options });
      const inputs = Object.fromEntries(
        Object.entries(values).map(([key, { shape, data }]): [string, HostTensor] => {
          const integers = fn.inputs.get(key)!.dtype === 'i64';
          return [
            key,
            { shape, data: integers ? BigInt64Array.from(data, BigInt) : Float32Array.from(data) },
          ];
        }),
      );
      using program = await runtime().compile(fn, { name });
      const outputs = await program.run(inputs);
      expect(Math.abs(Number(outputs['loss']!.data[0]) - loss)).toBeLessThan(1e-4);
      const found = Array.from(outputs['gradient']!.data, Number);
      for (const [index, value] of gradient.entries()) {
        expect(Math.abs(found[index]! - value)).toBeLessThan(1e-4);
      }
    },
  );
});
