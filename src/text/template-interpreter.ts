/**
 * Runs Jinja templates within bounds, and closer to Python than `@huggingface/jinja` does by itself.
 *
 * A chat template comes with a model from anywhere. The library alone runs `{% for i in range(20000000) %}` for
 * minutes in 4 GB; it has no limits. Here every step, every character and every item made costs fuel, of which there
 * is enough for any honest template (a fixed amount and more for long conversations), sizes are checked before the
 * work is done, and nothing depends on time: a template that ends, ends everywhere.
 *
 * Differences of the library (0.5) from Jinja2 that are made up for, because templates in use meet them: `strip` and
 * `trim` with characters (Qwen3), white space as Python strips it, variables set in a loop, loops over strings, how
 * values print, `==` by value, `+` of a string and something else, attributes of undefined values, `first` and `last`
 * of nothing, `iterable`, remainders of negative numbers.
 */
import { library, type BaseInterpreter, type Node, type Scope, type Value } from './jinja-library.ts';
import {
  isList,
  isMapping,
  isString,
  isUndefined,
  pythonEquals,
  pythonString,
  pythonStrip,
  sizeOf,
  toValue,
} from './template-values.ts';

interface ForNode extends Node {
  readonly loopvar: Node & { readonly value: unknown };
  readonly iterable: Node & { readonly lhs?: Node; readonly test?: Node };
  readonly body: readonly Node[];
  readonly defaultBlock: readonly Node[];
}
interface BlockNode extends Node {
  readonly body: readonly Node[];
}
interface IfNode extends BlockNode {
  readonly test: Node;
  readonly alternate: readonly Node[];
}
interface BinaryNode extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}
interface CallNode extends Node {
  readonly callee: Node;
  readonly args: readonly Node[];
}
interface MemberNode extends Node {
  readonly object: Node;
  readonly property: Node & { readonly value?: unknown };
  readonly computed: boolean;
}
interface FilterNode extends Node {
  readonly operand: Node;
  readonly filter: Node & {
    readonly value?: unknown;
    readonly callee?: Node & { readonly value?: unknown };
    readonly args?: readonly Node[];
  };
}
interface TestNode extends Node {
  readonly operand: Node;
  readonly negate: boolean;
  readonly test: { readonly value: string };
}
/** A value that was computed already, in the place of the node it came from. */
interface ConstantNode extends Node {
  readonly type: 'Constant';
  readonly constant: Value;
}
/** An expression whose value is written to the output. */
interface PrintNode extends Node {
  readonly type: 'Print';
  readonly expression: Node;
}

/** The template itself is wrong, or too much for the bounds. The message is for people. */
export class TemplateProblem extends Error {}
/** The template called `raise_exception`. */
export class TemplateRefusal extends Error {}
/** `{% break %}` or `{% continue %}` on its way to its loop, with what was written before it. */
class LoopExit extends Error {
  output = '';
  readonly ends: boolean;

  constructor(ends: boolean) {
    super(ends ? 'it has a break outside of a loop' : 'it has a continue outside of a loop');
    this.ends = ends;
  }
}

/** Steps that any template may take; longer inputs bring more. */
const FUEL = 1_000_000;
const FUEL_PER_CHARACTER = 8;
/** The largest string or list that may be made. */
const MAXIMUM_SIZE = 8_000_000;
/** The most work that one operation may be: characters compared, or written. */
const MAXIMUM_WORK = 64_000_000;
const MAXIMUM_RANGE = 100_000;
/** The library's own preparation is quadratic in runs of white space. */
const MAXIMUM_SPACES = 2000;
export const MAXIMUM_SOURCE = 512 * 1024;

