/**
 * The divergences of test/fixtures/trl/distill.json in terms of our loss. TRL takes logits and labels and gives the
 * mean over the labelled tokens; here each token is a row whose logits are the graph's inputs.
 */
import { readFileSync } from 'node:fs';
import { graphFunction } from '../../src/graph/function.ts';
import { backward } from '../../src/graph/gradients/backward.ts';
import { mul } from '../../src/graph/ops/elementwise.ts';
import { logSoftmax } from '../../src/graph/ops/reduce.ts';
import { takeAlongLast } from '../../src/graph/ops/indexing.ts';
import { input, scalar, type Value } from '../../src/graph/tensor.ts';
import { distillationLoss, type DistillationLossOptions } from '../../src/train/distillation-loss.ts';

interface Fixture {
  readonly student_logits: number[][][];
  readonly teacher_logits: number[][][];
  readonly labels: number[][];
  readonly gkd: Readonly<Record<string, { readonly loss: number; readonly grad: number[][][] }>>;
  readonly minillm_advantage: Readonly<Record<string, number[][]>>;
}

export const distill = JSON.parse(
  readFileSync(new URL('../fixtures/trl/distill.json', import.meta.url), 'utf8'),
) as Fixture;

export const vocabulary = distill.student_logits[0]![0]!.length;
const labels = distill.labels.flat();
export const studentRows = distill.student_logits.flat();
const teacherRows = distill.teacher_logits.flat();

export interface DistillCase {
  readonly name: string;
  readonly beta: number;
  readonly temperature: number;
  readonly loss: number;
  /** Of the student's logits, one row a token. */
  readonly gradient: readonly number[];
}

export const distillCases: readonly DistillCase[] = Object.entries(distill.gkd).map(
  ([name, { loss, grad }]) => {
    const [, beta, temperature] = /^beta=([\d.]+),T=([\d.]+)$/.exec(name)!;
    return { name, beta: Number(beta), temperature: Number(temperature), loss, gradient: grad.flat(2) };
  },
);

function logSoftmaxRow(row: readonly number[], temperature: number): number[] {
  const scaled = row.map((value) => value / temperature);
  const total = Math.log(scaled.reduce((sum, value) => sum + Math.exp(value), 0));
  return scaled.map((value) => value - total);
}

/** The graph of loss and gradient with respect to the student's logits, and its inputs. */
export function divergenceProblem(
  options: Omit<DistillationLossOptions, 'support'> & { readonly width?: number },
): {
  readonly fn: ReturnType<typeof graphFunction>;
  readonly values: Readonly<Record<string, Value>>;
} {
  const { width, ...rest } = options;
  const temperature = options.temperature ?? 1;
  const loss = distillationLoss({ ...rest, support: width === undefined ? 'full' : 'top-k' });
  const logits = input('logits', 'f32', ['N', vocabulary]);
  const targets = input('targets', 'i64', ['N']);
  const logs = logSoftmax(mul(logits, scalar(1 / temperature)));
  const logprobs = takeAlongLast(logs, targets);
  const built = loss.build({
    logprobs,
    entropies: logprobs,
    weights: input('weights', 'f32', ['N']),
    sequence: targets,
    zerosPerSequence: logprobs,
    inputs: {},
    distribution: {
      logs,
      targets,
      teacher: input('teacher', 'f32', ['N', width === undefined ? vocabulary : 'K']),
      ...(width === undefined
        ? {}
        : { ids: input('teacher.ids', 'i64', ['N', 'K']), tail: input('teacher.tail', 'f32', ['N']) }),
    },
  });
  const fn = graphFunction({ loss: built.loss, gradient: backward(built.loss, [logits])[0]! });
  const count = labels.filter((label) => label >= 0).length;
  const N = labels.length;
  const teacher = teacherRows.map((row) => logSoftmaxRow(row, temperature));
  const order = teacher.map((row) =>
    row
      .map((_, id) => id)
      .toSorted((a, b) => row[b]! - row[a]!)
      .slice(0, width ?? vocabulary),
  );
  const matrix = (rows: readonly (readonly number[])[]): Value => ({
    shape: [rows.length, rows[0]!.length],
    data: Float64Array.from(rows.flat()),
  });
  const tail = teacher.map((row, n) =>
    Math.log(Math.max(1e-12, 1 - order[n]!.reduce((sum, id) => sum + Math.exp(row[id]!), 0))),
  );
  const all: Record<string, Value> = {
    logits: matrix(studentRows),
    targets: { shape: [N], data: Float64Array.from(labels, (label) => Math.max(0, label)) },
    weights: { shape: [N], data: Float64Array.from(labels, (label) => (label < 0 ? 0 : 1 / count)) },
    teacher:
      width === undefined
        ? matrix(teacher)
        : matrix(teacher.map((row, n) => order[n]!.map((id) => row[id]!))),
    'teacher.ids': matrix(order),
    'teacher.tail': { shape: [N], data: Float64Array.from(tail) },
  };
  return { fn, values: Object.fromEntries([...fn.inputs.keys()].map((name) => [name, all[name]!])) };
}
