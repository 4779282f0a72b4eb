/** Products of matrices by kernels of our own, for the rules of `lowering-*.ts`. */
import type { Tensor } from '../../graph/tensor.ts';
import type { WeightLayout } from '../native/linear-kernel.ts';
import type { GraphWriter, Held } from './graph-writer.ts';
import { ownDomain } from './protobuf.ts';

export interface Product {
  readonly a: Held;
  readonly b: Held;
  readonly added: Held | undefined;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** The tensor of b, if it may be a constant. */
  readonly weight?: Tensor;
}

/** The operator for a · b (+ c) and its operands, if there is one that is worth it. */
export function ownProduct(
  graph: GraphWriter,
  product: Product,
): { readonly operator: string; readonly inputs: readonly string[] } | undefined {
  if (!product.transposeA) return ownLinear(graph, product);
  return !product.transposeB && graph.manyRows ? ownOuter(graph, product) : undefined;
}

/** x · weightᵀ or x · weight. */
function ownLinear(graph: GraphWriter, { a, b, added, transposeB, weight }: Product) {
  const [outputs, inputs] = transposeB ? b.shape : b.shape.toReversed();
  if (typeof outputs !== 'number' || typeof inputs !== 'number') return undefined;
  const constant = transposeB && weight !== undefined && graph.isConstant(weight);
  if (!constant && !graph.manyRows) return undefined;
  const layout: WeightLayout = transposeB ? 'rows' : 'columns';
  const addend = added === undefined ? 'none' : added.shape.length === 1 ? 'vector' : 'matrix';
  const operator = graph.kernels.linear({ outputs, inputs, addend });
  const arrange = graph.kernels.panels({ outputs, inputs }, layout);
  if (operator === undefined || arrange === undefined) return undefined;
  // Panels are not shared: from one use to the next they would take as much memory as the weights.
  const panels = constant
    ? graph.inPanels(weight, { outputs, inputs })
    : graph.temporary(arrange, [b.name], { domain: ownDomain });
  return { operator, inputs: [a.name, panels, ...namesOf(added), graph.dims(a.shape)] };
}

/** aᵀ · b, where both have as many rows as there are tokens. */
function ownOuter(graph: GraphWriter, { a, b, added }: Product) {
  const [rows, columns] = [a.shape[1], b.shape[1]];
  if (typeof rows !== 'number' || typeof columns !== 'number' || added?.shape.length === 1) return undefined;
  const operator = graph.kernels.outer({ rows, columns, adds: added !== undefined });
  if (operator === undefined) return undefined;
  return { operator, inputs: [a.name, b.name, ...namesOf(added), graph.dims(a.shape)] };
}

function namesOf(held: Held | undefined): string[] {
  return held === undefined ? [] : [held.name];
}
