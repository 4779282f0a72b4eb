/** A report as Markdown. Model output and problems are untrusted: they stand in code blocks that they cannot end. */
import { printable } from '../text/printable.ts';
import { accuracyOf } from '../verify/verdict.ts';
import type { ResponseRecord } from './record.ts';
import {
  contaminationLines,
  describeQuestion,
  groupColumns,
  groupTables,
  measureLines,
} from './report-lines.ts';
import type { EvaluationReport } from './report.ts';

/** Responses that are shown of each kind; responses.jsonl has all. */
const shown = 3;
const mostCharacters = 4000;

export function reportMarkdown(report: EvaluationReport, records: readonly ResponseRecord[]): string {
  const { skipped, measures, identity } = report;
  return [
    `# Evaluation of ${cell(report.model)}`,
    '',
    `${cell(describeQuestion(report))}. Intervals are for 95 % confidence, over problems. Every response and verdict is in \`responses.jsonl\`.`,
    '',
    ...markdownTable(
      ['', 'value', 'meaning'],
      measureLines(measures, identity.samples).map((line) => [...line]),
    ),
    ...(skipped.length === 0
      ? []
      : ['', `${skipped.length} problems were left out: ${cell(skipped[0]!.reason)}.`]),
    ...groupTables(report).flatMap(({ title, rows }) => [
      '',
      `## ${title}`,
      '',
      ...markdownTable(groupColumns, rows),
    ]),
    ...(report.contamination === null
      ? []
      : [
          '',
          '## Overlap with training data',
          '',
          `Compared with ${report.contamination.sources.map((source) => cell(source)).join(', ')}.`,
          '',
          ...contaminationLines(report).map((line) => `- ${line}`),
        ]),
    ...examples('Right', records, (accuracy) => accuracy === 1),
    ...examples('Wrong', records, (accuracy) => accuracy !== undefined && accuracy < 1),
    ...examples('Not checked', records, (accuracy) => accuracy === undefined),
    '',
  ].join('\n');
}

function examples(
  title: string,
  records: readonly ResponseRecord[],
  belongs: (accuracy: number | undefined) => boolean,
): string[] {
  const chosen = records
    .filter(({ verdict }) => belongs(verdict.outcome === 'scored' ? accuracyOf(verdict) : undefined))
    .slice(0, shown);
  if (chosen.length === 0) return [];
  return [
    '',
    `## ${title}`,
    ...chosen.flatMap((record) => [
      '',
      ...fenced(record.prompt),
      '',
      ...fenced(record.prefilled + record.response),
      '',
      cell(
        [
          record.answer === null ? '' : `reference ${JSON.stringify(record.answer.slice(0, 200))}`,
          `${record.tokens ?? '?'} tokens`,
          ...(record.finish === 'length' ? ['cut off'] : []),
          ...(record.verdict.outcome === 'failed' ? [record.verdict.reason] : []),
        ]
          .filter((part) => part !== '')
          .join(', '),
      ),
    ]),
  ];
}

/** A fence longer than any run of backticks inside. */
function fenced(text: string): string[] {
  const short = text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text;
  const safe = printable(short);
  const longest = Math.max(2, ...[...safe.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return [`${fence}text`, safe, fence];
}

function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((text) => cell(text)).join(' | ')} |`;
  return [line(columns), `| ${columns.map(() => '---').join(' | ')} |`, ...rows.map((row) => line(row))];
}

/** Text on one line that is text and nothing else: no HTML, no links, no table borders. */
function cell(text: string): string {
  return printable(text, { singleLine: true })
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_{}[\]|#~!]/g, String.raw`\$&`);
}
