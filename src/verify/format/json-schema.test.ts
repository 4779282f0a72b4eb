import { describe, expect, it } from 'vitest';
import { compileJsonSchema, readJson } from './json-schema.ts';

const person = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 1 }, age: { type: 'integer', minimum: 0 } },
  required: ['name'],
  additionalProperties: false,
};

describe('compileJsonSchema', () => {
  const check = compileJsonSchema(person);

  it.each([
    ['{"name":"Ada","age":36}', 1],
    ['  {"name": "Ada"}\n', 1],
    ['```json\n{"name":"Ada"}\n```', 1],
    ['Here you are:\n```json\n{"name":"Ada"}\n```\nDone.', 1],
    ['```\n{"name":""}\n```\nNo:\n```\n{"name":"Ada"}\n```', 1],
    ['```\n{"name":"Ada"}\n```\nNo:\n```\n{"name":""}\n```', 0],
    ['{"name":"Ada"} {"name":"Ada"}', 0],
    ['The answer is {"name":"Ada"}', 0],
    ['{"name":"Ada"', 0],
    ["{'name':'Ada'}", 0],
    ['{"name":"Ada",}', 0],
    ['{"name":"Ada","age":-1}', 0],
    ['{"name":"Ada","age":1.5}', 0],
    ['{"name":"Ada","extra":1}', 0],
    ['{"name":"Ada","__proto__":{"age":1}}', 0],
    ['{"age":3}', 0],
    ['[]', 0],
    ['null', 0],
    ['', 0],
    ['```json\n{"name":"Ada"}', 0],
  ])('%j: %d', (answer, score) => {
    expect(check(answer)).toMatchObject({ outcome: 'scored', score });
  });

  it('says what does not fit', () => {
    expect(check('{"name":"Ada","age":-1}').evidence).toEqual({
      problem: 'does not fit the schema',
      faults: ['/age must be >= 0'],
    });
  });

  it('knows drafts 2020-12 and 07, and a few formats', () => {
    const tuple = compileJsonSchema({
      type: 'array',
      prefixItems: [{ type: 'number' }, { type: 'string', format: 'date' }],
      minItems: 2,
      items: false,
    });
    expect(tuple('[1, "2024-02-29"]')).toMatchObject({ score: 1 });
    expect(tuple('[1, "29.2.2024"]')).toMatchObject({ score: 0 });
    expect(tuple('[1, "2024-02-29", 3]')).toMatchObject({ score: 0 });
    const old = compileJsonSchema({
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'array',
      items: [{ type: 'number' }],
      additionalItems: false,
      minItems: 1,
    });
    expect(old('[1]')).toMatchObject({ score: 1 });
    expect(old('[1, 2]')).toMatchObject({ score: 0 });
  });

  it.each([
    [null],
    ['string'],
    [[person]],
    [{ type: 'integr' }],
    [{ tpye: 'integer' }],
    [{ type: 'string', format: 'phone-number' }],
    [{ $ref: 'https://example.com/schema.json' }],
    [{ type: 'string', pattern: '(' }],
  ])('refuses %j', (schema) => {
    expect(() => compileJsonSchema(schema)).toThrow(/A JSON schema cannot be used/);
  });
});

describe('hostile answers and schemas', () => {
  it('bounds length, depth and the number of values before parsing', () => {
    expect(readJson('9'.repeat(100_001))).toEqual({
      kind: 'error',
      problem: 'longer than 100000 characters',
    });
    expect(readJson('['.repeat(50_000))).toEqual({ kind: 'error', problem: 'nested deeper than 64' });
    expect(readJson(`[${'1,'.repeat(20_000)}1]`)).toEqual({
      kind: 'error',
      problem: 'more than 10000 values',
    });
    expect(readJson(JSON.stringify('[,{'.repeat(10_000)))).toMatchObject({ kind: 'value' });
    expect(readJson('"\\')).toEqual({ kind: 'error', problem: 'no JSON' });
    expect(readJson('```\n'.repeat(10_001))).toMatchObject({ kind: 'error' });
  });

  it('fails, and does not hang, on exponential patterns and alternatives', () => {
    const pattern = compileJsonSchema({ type: 'string', pattern: '^(a+)+$' }, { deadline: 500 });
    expect(pattern('"aaaa"')).toMatchObject({ score: 1 });
    expect(pattern(`"${'a'.repeat(60)}!"`)).toMatchObject({ outcome: 'failed', boundary: 'verifier' });
    const nested = { type: 'object', properties: { x: { $ref: '#' } }, required: ['x'] };
    const doubled = compileJsonSchema(
      { anyOf: [nested, { ...nested, minProperties: 1 }], $defs: {} },
      { deadline: 500 },
    );
    expect(doubled(`${'{"x":'.repeat(60)}1${'}'.repeat(60)}`)).toMatchObject({ outcome: 'failed' });
  });
});
