import { describe, expect, it } from 'vitest';
import { compareEvaluations } from './compare.ts';
import type { ResponseRecord } from './record.ts';
import { buildReport, type EvaluationIdentity } from './report.ts';
import { reportHtml } from './report-html.ts';
import { reportMarkdown } from './report-markdown.ts';

const identity: EvaluationIdentity = {
  format: 'aha-evaluation',
  version: 1,
  model: { kind: 'test' },
  tasks: [
    {
      name: 't',
      split: 'heldOut',
      level: null,
      problems: 2,
      form: 'raw',
      formatCheck: 'none',
      seed: 'held-out',
      details: {},
    },
  ],
  problems: 'x',
  samples: 1,
  settings: { maxTokens: 8, temperature: 0 },
  seed: 0,
};

function record(problem: number, sample: number, right: boolean, response = 'r'): ResponseRecord {
  return {
    task: 't',
    problem: `p${problem}`,
    sample,
    level: null,
    category: null,
    prompt: `prompt ${problem}`,
    answer: 'yes',
    prefilled: '',
    response,
    tokens: right ? 20 : 10,
    finish: 'stop',
    verdict: {
      outcome: 'scored',
      score: right ? 1 : 0,
      parts: { accuracy: right ? 1 : 0 },
      evidence: { accuracy: { extracted: right ? 'yes' : `no ${sample}` } },
    },
  };
}

function evaluation(records: ResponseRecord[], changes: Partial<EvaluationIdentity> = {}) {
  const about = { model: 'm', skipped: [], contamination: null, seconds: 1 };
  return { records, report: buildReport(records, { identity: { ...identity, ...changes }, ...about }) };
}

const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '</pre></details><iframe src="//evil">',
  "' onmouseover='x",
  '```\n# title\n<script>alert(2)</script>\n````',
  '\u001b]0;title\u0007\u001b[2J\u202e',
  '| table | [link](http://evil) `code`',
];

describe('reports', () => {
  const records = hostile.flatMap((text, i) => [
    { ...record(i, 0, true, text), prompt: text, answer: text },
    record(100 + i, 0, false, text),
  ]);
  const { report } = evaluation(records);

  it('show what a model said in HTML without becoming part of the page', () => {
    const html = reportHtml({ ...report, model: hostile[0]! }, records);
    const known =
      /<\/?(?:!doctype|html|head|meta|title|style|body|h1|h2|p|table|tr|th|td|details|summary|pre|span)\b[^<>]*>/gi;
    const rest = html.replaceAll(/<style>[\s\S]*?<\/style>/g, '').replaceAll(known, '');
    expect(rest).not.toMatch(/[<>]/);
    expect(html).not.toMatch(/<(?:script|img|iframe)/i);
    expect(html).not.toMatch(/<[^>]*\son\w+=/i);
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(html).toContain("default-src 'none'");
    // oxlint-disable-next-line no-control-regex
    expect(html).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e]/);
  });

  it('show it in Markdown inside fences that it cannot end', () => {
    const chosen = hostile.map((text, i) => record(i, 0, true, text)).slice(4, 7);
    const text = reportMarkdown({ ...report, model: hostile[0]! }, chosen);
    let fence: string | undefined;
    const outside: string[] = [];
    for (const line of text.split('\n')) {
      const run = /^(`{3,})(text)?$/.exec(line);
      if (fence !== undefined) {
        if (line.startsWith(fence)) fence = undefined;
      } else if (run?.[2] === 'text') fence = run[1];
      else outside.push(line);
    }
    expect(outside.join('\n')).not.toMatch(/<script|\[link\]\(/);
    expect(fence).toBeUndefined();
    expect(text.split('\n')[0]).toContain('&lt;script&gt;');
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e]/);
  });
});

describe('compareEvaluations', () => {
  it('pairs problems, and agrees with McNemar’s test worked out by hand', () => {
    // 10 problems: only the second is right on 0–7, only the first on 8: p = 2·P(X ≤ 1 | 9, ½) = 2·10/512.
    const first = evaluation(Array.from({ length: 10 }, (_, i) => record(i, 0, i >= 8)));
    const second = evaluation(Array.from({ length: 10 }, (_, i) => record(i, 0, i !== 8)));
    const comparison = compareEvaluations(first, second);
    expect(comparison.problems).toBe(10);
    expect(comparison.accuracy.difference).toBeCloseTo(0.7, 12);
    expect(comparison.mcnemar).toEqual({
      of: 'single answers',
      onlyFirst: 1,
      onlySecond: 8,
      pValue: expect.closeTo(20 / 512, 12) as number,
    });
    expect(comparison.accuracy.pValue).toBeLessThan(0.05);
    expect(comparison.warnings).toEqual([]);
    const back = compareEvaluations(second, first);
    expect(back.accuracy.difference).toBeCloseTo(-0.7, 12);
  });

  it('compares problems that both have, in whatever order, and says what was not the same', () => {
    const first = evaluation([0, 1, 2, 3].map((i) => record(i, 0, true)));
    const second = evaluation(
      [5, 3, 2, 1].map((i) => record(i, 0, i !== 2)),
      { settings: { maxTokens: 8, temperature: 0.6 }, samples: 2 },
    );
    const comparison = compareEvaluations(first, second);
    expect(comparison).toMatchObject({ problems: 3, unmatched: 2 });
    expect(comparison.accuracy.difference).toBeCloseTo(-1 / 3, 12);
    expect(comparison.warnings).toEqual([
      'they have 1 and 2 samples for each problem',
      'temperature was 0 and 0.6',
    ]);
    expect(() => compareEvaluations(first, evaluation([record(9, 0, true)]))).toThrow('no problem in common');
  });

  it('takes majority votes where there are several samples', () => {
    const three = (problem: number, right: number) => [0, 1, 2].map((s) => record(problem, s, s < right));
    const first = evaluation([...three(0, 2), ...three(1, 0), ...three(2, 0)]);
    const second = evaluation([...three(0, 3), ...three(1, 2), ...three(2, 0)]);
    expect(compareEvaluations(first, second).mcnemar).toMatchObject({
      of: 'majority votes',
      onlyFirst: 0,
      onlySecond: 1,
    });
  });
});
