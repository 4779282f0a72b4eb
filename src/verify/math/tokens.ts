/**
 * From LaTeX, plain text or Unicode to tokens. One pass over the characters; decorations (spacing, sizes, `$`)
 * vanish here. Anything unknown is refused, not skipped: a sign that is overlooked changes the answer.
 */
import { integer } from './polynomial.ts';
import { longestAnswer, NotDecided } from './limits.ts';
import { plainUnits } from './units.ts';
import { add, multiply, rational, type Rational } from '../rational.ts';

export interface Token {
  readonly kind: 'number' | 'name' | 'command' | 'sign' | 'text';
  readonly text: string;
  /** White space or LaTeX spacing stands before it. */
  readonly spaced: boolean;
  readonly value?: Rational;
  readonly decimals?: number;
}

/** Commands that only change how things look. */
const decorations = new Set(
  `left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr displaystyle textstyle scriptstyle limits nolimits
  rm bf it`.split(/\s+/),
);
const spacing = new Set(['quad', 'qquad', 'enspace', 'thinspace', 'hfill', 'newline', 'space']);
/** Commands whose braces hold text. */
const textCommands = new Set('text textbf textit textrm textnormal textsf mbox hbox textup emph'.split(' '));
/** Commands whose braces hold mathematics that only looks different. */
const styles = new Set(
  'mathrm mathbf mathit mathsf mathnormal boldsymbol bm operatorname mathcal vec boxed'.split(' '),
);

const functionWords = new Set(
  'sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan ln log exp sqrt abs'.split(' '),
);
const otherWords = new Map([
  ['pi', '\\pi'],
  ['infinity', '\\infty'],
  ['inf', '\\infty'],
  ['theta', '\\theta'],
]);

const commandNames = new Map([
  ['dfrac', 'frac'],
  ['tfrac', 'frac'],
  ['cfrac', 'frac'],
  ['dbinom', 'binom'],
  ['tbinom', 'binom'],
  ['leq', 'le'],
  ['leqslant', 'le'],
  ['geq', 'ge'],
  ['geqslant', 'ge'],
  ['neq', 'ne'],
  ['lt', 'lt'],
  ['gt', 'gt'],
  ['asin', 'arcsin'],
  ['acos', 'arccos'],
  ['atan', 'arctan'],
  ['varnothing', 'emptyset'],
  ['degree', 'circ'],
  ['land', 'and'],
  ['wedge', 'and'],
  ['lor', 'or'],
  ['vee', 'or'],
  ['lbrace', '{'],
  ['rbrace', '}'],
  ['lbrack', '['],
  ['rbrack', ']'],
  ['vert', 'mid'],
  ['lvert', 'mid'],
  ['rvert', 'mid'],
]);

/** Unicode signs, as what LaTeX calls them. */
const unicode = new Map<string, string>(
  Object.entries({
    '−': '-',
    '–': '-',
    '×': '\\times ',
    '·': '\\cdot ',
    '⋅': '\\cdot ',
    '∙': '\\cdot ',
    '÷': '\\div ',
    '∕': '/',
    '⁄': '/',
    '≤': '\\le ',
    '≥': '\\ge ',
    '≠': '\\ne ',
    '≈': '\\approx ',
    '∞': '\\infty ',
    '∪': '\\cup ',
    '∩': '\\cap ',
    '∈': '\\in ',
    '±': '\\pm ',
    '∓': '\\mp ',
    '°': '^\\circ ',
    π: '\\pi ',
    θ: '\\theta ',
    α: '\\alpha ',
    β: '\\beta ',
    γ: '\\gamma ',
    λ: '\\lambda ',
    μ: '\\mu ',
    φ: '\\phi ',
    ω: '\\omega ',
    σ: '\\sigma ',
    ρ: '\\rho ',
    '∅': '\\emptyset ',
    '⟨': '\\langle ',
    '⟩': '\\rangle ',
    '√': '\\surd ',
    '½': '\\frac{1}{2}',
    '⅓': '\\frac{1}{3}',
    '⅔': '\\frac{2}{3}',
    '¼': '\\frac{1}{4}',
    '¾': '\\frac{3}{4}',
    '€': '€',
    '£': '£',
    '\u00a0': ' ',
    '\u2009': ' ',
    '\u202f': ' ',
    '，': ',',
    '（': '(',
    '）': ')',
    '′': "'",
  }),
);
const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const subscripts = '₀₁₂₃₄₅₆₇₈₉';

export function tokenize(text: string): Token[] {
  if (text.length > longestAnswer) {
    throw new NotDecided('unreadable', `an answer of ${text.length} characters, more than ${longestAnswer}`);
  }
  return new Lexer(plain(text)).run();
}

