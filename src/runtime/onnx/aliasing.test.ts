import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../util/random.ts';
import type { TensorData } from '../runtime.ts';
import { AliasAnalysis, inPlaceKernels } from './aliasing.ts';
import { type OnnxRuntime, openOnnxRuntime } from './onnx-runtime.ts';
import type { OnnxProgram } from './program.ts';
import type { AttributeValue, OnnxModel, OnnxNode, OnnxValue } from './protobuf.ts';

function node(
  operator: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, AttributeValue> = {},
): OnnxNode {
  const domain = operator === 'QuickGelu' || operator === 'GroupQueryAttention' ? 'com.microsoft' : '';
  return { name: outputs[0]!, operator, domain, inputs, outputs, attributes };
}

function differences(a: TensorData, b: TensorData): number {
  return Array.from(a, Number).filter((value, index) => value !== b[index]).length;
}

function problem(nodes: OnnxNode[], input: string, output: string, outputs = [output]): string | undefined {
  const values = outputs.map((name): OnnxValue => ({ name, dtype: 'f32', shape: ['n'] }));
  return new AliasAnalysis({ nodes, outputs: values }).problem(input, output);
}

describe('when an output may overwrite an input', () => {
  it('may if the producer works element by element and reads it last', () => {
    expect(problem([node('Add', ['x', 'y'], ['z'])], 'x', 'z')).toBeUndefined();
    const chain = [node('Exp', ['x'], ['a']), node('Mul', ['a', 'x'], ['z'])];
    expect(problem(chain, 'x', 'z')).toBeUndefined();
  });

  it('may not if the producer reads elements after it has written others', () => {
    expect(problem([node('MatMul', ['x', 'w'], ['z'])], 'x', 'z')).toBe(
      'MatMul (z) reads x while it writes z',
    );
    expect(problem([node('Gemm', ['a', 'b', 'c'], ['z'])], 'c', 'z')).toBeUndefined();
    expect(problem([node('Gemm', ['a', 'b', 'c'], ['z'])], 'a', 'z')).toContain('Gemm');
    expect(problem([node('Gemm', ['a', 'b', 'a'], ['z'])], 'a', 'z')).toContain('Gemm');
  });

  it('may not if another reader does not come before the producer; the message names both', () => {
    const nodes = [node('Exp', ['x'], ['other']), node('Add', ['x', 'y'], ['z'])];
    expect(problem(nodes, 'x', 'z', ['other', 'z'])).toBe(
      'Exp (other) may read x after Add (z) has written z',
    );
  });

  it('sees readers through views', () => {
    const nodes = [
      node('Reshape', ['x', 's'], ['view']),
      node('Unsqueeze', ['view', 's'], ['view2']),
      node('Exp', ['view2'], ['late']),
      node('Add', ['view2', 'y'], ['z']),
    ];
    expect(problem(nodes, 'x', 'z', ['late', 'z'])).toBe(
      'Exp (late) may read view2 after Add (z) has written z',
    );
    // A view that is an output of the graph is a copy, so whoever reads it does not read the input.
    expect(problem(nodes, 'x', 'z', ['view2', 'late', 'z'])).toBeUndefined();
    // Making a view counts as reading: the runtime may copy.
    const unused = [node('Reshape', ['x', 's'], ['view']), node('Add', ['x', 'y'], ['z'])];
    expect(problem(unused, 'x', 'z', ['view', 'z'])).toContain('Reshape (view) may read x');
  });

  it('names an output that nothing produces', () => {
    expect(problem([], 'x', 'x')).toBe('nothing produces x');
  });
});