/** Parses a template. Throws `TemplateProblem`. */
export function parseTemplate(source: string): Node {
  if (source.length > MAXIMUM_SOURCE) {
    throw new TemplateProblem(`it has ${source.length} characters; at most ${MAXIMUM_SOURCE} are accepted`);
  }
  const spaces = new RegExp(String.raw`\s{${MAXIMUM_SPACES + 1}}`).exec(source);
  if (spaces !== null) {
    throw new TemplateProblem(
      `it has more than ${MAXIMUM_SPACES} white-space characters in a row at position ${spaces.index}`,
    );
  }
  const program = library.parse(library.tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  // Program → Statement: the class that the library looks for when it walks the tree.
  const statement = Object.getPrototypeOf(Object.getPrototypeOf(program)) as object;
  markPrints(program, statement);
  return program;
}

/** Runs a parsed template. Throws `TemplateProblem`, `TemplateRefusal`, or what the library throws. */
export function runTemplate(program: Node, variables: Readonly<Record<string, unknown>>): string {
  const scope = new library.Environment();
  let inputSize = 0;
  for (const [name, value] of Object.entries(variables)) inputSize += sizeOf(scope.set(name, value));
  if (!(inputSize <= MAXIMUM_SIZE)) throw tooLarge();
  const interpreter = new BoundedInterpreter(scope, FUEL + FUEL_PER_CHARACTER * inputSize);
  return pythonString(interpreter.evaluate(program, scope));
}

/** `range(...)`, for the variables of a template. */
export function boundedRange(start: number, stop?: number, step = 1): number[] {
  const from = stop === undefined ? 0 : start;
  const to = stop ?? start;
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!Number.isInteger(from) || !Number.isInteger(to) || !Number.isInteger(step) || step === 0) {
    throw new TemplateProblem('range() takes integers, and a step that is not 0');
  }
  if (count > MAXIMUM_RANGE) throw new TemplateProblem(`range() over more than ${MAXIMUM_RANGE} numbers`);
  return Array.from({ length: count }, (_, i) => from + i * step);
}

const STATEMENTS = new Set([
  'Set',
  'If',
  'For',
  'Macro',
  'CallStatement',
  'FilterStatement',
  'Break',
  'Continue',
  'Comment',
  'StringLiteral',
]);
const BODIES = ['body', 'alternate', 'defaultBlock'] as const;

/** Puts a `Print` node around every expression that stands as a statement. */
function markPrints(node: Node, prototype: object): void {
  const holder = node as unknown as Record<string, unknown>;
  for (const key of BODIES) {
    const body = holder[key];
    if (!Array.isArray(body)) continue;
    holder[key] = (body as Node[]).map((child) => {
      if (STATEMENTS.has(child.type)) {
        markPrints(child, prototype);
        return child;
      }
      return Object.assign(Object.create(prototype) as object, {
        type: 'Print',
        expression: child,
      }) as PrintNode;
    });
  }
}

class BoundedInterpreter extends library.Interpreter implements BaseInterpreter {
  #fuel: number;

  constructor(scope: Scope, fuel: number) {
    super(scope);
    this.#fuel = fuel;
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    this.#spend(1);
    // The library's filters answer `undefined` for the first item of an empty list.
    const value = (this.#evaluateOurs(node, scope) ?? super.evaluate(node, scope)) as Value | undefined;
    if (value === undefined) return toValue(undefined);
    if (isString(value)) {
      if (value.value.length > MAXIMUM_SIZE) throw tooLarge();
      this.#spend(value.value.length / 16);
    } else if (node !== undefined && MAKERS.has(node.type)) this.#checkSize(value);
    return value;
  }

  #evaluateOurs(node: Node | undefined, scope: Scope): Value | undefined {
    switch (node?.type) {
      case 'Constant':
        return (node as ConstantNode).constant;
      case 'Print':
        return this.#print(node as PrintNode, scope);
      case 'For':
        return this.#loop(node as ForNode, scope);
      case 'Program':
        return this.#block((node as BlockNode).body, scope);
      case 'If':
        return this.#choose(node as IfNode, scope);
      case 'Break':
        throw new LoopExit(true);
      case 'Continue':
        throw new LoopExit(false);
      case 'BinaryExpression':
        return this.#binary(node as BinaryNode, scope);
      case 'CallExpression':
        return this.#call(node as CallNode, scope);
      case 'MemberExpression':
        return this.#member(node as MemberNode, scope);
      case 'FilterExpression':
        return this.#filter(node as FilterNode, scope);
      case 'TestExpression':
        return this.#test(node as TestNode, scope);
      case 'Set':
        return this.#set(node, scope);
      default:
        return undefined;
    }
  }

