/**
 * Collects the ONNX nodes of one graph: names values, shares constants, and computes symbolic shapes from the
 * shapes of the inputs when the graph runs. Knows nothing about our operations; the rules of `lowering*.ts` do.
 */
import { AhaError } from '../../errors.ts';
import { type Dim, dimFactors, sameShape } from '../../graph/dim.ts';
import type { DType } from '../../graph/dtype.ts';
import { attributesOf, inputOp, type Tensor } from '../../graph/tensor.ts';
import type { AttentionShape } from '../native/attention-kernel.ts';
import type { LinearShape, WeightLayout } from '../native/linear-kernel.ts';
import type { OuterShape } from '../native/outer-kernel.ts';
import type { RowKernel, RowShape } from '../native/row-kernels.ts';
import { panelColumns } from '../native/tile.ts';
import type { AttributeValue, GivenInput, NotEmpty, OnnxNode, OnnxTensor } from './protobuf.ts';

export const microsoft = 'com.microsoft';

/** Operators of our own, by name, where the machine has them. */
export interface OwnKernels {
  attention(shape: AttentionShape): string | undefined;
  /** For operands of that many axes whose last one is that long. */
  rows(kernel: RowKernel, shape: RowShape): string | undefined;
  draw(vocabulary: number): string | undefined;
  indexAdd(width: number): string | undefined;
  adamw(): string | undefined;
  /** A product with a weight in panels. */
  linear(shape: LinearShape): string | undefined;
  /** Arranges a weight in panels. */
  panels(shape: WeightShape, layout: WeightLayout): string | undefined;
  /** aᵀ · b */
  outer(shape: OuterShape): string | undefined;
}

/** N and K of a weight [N, K]. */
export type WeightShape = Pick<LinearShape, 'outputs' | 'inputs'>;

export const noKernels: OwnKernels = {
  attention: () => undefined,
  rows: () => undefined,
  draw: () => undefined,
  indexAdd: () => undefined,
  adamw: () => undefined,
  linear: () => undefined,
  panels: () => undefined,
  outer: () => undefined,
};

export interface LoweringOptions {
  /** The names of inputs that seldom change. */
  readonly constants?: ReadonlySet<string>;
  /** See `CompileOptions`. */
  readonly rows?: 'few' | 'many';
  readonly kernels?: OwnKernels;
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Default: ONNX itself. */
  readonly domain?: string;
}

export const intAttribute = (value: number | boolean): AttributeValue => ({
  kind: 'int',
  value: Number(value),
});
export const floatAttribute = (value: number): AttributeValue => ({ kind: 'float', value });
export const intsAttribute = (value: readonly number[]): AttributeValue => ({ kind: 'ints', value });
export const stringAttribute = (value: string): AttributeValue => ({ kind: 'string', value });

/** A value of the ONNX graph and its shape. */
export interface Held {
  readonly name: string;
  readonly shape: readonly Dim[];
}

export interface ShapedOutput {
  readonly tensor: Tensor;
  readonly shape: readonly Dim[];
}

