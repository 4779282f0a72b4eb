/**
 * From tokens to what an answer says. Reads one whole answer or refuses it: nothing is skipped, and what people read
 * in two ways (1/2x, √23 without braces, 2\frac{3}{2}) is refused.
 */
import { add as addRational } from '../rational.ts';
import { deepestNesting, NotDecided } from './limits.ts';
import { integer, isInteger } from './polynomial.ts';
import type { Answer, Expression, RelationOperator } from './syntax.ts';
import { tokenize, type Token } from './tokens.ts';
import { unitOf } from './units.ts';

export function parseAnswer(text: string): Answer {
  return new Parser(tokenize(text)).whole();
}

const greek = new Set(
  `alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma tau
  upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar`.split(
    /\s+/,
  ),
);
const functions = new Set(
  'sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan ln log lg exp abs'.split(' '),
);
const functionLetters = new Set('fghFGH');
const relations: Readonly<Record<string, RelationOperator>> = {
  '=': '=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
  '!=': '!=',
};
const relationCommands: Readonly<Record<string, RelationOperator>> = {
  le: '<=',
  ge: '>=',
  lt: '<',
  gt: '>',
  ne: '!=',
  approx: '~',
};
const matrices = new Set(['pmatrix', 'bmatrix', 'matrix', 'array', 'Bmatrix', 'smallmatrix']);

class Parser {
  private readonly tokens: Token[];
  private at = 0;
  private nesting = 0;
  private bars = 0;

  constructor(tokens: Token[]) {
    this.tokens = tokens;
  }

  whole(): Answer {
    if (this.tokens.length === 0) throw unreadable('an empty answer');
    const answer = this.list();
    if (this.at < this.tokens.length)
      throw unreadable(`not read from ${JSON.stringify(this.peek()!.text)} on`);
    return answer;
  }

  // --- tokens ---------------------------------------------------------------------------------------------------