  #spend(amount: number): void {
    this.#fuel -= amount;
    if (this.#fuel < 0) throw new TemplateProblem('it takes too many steps: it may never end');
  }

  #checkSize(value: Value): void {
    const size = sizeOf(value);
    if (!(size <= MAXIMUM_SIZE)) {
      throw size === Infinity ? new TemplateProblem('it puts a namespace into another value') : tooLarge();
    }
    const shallow = isList(value) ? value.value.length : isMapping(value) ? value.value.size : 0;
    this.#spend(shallow / 4);
  }

  #checkWork(amount: number): void {
    if (amount > MAXIMUM_WORK) throw tooLarge();
    this.#spend(amount / 64);
  }

  #print({ expression }: PrintNode, scope: Scope): Value {
    const value = this.evaluate(expression, scope);
    this.#checkWork(sizeOf(value));
    return toValue(pythonString(value));
  }

  /** One scope per iteration, as in Jinja2: what is set in one is not seen in the next. */
  #loop(node: ForNode, scope: Scope): Value {
    const filtered = node.iterable.type === 'SelectExpression';
    const iterable = this.evaluate(filtered ? node.iterable.lhs : node.iterable, scope);
    let items = this.#itemsOf(iterable);
    if (filtered) {
      items = items.filter((item) => {
        const inner = new library.Environment(scope);
        this.#bind(node, item, inner);
        return truthy(this.evaluate(node.iterable.test, inner));
      });
    }
    if (items.length === 0) return this.#block(node.defaultBlock, new library.Environment(scope));
    let output = '';
    for (const [i, item] of items.entries()) {
      this.#spend(10);
      const inner = new library.Environment(scope);
      inner.set('loop', {
        index: i + 1,
        index0: i,
        revindex: items.length - i,
        revindex0: items.length - i - 1,
        first: i === 0,
        last: i === items.length - 1,
        length: items.length,
      });
      this.#addNeighbours(inner, items, i);
      this.#bind(node, item, inner);
      try {
        output += pythonString(this.#block(node.body, inner));
      } catch (error) {
        if (!(error instanceof LoopExit)) throw error;
        output += error.output;
        if (error.ends) break;
      }
      if (output.length > MAXIMUM_SIZE) throw tooLarge();
    }
    return toValue(output);
  }

  #addNeighbours(scope: Scope, items: readonly Value[], i: number): void {
    const loop = this.evaluate({ type: 'Identifier', value: 'loop' } as Node, scope).value as Map<
      string,
      Value
    >;
    if (i > 0) loop.set('previtem', items[i - 1]!);
    if (i < items.length - 1) loop.set('nextitem', items[i + 1]!);
  }

  #block(body: readonly Node[], scope: Scope): Value {
    let output = '';
    for (const statement of body) {
      try {
        const value = this.evaluate(statement, scope);
        if (isString(value)) output += value.value;
      } catch (error) {
        if (error instanceof LoopExit) error.output = output + error.output;
        throw error;
      }
      if (output.length > MAXIMUM_SIZE) throw tooLarge();
    }
    return toValue(output);
  }

  #choose(node: IfNode, scope: Scope): Value {
    const test = this.evaluate(node.test, scope);
    return this.#block(truthy(test) ? node.body : node.alternate, scope);
  }

  #itemsOf(iterable: Value): Value[] {
    if (isList(iterable)) return [...iterable.value];
    if (isMapping(iterable)) return [...iterable.value.keys()].map(toValue);
    if (isString(iterable)) return Array.from(iterable.value, toValue);
    if (isUndefined(iterable)) return [];
    throw new TemplateProblem(`it loops over what is not a list (${iterable.type})`);
  }

  #bind(node: ForNode, item: Value, scope: Scope): void {
    if (node.loopvar.type === 'Identifier') {
      scope.setVariable(node.loopvar.value as string, item);
      return;
    }
    const names = node.loopvar.value as readonly { value: string }[];
    if (!isList(item) || item.value.length !== names.length) {
      throw new TemplateProblem(`it takes ${names.length} values out of an item that has not as many`);
    }
    names.forEach(({ value }, i) => scope.setVariable(value, item.value[i]!));
  }

  #binary(node: BinaryNode, scope: Scope): Value | undefined {
    const operator = node.operator.value;
    if (operator === 'and' || operator === 'or') return undefined;
    const left = this.evaluate(node.left, scope);
    const right = this.evaluate(node.right, scope);
    switch (operator) {
      case '==':
      case '!=':
        this.#checkWork(Math.min(sizeOf(left), sizeOf(right)));
        return toValue(pythonEquals(left, right) === (operator === '=='));
      case '~':
        this.#checkWork(sizeOf(left) + sizeOf(right));
        return toValue(pythonString(left) + pythonString(right));
      case '+':
        this.#checkWork(sizeOf(left) + sizeOf(right));
        if (isString(left) !== isString(right)) {
          throw new TemplateProblem(`it adds a string and something else (${left.type} + ${right.type})`);
        }
        break;
      case '%': {
        const divisor = right.value;
        if (typeof left.value === 'number' && typeof divisor === 'number') {
          if (divisor === 0) throw new TemplateProblem('it divides by zero');
          return toValue(((left.value % divisor) + divisor) % divisor);
        }
        break;
      }
      case 'in':
      case 'not in':
        if (isString(left) && isString(right)) this.#checkWork(left.value.length * right.value.length);
        else this.#checkWork(isList(right) ? right.value.length : 1);
        break;
      default:
        break;
    }
    return super.evaluate({ ...node, left: constant(left), right: constant(right) } as Node, scope);
  }

  #call(node: CallNode, scope: Scope): Value | undefined {
    if (node.callee.type !== 'MemberExpression') return undefined;
    const callee = node.callee as MemberNode;
    const object = this.evaluate(callee.object, scope);
    const args = this.#evaluateArguments(node.args, scope);
    if (isString(object)) {
      this.#checkWork(sizeOf(object) * amplification(args));
      const side = callee.computed ? undefined : STRIP_SIDES.get(String(callee.property.value));
      const [characters] = args;
      if (side !== undefined && args.length <= 1) {
        return toValue(pythonStrip(object.value, stripCharacters(characters), side));
      }
    }
    const known = {
      ...node,
      callee: { ...callee, object: constant(object) },
      args: args.map(({ node }) => node),
    };
    return super.evaluate(known, scope);
  }

  #member(node: MemberNode, scope: Scope): Value | undefined {
    const object = this.evaluate(node.object, scope);
    if (isUndefined(object)) {
      const name =
        node.object.type === 'Identifier'
          ? ` '${String((node.object as MemberNode['property']).value)}'`
          : '';
      throw new TemplateProblem(`it reads a part of${name === '' ? ' something' : name} that is undefined`);
    }
    if (isString(object) && node.computed) {
      const property =
        node.property.type === 'SliceExpression' ? undefined : this.evaluate(node.property, scope);
      this.#checkWork(object.value.length);
      if (typeof property?.value === 'number') return toValue(Array.from(object.value).at(property.value));
    }
    return super.evaluate({ ...node, object: constant(object) } as Node, scope);
  }

  #filter(node: FilterNode, scope: Scope): Value | undefined {
    const operand = this.evaluate(node.operand, scope);
    const { filter } = node;
    const name = String(filter.type === 'CallExpression' ? filter.callee?.value : filter.value);
    const args = this.#evaluateArguments(filter.args ?? [], scope);
    if (!LOOKS.has(name)) this.#checkWork(sizeOf(operand) * amplification(args));
    if (name === 'trim' && args.length <= 1) {
      return toValue(pythonStrip(pythonString(operand), stripCharacters(args[0]), 'both'));
    }
    if (name === 'string') return toValue(pythonString(operand));
    if (name === 'capitalize' && isString(operand)) return toValue(capitalized(operand.value));
    if (name === 'list' && (isString(operand) || isMapping(operand))) {
      return this.evaluate(
        { type: 'ArrayLiteral', value: this.#itemsOf(operand).map(constant) } as Node,
        scope,
      );
    }
    if ((name === 'length' || name === 'count') && isString(operand))
      return toValue(Array.from(operand.value).length);
    const known = filter.args === undefined ? filter : { ...filter, args: args.map(({ node }) => node) };
    return super.evaluate({ ...node, operand: constant(operand), filter: known } as Node, scope);
  }

  #test(node: TestNode, scope: Scope): Value | undefined {
    if (node.test.value !== 'iterable') return undefined;
    const operand = this.evaluate(node.operand, scope);
    return toValue((isList(operand) || isMapping(operand) || isString(operand)) !== node.negate);
  }

  /** A namespace may not come to hold a namespace; see `sizeOf`. */
  #set(node: Node, scope: Scope): Value | undefined {
    const { assignee, value } = node as Node & { assignee: MemberNode; value: Node | null };
    if (assignee.type !== 'MemberExpression' || value === null) return undefined;
    const assigned = this.evaluate(value, scope);
    if (assigned.type === 'NamespaceValue')
      throw new TemplateProblem('it puts a namespace into another value');
    this.#checkSize(assigned);
    this.#spend(sizeOf(assigned) / 16);
    return super.evaluate({ ...node, value: constant(assigned) } as Node, scope);
  }

  /** Arguments with their values, each node replaced by its value unless it is a literal. */
  #evaluateArguments(args: readonly Node[], scope: Scope): Argument[] {
    return args.map((node): Argument => {
      switch (node.type) {
        case 'StringLiteral':
        case 'IntegerLiteral':
          return { node, value: this.evaluate(node, scope) };
        case 'KeywordArgumentExpression': {
          const value = this.evaluate((node as unknown as { value: Node }).value, scope);
          return { node: { ...node, value: constant(value) } as Node, value };
        }
        case 'SpreadExpression':
        case 'KeywordSpreadExpression': {
          const value = this.evaluate((node as unknown as { argument: Node }).argument, scope);
          return { node: { ...node, argument: constant(value) } as Node, value };
        }
        default: {
          const value = this.evaluate(node, scope);
          return { node: constant(value), value };
        }
      }
    });
  }
}

