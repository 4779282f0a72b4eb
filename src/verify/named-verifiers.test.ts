import { describe, expect, it } from 'vitest';
import { parseWithSchema } from '../util/schema.ts';
import { findVerifier, type VerifierRow } from './named-verifiers.ts';
import { judge, type Verdict } from './verdict.ts';

/** As `aha verify` does it: options and row through their schemas, then the verifier. */
async function verdictOf(
  name: string,
  row: Readonly<Record<string, unknown>> & { readonly response: string },
  options: Readonly<Record<string, unknown>> = {},
): Promise<Verdict> {
  const named = findVerifier(name)!;
  const parsed = parseWithSchema(named.options, options, { what: 'The options', boundary: 'configuration' });
  const fields = parseWithSchema(named.row(parsed), row, { what: 'The row', boundary: 'data' });
  const verify = named.create(parsed);
  const full: VerifierRow = { ...row, ...fields };
  return judge((signal) => verify(full, row.response, { response: row.response, signal }));
}

const schema = {
  type: 'object',
  properties: { age: { type: 'integer' } },
  required: ['age'],
  additionalProperties: false,
};
const english = 'The ball falls and then it bounces from the floor.';
const mixed = `${english} 然后球从地板上弹起来。`;

describe('namedVerifiers', () => {
  it.each<[string, Parameters<typeof verdictOf>[1], Record<string, unknown>, number]>([
    ['exact', { reference: 'abc', response: ' abc\n' }, {}, 1],
    ['exact', { reference: 'abc', response: 'abd' }, {}, 0],
    ['number', { reference: 42, response: 'so it is 42.' }, {}, 1],
    ['number', { reference: '42', response: '42 or 43' }, {}, 0],
    ['math', { reference: '1/2', response: '\\boxed{0.5}' }, {}, 1],
    ['math', { reference: '1/3', response: '0.333' }, {}, 0],
    ['math.equals', { reference: '1/2', response: '0.5' }, {}, 1],
    ['math', { reference: '0.333', response: '1/3' }, { decimals: 'rounded' }, 1],
    ['format', { response: '<think>a</think><answer>b</answer>' }, {}, 1],
    ['format', { response: '<think>a</think> b' }, {}, 0],
    ['format', { response: '<think>a</think> b' }, { mode: 'lenient' }, 1],
    ['json', { schema, response: '{"age": 3}' }, {}, 1],
    ['json', { schema, response: 'Here:\n```json\n{"age": 3}\n```' }, {}, 1],
    ['json', { schema, response: '{"age": "3"}' }, {}, 0],
    ['json', { response: '{"age": 3}' }, { schema }, 1],
    ['json', { schema: { type: 'array' }, response: '{"age": 3}' }, { schema }, 0],
    ['language', { response: english }, {}, 1],
    ['language', { response: english }, { language: 'zh' }, 0],
    ['length', { response: 'one two three' }, { maximum: 3 }, 1],
    ['length', { response: 'one two three four' }, { maximum: 3 }, 0],
    ['length', { response: 'one two three four' }, { unit: 'characters', minimum: 18 }, 1],
    ['repetition', { response: 'a b c d e' }, {}, 1],
    // 9 words are 8 runs of 2, of one kind.
    ['repetition', { response: 'a a a a a a a a a' }, { size: 2 }, 1 / 8],
  ])('%s of %j with %j is %d', async (name, row, options, score) => {
    expect(await verdictOf(name, row, options)).toMatchObject({ outcome: 'scored', score });
  });

  it('language gives the share where two are mixed', async () => {
    const verdict = await verdictOf('language', { response: mixed });
    expect(verdict).toMatchObject({ outcome: 'scored' });
    expect(verdict.outcome === 'scored' && verdict.score).toBeGreaterThan(0.5);
    expect(verdict.outcome === 'scored' && verdict.score).toBeLessThan(0.8);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>, RegExp]>([
    ['number', { response: '1' }, {}, /reference/],
    ['json', { response: '{}' }, {}, /schema/],
    ['python', { response: 'x', tests: { kind: 'asertions', assertions: [] } }, {}, /tests/],
    ['math', { response: '1', reference: '1' }, { decimal: 'rounded' }, /Did you mean "?decimals/],
    ['language', { response: '1' }, { language: 'it' }, /language/],
    ['typescript', { response: '1', tests: {} }, { scoring: 'some' }, /scoring/],
  ])('%s refuses %j with %j', async (name, row, options, message) => {
    await expect(verdictOf(name, row as { response: string }, options)).rejects.toThrow(message);
  });

  it('a schema that cannot be used is refused before the rows, and is nobody’s answer in one', async () => {
    const bad = { type: 'objekt' };
    await expect(verdictOf('json', { response: '{}' }, { schema: bad })).rejects.toThrow(
      /schema cannot be used/,
    );
    expect(await verdictOf('json', { response: '{}', schema: bad })).toMatchObject({
      outcome: 'failed',
      boundary: 'reference',
    });
    expect(await verdictOf('math', { response: '1', reference: 'x ==' })).toMatchObject({
      outcome: 'failed',
      boundary: 'reference',
    });
  });

  it('length without a target is refused', async () => {
    await expect(verdictOf('length', { response: 'a' })).rejects.toThrow(/length target/);
  });
});
