/**
 * Whether a response says what a reference says. Asymmetric by contract: the reference decides what is asked for,
 * and a response may leave out its unit or the name of its variable, or add them. Never `equal` on a guess: what
 * cannot be read or shown is different.
 */
import { scales } from '../number-token.ts';
import { Algebra } from './algebra.ts';
import { expandPlusMinus } from './plus-minus.ts';
import { Budget, NotDecided } from './limits.ts';
import { parseAnswer } from './parser.ts';
import { realSetOf, sameRealSet, symbolsOf } from './real-set.ts';
import { simplify } from './simplify.ts';
import type { Answer, Expression, RelationOperator } from './syntax.ts';
import { requireValue, sameValue, type ValueOptions } from './values.ts';

export interface EquivalenceOptions extends ValueOptions {
  /** Whether an equation may be multiplied by a number other than 0. */
  readonly equations: 'same' | 'up-to-scale';
}

export const defaultEquivalence: EquivalenceOptions = { decimals: 'exact', equations: 'same' };

export type Comparison =
  | { readonly outcome: 'equal' | 'different' }
  /** The response was not read, or the two could not be told apart: counts as different. */
  | { readonly outcome: 'undecided'; readonly reason: string }
  /** The reference is at fault: nothing can be said of any response. */
  | { readonly outcome: 'bad-reference'; readonly reason: string };

/** Compares two answers (not whole responses: see `extraction.ts`). Never throws, whatever the texts. */
export function compareAnswers(
  reference: string,
  response: string,
  options: EquivalenceOptions = defaultEquivalence,
): Comparison {
  const read = readReference(reference);
  if (typeof read === 'string') return { outcome: 'bad-reference', reason: read };
  try {
    const answer = expandPlusMinus(parseAnswer(response));
    const equal = new Matcher(options).equal(read, answer);
    return { outcome: equal ? 'equal' : 'different' };
  } catch (error) {
    return { outcome: 'undecided', reason: reasonOf(error) };
  }
}

/** What is wrong with a reference, or undefined when it can be compared with. */
export function referenceFault(reference: string): string | undefined {
  const read = readReference(reference);
  return typeof read === 'string' ? read : undefined;
}

const known = new Map<string, Answer | string>();

function readReference(text: string): Answer | string {
  let read = known.get(text);
  if (read === undefined) {
    read = parseReference(text);
    if (known.size > 2000) known.clear();
    known.set(text, read);
  }
  return read;
}

function parseReference(text: string): Answer | string {
  try {
    const answer = expandPlusMinus(parseAnswer(text));
    requireAnswer(answer, new Algebra(new Budget()));
    return new Matcher(defaultEquivalence).equal(answer, answer) ? answer : 'it is not shown to equal itself';
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof NotDecided) return error.message;
  // The stack or memory of a hostile expression; nothing else is expected here.
  return error instanceof RangeError
    ? 'too large to compare'
    : `not compared (${String(error).slice(0, 100)})`;
}

/** Throws `NotDecided` where a part of the answer has no value. */
function requireAnswer(answer: Answer, algebra: Algebra): void {
  switch (answer.kind) {
    case 'value':
      if (answer.unit !== undefined) requireUnit(answer.unit);
      requireValue(answer.value, algebra);
      return;
    case 'relation':
      for (const member of answer.members) requireAnswer(member, algebra);
      return;
    case 'tuple':
    case 'set':
    case 'list':
      for (const item of answer.items) requireAnswer(item, algebra);
      return;
    case 'union':
      for (const part of answer.parts) requireAnswer(part, algebra);
      return;
    case 'member':
      requireAnswer(answer.of, algebra);
      return;
    case 'ratio':
      for (const item of answer.items) requireValue(item, algebra);
      return;
    case 'text':
    case 'based':
      return;
  }
}

/** Words that change the number before them, or what is said of it. */
const noUnit = new Set([
  ...scales.keys(),
  ...'not no minus plus times squared cubed half third less more than least most about if when unless maybe except'.split(
    ' ',
  ),
]);

function requireUnit(unit: string): void {
  const words = unit.split(/[\s^/]+/);
  if (unit.length > 60 || words.some((word) => noUnit.has(word))) {
    throw new NotDecided('unreadable', 'words after a number that are no unit');
  }
}

interface Named {
  readonly name: Answer | undefined;
  readonly value: Answer;
}

class Matcher {
  private readonly options: EquivalenceOptions;
  private readonly algebra = new Algebra(new Budget());