describe('kernels that are trusted to work in place', () => {
  const length = 70_000;
  let runtime: OnnxRuntime;
  beforeAll(() => {
    runtime = openOnnxRuntime({ threads: 4 });
  });
  afterAll(async () => runtime[Symbol.asyncDispose]());

  const vector = (name: string): OnnxValue => ({ name, dtype: 'f32', shape: ['n'] });
  const condition: OnnxValue = { name: 'c', dtype: 'bool', shape: ['n'] };
  const elementwise = [...inPlaceKernels]
    .filter(([, rule]) => rule === 'all')
    .flatMap(([operator]) => {
      if (operator === 'Where') {
        return [
          { operator, inputs: [condition, vector('x'), vector('y')], aliased: 'x' },
          { operator, inputs: [condition, vector('x'), vector('y')], aliased: 'y' },
        ];
      }
      const binary = ['Add', 'Div', 'Max', 'Min', 'Mul', 'Sub'].includes(operator);
      if (!binary) return [{ operator, inputs: [vector('x')], aliased: 'x' }];
      return ['x', 'y'].map((aliased) => ({ operator, inputs: [vector('x'), vector('y')], aliased }));
    });

  it.each(elementwise)('$operator over $aliased', async ({ operator, inputs, aliased }) => {
    const names = inputs.map(({ name }) => name);
    using program = await runtime.load(model([node(operator, names, ['z'])], inputs, vector('z')));
    const random = randomStream('in place', operator);
    const tensors = inputs.map(({ dtype }) => {
      const buffer = runtime.allocate(dtype as 'f32', length);
      for (let i = 0; i < length; i++)
        buffer.data[i] = dtype === 'bool' ? random.integer(2) : random.next() + 0.1;
      return { buffer, shape: [length] };
    });
    const bindings = Object.fromEntries(names.map((name, index) => [name, tensors[index]!]));
    const { z } = await program.run(bindings);
    await program.run(bindings, { z: bindings[aliased]! });
    expect(differences(bindings[aliased]!.buffer.data, z!.data)).toBe(0);
    expect(z!.data.some((value) => value !== 0)).toBe(true);
    for (const { buffer } of tensors) buffer[Symbol.dispose]();
  });

  it('Gemm over its addend', async () => {
    const [m, k, n] = [130, 70, 90];
    const matrix = (name: string, rows: number, columns: number): OnnxValue => {
      return { name, dtype: 'f32', shape: [rows, columns] };
    };
    const inputs = [matrix('a', m, k), matrix('b', k, n), matrix('c', m, n)];
    using program = await runtime.load(
      model([node('Gemm', ['a', 'b', 'c'], ['z'])], inputs, matrix('z', m, n)),
    );
    expect(await differencesInPlace(program, inputs, 'c')).toBe(0);
  });

  it('ScatterElements over its table', async () => {
    const table: OnnxValue = { name: 'x', dtype: 'f32', shape: [500, 64] };
    const rows: OnnxValue = { name: 'r', dtype: 'f32', shape: [900, 64] };
    const attributes = {
      axis: { kind: 'int', value: 0 },
      reduction: { kind: 'string', value: 'add' },
    } as const;
    const nodes = [
      node('Cast', ['k'], ['i'], { to: { kind: 'int', value: 7 } }),
      node('ScatterElements', ['x', 'i', 'r'], ['z'], attributes),
    ];
    const inputs = [table, rows, { ...rows, name: 'k' }];
    using program = await runtime.load(model(nodes, inputs, { ...table, name: 'z' }));
    expect(await differencesInPlace(program, inputs, 'x')).toBe(0);
  });

  /** How many elements come out otherwise when the output is written over `aliased`. */
  async function differencesInPlace(
    program: OnnxProgram,
    inputs: readonly OnnxValue[],
    aliased: string,
  ): Promise<number> {
    const random = randomStream('in place', aliased);
    const bindings = Object.fromEntries(
      inputs.map(({ name, shape }) => {
        const buffer = runtime.allocate(
          'f32',
          shape.reduce<number>((a, b) => a * Number(b), 1),
        );
        for (let i = 0; i < buffer.length; i++) buffer.data[i] = random.next();
        return [name, { buffer, shape: shape as number[] }];
      }),
    );
    const { z } = await program.run(bindings);
    await program.run(bindings, { z: bindings[aliased]! });
    const count = differences(bindings[aliased]!.buffer.data, z!.data);
    for (const { buffer } of Object.values(bindings)) buffer[Symbol.dispose]();
    return count;
  }

  function model(nodes: OnnxNode[], inputs: OnnxValue[], output: OnnxValue): OnnxModel {
    return { name: 'in place', nodes, initializers: [], constants: [], given: [], inputs, outputs: [output] };
  }
});