export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly notEmpty: NotEmpty[] = [];
  /** Constants that are read in panels. */
  readonly panels: GivenInput[] = [];
  readonly kernels: OwnKernels;
  /** Whether products have many rows, so that rearranging a weight for each is worth it. */
  readonly manyRows: boolean;
  readonly #names = new Map<Tensor, string>();
  readonly #held = new Map<Tensor, Held>();
  readonly #wanted = new Map<Tensor, string>();
  readonly #taken: Set<string>;
  /** Constants and shape arithmetic, by content. Larger values are never shared: it would keep them alive. */
  readonly #shared = new Map<string, string>();
  /** An input and axis that has each symbolic dimension by itself. */
  readonly #symbols = new Map<string, { readonly input: string; readonly axis: number }>();
  readonly #used: ReadonlySet<Tensor>;
  readonly #constants: ReadonlySet<string>;
  #operation = '';

  /** `used` are the tensors that anything reads, `constants` the names of inputs that seldom change. */
  constructor(
    inputs: ReadonlyMap<string, Tensor>,
    outputs: ReadonlyMap<string, Tensor>,
    used: ReadonlySet<Tensor>,
    { kernels, constants, rows }: Required<LoweringOptions>,
  ) {
    this.kernels = kernels;
    this.manyRows = rows === 'many';
    this.#constants = constants;
    this.#taken = new Set([...inputs.keys(), ...outputs.keys()]);
    this.#used = used;
    for (const [input, { shape }] of inputs) {
      for (const [axis, dim] of shape.entries()) {
        if (typeof dim !== 'string') continue;
        const { numerator, denominator, symbols } = dimFactors(dim);
        const alone = numerator === 1 && denominator === 1 && symbols.length === 1;
        if (alone && !this.#symbols.has(dim)) this.#symbols.set(dim, { input, axis });
      }
    }
  }

  /** The operation that is being lowered; appears in the names of nodes. */
  begin(operation: string): void {
    this.#operation = operation;
  }

  /** The graph cannot run when a tensor of this shape has no elements. */
  forbidEmpty(operation: string, shape: readonly Dim[]): void {
    this.notEmpty.push({ operation, shape });
  }

  /** The name that holds `tensor`. */
  value(tensor: Tensor): string {
    const known = this.#names.get(tensor);
    if (known !== undefined) return known;
    const { name, shape } = this.source(tensor);
    const held = sameShape(shape, tensor.shape) ? name : this.#reshape(tensor, name, shape);
    this.#names.set(tensor, held);
    return held;
  }

  /** A name that holds the elements of `tensor`, under whichever shape costs nothing. */
  source(tensor: Tensor): Held {
    const held = this.#held.get(tensor);
    if (held !== undefined) return held;
    const name = this.#names.get(tensor);
    if (name === undefined)
      throw new TypeError(`A tensor of ${tensor.node.op.name} was read before it was lowered`);
    return { name, shape: tensor.shape };
  }

  /** The elements of `tensor` are held under another shape. It is changed only for whoever asks for its `value`. */
  hold(tensor: Tensor, held: Held): void {
    this.#held.set(tensor, held);
    // An output of the graph is a value of its own.
    if (this.#wanted.has(tensor)) this.#names.set(tensor, this.#reshape(tensor, held.name, held.shape));
  }

  /** The name of an input that holds the constant `weight` [N, K] in panels. */
  inPanels(weight: Tensor, { outputs, inputs }: WeightShape): string {
    const constant = attributesOf(weight.node, inputOp).name;
    const known = this.panels.find((panels) => panels.constant === constant);
    if (known !== undefined) return known.name;
    const name = this.#fresh(`${constant} in panels`);
    const shape = [outputs / panelColumns, inputs, panelColumns];
    this.panels.push({ name, dtype: 'f32', shape, constant, form: 'panels' });
    return name;
  }

  isConstant({ node }: Tensor): boolean {
    return node.op.name === inputOp.name && this.#constants.has(attributesOf(node, inputOp).name);
  }

  has(tensor: Tensor): boolean {
    return this.#names.has(tensor) || this.#held.has(tensor);
  }

  /** Whether anything reads `tensor`; outputs that nobody reads need not be computed. */
  isUsed(tensor: Tensor): boolean {
    return this.#used.has(tensor);
  }

  /** `tensor` is held by the existing value `name`. */
  alias(tensor: Tensor, name: string): void {
    this.#names.set(tensor, name);
  }

  /** Asks that the node which will define `tensor` writes it under this name, so that no copy is needed. */
  want(tensor: Tensor, name: string): void {
    if (!this.#wanted.has(tensor)) this.#wanted.set(tensor, name);
  }

  wanted(tensor: Tensor): string | undefined {
    return this.#wanted.get(tensor);
  }

  /**
   * Adds a node that computes `outputs`; undefined stands for one that nobody reads, a tensor with a shape for one
   * that comes out in that shape, and a name for one that is no tensor.
   */
  define(
    outputs: readonly (Tensor | ShapedOutput | string | undefined)[],
    operator: string,
    inputs: readonly string[],
    options: NodeOptions = {},
  ): void {
    const names = outputs.map((output) => {
      if (output === undefined) return '';
      if (typeof output === 'string') return output;
      if ('tensor' in output) return this.#fresh();
      const name = this.#wanted.get(output) ?? this.#fresh();
      this.#names.set(output, name);
      return name;
    });
    while (names.at(-1) === '') names.pop();
    this.#add(operator, inputs, names, options);
    for (const [index, output] of outputs.entries()) {
      if (typeof output === 'object' && 'tensor' in output) {
        this.hold(output.tensor, { name: names[index]!, shape: output.shape });
      }
    }
  }

  /** A name for a value that is no tensor of the graph. */
  name(): string {
    return this.#fresh();
  }

  /** Adds a node for an intermediate value and returns the value's name. */
  temporary(operator: string, inputs: readonly string[], options: NodeOptions = {}): string {
    const name = this.#fresh();
    this.#add(operator, inputs, [name], options);
    return name;
  }

  /** Adds a node that writes the graph output `name`. */
  write(name: string, operator: string, inputs: readonly string[]): void {
    this.#add(operator, inputs, [name], {});
  }

  /** Like `temporary` for small values: the same node is added once. */
  shared(operator: string, inputs: readonly string[], options: NodeOptions = {}): string {
    const key = JSON.stringify([operator, inputs, options]);
    let name = this.#shared.get(key);
    if (name === undefined) {
      name = this.temporary(operator, inputs, options);
      this.#shared.set(key, name);
    }
    return name;
  }

  constant(dtype: DType, values: ArrayLike<number>, shape: readonly number[]): string {
    const bytes = toBytes(dtype, values);
    const small = bytes.length <= 256;
    const key = `${dtype}:${shape.join(',')}:${small ? Buffer.from(bytes).toString('hex') : ''}`;
    const known = small ? this.#shared.get(key) : undefined;
    if (known !== undefined) return known;
    const name = this.#fresh('constant');
    this.initializers.push({ name, dtype, shape, bytes });
    if (small) this.#shared.set(key, name);
    return name;
  }

  scalar(value: number, dtype: DType = 'f32'): string {
    return this.constant(dtype, [value], []);
  }

  /** An i64 vector of these numbers. */
  integers(...values: readonly number[]): string {
    return this.constant('i64', values, [values.length]);
  }

  /** An i64 vector that holds the sizes of `shape`. */
  dims(shape: readonly Dim[]): string {
    const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : undefined));
    if (sizes.every((size) => size !== undefined)) return this.integers(...sizes);
    const parts: string[] = [];
    let run: number[] = [];
    for (const dim of shape) {
      if (typeof dim === 'number') {
        run.push(dim);
        continue;
      }
      if (run.length > 0) parts.push(this.integers(...run));
      run = [];
      parts.push(this.dim(dim));
    }
    if (run.length > 0) parts.push(this.integers(...run));
    return parts.length === 1
      ? parts[0]!
      : this.shared('Concat', parts, { attributes: { axis: intAttribute(0) } });
  }

  /** An i64 vector of one element, the size of `dim`. */
  dim(dim: Dim): string {
    if (typeof dim === 'number') return this.integers(dim);
    const { numerator, denominator, symbols } = dimFactors(dim);
    let product: string | undefined;
    for (const symbol of symbols) {
      const size = this.#symbol(symbol);
      product = product === undefined ? size : this.shared('Mul', [product, size]);
    }
    product ??= this.integers(1);
    if (numerator !== 1) product = this.shared('Mul', [product, this.integers(numerator)]);
    if (denominator !== 1) product = this.shared('Div', [product, this.integers(denominator)]);
    return product;
  }

  #reshape(tensor: Tensor, name: string, from: readonly Dim[]): string {
    const { target, options } = reshapeTarget(from, tensor.shape, this);
    const reshaped = this.#wanted.get(tensor) ?? this.#fresh('reshape');
    this.#add('Reshape', [name, target], [reshaped], options);
    return reshaped;
  }

  #symbol(symbol: string): string {
    const source = this.#symbols.get(symbol);
    if (source === undefined) {
      throw new AhaError({
        code: 'dimension-unknown',
        boundary: 'graph',
        what: `No input of the graph has the dimension ${symbol} by itself`,
        expected: [...this.#symbols.keys()].join(', ') || '(no symbolic dimension)',
      });
    }
    const { input, axis } = source;
    return this.shared('Shape', [input], {
      attributes: { start: intAttribute(axis), end: intAttribute(axis + 1) },
    });
  }

  #add(operator: string, inputs: readonly string[], outputs: readonly string[], options: NodeOptions): void {
    const { attributes = {}, domain = '' } = options;
    const name = `${this.#operation} ${this.nodes.length}`;
    this.nodes.push({ name, operator, domain, inputs, outputs, attributes });
  }

  #fresh(hint = this.#operation): string {
    let name: string;
    do name = `${hint}#${this.#taken.size}`;
    while (this.#taken.has(name));
    this.#taken.add(name);
    return name;
  }
}

