/** What `aha evaluate` prints at its end. */
import type { Comparison } from '../../evaluate/compare.ts';
import {
  contaminationLines,
  describeQuestion,
  groupColumns,
  groupTables,
  measureLines,
  percent,
} from '../../evaluate/report-lines.ts';
import type { EvaluationReport } from '../../evaluate/report.ts';
import { printable } from '../../text/printable.ts';
import { table } from '../terminal/layout.ts';
import type { Terminal } from '../terminal/terminal.ts';

export function reportLines(report: EvaluationReport, folder: string, terminal: Terminal): string[] {
  const { colors, columns, unicode } = terminal;
  const lines = measureLines(report.measures, report.identity.samples);
  const names = Math.max(...lines.map(([name]) => name.length));
  const values = Math.max(...lines.map(([, value]) => value.length));
  const safe = (text: string) => printable(text, { singleLine: true });
  return [
    colors.bold(safe(report.model)),
    safe(describeQuestion(report)),
    ...lines.map(
      ([name, value, meaning]) =>
        `  ${name.padEnd(names)}  ${value.padEnd(values)}  ${colors.dim(safe(meaning))}`,
    ),
    ...(report.skipped.length === 0
      ? []
      : [`  ${report.skipped.length} problems were left out: ${safe(report.skipped[0]!.reason)}.`]),
    ...groupTables(report).flatMap(({ title, rows }) => [
      '',
      ...table(
        groupColumns.map((name, index) => ({
          title: index === 0 ? title : name,
          ...(index === 0 ? {} : { align: 'right' as const }),
        })),
        rows.map((row) => row.map((text) => safe(text))),
        columns,
        unicode,
      ),
    ]),
    ...contaminationLines(report).map((line) => `  ${safe(line)}`),
    colors.dim(`Every response is in ${folder} (report.html, report.md, responses.jsonl).`),
  ];
}

export function comparisonLines(
  first: EvaluationReport,
  second: EvaluationReport,
  comparison: Comparison,
  { colors }: Terminal,
): string[] {
  const { difference, low, high, pValue } = comparison.accuracy;
  const points = (share: number) => `${share >= 0 ? '+' : '−'}${Math.abs(share * 100).toFixed(1)}`;
  const name = (report: EvaluationReport) => printable(report.model, { singleLine: true });
  const verdict =
    pValue >= 0.05
      ? 'no difference that these problems can show'
      : difference > 0
        ? 'the second is better'
        : 'the first is better';
  const { mcnemar } = comparison;
  return [
    colors.bold(`${name(second)} against ${name(first)}, on the same ${comparison.problems} problems`),
    `  pass@1  ${points(difference)} points (95 % confidence: ${points(low)} to ${points(high)}), p = ${pValue.toPrecision(2)}: ${verdict}`,
    ...(mcnemar === null
      ? []
      : [
          `  ${mcnemar.of}: only the first right on ${mcnemar.onlyFirst}, only the second on ${mcnemar.onlySecond}, McNemar p = ${mcnemar.pValue.toPrecision(2)}`,
        ]),
    `  tokens  ${comparison.length === null ? 'not known' : `${comparison.length.first.toFixed(1)} and ${comparison.length.second.toFixed(1)} a response`}`,
    ...comparison.warnings.map((warning) => `  ${colors.yellow('note:')} ${printable(warning)}`),
    ...(comparison.unmatched === 0
      ? []
      : [
          `  ${comparison.unmatched} problems are in one of the two only (${percent(comparison.unmatched / (comparison.unmatched + comparison.problems))}).`,
        ]),
  ];
}
