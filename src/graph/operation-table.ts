/** Every operation by name, for conformance tests: a runtime or a gradient that lacks one is found by them. */
import * as elementwise from './ops/elementwise.ts';
import * as draw from './ops/draw.ts';
import * as fused from './ops/fused.ts';
import * as indexing from './ops/indexing.ts';
import * as matmul from './ops/matmul.ts';
import * as reduce from './ops/reduce.ts';
import * as shape from './ops/shape.ts';
import * as tokenLogprobs from './ops/token-logprobs.ts';
import * as transformer from './ops/transformer.ts';
import { constantOp, inputOp, type Operation } from './tensor.ts';

const modules: readonly object[] = [
  draw,
  elementwise,
  fused,
  indexing,
  matmul,
  reduce,
  shape,
  tokenLogprobs,
  transformer,
  { constantOp, inputOp },
];

export const operations: ReadonlyMap<string, Operation> = new Map(
  modules
    .flatMap((module) => Object.entries(module))
    .filter(([name]) => name.endsWith('Op'))
    .map(([, value]) => value as Operation)
    .map((op) => [op.name, op]),
);
