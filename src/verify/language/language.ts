/**
 * The language consistency reward of DeepSeek-R1 (arXiv 2501.12948, section 2.3.2): "the proportion of target
 * language words" in the reasoning. What counts as a word:
 *
 * - Only prose counts: code, formulas, numbers, identifiers, addresses and tags are taken out first (`prose.ts`), and
 *   so are single Latin letters, which are variables or list labels more often than words.
 * - In scripts with blanks a run of letters is a word. Chinese and Japanese have none: a run of n characters counts
 *   as ⌈n / 2⌉ words, about the mean length of words there.
 * - In text of another script, one or two Latin words with capitals (`Python`, `DeepSeek`, `New York`) are names and
 *   do not count.
 * - Han characters are Chinese, or Japanese in a sentence that has kana.
 * - English, Spanish, French and German are told apart sentence by sentence; a sentence without evidence goes with
 *   the rest of the text, and where there is none at all, with the target.
 */
import { AhaError } from '../../errors.ts';
import { nearestWord } from '../../util/schema.ts';
import { splitReasoning } from '../../text/reasoning.ts';
import { scored, type Verifier } from '../verdict.ts';
import {
  languages,
  latinEvidence,
  latinLanguages,
  scriptOf,
  type Language,
  type LatinLanguage,
} from './languages.ts';
import { proseOf } from './prose.ts';

export interface LanguageShare {
  /** Words of the target language over all words; undefined for a text without words. */
  readonly share: number | undefined;
  /** How many words each language has. */
  readonly counts: Readonly<Partial<Record<Language | 'other', number>>>;
}

export interface LanguageOptions {
  /** Which part of the response is looked at. Default `reasoning`; the whole response where it has none. */
  readonly of?: 'reasoning' | 'answer' | 'response';
}

/** Longer texts are judged by so many characters from the start. */
const mostCharacters = 100_000;

/**
 * Scores the share of target-language words. A text without a single word scores 0: it shows no language, and
 * reasoning that hides in formulas or code would otherwise score best.
 */
export function languageVerifier(target: Language, options: LanguageOptions = {}): Verifier {
  if (!languages.includes(target)) {
    const nearest = nearestWord(target, languages);
    throw new AhaError({
      code: 'language-unknown',
      boundary: 'configuration',
      what: 'This language is not known to the language reward',
      found: target,
      expected: languages.join(', '),
      ...(nearest === undefined ? {} : { fix: `Did you mean ${nearest}?` }),
    });
  }
  const of = options.of ?? 'reasoning';
  return (_problem, _answer, context) => {
    const { reasoning, answer, opened, closed } = splitReasoning(context.response);
    const text =
      of === 'response' || (of === 'reasoning' && !opened && !closed)
        ? context.response
        : of === 'reasoning'
          ? reasoning
          : answer;
    const { share, counts } = languageShare(text, target);
    return scored(share ?? 0, {
      evidence: { of, counts, ...(share === undefined ? { problem: 'no words' } : {}) },
    });
  };
}

/** The share of the target language among the words of a text. */
export function languageShare(text: string, target: Language): LanguageShare {
  const sentences = proseOf(text.slice(0, mostCharacters))
    .split(/(?<=[.!?。！？؟])\s+|[。！？\n]+/)
    .map(readSentence)
    .filter((sentence) => sentence.words.length > 0);
  const home = homeOf(sentences, target);
  const counts: Partial<Record<Language | 'other', number>> = {};
  const count = (language: Language | 'other', amount: number) => {
    if (amount > 0) counts[language] = (counts[language] ?? 0) + amount;
  };
  for (const sentence of sentences) {
    const hasKana = sentence.words.some((word) => word.script === 'kana');
    for (const { script, size } of sentence.words) {
      switch (script) {
        case 'han':
          count(hasKana ? 'ja' : 'zh', size);
          break;
        case 'kana':
          count('ja', size);
          break;
        case 'hangul':
          count('ko', size);
          break;
        case 'cyrillic':
          count('ru', size);
          break;
        case 'arabic':
          count('ar', size);
          break;
        case 'latin':
          count(languageOf(sentence, home), size);
          break;
        case 'other':
          count('other', size);
          break;
      }
    }
  }
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
  return { share: total === 0 ? undefined : (counts[target] ?? 0) / total, counts };
}

interface Word {
  readonly script: ReturnType<typeof scriptOf>;
  readonly text: string;
  /** Words that it counts as. */
  readonly size: number;
}

interface Sentence {
  readonly words: readonly Word[];
  readonly evidence: Readonly<Record<LatinLanguage, number>>;
}

/** Runs of one script; apostrophes and hyphens join Latin ones. */
const runs =
  /\p{Script=Latin}[\p{Script=Latin}\p{M}]*(?:['’-]\p{Script=Latin}[\p{Script=Latin}\p{M}]*)*|\p{Script=Han}+|[\p{Script=Hiragana}\p{Script=Katakana}ー]+|\p{Script=Hangul}+|[\p{Script=Cyrillic}\p{M}]+(?:-\p{Script=Cyrillic}+)*|[\p{Script=Arabic}\p{M}]+|[\p{L}\p{M}]+/gu;

function readSentence(text: string): Sentence {
  const all: Word[] = [];
  for (const match of text.matchAll(runs)) {
    const run = match[0];
    const script = scriptOf(run);
    if (script === 'latin' && run.length === 1 && !/^[aàI]$/.test(run)) continue;
    const unspaced = script === 'han' || script === 'kana';
    all.push({ script, text: run, size: unspaced ? Math.ceil(run.length / 2) : 1 });
  }
  const words = withoutNames(all);
  const latin = words.filter((word) => word.script === 'latin').map((word) => word.text.toLowerCase());
  return { words, evidence: latinEvidence(latin) };
}

/** Leaves out one or two Latin words with capitals between words of other scripts. */
function withoutNames(words: readonly Word[]): Word[] {
  if (words.every((word) => word.script === 'latin')) return [...words];
  const kept: Word[] = [];
  for (let i = 0; i < words.length;) {
    let end = i;
    while (end < words.length && words[end]!.script === 'latin') end++;
    const run = words.slice(i, Math.max(end, i + 1));
    const isName = end > i && run.length <= 2 && run.every((word) => /^\p{Lu}/u.test(word.text));
    if (!isName) kept.push(...run);
    i += run.length;
  }
  return kept;
}

/** The Latin language of the text as a whole. */
function homeOf(sentences: readonly Sentence[], target: Language): LatinLanguage {
  const total: Record<LatinLanguage, number> = { en: 0, es: 0, fr: 0, de: 0 };
  for (const { evidence } of sentences) {
    for (const language of latinLanguages) total[language] += evidence[language];
  }
  const fallback = latinLanguages.find((language) => language === target) ?? 'en';
  return strongest(total, fallback);
}

/** That of its own evidence when that is clear, else that of the text. */
function languageOf({ evidence }: Sentence, home: LatinLanguage): LatinLanguage {
  const best = strongest(evidence, home);
  return evidence[best] >= 1 && evidence[best] > evidence[home] ? best : home;
}

function strongest(
  evidence: Readonly<Record<LatinLanguage, number>>,
  fallback: LatinLanguage,
): LatinLanguage {
  let best = fallback;
  for (const language of latinLanguages) if (evidence[language] > evidence[best]) best = language;
  return best;
}
