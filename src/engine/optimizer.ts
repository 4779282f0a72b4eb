/**
 * AdamW (Loshchilov & Hutter 2019) with clipping by the global norm, over one flat buffer of parameters, in pieces
 * that fit the cache: the update is bound by memory, not by arithmetic.
 */
import { graphFunction } from '../graph/function.ts';
import { mul } from '../graph/ops/elementwise.ts';
import { adamw, type AdamWFactors, adamwFactors } from '../graph/ops/fused.ts';
import { sum } from '../graph/ops/reduce.ts';
import { input } from '../graph/tensor.ts';
import type { DeviceBuffer, Program, Runtime, TensorBinding } from '../runtime/runtime.ts';
import type { ParameterStore } from './parameter-store.ts';
import type { AdamParameters, OptimizerStepResult } from './policy.ts';

/** Elements of one piece: smaller ones cost more in calls, larger ones leave the cache (docs/experiments.md). */
const pieceLength = 256 * 1024;

interface Piece {
  readonly parameter: TensorBinding;
  readonly gradient: TensorBinding;
  readonly moment1: TensorBinding;
  readonly moment2: TensorBinding;
  readonly decays: boolean;
}

export class AdamW implements Disposable {
  /** Exponential averages of the gradient and of its square, laid out as the parameters. */
  readonly moment1: DeviceBuffer<'f32'>;
  readonly moment2: DeviceBuffer<'f32'>;
  /** Steps taken. */
  step = 0;
  readonly #store: ParameterStore;
  readonly #update: Program;
  readonly #squares: Program;
  readonly #pieces: readonly Piece[];

  private constructor(runtime: Runtime, store: ParameterStore, update: Program, squares: Program) {
    this.#store = store;
    this.#update = update;
    this.#squares = squares;
    this.moment1 = runtime.allocate('f32', store.trained.length);
    this.moment2 = runtime.allocate('f32', store.trained.length);
    this.#pieces = this.#cut();
  }

  static async create(runtime: Runtime, store: ParameterStore): Promise<AdamW> {
    const update = await runtime.compile(updateGraph(), { name: 'adamw' });
    const squares = await runtime.compile(squaresGraph(), { name: 'squares' });
    return new AdamW(runtime, store, update, squares);
  }

  /** Updates the parameters from the accumulated gradient and clears it. Does nothing if it is not finite. */
  async apply(adam: AdamParameters): Promise<OptimizerStepResult> {
    const gradientNorm = await this.gradientNorm();
    const gradient = this.#store.gradient;
    if (!Number.isFinite(gradientNorm)) {
      gradient.data.fill(0);
      return { gradientNorm, applied: false };
    }
    this.step++;
    const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = adam;
    const limit = adam.maxGradientNorm ?? Infinity;
    const scalars = {
      scale: scalarOf(gradientNorm > limit ? limit / (gradientNorm + 1e-6) : 1),
      beta1: scalarOf(beta1),
      rest1: scalarOf(1 - beta1),
      beta2: scalarOf(beta2),
      rest2: scalarOf(1 - beta2),
      correction2: scalarOf(1 / Math.sqrt(1 - beta2 ** this.step)),
      epsilon: scalarOf(epsilon),
      stepSize: scalarOf(learningRate / (1 - beta1 ** this.step)),
    };
    const decays = scalarOf(1 - learningRate * weightDecay);
    const keeps = scalarOf(1);
    for (const { parameter, gradient: g, moment1, moment2, decays: decayed } of this.#pieces) {
      await this.#update.run(
        { parameter, gradient: g, moment1, moment2, keep: decayed ? decays : keeps, ...scalars },
        { newParameter: parameter, newMoment1: moment1, newMoment2: moment2 },
      );
    }
    gradient.data.fill(0);
    return { gradientNorm, applied: true };
  }

  /** √Σg² over all trained parameters. */
  async gradientNorm(): Promise<number> {
    let total = 0;
    for (const { gradient } of this.#pieces) {
      const { squares } = await this.#squares.run({ x: gradient });
      total += squares!.data[0] as number;
    }
    return Math.sqrt(total);
  }

  [Symbol.dispose](): void {
    this.#update[Symbol.dispose]();
    this.#squares[Symbol.dispose]();
    this.moment1[Symbol.dispose]();
    this.moment2[Symbol.dispose]();
  }

  #cut(): Piece[] {
    const { trained, gradient, decayedLength } = this.#store;
    const pieces: Piece[] = [];
    const cut = (start: number, end: number, decays: boolean) => {
      for (let offset = start; offset < end; offset += pieceLength) {
        const shape = [Math.min(pieceLength, end - offset)];
        const bind = (buffer: DeviceBuffer<'f32'>) => ({ buffer, offset, shape });
        pieces.push({
          parameter: bind(trained),
          gradient: bind(gradient),
          moment1: bind(this.moment1),
          moment2: bind(this.moment2),
          decays,
        });
      }
    };
    cut(0, decayedLength, true);
    cut(decayedLength, trained.length, false);
    return pieces;
  }
}

function scalarOf(value: number) {
  return { data: Float32Array.of(value), shape: [] };
}

function updateGraph() {
  const vector = (name: string) => input(name, 'f32', ['n']);
  const factors = Object.fromEntries(adamwFactors.map((name) => [name, input(name, 'f32', [])]));
  const [newParameter, newMoment1, newMoment2] = adamw(
    [vector('parameter'), vector('gradient'), vector('moment1'), vector('moment2')],
    factors as AdamWFactors,
  );
  return graphFunction({ newParameter, newMoment1, newMoment2 });
}

function squaresGraph() {
  const x = input('x', 'f32', ['n']);
  return graphFunction({ squares: sum(mul(x, x)) });
}