  constructor(options: EquivalenceOptions) {
    this.options = options;
  }

  equal(reference: Answer, response: Answer): boolean {
    this.algebra.budget.spend(10);
    if (reference.kind === 'text' || response.kind === 'text') return sameText(reference, response);
    if (response.kind === 'list' && reference.kind !== 'list' && reference.kind !== 'set') {
      // One answer, said more than once in different ways.
      const [only, ...others] = this.distinct(response.items);
      return others.length === 0 && this.equal(reference, only!);
    }
    const left = this.named(reference);
    const right = this.named(response);
    if (left.name !== undefined && right.name !== undefined) {
      return this.sameName(left.name, right.name)
        ? this.equal(left.value, right.value)
        : this.sameEquation(reference, response);
    }
    if (left.name !== undefined || right.name !== undefined) {
      // `x ∈ A` with A named by a list of its own, or an equation against one that is solved for a variable.
      if (reference.kind === 'relation' && response.kind === 'relation')
        return this.sameEquation(reference, response);
      return this.equal(left.value, right.value);
    }
    switch (reference.kind) {
      case 'value':
        return response.kind === 'value'
          ? this.sameQuantity(reference, response)
          : this.sameRegion(reference, response);
      case 'based':
        return (
          response.kind === 'based' &&
          response.digits === reference.digits &&
          response.base === reference.base
        );
      case 'ratio':
        return (
          response.kind === 'ratio' &&
          response.items.length === reference.items.length &&
          reference.items.every((item, i) => this.sameExpression(item, response.items[i]!))
        );
      case 'tuple':
        return response.kind === 'tuple'
          ? this.sameTuple(reference, response)
          : this.sameRegion(reference, response);
      case 'set':
      case 'list':
        return response.kind === 'set' || response.kind === 'list'
          ? this.sameCollection(reference, response)
          : this.sameRegion(reference, response);
      case 'relation':
        return response.kind === 'relation' && reference.operators.includes('=')
          ? this.sameEquation(reference, response)
          : this.sameChain(reference, response) ||
              this.sameInequality(reference, response) ||
              this.sameRegion(reference, response);
      case 'union':
      case 'member':
        return this.sameRegion(reference, response);
    }
  }

  // --- values ---------------------------------------------------------------------------------------------------

  private sameExpression(reference: Expression, response: Expression): boolean {
    return sameValue(reference, response, this.algebra, this.options);
  }

  private sameQuantity(
    reference: Extract<Answer, { kind: 'value' }>,
    response: Extract<Answer, { kind: 'value' }>,
  ): boolean {
    for (const { unit } of [reference, response]) if (unit !== undefined) requireUnit(unit);
    const same = this.sameExpression(reference.value, response.value);
    if (reference.unit === response.unit) return same;
    if (reference.unit !== undefined && response.unit !== undefined) return false;
    // 28 % is 28 of the unit percent, and the number 0.28; 90° likewise.
    if (same) return true;
    const [left, right] = [inNumbers(reference), inNumbers(response)];
    return left !== undefined && right !== undefined && this.sameExpression(left, right);
  }

  // --- names ----------------------------------------------------------------------------------------------------

  /** `x = 5` as its name and its value; anything else as a value without a name. */
  private named(answer: Answer): Named {
    if (answer.kind === 'member' && answer.of.kind !== 'tuple' && answer.of.kind !== 'union') {
      return { name: answer.element, value: answer.of };
    }
    if (answer.kind !== 'relation') return { name: undefined, value: answer };
    const exact: Answer[] = [answer.members[0]!];
    for (const [i, operator] of answer.operators.entries()) {
      if (operator !== '=' && operator !== '~') return { name: undefined, value: answer };
      // x = √2 ≈ 1.41: what is only close says nothing more; x ≈ 11 says 11.
      if (operator === '=' || (i === 0 && answer.members.length === 2)) exact.push(answer.members[i + 1]!);
      else break;
    }
    let [name, ...values] = exact;
    if (!isName(name!) && values.length === 1 && isName(values[0]!)) [name, values] = [values[0], [name!]];
    if (!isName(name!)) {
      const isChain = exact.length > 2 || answer.operators.includes('~');
      if (!isChain) return { name: undefined, value: answer };
      [name, values] = [undefined, exact];
    }
    const value = values.at(-1);
    if (value === undefined) return { name: undefined, value: answer };
    if (values.slice(0, -1).some((other) => !this.equal(value, other))) {
      throw new NotDecided('undefined', 'a chain of equations that does not hold');
    }
    return { name, value };
  }