interface Argument {
  readonly node: Node;
  readonly value: Value;
}

/** Nodes that make lists and mappings. */
const MAKERS: ReadonlySet<string> = new Set([
  'ArrayLiteral',
  'TupleLiteral',
  'ObjectLiteral',
  'BinaryExpression',
  'CallExpression',
  'FilterExpression',
  'MemberExpression',
]);

/** Filters that look at a list without going through it. */
const LOOKS: ReadonlySet<string> = new Set(['length', 'count', 'first', 'last', 'default', 'safe']);

const STRIP_SIDES: ReadonlyMap<string, 'both' | 'left' | 'right'> = new Map([
  ['strip', 'both'],
  ['lstrip', 'left'],
  ['rstrip', 'right'],
]);

function constant(value: Value): ConstantNode {
  return { type: 'Constant', constant: value };
}

function truthy(value: Value): boolean {
  if (isList(value)) return value.value.length > 0;
  return isMapping(value) ? value.value.size > 0 : Boolean(value.value);
}

function capitalized(text: string): string {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
}

function stripCharacters(argument: Argument | undefined): string | undefined {
  if (argument === undefined || argument.value.type === 'NullValue') return undefined;
  if (isString(argument.value)) return argument.value.value;
  throw new TemplateProblem('it strips something that is not a string of characters');
}

/** By how much an operation may make its operand larger, at most: a separator's length, an indentation. */
function amplification(args: readonly Argument[]): number {
  let factor = 1;
  for (const { value } of args) {
    if (typeof value.value === 'number') factor = Math.max(factor, Math.abs(value.value));
    else if (isString(value)) factor = Math.max(factor, value.value.length);
  }
  return factor;
}

function tooLarge(): TemplateProblem {
  return new TemplateProblem('it makes texts or lists that are too large');
}
