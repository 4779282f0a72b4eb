/**
 * The verifier for mathematics: `verify: math.equals()`. Takes the final answer out of a response (`extraction.ts`)
 * and asks whether it says what the reference says (`equivalence.ts`); what is not short and plain is compared in
 * a thread that ends at a deadline (`pool.ts`).
 */
import { z } from 'zod';
import { parseWithSchema } from '../../util/schema.ts';
import { failed, scored, type Verdict, type Verifier } from '../verdict.ts';
import { judgeReference, judgeResponse, type Judgement } from './judgement.ts';
import { ComparisonPool, type Question } from './pool.ts';

export const mathOptionsSchema = z.strictObject({
  /** `rounded`: a reference with decimals accepts what rounds to it. */
  decimals: z.enum(['exact', 'rounded']).default('exact'),
  /** `up-to-scale`: an equation may be multiplied by a number other than 0. */
  equations: z.enum(['same', 'up-to-scale']).default('same'),
  /** Milliseconds that one comparison may take; a response that takes longer scores 0. */
  deadline: z.int().min(10).max(60_000).default(5000),
});

export type MathOptions = z.input<typeof mathOptionsSchema>;

/** Characters from the end of a response that are read. */
const longestResponse = 20_000;

/** References that are remembered with what is wrong with them. */
const mostReferences = 10_000;

/**
 * Scores 1 when the final answer of the response equals the reference. `reference`: a text, or a function that takes
 * it from the problem; by default its `answer`. Throws `AhaError` for unknown options; a reference that cannot be
 * compared with gives `failed`, so that its task is refused when it loads.
 */
function equals<Problem extends { readonly answer?: string } = { readonly answer?: string }>(
  reference: string | ((problem: Problem) => string) = (problem) => problem.answer ?? '',
  options: MathOptions = {},
): Verifier<Problem> {
  const { deadline, ...equivalence } = parseWithSchema(mathOptionsSchema, options, {
    what: 'The options of math.equals',
    boundary: 'verifier',
  });
  const pool = poolOf(deadline);
  const faults = new Map<string, Promise<Judgement>>();
  const faultOf = (question: Question) => {
    let fault = faults.get(question.reference);
    if (fault === undefined) {
      fault = isPlain(question.reference)
        ? Promise.resolve(judgeReference(question.reference))
        : pool.ask(question);
      if (faults.size >= mostReferences) faults.clear();
      faults.set(question.reference, fault);
    }
    return fault;
  };
  return async (problem, _answer, context) => {
    const expected = typeof reference === 'string' ? reference : reference(problem);
    const about = { reference: expected, options: equivalence };
    const fault = await faultOf(about);
    if (fault.outcome !== 'equal') {
      return failed('reference', `the reference cannot be compared with: ${fault.reason}`, {
        reference: expected.slice(0, 200),
      });
    }
    const response = tail(context.response);
    return verdictOf(
      isPlain(expected) && isPlain(response)
        ? judgeResponse(expected, response, equivalence)
        : await pool.ask({ ...about, response }),
    );
  };
}

export const math = { equals } as const;

function verdictOf(judgement: Judgement): Verdict {
  const { outcome, extracted, source, reason } = judgement;
  switch (outcome) {
    case 'equal':
      return scored(1, { evidence: { extracted, source } });
    case 'different':
      return scored(0, { evidence: { extracted, source } });
    case 'no-answer':
      return scored(0, { evidence: { extracted: null } });
    // A response that cannot be decided must not stop a run: it is not shown to be right.
    case 'undecided':
    case 'late':
      return scored(0, { evidence: { extracted: extracted ?? null, source, [outcome]: reason } });
    case 'bad-reference':
      return failed('reference', `the reference cannot be compared with: ${reason}`);
  }
}

/** Short, and without anything that could grow: compared at once, in this thread. */
function isPlain(text: string): boolean {
  return text.length <= 120 && !/[\^!²³]|binom|overline|sqrt\s*\[|[([{]{3}/.test(text);
}

/** The end of a response; the tags before it count, so that a long reasoning is still told from the answer. */
function tail(response: string): string {
  if (response.length <= longestResponse) return response;
  const end = response.slice(-longestResponse);
  const opened = response.lastIndexOf('<think>') > response.lastIndexOf('</think>');
  const tagged = response.lastIndexOf('<answer>');
  if (opened) return '<think>';
  // An answer tag before the end that is kept: what it encloses is too long to be an answer.
  if (tagged >= 0 && tagged < response.length - longestResponse && tagged > response.lastIndexOf('</think>'))
    return '';
  // Cut at white space: half a number would be another number.
  const space = end.search(/\s/);
  return space < 0 ? '' : end.slice(space);
}

const pools = new Map<number, ComparisonPool>();

function poolOf(deadline: number): ComparisonPool {
  let pool = pools.get(deadline);
  if (pool === undefined) pools.set(deadline, (pool = new ComparisonPool({ deadline })));
  return pool;
}