  private peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead];
  }

  private isSign(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token?.kind === 'sign' && token.text === text;
  }

  private isCommand(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token?.kind === 'command' && token.text === text;
  }

  private takeSign(text: string): boolean {
    if (!this.isSign(text)) return false;
    this.at++;
    return true;
  }

  private takeCommand(text: string): boolean {
    if (!this.isCommand(text)) return false;
    this.at++;
    return true;
  }

  private expectSign(text: string): void {
    if (!this.takeSign(text)) throw unreadable(`no ${text} where one is expected`);
  }

  private deeper<T>(run: () => T): T {
    if (++this.nesting > deepestNesting) throw unreadable('brackets nested too deeply');
    const result = run();
    this.nesting--;
    return result;
  }

  // --- lists, unions, relations -----------------------------------------------------------------------------------

  private list(): Answer {
    const items: Answer[] = [];
    let alternatives = 0;
    let separators = 0;
    for (;;) {
      items.push(this.union());
      const before = this.at;
      let separated = false;
      while (this.isSeparator()) {
        if (this.peek()!.text === 'or') alternatives++;
        separated = true;
        this.at++;
      }
      if (!separated) break;
      separators++;
      // A separator at the end is punctuation.
      if (this.atEnd()) {
        if (!this.tokens.slice(before, this.at).every((token) => token.kind === 'sign')) {
          throw unreadable('a list without its end');
        }
        separators--;
        break;
      }
    }
    if (items.length === 1) return items[0]!;
    const isRegion = (item: Answer) =>
      item.kind === 'union' || (item.kind === 'relation' && item.operators.some((one) => one !== '='));
    if (alternatives === separators && items.every(isRegion)) return { kind: 'union', parts: items };
    return { kind: 'list', items };
  }

  private isSeparator(): boolean {
    const token = this.peek();
    if (token === undefined) return false;
    if (token.kind === 'sign') return token.text === ',' || token.text === ';';
    if (token.kind === 'command') return token.text === 'and' || token.text === 'or';
    return token.kind === 'text' && /^,?\s*(?:and|or),?$/i.test(token.text);
  }

  private atEnd(): boolean {
    const token = this.peek();
    return (
      token === undefined ||
      (token.kind !== 'text' && /^(?:[)\]}|&]|\\\\|\}|rangle|end .*)$/.test(token.text))
    );
  }

  private union(): Answer {
    const parts = [this.relation()];
    while (this.takeCommand('cup')) parts.push(this.relation());
    if (parts.length === 1) return parts[0]!;
    // x ∈ A ∪ B is x ∈ (A ∪ B).
    const [first, ...rest] = parts;
    if (first?.kind === 'member') {
      return { kind: 'member', element: first.element, of: { kind: 'union', parts: [first.of, ...rest] } };
    }
    return { kind: 'union', parts };
  }

  private relation(): Answer {
    const members: Answer[] = [this.ratio()];
    const operators: RelationOperator[] = [];
    for (;;) {
      const token = this.peek();
      if (token?.kind === 'command' && token.text === 'in') {
        this.at++;
        if (operators.length > 0) throw unreadable('∈ inside a chain');
        return { kind: 'member', element: members[0]!, of: this.ratio() };
      }
      const operator =
        token?.kind === 'sign'
          ? relations[token.text]
          : token?.kind === 'command'
            ? relationCommands[token.text]
            : undefined;
      if (operator === undefined || !Object.values(relations).concat('~').includes(operator)) break;
      this.at++;
      operators.push(operator);
      members.push(this.ratio());
    }
    return operators.length === 0 ? members[0]! : { kind: 'relation', members, operators };
  }

  private ratio(): Answer {
    const first = this.quantity();
    if (!this.isSign(':')) return first;
    const items = [expressionOf(first)];
    while (this.takeSign(':')) items.push(expressionOf(this.quantity()));
    return { kind: 'ratio', items };
  }

  // --- quantities -------------------------------------------------------------------------------------------------

  /** An expression with its unit, a text, or a structure in brackets. */
  private quantity(): Answer {
    const token = this.peek();
    if (token?.kind === 'text') return this.text();
    if (token?.kind === 'number' && this.isSign('_', 1)) return this.based();
    const negative = this.isSign('-') && this.currencyAt(1) !== undefined;
    const currency = this.currencyAt(negative ? 1 : 0);
    if (currency !== undefined) this.at += negative ? 2 : 1;
    const sum = this.sum();
    if (sum.kind !== 'value') {
      if (currency !== undefined) throw unreadable('a currency before a structure');
      return sum;
    }
    let { value, unit } =
      sum.unit === undefined ? splitUnit(sum.value) : { value: sum.value, unit: sum.unit };
    if (negative) value = { kind: 'negative', of: value };
    const after = this.peek();
    if (after?.kind === 'text' && !this.isSeparator()) {
      if (unit !== undefined) throw unreadable('two units');
      unit = this.unit();
    } else if (currency === undefined && after !== undefined && this.currencyAt(0) !== undefined) {
      unit = this.currencyAt(0)!;
      this.at++;
    }
    if (currency !== undefined) {
      if (unit !== undefined && unit !== currency) throw unreadable('two units');
      unit = currency;
    }
    return unit === undefined ? { kind: 'value', value } : { kind: 'value', value, unit };
  }

  private currencyAt(ahead: number): string | undefined {
    const token = this.peek(ahead);
    if (token?.kind === 'command' && token.text === '$') return '$';
    return token?.kind === 'sign' && '€£¥₹'.includes(token.text) ? token.text : undefined;
  }

  private unit(): string {
    const words: string[] = [];
    while (this.peek()?.kind === 'text' && !this.isSeparator()) words.push(this.tokens[this.at++]!.text);
    let unit = unitOf(words.join(' '));
    if (/\band\b|\bor\b|\d/.test(words.join(' '))) throw unreadable('more than one quantity');
    if (this.takeSign('^')) unit += `^${this.raw()}`;
    return unit;
  }

  private text(): Answer {
    const words: string[] = [];
    for (let token = this.peek(); token?.kind === 'text' || token?.kind === 'name'; token = this.peek()) {
      if (token.kind === 'text' && this.isSeparator()) break;
      words.push(token.text);
      this.at++;
    }
    if (words.length === 0) throw unreadable('a list without its beginning');
    return { kind: 'text', text: words.join(' ') };
  }

  private based(): Answer {
    const digits = this.tokens[this.at]!.text;
    this.at += 2;
    const base = Number(this.raw());
    const valid =
      Number.isInteger(base) &&
      base >= 2 &&
      base <= 10 &&
      digits.split('').every((digit) => Number(digit) < base);
    if (!valid) throw unreadable('a number whose base does not fit its digits');
    return { kind: 'based', digits: digits.replace(/^0+(?=.)/, ''), base };
  }

  /** The text of the next group or token, as in a subscript. */
  private raw(): string {
    if (!this.takeSign('{')) {
      const token = this.peek();
      if (token === undefined || token.kind === 'sign') throw unreadable('an index that is missing');
      this.at++;
      return token.text;
    }
    let [text, depth] = ['', 1];
    for (let token = this.peek(); token !== undefined; token = this.peek()) {
      this.at++;
      if (token.kind === 'sign' && token.text === '{') depth++;
      if (token.kind === 'sign' && token.text === '}' && --depth === 0) return text;
      text += token.kind === 'command' ? `\\${token.text} ` : token.text;
    }
    throw unreadable('a brace that is not closed');
  }

  // --- sums and products ------------------------------------------------------------------------------------------

  private sum(): Answer {
    const terms: Expression[] = [];
    let first: Answer | undefined;
    for (;;) {
      const sign = this.sign();
      if (sign === undefined && first !== undefined) break;
      const term = this.product();
      if (sign === undefined) first = term;
      if (sign === undefined && !this.isAnySign()) return term;
      const value = expressionOf(term);
      first ??= term;
      if (sign === undefined || sign === '+') terms.push(value);
      else if (sign === '-') terms.push(negated(value));
      else terms.push({ kind: 'plus-minus', sign: sign === 'pm' ? 1 : -1, of: value });
    }
    return value(terms.length === 1 ? terms[0]! : { kind: 'sum', terms });
  }

  private isAnySign(): boolean {
    return this.isSign('+') || this.isSign('-') || this.isCommand('pm') || this.isCommand('mp');
  }

  private sign(): '+' | '-' | 'pm' | 'mp' | undefined {
    if (this.takeSign('+')) return '+';
    if (this.takeSign('-')) return '-';
    if (this.takeCommand('pm')) return 'pm';
    return this.takeCommand('mp') ? 'mp' : undefined;
  }

  private product(): Answer {
    const first = this.factor();
    if (first.kind !== 'value' || first.unit !== undefined) return first;
    let result = first.value;
    const factors: Expression[] = [result];
    const close = () =>
      factors.length === 1 ? factors[0]! : ({ kind: 'product', factors: [...factors] } as const);
    let divided = false;
    let first2 = true;
    for (;;) {
      const token = this.peek();
      if (this.takeSign('*') || this.takeCommand('cdot') || this.takeCommand('times')) {
        factors.push(this.signedFactor());
        divided = false;
      } else if (this.takeSign('/') || this.takeCommand('div')) {
        const under = this.signedFactor();
        result = { kind: 'quotient', over: close(), under };
        factors.splice(0, factors.length, result);
        divided = true;
      } else if (this.takeSign('%')) factors.push({ kind: 'symbol', name: '%' });
      else if (token !== undefined && this.beginsFactor(token)) {
        const mixed = first2 ? this.mixedNumber(factors[0]!) : undefined;
        if (mixed !== undefined) factors.splice(0, 1, mixed);
        else {
          if (divided) throw unreadable('a product after a slash, which can be read in two ways');
          if (token.kind === 'number') throw unreadable('two numbers side by side');
          factors.push(expressionOf(this.factor()));
        }
      } else break;
      first2 = false;
    }
    return value(close());
  }

  /** 1\frac{4}{5}, 1 4/5 */
  private mixedNumber(whole: Expression): Expression | undefined {
    if (whole.kind !== 'number' || this.tokens[this.at - 1]?.kind !== 'number') return undefined;
    const token = this.peek()!;
    const start = this.at;
    let part: Expression | undefined;
    if (token.kind === 'command' && token.text === 'frac') {
      part = expressionOf(this.factor());
    } else if (token.kind === 'number' && this.isSign('/', 1) && this.peek(2)?.kind === 'number') {
      this.at += 3;
      part = { kind: 'quotient', over: numberOf(token), under: numberOf(this.tokens[this.at - 1]!) };
    }
    const isPlain = (one: Expression) =>
      one.kind === 'number' && isInteger(one.value) && one.decimals === undefined;
    if (part?.kind !== 'quotient' || !isPlain(part.over) || !isPlain(part.under)) {
      this.at = start;
      return undefined;
    }
    const [over, under] = [part.over, part.under] as Extract<Expression, { kind: 'number' }>[];
    const proper = over!.value.numerator > 0n && over!.value.numerator < under!.value.numerator;
    if (!isPlain(whole) || !proper) throw unreadable('a number beside a fraction: a sum or a product?');
    const value = addRational(whole.value, {
      numerator: over!.value.numerator,
      denominator: under!.value.numerator,
    });
    return { kind: 'number', value };
  }

  private signedFactor(): Expression {
    if (this.takeSign('-')) return negated(this.signedFactor());
    if (this.takeSign('+')) return this.signedFactor();
    return expressionOf(this.factor());
  }

  private beginsFactor(token: Token): boolean {
    if (token.kind === 'number' || token.kind === 'name') return true;
    if (token.kind === 'sign')
      return token.text === '(' || token.text === '{' || (token.text === '|' && this.bars === 0);
    if (token.kind !== 'command') return false;
    const { text } = token;
    return (
      greek.has(text) ||
      functions.has(text) ||
      ['frac', 'sqrt', 'surd', 'pi', 'binom', 'infty', 'lfloor', 'lceil'].includes(text) ||
      text.startsWith('begin ')
    );
  }

  // --- factors ----------------------------------------------------------------------------------------------------

  /** An atom with its powers and factorials. */
  private factor(): Answer {
    const atom = this.deeper(() => this.atom());
    let result = atom;
    for (;;) {
      if (this.isSign('!')) {
        if (this.isSign('!', 1)) throw unreadable('a double factorial');
        this.at++;
        result = value({ kind: 'call', name: 'factorial', arguments: [expressionOf(result)] });
      } else if (this.isSign('^')) {
        this.at++;
        const base = expressionOf(result);
        if (this.takeDegree())
          result = value({ kind: 'product', factors: [base, { kind: 'symbol', name: '°' }] });
        else result = value({ kind: 'power', base, exponent: this.deeper(() => this.exponent()) });
      } else return result;
    }
  }

  private takeDegree(): boolean {
    if (this.takeCommand('circ')) return true;
    if (this.isSign('{') && this.isCommand('circ', 1) && this.isSign('}', 2)) {
      this.at += 3;
      return true;
    }
    return false;
  }

  private exponent(): Expression {
    if (this.takeSign('-')) return negated(this.exponent());
    if (this.isSign('{')) return this.group();
    return expressionOf(this.atom());
  }

  /** `{…}` as one expression. */
  private group(): Expression {
    this.expectSign('{');
    const inside = this.deeper(() => this.sum());
    this.expectSign('}');
    return expressionOf(inside);
  }

  /** What a command takes: `{…}` or one token, one digit of a number. */
  private argument(wholeNumbers = false): Expression {
    if (this.isSign('{')) return this.group();
    const token = this.peek();
    if (token?.kind === 'number') {
      if (token.text.length === 1 || wholeNumbers) {
        this.at++;
        return numberOf(token);
      }
      if (token.decimals !== undefined) throw unreadable('an argument without braces');
      const [digit, ...rest] = token.text;
      const text = rest.join('');
      this.tokens[this.at] = { kind: 'number', text, spaced: false, value: integer(BigInt(text)) };
      return { kind: 'number', value: integer(BigInt(digit!)) };
    }
    return expressionOf(this.deeper(() => this.atom()));
  }

  private atom(): Answer {
    const token = this.peek();
    if (token === undefined) throw unreadable('an answer that breaks off');
    this.at++;
    switch (token.kind) {
      case 'number':
        if (this.isSign('_')) throw unreadable('a number in another base inside an expression');
        return value(numberOf(token));
      case 'name':
        return value(this.name(token.text));
      case 'text':
        throw unreadable('text inside an expression');
      case 'sign':
        return this.bracketed(token.text);
      case 'command':
        return this.command(token.text);
    }
  }

  private name(letter: string): Expression {
    let name = letter;
    while (this.takeSign("'")) name += "'";
    if (this.takeSign('_')) name += `_${this.raw().trim()}`;
    while (this.takeSign("'")) name += "'";
    if (functionLetters.has(letter) && this.isSign('(') && !this.peek()!.spaced) {
      return { kind: 'call', name: `function ${name}`, arguments: this.arguments() };
    }
    return { kind: 'symbol', name };
  }

  private arguments(): Expression[] {
    this.expectSign('(');
    const inside = this.deeper(() => this.list());
    this.expectSign(')');
    return inside.kind === 'list' ? inside.items.map(expressionOf) : [expressionOf(inside)];
  }

  private bracketed(sign: string): Answer {
    if (sign === '|') {
      this.bars++;
      const inside = this.sum();
      this.bars--;
      this.expectSign('|');
      return value({ kind: 'call', name: 'abs', arguments: [expressionOf(inside)] });
    }
    if (sign === '{') {
      const { bars } = this;
      this.bars = 0;
      const inside = this.list();
      this.bars = bars;
      this.expectSign('}');
      return inside.kind === 'list' ? { kind: 'set', items: inside.items } : inside;
    }
    if (sign !== '(' && sign !== '[') throw unreadable(`not read: ${JSON.stringify(sign)}`);
    const { bars } = this;
    this.bars = 0;
    const inside = this.list();
    this.bars = bars;
    const close = this.takeSign(')') ? ')' : this.takeSign(']') ? ']' : undefined;
    if (close === undefined) throw unreadable('a bracket that is not closed');
    if (inside.kind === 'list') return { kind: 'tuple', open: sign, close, items: inside.items };
    const matching = (sign === '(' && close === ')') || (sign === '[' && close === ']');
    if (!matching) throw unreadable('brackets that do not match');
    return inside;
  }

  private command(name: string): Answer {
    switch (name) {
      case 'frac': {
        const over = this.argument();
        return value({ kind: 'quotient', over, under: this.argument() });
      }
      case 'binom': {
        const n = this.argument();
        return value({ kind: 'call', name: 'binomial', arguments: [n, this.argument()] });
      }
      case 'sqrt':
      case 'surd':
        return value(this.root());
      case 'pi':
        return value({ kind: 'symbol', name: '\\pi' });
      case 'infty':
        return value({ kind: 'symbol', name: '\\infty' });
      case 'emptyset':
        return { kind: 'set', items: [] };
      case 'lfloor':
      case 'lceil': {
        const inside = expressionOf(this.sum());
        if (!this.takeCommand(name === 'lfloor' ? 'rfloor' : 'rceil'))
          throw unreadable(`\\${name} that is not closed`);
        return value({ kind: 'call', name: name === 'lfloor' ? 'floor' : 'ceil', arguments: [inside] });
      }
      case 'langle': {
        const inside = this.list();
        if (!this.takeCommand('rangle')) throw unreadable('\\langle that is not closed');
        return {
          kind: 'tuple',
          open: '<',
          close: '>',
          items: inside.kind === 'list' ? inside.items : [inside],
        };
      }
      case '{': {
        const inside = this.list();
        if (!this.takeCommand('}')) throw unreadable('a set that is not closed');
        return { kind: 'set', items: inside.kind === 'list' ? inside.items : [inside] };
      }
      case 'mathbb':
        return value({ kind: 'symbol', name: `\\mathbb{${this.raw()}}` });
    }
    if (greek.has(name)) {
      const subscript = this.takeSign('_') ? `_${this.raw().trim()}` : '';
      return value({ kind: 'symbol', name: `\\${name}${subscript}` });
    }
    if (functions.has(name)) return value(this.functionCall(name));
    if (name.startsWith('begin ') && matrices.has(name.slice(6))) return value(this.matrix(name.slice(6)));
    throw unreadable(`a command that is not read: \\${name}`);
  }

  private root(): Expression {
    let degree = 2;
    if (this.takeSign('[')) {
      const token = this.peek();
      degree = token?.kind === 'number' ? Number(token.text) : Number.NaN;
      this.at++;
      this.expectSign(']');
      if (!Number.isInteger(degree) || degree < 2 || degree > 64) throw unreadable('a root of this degree');
    }
    const token = this.peek();
    if (token?.kind === 'number' && token.text.length > 1)
      throw unreadable('a root of a number without braces');
    return { kind: 'root', of: this.argument(), degree };
  }

  /** `\sin x`, `\sin^2(x)`, `\log_2 8`: without brackets the argument is the product that follows. */
  private functionCall(name: string): Expression {
    let base: Expression | undefined;
    let exponent: Expression | undefined;
    for (;;) {
      if (this.isSign('_') && base === undefined && name === 'log') {
        this.at++;
        base = this.argument(true);
      } else if (this.isSign('^') && exponent === undefined) {
        this.at++;
        exponent = this.isSign('{') ? this.group() : this.argument();
      } else break;
    }
    if (name === 'lg') throw unreadable('\\lg, which has more than one meaning');
    let own = name;
    const inverse =
      exponent?.kind === 'negative' && exponent.of.kind === 'number' && exponent.of.value.numerator === 1n;
    if (inverse && ['sin', 'cos', 'tan'].includes(name)) {
      own = `arc${name}`;
      exponent = undefined;
    } else if (exponent !== undefined && (exponent.kind !== 'number' || name === 'exp')) {
      throw unreadable('a function to a power that is no number');
    }
    const argument = this.functionArgument();
    const result: Expression = {
      kind: 'call',
      name: own,
      arguments: base === undefined ? [argument] : [argument, base],
    };
    return exponent === undefined ? result : { kind: 'power', base: result, exponent };
  }

  private functionArgument(): Expression {
    if (this.isSign('(') || this.isSign('{') || this.isSign('|')) {
      return expressionOf(this.deeper(() => this.atom()));
    }
    const factors: Expression[] = [];
    for (let token = this.peek(); token !== undefined; token = this.peek()) {
      if (token.kind === 'command' && (functions.has(token.text) || token.text.startsWith('begin '))) break;
      if (!this.beginsFactor(token)) break;
      if (token.kind === 'sign' || (token.kind === 'number' && factors.length > 0)) {
        throw unreadable('a function whose argument can be read in two ways');
      }
      factors.push(expressionOf(this.factor()));
    }
    if (this.isSign('/')) throw unreadable('a slash after a function without brackets');
    if (factors.length === 0) throw unreadable('a function without its argument');
    return factors.length === 1 ? factors[0]! : { kind: 'product', factors };
  }

  private matrix(environment: string): Expression {
    const rows: Expression[][] = [];
    const end = `end ${environment}`;
    while (!this.takeCommand(end)) {
      const row: Expression[] = [];
      do row.push(expressionOf(this.sum()));
      while (this.takeSign('&'));
      rows.push(row);
      if (!this.takeSign('\\\\') && !this.isCommand(end)) throw unreadable('a matrix that is not closed');
    }
    if (rows.length === 0 || rows.some((row) => row.length !== rows[0]!.length)) {
      throw unreadable('a matrix whose rows differ in length');
    }
    return { kind: 'matrix', rows };
  }
}

