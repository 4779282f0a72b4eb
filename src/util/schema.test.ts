import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import { nearestWord, parseWithSchema, type SchemaIssue } from './schema.ts';

const schema = z.strictObject({
  heldOutShare: z.number().gt(0).lt(1).default(0.1),
  loss: z.enum(['grpo', 'dapo', 'dr_grpo']).default('grpo'),
  grpo: z.strictObject({ groupSize: z.int().min(2), clip: z.array(z.number()).max(2) }).optional(),
  levels: z.union([z.int(), z.strictObject({ from: z.int(), until: z.int() })]).optional(),
  lists: z.record(z.string(), z.strictObject({ weight: z.number() })).optional(),
});

function errorOf(value: unknown, target: z.ZodType = schema): AhaError {
  try {
    parseWithSchema(target, value, { what: 'The options of task x' });
  } catch (error) {
    if (error instanceof AhaError) return error;
    throw error;
  }
  throw new Error('the value was accepted');
}

describe('parseWithSchema', () => {
  it('gives the parsed value with defaults', () => {
    expect(parseWithSchema(schema, {}, { what: 'x' })).toEqual({ heldOutShare: 0.1, loss: 'grpo' });
  });

  it('names the nearest known key for an unknown one, at any depth', () => {
    expect(errorOf({ heldoutShare: 0.2 }).message).toBe(
      'The options of task x: unknown key "heldoutShare": expected one of heldOutShare, loss, grpo, levels, lists. ' +
        'Did you mean "heldOutShare"?',
    );
    expect(errorOf({ grpo: { groupsize: 4, groupSize: 4, clip: [] } }).message).toContain(
      'unknown key "groupsize" at grpo: expected one of groupSize, clip. Did you mean "groupSize"?',
    );
    expect(errorOf({ lists: { a: { wieght: 1, weight: 1 } } }).message).toContain(
      'unknown key "wieght" at lists.a: expected one of weight. Did you mean "weight"?',
    );
    expect(errorOf({ levels: { from: 1, until: 2, untl: 3 } }).message).toContain('Did you mean "until"?');
  });

  it('does not guess when nothing is near', () => {
    expect(errorOf({ zzzzzz: 1 }).fix).toBeUndefined();
  });

  it('says found and expected for wrong types, enumerations and bounds', () => {
    expect(errorOf({ heldOutShare: 'a lot' }).message).toBe(
      'The options of task x: this value cannot be used at heldOutShare: found a lot, expected number.',
    );
    expect(errorOf({ heldOutShare: Number.NaN }).message).toContain('found NaN, expected number');
    expect(errorOf({ heldOutShare: 1 }).message).toContain(
      'too large at heldOutShare: found 1, expected less than 1',
    );
    expect(errorOf({ loss: 'gpro' }).message).toContain(
      'at loss: found gpro, expected grpo | dapo | dr_grpo. Did you mean "grpo"?',
    );
    expect(errorOf({ grpo: { groupSize: 1, clip: [] } }).message).toContain(
      'too small at grpo.groupSize: found 1, expected at least 2',
    );
    expect(errorOf({ grpo: { groupSize: 2.5, clip: [] } }).message).toContain('expected int');
    expect(errorOf({ grpo: { groupSize: 2, clip: [1, 2, 3] } }).message).toContain('at most 2 elements');
    expect(errorOf({ grpo: { groupSize: 2, clip: [1, 'x'] } }).message).toContain('at grpo.clip[1]: found x');
    expect(errorOf({ grpo: { groupSize: 2, clip: 0.2 } }).message).toContain(
      'at grpo.clip: found 0.2, expected array. Did you mean the list [0.2]?',
    );
    expect(errorOf({ grpo: { groupSize: 2, clip: 7n } }).fix).toBeUndefined();
    expect(errorOf({ grpo: { clip: [] } }).message).toContain('a value is missing at grpo.groupSize');
  });

  it('describes unions by their closest branch', () => {
    expect(errorOf({ levels: 'x' }).message).toContain('at levels: found x, expected number | object');
    expect(errorOf({ levels: { from: 1, until: 'x' } }).message).toContain(
      'at levels.until: found x, expected',
    );
  });

  it('counts further issues and lists all of them', () => {
    const error = errorOf({ loss: 7, heldOutShare: 'x', other: 1 });
    expect(error.message).toContain('(and 2 more)');
    expect((error.fields['issues'] as SchemaIssue[]).map((issue) => issue.path)).toEqual([
      'heldOutShare',
      'loss',
      '',
    ]);
  });

  it.each([[null], ['text'], [3], [[1]], [undefined]])('refuses %j as a whole', (value) => {
    expect(errorOf(value).message).toContain('expected object');
  });

  it('survives prototype keys and huge keys', () => {
    expect(errorOf(JSON.parse('{"__proto__": 1, "loss": "x"}')).code).toBe('invalid-configuration');
    expect(errorOf({ ['k'.repeat(1_000_000)]: 1 }).message.length).toBeLessThan(500);
  });
});

describe('nearestWord', () => {
  it.each([
    ['arithmatic', 'arithmetic'],
    ['COUNTDOWN', 'countdown'],
    ['gsm8', 'gsm8k'],
    ['contdwon', 'countdown'],
    ['countdowns-with-four', 'countdown'],
    ['count', 'countdown'],
    ['arid', undefined],
    ['completely different', undefined],
    ['', undefined],
  ])('%s → %s', (word, expected) => {
    expect(nearestWord(word, ['arithmetic', 'countdown', 'gsm8k'])).toBe(expected);
  });
});
