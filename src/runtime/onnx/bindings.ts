/**
 * Checks that tensors fit the inputs and outputs of a graph: names, element types, shapes, and that an output
 * shares memory with an input only where that is safe. The program does this once per set of tensors.
 */
import { AhaError } from '../../errors.ts';
import { type Dim, dimFactors, dimValue, formatShape } from '../../graph/dim.ts';
import type { DType } from '../../graph/dtype.ts';
import type { AliasAnalysis } from './aliasing.ts';
import type { OrtTensor } from './buffer.ts';
import type { NotEmpty } from './protobuf.ts';
import { firstOverlap, overlaps } from './run-ledger.ts';

export interface Signature {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** @throws AhaError `binding-type`, `binding-shape` that names the input. */
export function checkInputs(
  program: string,
  signatures: readonly Signature[],
  tensors: readonly OrtTensor[],
): ReadonlyMap<string, number> {
  const symbols = new Map<string, number>();
  for (const [index, signature] of signatures.entries()) {
    const { dtype, shape } = tensors[index]!;
    if (dtype !== signature.dtype) throw typeError(program, 'input', signature, dtype);
    if (shape.length !== signature.shape.length)
      throw shapeError(program, 'input', signature, shape, symbols);
    for (const [axis, dim] of signature.shape.entries()) {
      if (typeof dim === 'number') continue;
      const { numerator, denominator, symbols: names } = dimFactors(dim);
      const alone = numerator === 1 && denominator === 1 && names.length === 1;
      if (alone && !symbols.has(dim)) symbols.set(dim, shape[axis]!);
    }
  }
  for (const [index, signature] of signatures.entries()) {
    checkShape(program, 'input', signature, tensors[index]!.shape, symbols);
  }
  return symbols;
}

/** @throws AhaError `binding-type`, `binding-shape` that names the output. Outputs that are not bound are skipped. */
export function checkOutputs(
  program: string,
  signatures: readonly Signature[],
  tensors: readonly (OrtTensor | undefined)[],
  symbols: ReadonlyMap<string, number>,
): void {
  for (const [index, signature] of signatures.entries()) {
    const tensor = tensors[index];
    if (tensor === undefined) continue;
    if (tensor.dtype !== signature.dtype) throw typeError(program, 'output', signature, tensor.dtype);
    checkShape(program, 'output', signature, tensor.shape, symbols);
  }
}

/** @throws AhaError `binding-empty` if a kernel that cannot would meet a tensor without elements. */
export function checkNotEmpty(
  program: string,
  kernels: readonly NotEmpty[],
  symbols: ReadonlyMap<string, number>,
): void {
  for (const { operation, shape } of kernels) {
    if (shape.every((dim) => dimValue(dim, symbols) > 0)) continue;
    throw new AhaError({
      code: 'binding-empty',
      boundary: 'runtime',
      what: `The operation ${operation} of ${program} was given a tensor without elements`,
      found: formatShape(shape.map((dim) => dimValue(dim, symbols))),
      expected: formatShape(shape),
      fix: 'Do not run the program on an empty batch.',
    });
  }
}

/** @throws AhaError `binding-alias` if an output would overwrite what is still needed. */
export function checkAliases(
  program: string,
  inputs: readonly Signature[],
  reads: readonly OrtTensor[],
  outputs: readonly Signature[],
  writes: readonly (OrtTensor | undefined)[],
  analysis: AliasAnalysis,
): void {
  const written = new Map<unknown, number[]>();
  for (const [index, tensor] of writes.entries()) {
    if (tensor?.buffer === undefined) continue;
    const others = written.get(tensor.buffer);
    if (others === undefined) written.set(tensor.buffer, [index]);
    else others.push(index);
  }
  for (const indices of written.values()) {
    // Sorted by address, any overlap is between neighbours.
    const sorted = indices.toSorted((a, b) => Number(writes[a]!.start - writes[b]!.start));
    for (let i = 1; i < sorted.length; i++) {
      const [a, b] = [sorted[i - 1]!, sorted[i]!];
      if (!overlaps(writes[a]!, writes[b]!)) continue;
      throw aliasError(program, `the outputs ${outputs[a]!.name} and ${outputs[b]!.name} overlap`);
    }
  }
  for (const [i, read] of reads.entries()) {
    for (const o of written.get(read.buffer) ?? []) {
      const write = writes[o]!;
      if (!overlaps(read, write)) continue;
      const input = inputs[i]!.name;
      const output = outputs[o]!.name;
      if (read.start !== write.start || read.end !== write.end || read.dtype !== write.dtype) {
        throw aliasError(program, `output ${output} overlaps a part of input ${input}`);
      }
      const problem = analysis.problem(input, output);
      if (problem !== undefined) {
        throw aliasError(
          program,
          `output ${output} is bound to the memory of input ${input}, but ${problem}`,
        );
      }
    }
  }
}

/** @throws AhaError `binding-alias` if an output would overwrite a constant of the program. */
export function checkConstants(
  program: string,
  constants: readonly OrtTensor[],
  outputs: readonly Signature[],
  writes: readonly (OrtTensor | undefined)[],
): void {
  const buffers = new Set(constants.map(({ buffer }) => buffer));
  for (const [index, write] of writes.entries()) {
    if (write === undefined || !buffers.has(write.buffer)) continue;
    if (firstOverlap([write], constants) === undefined) continue;
    throw aliasError(program, `output ${outputs[index]!.name} is bound to the memory of a constant`);
  }
}

/** Every name of `given` must be one of `known`. */
export function checkNames(
  program: string,
  kind: 'input' | 'output',
  known: ReadonlyMap<string, unknown> | ReadonlySet<string>,
  given: object,
): void {
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue;
    throw new AhaError({
      code: 'binding-unknown',
      boundary: 'runtime',
      what: `${program} has no ${kind} of this name`,
      found: name,
      expected: [...known.keys()].join(', '),
    });
  }
}

export function missingInput(program: string, { name, dtype, shape }: Signature): AhaError {
  return new AhaError({
    code: 'binding-missing',
    boundary: 'runtime',
    what: `${program} was run without its input ${name}`,
    expected: `${dtype} ${formatShape(shape)}`,
  });
}

function checkShape(
  program: string,
  kind: string,
  signature: Signature,
  shape: readonly number[],
  symbols: ReadonlyMap<string, number>,
): void {
  const fits =
    shape.length === signature.shape.length &&
    signature.shape.every((dim, axis) => dimValue(dim, symbols) === shape[axis]);
  if (!fits) throw shapeError(program, kind, signature, shape, symbols);
}

function typeError(program: string, kind: string, { name, dtype }: Signature, found: DType): AhaError {
  return new AhaError({
    code: 'binding-type',
    boundary: 'runtime',
    what: `The ${kind} ${name} of ${program} has the wrong element type`,
    found,
    expected: dtype,
  });
}

function shapeError(
  program: string,
  kind: string,
  signature: Signature,
  found: readonly number[],
  symbols: ReadonlyMap<string, number>,
): AhaError {
  const values = [...symbols].map(([name, value]) => `${name} = ${value}`).join(', ');
  return new AhaError({
    code: 'binding-shape',
    boundary: 'runtime',
    what: `The ${kind} ${signature.name} of ${program} has the wrong shape`,
    found: formatShape(found),
    expected: `${formatShape(signature.shape)}${values === '' ? '' : ` with ${values}`}`,
  });
}

function aliasError(program: string, why: string): AhaError {
  return new AhaError({
    code: 'binding-alias',
    boundary: 'runtime',
    what: `${program} cannot run with these bindings: ${why}`,
    fix: 'Bind the output to other memory.',
  });
}
