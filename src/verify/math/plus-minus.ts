/** `1 ± √2` as the two values that it stands for. All ± of one expression go together, ∓ against them. */
import { NotDecided } from './limits.ts';
import type { Answer, Expression } from './syntax.ts';

export function expandPlusMinus(answer: Answer): Answer {
  switch (answer.kind) {
    case 'set':
    case 'list':
      return { ...answer, items: answer.items.map(expandPlusMinus).flatMap(both) };
    case 'relation': {
      const last = answer.members.at(-1)!;
      if (answer.members.slice(0, -1).some(hasPlusMinus))
        throw new NotDecided('unreadable', 'a ± on the left');
      if (!hasPlusMinus(last)) return answer;
      const rest = answer.members.slice(0, -1);
      const items = [1, -1].map((sign) => ({ ...answer, members: [...rest, chosen(last, sign)] }));
      return { kind: 'list', items };
    }
    case 'value':
    case 'tuple':
      if (!hasPlusMinus(answer)) return answer;
      return { kind: 'list', items: [chosen(answer, 1), chosen(answer, -1)] };
    default:
      if (hasPlusMinus(answer)) throw new NotDecided('unreadable', 'a ± where it can be read in two ways');
      return answer;
  }
}

/** The values of an element that became a list of two. */
function both(answer: Answer): readonly Answer[] {
  return answer.kind === 'list' ? answer.items : [answer];
}

function hasPlusMinus(answer: Answer): boolean {
  switch (answer.kind) {
    case 'value':
      return has(answer.value);
    case 'relation':
      return answer.members.some(hasPlusMinus);
    case 'tuple':
    case 'set':
    case 'list':
      return answer.items.some(hasPlusMinus);
    case 'union':
      return answer.parts.some(hasPlusMinus);
    case 'member':
      return hasPlusMinus(answer.of) || hasPlusMinus(answer.element);
    case 'ratio':
      return answer.items.some(has);
    case 'text':
    case 'based':
      return false;
  }
}

function has(expression: Expression): boolean {
  return expression.kind === 'plus-minus' || childrenOf(expression).some(has);
}

function chosen(answer: Answer, sign: number): Answer {
  switch (answer.kind) {
    case 'value':
      return { ...answer, value: choose(answer.value, sign) };
    case 'tuple':
      return { ...answer, items: answer.items.map((item) => chosen(item, sign)) };
    default:
      if (hasPlusMinus(answer)) throw new NotDecided('unreadable', 'a ± where it can be read in two ways');
      return answer;
  }
}

function choose(expression: Expression, sign: number): Expression {
  switch (expression.kind) {
    case 'plus-minus': {
      const of = choose(expression.of, sign);
      return expression.sign * sign > 0 ? of : { kind: 'negative', of };
    }
    case 'number':
    case 'symbol':
      return expression;
    case 'sum':
      return { kind: 'sum', terms: expression.terms.map((term) => choose(term, sign)) };
    case 'product':
      return { kind: 'product', factors: expression.factors.map((factor) => choose(factor, sign)) };
    case 'quotient':
      return { kind: 'quotient', over: choose(expression.over, sign), under: choose(expression.under, sign) };
    case 'negative':
      return { kind: 'negative', of: choose(expression.of, sign) };
    case 'power':
      return {
        kind: 'power',
        base: choose(expression.base, sign),
        exponent: choose(expression.exponent, sign),
      };
    case 'root':
      return { ...expression, of: choose(expression.of, sign) };
    case 'call':
      return { ...expression, arguments: expression.arguments.map((one) => choose(one, sign)) };
    case 'matrix':
      return { kind: 'matrix', rows: expression.rows.map((row) => row.map((cell) => choose(cell, sign))) };
  }
}

function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'number':
    case 'symbol':
      return [];
    case 'sum':
      return expression.terms;
    case 'product':
      return expression.factors;
    case 'quotient':
      return [expression.over, expression.under];
    case 'negative':
    case 'root':
    case 'plus-minus':
      return [expression.of];
    case 'power':
      return [expression.base, expression.exponent];
    case 'call':
      return expression.arguments;
    case 'matrix':
      return expression.rows.flat();
  }
}
