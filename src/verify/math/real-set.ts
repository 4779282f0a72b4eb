/** Sets of real numbers, from intervals, inequalities in one variable, finite sets and unions of these. */
import type { Algebra } from './algebra.ts';
import type { Fraction } from './generators.ts';
import { NotDecided } from './limits.ts';
import { simplify } from './simplify.ts';
import type { Answer, Expression, RelationOperator } from './syntax.ts';
import { infinity } from './values.ts';

interface End {
  /** Infinite where absent. */
  readonly at?: Fraction;
  readonly closed: boolean;
}

interface Interval {
  readonly low: End;
  readonly high: End;
}

export interface RealSet {
  /** Disjoint, ascending, none touching the next. */
  readonly intervals: readonly Interval[];
  /** The variable that an inequality or a membership is about. */
  readonly variable?: string;
}

const open: End = { closed: false };

/** The set that an answer describes; undefined for an answer that describes none. */
export function realSetOf(answer: Answer, algebra: Algebra): RealSet | undefined {
  switch (answer.kind) {
    case 'tuple': {
      const [low, high] = answer.items;
      if (answer.items.length !== 2 || low?.kind !== 'value' || high?.kind !== 'value' || answer.open === '<')
        return undefined;
      if (low.unit !== undefined || high.unit !== undefined) return undefined;
      const interval: Interval = {
        low: endOf(low.value, answer.open === '[', -1, algebra),
        high: endOf(high.value, answer.close === ']', 1, algebra),
      };
      if (isEmpty(interval, algebra))
        throw new NotDecided('undefined', 'an interval that ends before it begins');
      return { intervals: [interval] };
    }
    case 'set': {
      const points = answer.items.map((item) => {
        if (item.kind !== 'value' || item.unit !== undefined || infinity(item.value) !== undefined)
          return undefined;
        const end: End = { at: simplify(item.value, algebra), closed: true };
        return { low: end, high: end };
      });
      if (points.some((point) => point === undefined)) return undefined;
      return { intervals: merge(points as Interval[], algebra) };
    }
    case 'value': {
      const isReal = answer.value.kind === 'symbol' && answer.value.name === '\\mathbb{R}';
      return isReal ? { intervals: [{ low: open, high: open }] } : undefined;
    }
    case 'member': {
      const inner = realSetOf(answer.of, algebra);
      const variable = variableOf(answer.element);
      if (inner === undefined || inner.variable !== undefined || variable === undefined) return undefined;
      return { ...inner, variable };
    }
    case 'union': {
      const parts = answer.parts.map((part) => realSetOf(part, algebra));
      const [first] = parts;
      if (parts.some((part) => part === undefined || part.variable !== first!.variable)) return undefined;
      const intervals = merge(
        parts.flatMap((part) => part!.intervals),
        algebra,
      );
      return { intervals, ...(first!.variable === undefined ? {} : { variable: first!.variable }) };
    }
    case 'relation':
      return ofRelation(answer, algebra);
    case 'text':
    case 'list':
    case 'ratio':
    case 'based':
      return undefined;
  }
}

export function sameRealSet(a: RealSet, b: RealSet, algebra: Algebra): boolean {
  if (a.variable !== undefined && b.variable !== undefined && a.variable !== b.variable) return false;
  if (a.intervals.length !== b.intervals.length) return false;
  const sameEnd = (one: End, other: End) => {
    if (one.at === undefined || other.at === undefined) return one.at === other.at;
    return one.closed === other.closed && algebra.same(one.at, other.at);
  };
  return a.intervals.every(
    (one, i) => sameEnd(one.low, b.intervals[i]!.low) && sameEnd(one.high, b.intervals[i]!.high),
  );
}

function variableOf(answer: Answer): string | undefined {
  return answer.kind === 'value' && answer.unit === undefined && answer.value.kind === 'symbol'
    ? answer.value.name
    : undefined;
}

function endOf(expression: Expression, closed: boolean, side: 1 | -1, algebra: Algebra): End {
  const infinite = infinity(expression);
  if (infinite === undefined) return { at: simplify(expression, algebra), closed };
  if (infinite !== side || closed)
    throw new NotDecided('undefined', 'an interval with infinity where it cannot be');
  return open;
}

/** −1, 0, 1 as a is below, at or above b. */
function compare(a: Fraction, b: Fraction, algebra: Algebra): number {
  const sign = algebra.sign(algebra.subtract(a, b));
  if (sign === undefined) throw new NotDecided('undefined', 'ends of intervals that cannot be put in order');
  return sign;
}

function isEmpty({ low, high }: Interval, algebra: Algebra): boolean {
  if (low.at === undefined || high.at === undefined) return false;
  const order = compare(low.at, high.at, algebra);
  return order > 0 || (order === 0 && !(low.closed && high.closed));
}

function compareLow(a: End, b: End, algebra: Algebra): number {
  if (a.at === undefined || b.at === undefined) return a.at === b.at ? 0 : a.at === undefined ? -1 : 1;
  return compare(a.at, b.at, algebra) || Number(b.closed) - Number(a.closed);
}

