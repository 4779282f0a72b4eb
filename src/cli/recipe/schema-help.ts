/** Every key of a schema with its default and its description, for `--help-config` and for recipes. */
import { z } from 'zod';

export interface KeyHelp {
  /** `optimizer.learningRate` */
  readonly key: string;
  /** `number`, `grpo | dapo`, `list of string`. */
  readonly type: string;
  /** As JSON; undefined when there is none. */
  readonly defaultValue: string | undefined;
  readonly description: string;
}

/** The leaves of an object schema, in its order. */
export function describeKeys(schema: z.ZodObject, prefix = ''): KeyHelp[] {
  return Object.entries(schema.shape as Record<string, z.ZodType>).flatMap(([name, field]): KeyHelp[] => {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const { inner, defaultValue, description } = unwrap(field);
    if (inner instanceof z.ZodObject) return describeKeys(inner, key);
    return [
      { key, type: typeName(inner), defaultValue: shown(defaultValue), description: description ?? '' },
    ];
  });
}

interface Unwrapped {
  readonly inner: z.core.$ZodType;
  readonly defaultValue: unknown;
  readonly description: string | undefined;
}

function unwrap(schema: z.core.$ZodType): Unwrapped {
  let inner = schema;
  let defaultValue: unknown;
  let description: string | undefined;
  for (;;) {
    description ??= inner instanceof z.ZodType ? inner.description : undefined;
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      defaultValue ??= inner.def.defaultValue;
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable) {
      inner = inner.def.innerType;
    } else {
      return { inner, defaultValue, description };
    }
  }
}

function typeName(schema: z.core.$ZodType): string {
  const { inner } = unwrap(schema);
  if (inner instanceof z.ZodEnum) return inner.options.join(' | ');
  if (inner instanceof z.ZodLiteral) return [...inner.values].map(String).join(' | ');
  if (inner instanceof z.ZodUnion || inner instanceof z.ZodDiscriminatedUnion) {
    return [...new Set(inner.def.options.map((option) => typeName(option)))].join(' | ');
  }
  if (inner instanceof z.ZodArray) return `list of ${typeName(inner.element)}`;
  if (inner instanceof z.ZodRecord) return `map of ${typeName(inner.valueType)}`;
  if (inner instanceof z.ZodObject) {
    const kind = (inner.shape as Record<string, unknown>)['kind'];
    return kind instanceof z.ZodLiteral ? `{kind: ${String(kind.value)}, …}` : '{…}';
  }
  if (inner instanceof z.ZodNumber) return inner.format === 'safeint' ? 'integer' : 'number';
  if (inner instanceof z.ZodString) return 'text';
  if (inner instanceof z.ZodBoolean) return 'true | false';
  return 'any value';
}

function shown(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
