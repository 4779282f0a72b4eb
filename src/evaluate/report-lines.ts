/** The numbers of a report as words, for whatever shows them: a terminal, Markdown, HTML. */
import type { Measures } from './measures.ts';
import type { EvaluationReport, GroupMeasures } from './report.ts';
import type { Estimate } from './statistics.ts';

/** `73.1 %` */
export function percent(share: number | null): string {
  return share === null || !Number.isFinite(share) ? '–' : `${(share * 100).toFixed(1)} %`;
}

/** `73.1 % (64.0 % to 80.6 %)` */
export function estimate(value: Estimate | null): string {
  return value === null ? '–' : `${percent(value.mean)} (${percent(value.low)} to ${percent(value.high)})`;
}

export function tokens(value: number | null): string {
  return value === null ? '–' : value.toFixed(1);
}

/** A name, a value, and what it is. */
export type ReportLine = readonly [name: string, value: string, meaning: string];

export function measureLines(measures: Measures, samples: number): ReportLine[] {
  const { passAt1, passAtK, consAtK, length, failed, failedBy, formatKept } = measures;
  const each = samples === 1 ? 'one sample each' : `mean of ${samples} samples each`;
  return [
    ['pass@1', estimate(passAt1), `accuracy, ${each}`],
    ...passAtK.map(({ k, ...value }): ReportLine => [
      `pass@${k}`,
      estimate(value),
      `at least one of ${k} samples is right`,
    ]),
    ...(consAtK === null
      ? []
      : [[`cons@${consAtK.k}`, estimate(consAtK), `majority vote of ${consAtK.k} samples`] as const]),
    [
      'length',
      `${tokens(length.mean)} tokens`,
      `median ${tokens(length.median)}, 90 % below ${tokens(length.p90)}; right ${tokens(length.meanRight)}, wrong ${tokens(length.meanWrong)}`,
    ],
    ['truncated', percent(measures.truncated), 'cut off by the limit of tokens'],
    ['no answer', percent(measures.unanswered), 'nothing to judge could be taken from the response'],
    ...(formatKept === null
      ? []
      : [['format kept', percent(formatKept), 'as the prompt asks for it'] as const]),
    ...(failed === 0
      ? []
      : [
          [
            'not checked',
            `${failed} responses`,
            `failed at ${Object.entries(failedBy)
              .map(([boundary, count]) => `${boundary}: ${count}`)
              .join(', ')}; they count neither as right nor as wrong`,
          ] as const,
        ]),
  ];
}

export const groupColumns = ['', 'problems', 'pass@1', 'pass@k', 'cons@k', 'tokens', 'truncated'] as const;

/** A row for each group, in the order of `groupColumns`. */
export function groupRows(groups: readonly GroupMeasures[]): string[][] {
  return groups.map((group) => {
    const last = group.passAtK.at(-1);
    return [
      group.name,
      `${group.problems}`,
      estimate(group.passAt1),
      last === undefined ? '–' : `${percent(last.mean)} (k = ${last.k})`,
      group.consAtK === null ? '–' : percent(group.consAtK.mean),
      tokens(group.length.mean),
      percent(group.truncated),
    ];
  });
}

/** The tables of a report that have rows. */
export function groupTables(
  report: EvaluationReport,
): { readonly title: string; readonly rows: string[][] }[] {
  return [
    { title: 'By task', rows: groupRows(report.byTask) },
    { title: 'By level', rows: groupRows(report.byLevel) },
    { title: 'By category', rows: groupRows(report.byCategory) },
  ].filter(({ rows }) => rows.length > 0);
}

/** One sentence each. */
export function contaminationLines(report: EvaluationReport): string[] {
  const { contamination } = report;
  if (contamination === null) return [];
  const { problems, texts, exact, overlapping, meanShare } = contamination;
  return [
    `${exact} of ${problems} problems stand in the training data as they are, ${overlapping} overlap with it (${texts} texts read, mean overlap ${percent(meanShare)}).`,
    ...(overlapping === 0
      ? []
      : [
          `Accuracy without them ${estimate(contamination.accuracyClean)}, on them ${estimate(contamination.accuracyOverlapping)}.`,
        ]),
  ];
}

/** `100 held-out problems of arithmetic × 8 samples, temperature 1, at most 256 tokens` */
export function describeQuestion(report: EvaluationReport): string {
  const { tasks, samples, settings } = report.identity;
  const names = tasks.map(
    ({ name, problems, split, level }) =>
      `${problems} ${split === 'train' ? 'training' : 'held-out'} problems of ${name}${level === null ? '' : ` at level ${level}`}`,
  );
  return `${names.join(', ')} × ${samples} sample${samples === 1 ? '' : 's'}, temperature ${settings.temperature}, at most ${settings.maxTokens} tokens`;
}
