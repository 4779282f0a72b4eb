/** The report of an evaluation: what was asked of which model, and what came out. Plain JSON. */
import { z } from 'zod';
import type { ContaminationReport } from './contamination.ts';
import { type Measures, measure } from './measures.ts';
import type { ResponseRecord } from './record.ts';
import type { ResponseSettings } from './responder.ts';

/** What makes an evaluation the one it is: the same identity, the same responses. */
export interface EvaluationIdentity {
  readonly format: 'aha-evaluation';
  readonly version: 1;
  readonly model: Readonly<Record<string, unknown>>;
  readonly tasks: readonly {
    readonly name: string;
    readonly split: 'heldOut' | 'train';
    readonly level: number | null;
    readonly problems: number;
    readonly form: string;
    readonly formatCheck: string;
    readonly seed: number | string;
    /** Of whatever else its problems and verdicts depend on: options, the contents of its file. */
    readonly details: Readonly<Record<string, unknown>>;
  }[];
  /** Of all problems as they are put to the model. */
  readonly problems: string;
  readonly samples: number;
  readonly settings: ResponseSettings;
  readonly seed: number | string;
}

export interface GroupMeasures extends Measures {
  readonly name: string;
}

export interface EvaluationReport {
  readonly identity: EvaluationIdentity;
  /** For people. */
  readonly model: string;
  readonly measures: Measures;
  /** Where there are several of a kind. */
  readonly byTask: readonly GroupMeasures[];
  readonly byLevel: readonly GroupMeasures[];
  readonly byCategory: readonly GroupMeasures[];
  /** Problems that could not be put to the model, and so count nowhere. */
  readonly skipped: readonly { readonly task: string; readonly problem: string; readonly reason: string }[];
  readonly contamination: ContaminationReport | null;
  /** Seconds that responses and verdicts took, in all processes that worked on it. */
  readonly seconds: number;
}

export const reportSchema = z.looseObject({
  identity: z.looseObject({ format: z.literal('aha-evaluation'), version: z.literal(1) }),
  model: z.string(),
  measures: z.looseObject({ problems: z.number(), responses: z.number() }),
});

export function buildReport(
  records: readonly ResponseRecord[],
  about: Pick<EvaluationReport, 'identity' | 'model' | 'skipped' | 'contamination' | 'seconds'>,
): EvaluationReport {
  const several = new Set(records.map(({ task }) => task)).size > 1;
  const named = (task: string, name: string) => (several ? `${task}, ${name}` : name);
  return {
    ...about,
    measures: measure(records),
    byTask: grouped(records, ({ task }) => task),
    byLevel: grouped(records, ({ task, level }) =>
      level === null ? undefined : named(task, `level ${level}`),
    ),
    byCategory: grouped(records, ({ task, category }) =>
      category === null ? undefined : named(task, category),
    ),
  };
}

/** One group is no table: it would say what stands above it already. */
function grouped(
  records: readonly ResponseRecord[],
  nameOf: (record: ResponseRecord) => string | undefined,
): GroupMeasures[] {
  const groups = new Map<string, ResponseRecord[]>();
  for (const record of records) {
    const name = nameOf(record);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [record]);
    else group.push(record);
  }
  if (groups.size < 2) return [];
  return [...groups]
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([name, own]) => ({ name, ...measure(own) }));
}
