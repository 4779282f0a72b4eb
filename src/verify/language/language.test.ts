import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as locales from 'zod/locales';
import type { VerifyContext } from '../verdict.ts';
import { languageShare, languageVerifier } from './language.ts';
import { languages, type Language } from './languages.ts';
import { proseOf } from './prose.ts';

const sentences = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/verify/language-sentences.json', import.meta.url), 'utf8'),
) as Record<Language, string[]>;

describe('languageShare', () => {
  it.each(languages.map((language) => [language] as const))(
    '%s: each sentence of the declaration of human rights is in it, and in no other language',
    (language) => {
      for (const sentence of sentences[language]) {
        for (const target of languages) {
          const { share } = languageShare(sentence, target);
          expect({ sentence, target, share }).toEqual({
            sentence,
            target,
            share: target === language ? 1 : 0,
          });
        }
      }
    },
  );

  it('gives each half of a mixed text its part', () => {
    for (const other of languages) {
      if (other === 'en') continue;
      const { share, counts } = languageShare([...sentences.en, ...sentences[other]].join(' '), 'en');
      expect(share).toBeGreaterThan(0.3);
      expect(share).toBeLessThan(0.85);
      expect(Object.keys(counts).sort()).toEqual(['en', other].sort());
    }
  });

  it.each<[string, Language, number]>([
    ['首先，我们计算 $x^2 + 2x + 1 = 0$ 的根。Let me check again.', 'zh', 4 / 8],
    ['我们用 Python 写一个函数 `def solve(n): return n` 来解决。', 'zh', 1],
    ['DeepSeek 和 OpenAI 都很好，但是 we should think about it。', 'zh', 4 / 9],
    ['Let x_1 = 3 and call getName() from main.ts, then we are done.', 'en', 1],
    ['The price went from $5 to $10, so he paid $5 more.', 'en', 1],
    ['Soit $f(x) = the$ une fonction; donc c’est la bonne réponse.', 'fr', 1],
    ['```python\n# compute the value of all the items\nprint(1)\n```\n所以答案是三。', 'zh', 1],
    ['\\[ \\text{the answer is} \\frac{1}{2} \\] 因此答案正确。', 'zh', 1],
    ['```\nthe fence is never closed 因此答案', 'zh', 2 / 7],
  ])('%j as %s: %d', (text, target, share) => {
    expect(languageShare(text, target).share).toBeCloseTo(share, 6);
  });

  it('knows no language in a text without words', () => {
    for (const text of ['', '3 + 4 = 7', '$the \\sum x$', '`the code`', '🙂 …', 'x, y']) {
      expect(languageShare(text, 'en').share).toBeUndefined();
    }
  });

  it('takes a megabyte of anything at once', () => {
    for (const piece of [
      '$',
      '`',
      '\\begin{a}',
      '\\(',
      'a_',
      '<a',
      '<',
      'the ',
      '我',
      '-a',
      'a.',
      '```\n',
      'http://',
      '@',
      'f(',
    ]) {
      const { share } = languageShare(piece.repeat(Math.ceil(1_000_000 / piece.length)), 'en');
      expect(share === undefined || (share >= 0 && share <= 1)).toBe(true);
    }
  });
});

describe('texts that were written for something else', () => {
  const file = new URL('../../../../shared/data/gsm8k-test.jsonl', import.meta.url);
  it.skipIf(!existsSync(file))('GSM8K questions and solutions are English (skipped without the file)', () => {
    const rows = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { question: string; answer: string });
    expect(rows.length).toBeGreaterThan(1300);
    const shares = rows
      .flatMap((row) => [row.question, row.answer])
      .map((text) => languageShare(text, 'en').share ?? 1);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(mean).toBeGreaterThan(0.99);
    expect(shares.filter((share) => share < 0.8).length).toBeLessThanOrEqual(10);
    const chinese = rows.map((row) => languageShare(row.question, 'zh').share);
    expect(chinese.every((share) => share === 0)).toBe(true);
  });

  // Error messages of a validation library, translated by its contributors.
  const issues = [
    { code: 'too_small', origin: 'string', minimum: 3, inclusive: true, input: 'a', path: [] },
    { code: 'too_big', origin: 'array', maximum: 5, inclusive: true, input: [], path: [] },
    { code: 'not_multiple_of', divisor: 3, input: 4, path: [] },
    { code: 'invalid_type', expected: 'string', input: 3, path: [] },
    { code: 'unrecognized_keys', keys: ['7'], input: {}, path: [] },
    { code: 'invalid_union', errors: [], input: 3, path: [] },
    { code: 'invalid_key', origin: 'record', input: 3, path: [] },
  ];
  it.each([
    ['en', locales.en],
    ['de', locales.de],
    ['es', locales.es],
    ['fr', locales.fr],
    ['ru', locales.ru],
    ['ko', locales.ko],
    ['ja', locales.ja],
    ['zh', locales.zhCN],
    ['ar', locales.ar],
  ] as const)('error messages in %s are mostly in it', (language, locale) => {
    const { localeError } = locale();
    const messages = issues.map((issue) => {
      const message = localeError(issue as never);
      return typeof message === 'string' ? message : (message?.message ?? '');
    });
    const text = messages.map((message) => `${message}.`).join('\n');
    const own = languageShare(text, language).share ?? 0;
    // Words of the program, such as "string", stay English in translations.
    expect({ text, own: own > 0.7 }).toEqual({ text, own: true });
    for (const other of languages) {
      expect(languageShare(text, other).share ?? 0).toBeLessThanOrEqual(other === language ? 1 : 0.3);
    }
  });
});

describe('languageVerifier', () => {
  const context = (response: string): VerifyContext => ({ response, signal: new AbortController().signal });
  const response = '<think>我们先计算。The rest is easy.</think> <answer>The answer is here.</answer>';

  it('looks at the reasoning, the answer, or all of it', async () => {
    expect(await languageVerifier('zh')({}, '', context(response))).toMatchObject({ score: 3 / 7 });
    expect(await languageVerifier('en', { of: 'answer' })({}, '', context(response))).toMatchObject({
      score: 1,
    });
    expect(await languageVerifier('en', { of: 'response' })({}, '', context(response))).toMatchObject({
      score: 8 / 11,
    });
    expect(await languageVerifier('en')({}, '', context('No tags at all.'))).toMatchObject({ score: 1 });
  });

  it('gives nothing to reasoning without words', async () => {
    const hidden = '<think>`all of it is code`</think> <answer>7</answer>';
    expect(await languageVerifier('en')({}, '', context(hidden))).toMatchObject({
      score: 0,
      evidence: { problem: 'no words' },
    });
  });

  it('refuses a language that it does not know', () => {
    expect(() => languageVerifier('it' as never)).toThrow(
      /not known to the language reward: found it, expected en, zh/,
    );
  });
});

describe('proseOf', () => {
  it('keeps prose with prices, hyphens and quotes', () => {
    const text = 'He paid $3, then $4.50 for well-made "things" (all of them).';
    expect(proseOf(text)).toBe(text);
  });
});
