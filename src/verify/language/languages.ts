/**
 * Which language a word belongs to: by its script where that decides (Chinese, Japanese, Korean, Russian, Arabic),
 * by the stop words and letters of its sentence where it does not (English, Spanish, French, German). Knows these
 * nine languages and no other: a sentence in Italian is taken for one of the four, most often Spanish or French.
 * Likewise Ukrainian counts as Russian and Persian as Arabic.
 */

export type Language = 'en' | 'zh' | 'ja' | 'ko' | 'ru' | 'ar' | 'es' | 'fr' | 'de';

export const languages: readonly Language[] = ['en', 'zh', 'ja', 'ko', 'ru', 'ar', 'es', 'fr', 'de'];

export type LatinLanguage = 'en' | 'es' | 'fr' | 'de';

export const latinLanguages: readonly LatinLanguage[] = ['en', 'es', 'fr', 'de'];

/** Frequent words that are rare in the other three. */
const stopWords: Readonly<Record<LatinLanguage, ReadonlySet<string>>> = {
  en: words(
    'the of and to is that it for was with as his he by at from they we she or an be this have had not are but what ' +
      "all were when your can said there use each which their if will how other about out many then them these some her would make like him into has two more no than been who its now did get may if so because let's don't doesn't it's i'm that's we'll i you my our let us first first find need check equals therefore thus answer total much after before every where between both same only does should could on a in am man hat over under buy cost costs day week",
  ),
  es: words(
    'el los las que y del una con por para como más pero sus le ya o este sí porque esta entre cuando muy sin sobre ' +
      'también hasta hay donde quien desde todo nos durante todos uno les ni contra otros ese eso ante ellos esto antes algunos unos yo otro otras otra él tanto esa estos mucho nada muchos cual poco ella estar estas algunas algo nosotros es son fue ser al su lo ha están tiene debe puede entonces la en de se un no a nadie vida',
  ),
  fr: words(
    'le les des est et une du dans qui que pas pour sur au avec ce il sont mais nous vous ou elle son sa ses cette ces ' +
      "aux par plus ne se je tu on leur leurs être avoir fait comme tout tous toute même si donc alors où quand très aussi bien sans peut entre c'est d'un d'une l'on n'est qu'il j'ai était deux chaque doit nombre la de un en à y a",
  ),
  de: words(
    'der die das und ist nicht ein eine zu den von mit sich des auf für im dem als auch es an werden aus er hat dass ' +
      'sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man sein wurde sei wenn ich wir ihr kann alle also muss dann diese dieser dieses jede jeder ihre unser keine hier weil gibt zwei',
  ),
};

/** Letters that only one of the four uses. */
const letters: Readonly<Record<LatinLanguage, RegExp>> = {
  en: /(?!)/u,
  es: /[ñ¿¡áíóú]/u,
  fr: /[àâçèêëîïôœùûÿ]|\b(?:[ldnjmtsc]|qu)['’]/u,
  de: /[äöüß]/u,
};

export type Script = 'han' | 'kana' | 'hangul' | 'cyrillic' | 'arabic' | 'latin' | 'other';

export function scriptOf(character: string): Script {
  if (/\p{Script=Latin}/u.test(character)) return 'latin';
  if (/\p{Script=Han}/u.test(character)) return 'han';
  if (/[\p{Script=Hiragana}\p{Script=Katakana}ー]/u.test(character)) return 'kana';
  if (/\p{Script=Hangul}/u.test(character)) return 'hangul';
  if (/\p{Script=Cyrillic}/u.test(character)) return 'cyrillic';
  if (/\p{Script=Arabic}/u.test(character)) return 'arabic';
  return 'other';
}

/** Evidence for each of the four in a sentence: a stop word counts 1 (shared among those that have it), a letter ½. */
export function latinEvidence(sentence: readonly string[]): Record<LatinLanguage, number> {
  const evidence: Record<LatinLanguage, number> = { en: 0, es: 0, fr: 0, de: 0 };
  for (const word of sentence) {
    const having = latinLanguages.filter((language) => stopWords[language].has(word));
    for (const language of having) evidence[language] += 1 / having.length;
    for (const language of latinLanguages) if (letters[language].test(word)) evidence[language] += 0.5;
  }
  return evidence;
}

function words(list: string): ReadonlySet<string> {
  return new Set(list.split(' '));
}