  private sameName(a: Answer, b: Answer): boolean {
    return nameKey(a) === nameKey(b);
  }

  // --- collections ----------------------------------------------------------------------------------------------

  private sameTuple(
    reference: Extract<Answer, { kind: 'tuple' }>,
    response: Extract<Answer, { kind: 'tuple' }>,
  ): boolean {
    const shape = ({ open, close }: typeof reference) => `${open}${close}`.replace('<>', '()');
    if (shape(reference) !== shape(response) || reference.items.length !== response.items.length)
      return false;
    return reference.items.every((item, i) => this.equal(item, response.items[i]!));
  }

  private sameCollection(
    reference: Extract<Answer, { kind: 'set' | 'list' }>,
    response: Extract<Answer, { kind: 'set' | 'list' }>,
  ): boolean {
    const left = this.withoutSharedName(reference.items);
    const right = this.withoutSharedName(response.items);
    const names = left.map((item) => this.named(item).name);
    const isAssignment = names.length > 1 && names.every((name) => name !== undefined);
    if (isAssignment && right.every((item) => this.named(item).name === undefined)) {
      // x = −5, p = 14/3 against −5, 14/3: without names the order says which is which.
      return left.length === right.length && left.every((item, i) => this.equal(item, right[i]!));
    }
    return this.sameElements(this.distinct(left), this.distinct(right));
  }

  private sameElements(left: readonly Answer[], right: readonly Answer[]): boolean {
    if (left.length !== right.length) return false;
    const free = [...right];
    for (const item of left) {
      const at = free.findIndex((other) => this.equal(item, other));
      if (at < 0) return false;
      free.splice(at, 1);
    }
    return true;
  }

  private distinct(items: readonly Answer[]): Answer[] {
    if (items.length > 100) throw new NotDecided('too-large', 'too many elements to compare');
    const result: Answer[] = [];
    for (const item of items) if (!result.some((other) => this.equal(other, item))) result.push(item);
    return result;
  }

  /** `x = 1, x = 2` and `x = 1, 2` as 1, 2. */
  private withoutSharedName(items: readonly Answer[]): readonly Answer[] {
    const named = items.map((item) => this.named(item));
    const [first] = named;
    if (first?.name === undefined) return items;
    const key = nameKey(first.name);
    const shared = named.every(({ name }) => name === undefined || nameKey(name) === key);
    return shared && items.length > 1 ? named.map(({ value }) => value) : items;
  }

  // --- regions and equations --------------------------------------------------------------------------------------

  private sameRegion(reference: Answer, response: Answer): boolean {
    const left = realSetOf(reference, this.algebra);
    if (left === undefined) return false;
    const right = realSetOf(response, this.algebra);
    return right !== undefined && sameRealSet(left, right, this.algebra);
  }

  /** The same members and operators, read from the left or from the right. */
  private sameChain(reference: Extract<Answer, { kind: 'relation' }>, response: Answer): boolean {
    if (response.kind !== 'relation' || response.operators.length !== reference.operators.length)
      return false;
    const turned: Answer & { kind: 'relation' } = {
      kind: 'relation',
      members: [...response.members].reverse(),
      operators: [...response.operators].reverse().map(reversed),
    };
    return [response, turned].some(
      (one) =>
        one.operators.every((operator, i) => operator === reference.operators[i]) &&
        reference.members.every((member, i) => this.equal(member, one.members[i]!)),
    );
  }

  /** An inequality in several variables: the same difference of its sides, the same direction. */
  private sameInequality(reference: Answer, response: Answer): boolean {
    const [left, right] = [differenceOf(reference), differenceOf(response)];
    if (left === undefined || right === undefined || left.operator !== right.operator) return false;
    return this.sameExpression(left.difference, right.difference);
  }

  private sameEquation(reference: Answer, response: Answer): boolean {
    const [left, right] = [sidesOf(reference), sidesOf(response)];
    if (left === undefined || right === undefined) return false;
    const a = difference(left[0], left[1]);
    const b = difference(right[0], right[1]);
    // 0 = 0 says nothing, so that nothing equals it but itself.
    if (symbolsOf(a).length === 0) return false;
    if (this.sameExpression(a, b) || this.sameExpression(a, { kind: 'negative', of: b })) {
      return !this.algebra.isZero(simplify(a, this.algebra));
    }
    if (this.options.equations !== 'up-to-scale') return false;
    const [whole, other] = [simplify(a, this.algebra), simplify(b, this.algebra)];
    if (this.algebra.isZero(whole) || this.algebra.isZero(other)) return false;
    // a/b is a constant exactly where a·b₀ = b·a₀ for the coefficients a₀, b₀ of one and the same monomial.
    const ratio = this.algebra.constantRatio(whole, other);
    return ratio !== undefined;
  }
}

