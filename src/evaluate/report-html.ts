/**
 * A report as one HTML page without scripts, styles from elsewhere or network access. Model output is untrusted: it is
 * escaped, and the page's own policy would keep a browser from running or fetching anything all the same.
 */
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

/** Responses on the page; a browser bears no more, and responses.jsonl has all. */
const mostResponses = 500;
const mostCharacters = 8000;

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } td, th { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: .6rem; margin: .3rem 0 }
details { border-left: 3px solid #bbb; padding-left: .8rem; margin: .4rem 0 } details.right { border-color: #2a8a3e } details.wrong { border-color: #c0392b }
summary { cursor: pointer } .dim { color: #777 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } pre { background: #222 } td, th { border-color: #333 } }`;

export function reportHtml(report: EvaluationReport, records: readonly ResponseRecord[]): string {
  const { skipped, contamination } = report;
  const left = records.length - Math.min(records.length, mostResponses);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Evaluation of ${escape(report.model)}</title>
<style>${style}</style>
</head>
<body>
<h1>Evaluation of ${escape(report.model)}</h1>
<p>${escape(describeQuestion(report))}. Intervals are for 95 % confidence, over problems.</p>
${table(['', 'value', 'meaning'], measureLines(report.measures, report.identity.samples))}
${skipped.length === 0 ? '' : `<p>${skipped.length} problems were left out: ${escape(skipped[0]!.reason)}.</p>`}
${groupTables(report)
  .map(({ title, rows }) => `<h2>${title}</h2>\n${table(groupColumns, rows)}`)
  .join('\n')}
${
  contamination === null
    ? ''
    : `<h2>Overlap with training data</h2>
<p>Compared with ${escape(contamination.sources.join(', '))}. ${contaminationLines(report).map(escape).join(' ')}</p>`
}
<h2>Responses</h2>
${records
  .slice(0, mostResponses)
  .map((record) => responseHtml(record))
  .join('\n')}
${left === 0 ? '' : `<p class="dim">${left} more are in responses.jsonl.</p>`}
</body>
</html>
`;
}

function responseHtml(record: ResponseRecord): string {
  const { verdict } = record;
  const accuracy = verdict.outcome === 'scored' ? accuracyOf(verdict) : undefined;
  const kind = accuracy === undefined ? 'failed' : accuracy === 1 ? 'right' : 'wrong';
  const word =
    verdict.outcome === 'failed'
      ? `not checked: ${verdict.reason}`
      : accuracy === 1
        ? 'right'
        : `score ${accuracy}`;
  const about = [word, `${record.tokens ?? '?'} tokens`, ...(record.finish === 'length' ? ['cut off'] : [])];
  const answer = record.answer === null ? '' : `<p class="dim">Reference: ${escape(cut(record.answer))}</p>`;
  return `<details class="${kind}"><summary>${escape(oneLine(record.prompt))} <span class="dim">${escape(about.join(', '))}</span></summary>
<pre>${escape(cut(record.prompt))}</pre><pre>${escape(cut(record.prefilled + record.response))}</pre>${answer}
<pre class="dim">${escape(cut(JSON.stringify(verdict.evidence, null, 1)))}</pre></details>`;
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: 'td' | 'th') =>
    `<tr>${cells.map((text) => `<${tag}>${escape(text)}</${tag}>`).join('')}</tr>`;
  return `<table>${line(columns, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table>`;
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 100 ? `${line.slice(0, 100)}…` : line;
}

function cut(text: string): string {
  return text.length > mostCharacters
    ? `${text.slice(0, mostCharacters)}… (${text.length} characters)`
    : text;
}

function escape(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