function unreadable(message: string): NotDecided {
  return new NotDecided('unreadable', message);
}

function value(expression: Expression): Answer {
  return { kind: 'value', value: expression };
}

function negated(expression: Expression): Expression {
  return { kind: 'negative', of: expression };
}

function numberOf(token: Token): Expression {
  const { value, decimals } = token;
  return { kind: 'number', value: value!, ...(decimals === undefined ? {} : { decimals }) };
}

function expressionOf(answer: Answer): Expression {
  if (answer.kind !== 'value' || answer.unit !== undefined)
    throw unreadable('a structure inside an expression');
  return answer.value;
}

/** 30° and 28 % as a number and its unit. */
function splitUnit(expression: Expression): { value: Expression; unit: string | undefined } {
  if (expression.kind === 'negative') {
    const { value, unit } = splitUnit(expression.of);
    return { value: negated(value), unit };
  }
  if (expression.kind === 'product') {
    const last = expression.factors.at(-1)!;
    // Of 100 · 10 % only the last factor is a percentage, and the whole has no unit.
    const [first, , third] = expression.factors;
    if (third === undefined && last.kind === 'symbol' && (last.name === '°' || last.name === '%')) {
      return { value: first!, unit: last.name === '°' ? 'degree' : 'percent' };
    }
  }
  return { value: expression, unit: undefined };
}
