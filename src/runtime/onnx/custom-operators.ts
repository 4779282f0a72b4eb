/**
 * Operators of our own in ONNX Runtime: its C API asks a table of functions (OrtCustomOp) for the name, the types of
 * the operands and the computation of each. The functions are machine code like the kernels, because they are called
 * from the library's threads.
 */
import { adamwFactors } from '../../graph/ops/fused.ts';
import { Assembler, at, type Label, rax, rcx, rsi } from '../native/assembler.ts';
import { type AttentionShape, emitAttention } from '../native/attention-kernel.ts';
import { emitAdamW } from '../native/adamw-kernel.ts';
import { emitDraw } from '../native/draw-kernel.ts';
import { makeExecutable } from '../native/executable-memory.ts';
import { emitIndexAdd } from '../native/index-add-kernel.ts';
import type { KernelFunctions } from '../native/kernel.ts';
import {
  columnMultiple,
  emitLinear,
  emitPanels,
  type LinearShape,
  type WeightLayout,
} from '../native/linear-kernel.ts';
import { emitOuter, type OuterShape } from '../native/outer-kernel.ts';
import { panelColumns } from '../native/tile.ts';
import { emitRowKernel, type RowKernel, rowOperands, type RowShape } from '../native/row-kernels.ts';
import { kernelObstacle, vectorSet } from '../native/support.ts';
import type { OwnKernels, WeightShape } from './graph-writer.ts';
import type { OrtLibrary } from './library.ts';
import { ownDomain } from './protobuf.ts';
import { elementTypes } from './symbols.ts';

interface Operator {
  readonly name: string;
  readonly inputs: readonly (keyof typeof elementTypes)[];
  readonly outputs: readonly (keyof typeof elementTypes)[];
  emit(code: Assembler, functions: KernelFunctions): void;
}

/** The version of the table whose functions we fill in; those added later are not asked for. */
const tableVersion = 16;
/** Functions of an OrtCustomOp in the order of the table, behind its version. */
const tableLength = 32;

export class CustomOperators implements OwnKernels {
  /** That the operators which are made from now on will run on. */
  threads = 1;
  readonly #library: OrtLibrary;
  readonly #known = new Map<string, boolean>();
  /** Where the tables of the operators are. */
  readonly #tables: bigint[] = [];
  /** With all operators so far. It never gets more: a session that is being made on another thread may be reading it. */
  #domain: bigint | undefined;

  constructor(library: OrtLibrary) {
    this.#library = library;
  }