/** Unicode replaced by LaTeX. */
function plain(text: string): string {
  let result = '';
  let raised = '';
  for (const character of `${text} `) {
    const digit = superscripts.indexOf(character);
    if (digit >= 0) {
      raised += digit;
      continue;
    }
    if (raised !== '') {
      result += `^{${raised}}`;
      raised = '';
    }
    const lowered = subscripts.indexOf(character);
    result += lowered >= 0 ? `_{${lowered}}` : (unicode.get(character) ?? character);
  }
  return result;
}

class Lexer {
  private readonly text: string;
  private at = 0;
  private spaced = false;
  /** Open brackets: inside them a comma is always a separator. */
  private depth = 0;
  private readonly tokens: Token[] = [];

  constructor(text: string) {
    this.text = text;
  }

  run(): Token[] {
    while (this.at < this.text.length) this.next();
    return this.tokens;
  }

  private push(kind: Token['kind'], text: string, rest: Partial<Token> = {}): void {
    this.tokens.push({ kind, text, spaced: this.spaced, ...rest });
    this.spaced = false;
  }

  private next(): void {
    const character = this.text[this.at]!;
    if (/\s|~/.test(character)) {
      this.spaced = true;
      this.at++;
    } else if (/[0-9.]/.test(character) && this.number()) {
      // Taken.
    } else if (/[A-Za-z]/.test(character)) this.word();
    else if (character === '\\') this.command();
    else if (character === '$') {
      // `$5` in prose is money; a pair of `$` has been taken off before, so that any other `$` is a delimiter.
      this.at++;
      this.spaced = true;
    } else if ("+-*/^_(){}[],;:=<>|!%&'€£¥₹".includes(character)) {
      if ('(['.includes(character)) this.depth++;
      if (')]'.includes(character)) this.depth = Math.max(0, this.depth - 1);
      this.at++;
      const following = this.text[this.at];
      if ((character === '<' || character === '>' || character === '!') && following === '=') {
        this.at++;
        this.push('sign', `${character}=`);
      } else if (character === '*' && following === '*') {
        this.at++;
        this.push('sign', '^');
      } else this.push('sign', character);
    } else if (character === '.' && this.text.slice(this.at + 1).trim() === '') this.at++;
    else throw new NotDecided('unreadable', `a sign that is not read: ${JSON.stringify(character)}`);
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text);
  }

  /** A number, with thousands separators where they can be nothing else. */
  private number(): boolean {
    const grouped =
      this.match(/\d{1,3}(?:(?:\{,\}|,\s?\\!\s?|\\,|\\ )\d{3})+(?![\d])/y) ??
      (this.depth === 0
        ? this.match(/\d{1,3}(?:,\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?![\d.]*[A-Za-z\d/\\^_])/y)
        : null);
    const whole = grouped ?? this.match(/\d+/y);
    let digits = whole?.[0] ?? '';
    let end = this.at + digits.length;
    digits = digits.replaceAll(/[^\d]/g, '');
    let decimals = '';
    const point = /\.(\d+)/y;
    point.lastIndex = end;
    const fraction = point.exec(this.text);
    if (fraction !== null) {
      decimals = fraction[1]!;
      end += fraction[0].length;
    }
    if (digits === '' && decimals === '') return false;
    const start = this.text[end];
    if (fraction !== null && start === '.' && /\d/.test(this.text[end + 1] ?? '')) {
      throw new NotDecided('unreadable', 'a number with two points');
    }
    let value = rational(BigInt(digits + decimals), 10n ** BigInt(decimals.length))!;
    // 0.\overline{3}, .1\overline{6}
    const repeating = /\.?\s*\\(?:overline|bar)\s*\{(\d{1,40})\}/y;
    repeating.lastIndex = end;
    const period = repeating.exec(this.text);
    if (period !== null && period[0].startsWith('.') !== (fraction !== null)) {
      const cycle = period[1]!;
      const tail = rational(
        BigInt(cycle),
        10n ** BigInt(decimals.length) * (10n ** BigInt(cycle.length) - 1n),
      )!;
      this.at = end + period[0].length;
      this.push('number', this.text.slice(this.at), { value: add(value, tail) });
      return true;
    }
    const scientific = /[eE]([+-]?\d{1,4})(?![\dA-Za-z.])/y;
    scientific.lastIndex = end;
    const exponent = scientific.exec(this.text);
    let shown = decimals.length;
    if (exponent !== null) {
      const power = Number(exponent[1]);
      const ten = integer(10n ** BigInt(Math.abs(power)));
      value = multiply(value, power < 0 ? rational(1n, ten.numerator)! : ten);
      shown -= power;
      end += exponent[0].length;
    }
    // A point that ends the sentence; `5.` followed by anything else is unclear.
    if (this.text[end] === '.' && fraction === null && this.text.slice(end + 1).trim() === '') end++;
    this.at = end;
    const token = { value, ...(fraction === null ? {} : { decimals: Math.max(0, shown) }) };
    this.push('number', digits + (decimals === '' ? '' : `.${decimals}`), token);
    return true;
  }

  private word(): void {
    const word = this.match(/[A-Za-z]+/y)![0];
    const lower = word.toLowerCase();
    this.at += word.length;
    const previous = this.tokens.at(-1);
    if (functionWords.has(word)) this.push('command', word);
    else if (otherWords.has(word)) this.push('command', otherWords.get(word)!.slice(1));
    else if (lower === 'and' || lower === 'or') this.push('text', lower);
    else if (lower === 'in' && previous?.kind === 'name' && word === 'in') this.push('command', 'in');
    else if (word.length === 1) this.push('name', word);
    else if (previous?.kind === 'number' && plainUnits.has(word)) this.push('text', word);
    else if (word.length >= 4 && /[a-z]{3}/.test(word)) {
      // A word, not a product of letters. Words that follow one another are one text.
      const last = this.tokens.at(-1);
      if (last?.kind === 'text' && this.spaced && last.text !== 'and' && last.text !== 'or') {
        this.tokens.pop();
        this.tokens.push({ ...last, text: `${last.text} ${word}` });
        this.spaced = false;
      } else this.push('text', word);
    } else {
      for (const letter of word) this.push('name', letter);
    }
  }

  private command(): void {
    const name = this.match(/\\([A-Za-z]+|[^A-Za-z])/y)?.[1];
    if (name === undefined) throw new NotDecided('unreadable', 'a backslash at the end');
    this.at += name.length + 1;
    if (textCommands.has(name)) {
      this.textBraces();
    } else if (styles.has(name)) {
      this.styled(name);
    } else if (spacing.has(name) || /^[,;:! >]$/.test(name)) this.spaced = true;
    else if (name === '(' || name === ')' || name === '[' || name === ']') this.spaced = true;
    else if (decorations.has(name)) this.decoration();
    else if (name === '\\') this.push('sign', '\\\\');
    else if (name === '{' || name === '}') {
      this.depth = Math.max(0, this.depth + (name === '{' ? 1 : -1));
      this.push('command', name);
    } else if (name === '%') this.push('sign', '%');
    else if (name === '$') this.push('command', '$');
    else if (name === '|') this.push('sign', '|');
    else if (name === 'begin' || name === 'end') {
      const environment = this.match(/\s*\{([A-Za-z]+\*?)\}/y);
      if (environment === null) throw new NotDecided('unreadable', `\\${name} without a name`);
      this.at += environment[0].length;
      this.depth = Math.max(0, this.depth + (name === 'begin' ? 1 : -1));
      if (environment[1] === 'array') {
        const columns = this.match(/\s*\{[clr| ]*\}/y);
        if (columns !== null) this.at += columns[0].length;
      }
      this.push('command', `${name} ${environment[1]}`);
    } else if (/^q?quad[A-Za-z]/.test(name)) {
      // \quadx: a space that was written without its own.
      const space = name.startsWith('qquad') ? 5 : 4;
      this.at -= name.length - space;
      this.spaced = true;
    } else {
      const shared = commandNames.get(name) ?? name;
      if (shared === '[' || shared === ']') this.push('sign', shared);
      else if (shared === 'mid') this.push('sign', '|');
      else this.push('command', shared);
    }
  }

  /** `\left.` and `\right.` show nothing. */
  private decoration(): void {
    const invisible = this.match(/\s*\.(?!\d)/y);
    if (invisible !== null && /(?:left|right)$/.test(this.text.slice(0, this.at)))
      this.at += invisible[0].length;
  }

  /** `\mathrm{…}`: words become text, a single letter stays a name, mathematics stays. */
  private styled(name: string): void {
    const braces = this.match(/\s*\{([^{}]*)\}/y);
    const content = braces?.[1]?.trim() ?? '';
    if (braces !== null && name === 'boxed') {
      this.at += braces[0].length;
      this.push('sign', '{');
      this.tokens.push(...new Lexer(`${content} `).run());
      this.push('sign', '}');
    } else if (
      braces !== null &&
      /^[A-Za-z]{2,}[A-Za-z .]*$/.test(content) &&
      name !== 'vec' &&
      name !== 'boldsymbol'
    ) {
      this.at += braces[0].length;
      if (functionWords.has(content)) this.push('command', content);
      else if (otherWords.has(content)) this.push('command', otherWords.get(content)!.slice(1));
      else this.push('text', content);
    }
    // Else the braces are read as a group.
  }

  private textBraces(): void {
    const braces = this.match(/\s*\{([^{}]*)\}/y);
    if (braces === null) throw new NotDecided('unreadable', 'text without braces');
    this.at += braces[0].length;
    const content = braces[1]!
      .replaceAll(/\$|~|\\[,;: ]/g, ' ')
      .trim()
      .replaceAll(/\s+/g, ' ');
    if (content === '') this.spaced = true;
    else if (/^[\d.,]*\d%?$/.test(content)) {
      for (const token of new Lexer(`${content} `).run()) this.tokens.push(token);
    } else this.push('text', content);
  }
}