/**
 * The second operand of Reshape. In it 0 copies a size from the tensor and −1 stands for what is left; with them
 * most shapes are constants. −1 is undefined for empty tensors unless all other sizes are known and positive.
 */
function reshapeTarget(
  from: readonly Dim[],
  to: readonly Dim[],
  graph: Pick<GraphWriter, 'integers' | 'dims'>,
): { target: string; options: NodeOptions } {
  const plain = to.every((dim) => dim !== 0);
  const copied = to.map((dim, axis) => (typeof dim === 'number' ? dim : from[axis] === dim ? 0 : -1));
  if (plain && !copied.includes(-1)) return { target: graph.integers(...copied), options: {} };
  const inferred = to.map((dim) => (typeof dim === 'number' ? dim : -1));
  if (plain && inferred.filter((size) => size === -1).length === 1) {
    return { target: graph.integers(...inferred), options: {} };
  }
  return { target: graph.dims(to), options: { attributes: { allowzero: intAttribute(1) } } };
}

function toBytes(dtype: DType, values: ArrayLike<number>): Uint8Array {
  const arrays = {
    f32: () => Float32Array.from(values),
    i32: () => Int32Array.from(values),
    i64: () => BigInt64Array.from(Array.from(values, (value) => BigInt(Math.trunc(value)))),
    bool: () => Uint8Array.from(Array.from(values, (value) => Number(value !== 0))),
  };
  const { buffer, byteOffset, byteLength } = arrays[dtype]();
  return new Uint8Array(buffer, byteOffset, byteLength);
}