function inNumbers(answer: Extract<Answer, { kind: 'value' }>): Expression | undefined {
  if (answer.unit === undefined || answer.unit === 'radian') return answer.value;
  const factor = answer.unit === 'percent' ? '%' : answer.unit === 'degree' ? '°' : undefined;
  if (factor === undefined) return undefined;
  return { kind: 'product', factors: [answer.value, { kind: 'symbol', name: factor }] };
}

/** Whether a side of an equation only names what the other side gives. */
function isName(answer: Answer): boolean {
  switch (answer.kind) {
    case 'text':
      return true;
    case 'value':
      return answer.unit === undefined && isNameExpression(answer.value);
    case 'tuple':
      return answer.items.every(isName);
    case 'ratio':
      return answer.items.every(isNameExpression);
    default:
      return false;
  }
}

function isNameExpression(expression: Expression): boolean {
  switch (expression.kind) {
    case 'symbol':
      return !['\\pi', '\\infty', '°', '%'].includes(expression.name);
    case 'call':
      return expression.name.startsWith('function ');
    case 'quotient':
      return isSegment(expression.over) && isSegment(expression.under);
    default:
      return isSegment(expression);
  }
}

/** AB, S_{MBCN}, P(x): capital letters, and the argument of a capital letter. */
function isSegment(expression: Expression): boolean {
  if (expression.kind === 'symbol') return /^[A-Z]/.test(expression.name);
  if (expression.kind !== 'product') return false;
  const names = expression.factors.map((factor) => (factor.kind === 'symbol' ? factor.name : ''));
  if (names.every((name) => /^[A-Z]/.test(name))) return true;
  return names.length === 2 && /^[A-Z]/.test(names[0]!) && /^[a-z]$/.test(names[1]!);
}

function nameKey(answer: Answer): string {
  return answer.kind === 'text'
    ? normalText(answer.text)
    : JSON.stringify(answer, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}

function normalText(text: string): string {
  const plain = text.trim().replaceAll(/\s+/g, ' ').toLowerCase();
  return plain
    .replace(/[.!]$/, '')
    .replace(/^\((.*)\)$/, '$1')
    .trim();
}

/** Text is compared as text; a single letter may be written as mathematics. */
function sameText(reference: Answer, response: Answer): boolean {
  const [left, right] = [textOf(reference), textOf(response)];
  return left !== undefined && right !== undefined && normalText(left) === normalText(right);
}

function textOf(answer: Answer): string | undefined {
  if (answer.kind === 'text') return answer.text;
  if (answer.kind === 'value' && answer.unit === undefined && answer.value.kind === 'symbol')
    return answer.value.name;
  return undefined;
}

function reversed(operator: RelationOperator): RelationOperator {
  switch (operator) {
    case '<':
      return '>';
    case '>':
      return '<';
    case '<=':
      return '>=';
    case '>=':
      return '<=';
    default:
      return operator;
  }
}

function difference(a: Expression, b: Expression): Expression {
  return { kind: 'sum', terms: [a, { kind: 'negative', of: b }] };
}

function sidesOf(answer: Answer): readonly [Expression, Expression] | undefined {
  if (answer.kind !== 'relation' || answer.members.length !== 2 || answer.operators[0] !== '=')
    return undefined;
  const [left, right] = answer.members;
  if (left?.kind !== 'value' || right?.kind !== 'value' || left.unit !== right.unit) return undefined;
  return [left.value, right.value];
}

function differenceOf(
  answer: Answer,
): { readonly operator: string; readonly difference: Expression } | undefined {
  if (answer.kind !== 'relation' || answer.members.length !== 2) return undefined;
  const [left, right] = answer.members;
  if (left?.kind !== 'value' || right?.kind !== 'value' || left.unit !== right.unit) return undefined;
  switch (answer.operators[0]) {
    case '<':
    case '<=':
      return { operator: answer.operators[0], difference: difference(left.value, right.value) };
    case '>':
    case '>=':
      return {
        operator: answer.operators[0].replace('>', '<'),
        difference: difference(right.value, left.value),
      };
    default:
      return undefined;
  }
}