function compareHigh(a: End, b: End, algebra: Algebra): number {
  if (a.at === undefined || b.at === undefined) return a.at === b.at ? 0 : a.at === undefined ? 1 : -1;
  return compare(a.at, b.at, algebra) || Number(a.closed) - Number(b.closed);
}

function merge(intervals: readonly Interval[], algebra: Algebra): Interval[] {
  if (intervals.length > 50) throw new NotDecided('too-large', 'too many intervals');
  const sorted = [...intervals].sort((a, b) => compareLow(a.low, b.low, algebra));
  const result: Interval[] = [];
  for (const interval of sorted) {
    const last = result.at(-1);
    if (last !== undefined && touches(last.high, interval.low, algebra)) {
      const high = compareHigh(last.high, interval.high, algebra) >= 0 ? last.high : interval.high;
      result[result.length - 1] = { low: last.low, high };
    } else result.push(interval);
  }
  return result;
}

function touches(high: End, low: End, algebra: Algebra): boolean {
  if (high.at === undefined || low.at === undefined) return true;
  const order = compare(high.at, low.at, algebra);
  return order > 0 || (order === 0 && (high.closed || low.closed));
}

/** a ≤ x < b, or several conditions on one variable: linear ones, so that each is a half-line. */
function ofRelation(relation: Extract<Answer, { kind: 'relation' }>, algebra: Algebra): RealSet | undefined {
  if (relation.operators.some((operator) => operator === '=' || operator === '~')) return undefined;
  const members = relation.members.map((member) =>
    member.kind === 'value' && member.unit === undefined ? member.value : undefined,
  );
  const variables = new Set(members.flatMap((member) => (member === undefined ? [] : symbolsOf(member))));
  const [variable] = variables;
  if (members.includes(undefined) || variables.size !== 1 || variable === undefined) return undefined;
  if (relation.operators.includes('!=')) {
    if (relation.operators.length > 1) return undefined;
    const at = boundary(members[0]!, members[1]!, variable, algebra)?.at;
    if (at === undefined) return undefined;
    const end: End = { at, closed: false };
    return {
      variable,
      intervals: [
        { low: open, high: end },
        { low: end, high: open },
      ],
    };
  }
  let [low, high] = [open, open];
  for (const [i, operator] of relation.operators.entries()) {
    const [left, right] = [members[i]!, members[i + 1]!];
    // x < ∞ says nothing.
    if (infinity(left) !== undefined || infinity(right) !== undefined) {
      if (!isTrivial(left, operator, right)) return undefined;
      continue;
    }
    const end = boundary(left, right, variable, algebra);
    if (end === undefined) return undefined;
    const closed = operator === '<=' || operator === '>=';
    const isUpper = (operator === '<' || operator === '<=') === end.rising;
    const bound: End = { at: end.at, closed };
    if (isUpper) high = compareHigh(bound, high, algebra) < 0 ? bound : high;
    else low = compareLow(bound, low, algebra) > 0 ? bound : low;
  }
  if (isEmpty({ low, high }, algebra)) return { variable, intervals: [] };
  return { variable, intervals: [{ low, high }] };
}

function isTrivial(left: Expression, operator: RelationOperator, right: Expression): boolean {
  const upward = operator === '<';
  return (
    (upward || operator === '>') &&
    (infinity(left) === (upward ? -1 : 1) || infinity(right) === (upward ? 1 : -1))
  );
}

/** Where left − right is zero, and whether it rises there. */
function boundary(
  left: Expression,
  right: Expression,
  variable: string,
  algebra: Algebra,
): { readonly at: Fraction; readonly rising: boolean } | undefined {
  const line = algebra.affine(algebra.subtract(simplify(left, algebra), simplify(right, algebra)), variable);
  if (line === undefined) return undefined;
  const slope = algebra.sign(line.slope);
  if (slope === undefined || slope === 0) return undefined;
  return { at: algebra.negate(algebra.divide(line.offset, line.slope)), rising: slope > 0 };
}

/** The symbols of an expression that stand for variables. */
export function symbolsOf(expression: Expression): string[] {
  switch (expression.kind) {
    case 'number':
      return [];
    case 'symbol':
      return ['\\pi', '\\infty', 'e', 'i', '°', '%'].includes(expression.name) ? [] : [expression.name];
    case 'sum':
      return expression.terms.flatMap(symbolsOf);
    case 'product':
      return expression.factors.flatMap(symbolsOf);
    case 'quotient':
      return [...symbolsOf(expression.over), ...symbolsOf(expression.under)];
    case 'negative':
    case 'root':
    case 'plus-minus':
      return symbolsOf(expression.of);
    case 'power':
      return [...symbolsOf(expression.base), ...symbolsOf(expression.exponent)];
    case 'call':
      return expression.arguments.flatMap(symbolsOf);
    case 'matrix':
      return expression.rows.flat().flatMap(symbolsOf);
  }
}
