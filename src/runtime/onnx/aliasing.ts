/**
 * When may an output of a graph share memory with one of its inputs? ONNX Runtime writes such an output wherever it
 * is told to and checks nothing, so we do: every node that reads the input must have run before the node that
 * produces the output writes, which is certain if the output depends on it; and the producer itself may read the
 * input only if its kernel reads each element before writing it. ONNX Runtime executes our nodes as they are (its
 * optimiser is off), so what holds for the graph holds for the run.
 */
import type { OnnxModel, OnnxNode } from './protobuf.ts';

type InPlaceRule = 'all' | Readonly<Record<number, readonly number[]>>;

/** Kernels whose output may be the memory of these inputs. `all`: elementwise. Each is tested. */
export const inPlaceKernels: ReadonlyMap<string, InPlaceRule> = new Map<string, InPlaceRule>([
  ['Abs', 'all'],
  ['Add', 'all'],
  ['Div', 'all'],
  ['Exp', 'all'],
  ['Identity', 'all'],
  ['Log', 'all'],
  ['Max', 'all'],
  ['Min', 'all'],
  ['Mul', 'all'],
  ['Neg', 'all'],
  ['Reciprocal', 'all'],
  ['Sigmoid', 'all'],
  ['Sqrt', 'all'],
  ['Sub', 'all'],
  ['Where', 'all'],
  // output → inputs
  ['Gemm', { 0: [2] }],
  ['ScatterElements', { 0: [0] }],
  ['GroupQueryAttention', { 1: [3], 2: [4] }],
  ['cachedAttention', { 1: [3], 2: [4] }],
  ['indexAdd', { 0: [0] }],
  ['outer', { 0: [2] }],
  ['adamw', { 0: [0], 1: [2], 2: [3] }],
]);

/** Nodes whose output is the memory of their first input under another shape: reading one reads the other. */
const views: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Flatten']);

/** Nodes that read how large their input is, and none of its elements. */
const measures: ReadonlySet<string> = new Set(['Shape', 'Size']);

export class AliasAnalysis {
  readonly #producers = new Map<string, OnnxNode>();
  readonly #readers = new Map<string, OnnxNode[]>();
  readonly #outputs: ReadonlySet<string>;
  readonly #verdicts = new Map<string, string | undefined>();

  constructor(model: Pick<OnnxModel, 'nodes' | 'outputs'>) {
    this.#outputs = new Set(model.outputs.map((output) => output.name));
    for (const node of model.nodes) {
      for (const output of node.outputs) this.#producers.set(output, node);
      for (const input of new Set(node.inputs)) {
        const readers = this.#readers.get(input);
        if (readers === undefined) this.#readers.set(input, [node]);
        else readers.push(node);
      }
    }
  }

  /** Why `output` must not be written over `input`, or undefined if it may. */
  problem(input: string, output: string): string | undefined {
    const key = `${input}\n${output}`;
    if (!this.#verdicts.has(key)) this.#verdicts.set(key, this.#judge(input, output));
    return this.#verdicts.get(key);
  }

  #judge(input: string, output: string): string | undefined {
    const producer = this.#producers.get(output);
    if (producer === undefined) return `nothing produces ${output}`;
    const ancestors = this.#ancestors(producer);
    const pending = [input];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      for (const reader of this.#readers.get(name) ?? []) {
        if (measures.has(reader.operator)) continue;
        if (reader === producer) {
          if (!readsBeforeWriting(reader, name, output)) {
            return `${describe(reader)} reads ${name} while it writes ${output}`;
          }
        } else if (!ancestors.has(reader)) {
          return `${describe(reader)} may read ${name} after ${describe(producer)} has written ${output}`;
        }
        if (views.has(reader.operator) && reader.inputs[0] === name) {
          const view = reader.outputs[0]!;
          // A view that is itself an output of the graph is copied, after which nobody reads the input through it.
          if (!this.#outputs.has(view)) pending.push(view);
        }
      }
    }
    return undefined;
  }

  #ancestors(node: OnnxNode): ReadonlySet<OnnxNode> {
    const found = new Set<OnnxNode>();
    const pending = [...node.inputs];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const producer = this.#producers.get(name);
      if (producer === undefined || found.has(producer)) continue;
      found.add(producer);
      pending.push(...producer.inputs);
    }
    return found;
  }
}

function readsBeforeWriting(node: OnnxNode, input: string, output: string): boolean {
  // Operators of our own have their sizes in their names.
  const rule = inPlaceKernels.get(node.operator.split('_')[0]!);
  if (rule === 'all') return true;
  const allowed = rule?.[node.outputs.indexOf(output)] ?? [];
  return node.inputs.every((name, index) => name !== input || allowed.includes(index));
}

function describe(node: OnnxNode): string {
  return node.name === '' ? node.operator : `${node.operator} (${node.name})`;
}