  /** The name of the operator, or undefined if there is none for this shape on this machine. */
  attention(shape: AttentionShape): string | undefined {
    const { heads, keyValueHeads, headSize, single } = shape;
    if (headSize % 16 !== 0) return undefined;
    const name = `cachedAttention_${single ? 1 : 'S'}_${heads}_${keyValueHeads}_${headSize}`;
    return this.#define({
      name,
      inputs: ['f32', 'f32', 'f32', 'f32', 'f32', 'i32', 'f32', 'f32', 'i64', 'i64', 'i64'],
      outputs: ['f32', 'f32', 'f32'],
      emit: (code, functions) => emitAttention(code, functions, shape),
    });
  }

  rows(kernel: RowKernel, shape: RowShape): string | undefined {
    const { rank, width, epsilon } = shape;
    if (width % 8 !== 0 || rank < 2) return undefined;
    const [inputs, outputs] = rowOperands[kernel];
    return this.#define({
      name: [kernel, rank, width, ...(epsilon === undefined ? [] : [bitsOf(epsilon)])].join('_'),
      inputs: [...Array<'f32'>(inputs).fill('f32'), 'i64'],
      outputs: Array<'f32'>(outputs).fill('f32'),
      emit: (code, functions) => emitRowKernel(code, functions, kernel, shape),
    });
  }

  draw(vocabulary: number): string | undefined {
    if (vocabulary % 8 !== 0) return undefined;
    return this.#define({
      name: `categoricalDraw_${vocabulary}`,
      inputs: ['f32', 'f32', 'f32', 'i64'],
      outputs: ['i64', 'f32', 'f32', 'f32'],
      emit: (code, functions) => emitDraw(code, functions, vocabulary),
    });
  }

  indexAdd(width: number): string | undefined {
    if (width % 8 !== 0 || width === 0) return undefined;
    return this.#define({
      name: `indexAdd_${width}`,
      inputs: ['f32', 'i64', 'f32', 'i64', 'i64'],
      outputs: ['f32'],
      emit: (code, functions) => emitIndexAdd(code, functions, width),
    });
  }

  adamw(): string | undefined {
    return this.#define({
      name: 'adamw',
      inputs: [...Array<'f32'>(4 + adamwFactors.length).fill('f32'), 'i64'],
      outputs: ['f32', 'f32', 'f32'],
      emit: emitAdamW,
    });
  }

  linear(shape: LinearShape): string | undefined {
    const { outputs, inputs, addend } = shape;
    if (!fitsPanels(shape)) return undefined;
    return this.#define({
      name: `linear_${outputs}_${inputs}_${addend}`,
      inputs: ['f32', 'f32', ...(addend === 'none' ? [] : ['f32' as const]), 'i64'],
      outputs: ['f32'],
      emit: (code, functions) => emitLinear(code, functions, shape, vectorSet()),
    });
  }

  outer(shape: OuterShape): string | undefined {
    const { rows, columns, adds } = shape;
    const { threads } = this;
    if (rows === 0 || columns === 0 || columns % panelColumns !== 0) return undefined;
    return this.#define({
      name: `outer_${rows}_${columns}_${adds ? 'added' : 'alone'}_${threads}`,
      inputs: ['f32', 'f32', ...(adds ? ['f32' as const] : []), 'i64'],
      outputs: ['f32'],
      emit: (code, functions) => emitOuter(code, functions, shape, { vectors: vectorSet(), threads }),
    });
  }

  panels(shape: WeightShape, layout: WeightLayout): string | undefined {
    if (!fitsPanels(shape)) return undefined;
    return this.#define({
      name: `panels_${shape.outputs}_${shape.inputs}_${layout}`,
      inputs: ['f32'],
      outputs: ['f32'],
      emit: (code, functions) => emitPanels(code, functions, shape, layout),
    });
  }

  /** Makes the operators that were asked for so far known to a session. */
  addTo(sessionOptions: bigint): void {
    if (this.#tables.length === 0) return;
    this.#domain ??= this.#makeDomain();
    this.#library.AddCustomOpDomain(sessionOptions, this.#domain);
  }

  /** Sessions need theirs as long as they live, so domains are not released; there are at most as many as operators. */
  #makeDomain(): bigint {
    const out = new BigUint64Array(1);
    this.#library.CreateCustomOpDomain(ownDomain, out);
    for (const table of this.#tables) this.#library.CustomOpDomain_Add(out[0]!, table);
    return out[0]!;
  }

  #define(operator: Operator): string | undefined {
    if (kernelObstacle() !== undefined) return undefined;
    const known = this.#known.get(operator.name);
    const made = known ?? this.#make(operator);
    this.#known.set(operator.name, made);
    return made ? operator.name : undefined;
  }

  #make(operator: Operator): boolean {
    const code = new Assembler();
    const compute = code.label();
    code.bind(compute);
    operator.emit(code, this.#library.kernelFunctions);
    const functions = [...emitFunctions(code, operator), [18, compute] as const];
    code.align(8);
    const table = code.length;
    code.data(...new Uint8Array(8 * tableLength));
    const address = makeExecutable(code.finish(), (memory, start) => {
      memory.setUint32(table, tableVersion, true);
      for (const [index, label] of functions) {
        memory.setBigUint64(table + 8 * index, start + BigInt(label.position!), true);
      }
    });
    if (address === undefined) return false;
    this.#tables.push(address + BigInt(table));
    this.#domain = undefined;
    return true;
  }
}

function fitsPanels({ outputs, inputs }: WeightShape): boolean {
  return inputs > 0 && outputs > 0 && outputs % panelColumns === 0 && inputs % columnMultiple === 0;
}

/** A number as a part of a name. */
function bitsOf(value: number): string {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!.toString(16);
}

/** The small functions of the table, by their index. */
function emitFunctions(code: Assembler, { name, inputs, outputs }: Operator): [number, Label][] {
  const define = (body: () => void): Label => {
    code.align(16);
    const label = code.label();
    code.bind(label);
    body();
    code.ret();
    return label;
  };
  const constant = (value: number) => define(() => code.movImmediate(rax, BigInt(value)));
  const address = (label: Label) => define(() => code.lea(rax, code.atLabel(label)));
  /** Element rsi of a table. */
  const chosen = (types: Operator['inputs']) => {
    code.align(4);
    const table = code.integers(...types.map((type) => elementTypes[type]));
    return define(() => {
      code.lea(rax, table);
      code.mov32(rax, at(rax, 0, rsi, 4));
    });
  };
  const text = (value: string) => {
    const label = code.label();
    code.bind(label);
    code.data(...new TextEncoder().encode(`${value}\0`));
    return label;
  };
  const zero = constant(0);
  // An operator has no state, but must have an address.
  const create = define(() => {
    code.movImmediate(rax, 1n);
    code.mov(at(rcx), rax);
    code.clear(rax);
  });
  return [
    [2, address(text(name))], // GetName
    [3, address(text('CPUExecutionProvider'))], // GetExecutionProviderType
    [4, chosen(inputs)], // GetInputType
    [5, constant(inputs.length)], // GetInputTypeCount
    [6, chosen(outputs)], // GetOutputType
    [7, constant(outputs.length)], // GetOutputTypeCount
    [9, zero], // KernelDestroy
    [10, zero], // GetInputCharacteristic: required
    [11, zero], // GetOutputCharacteristic
    [12, zero], // GetInputMemoryType: the default
    [17, create], // CreateKernelV2
  ];
}
