/** Post-processors of a `tokenizer.json`: which special tokens go before and after a text. */
import { z } from 'zod';
import { AhaError } from '../errors.ts';
import type { Vocabulary } from './vocabulary.ts';

const templateItemSchema = z.union([
  z.object({ SpecialToken: z.object({ id: z.string() }) }),
  z.object({ Sequence: z.object({ id: z.enum(['A', 'B']) }) }),
]);
const namedTokenSchema = z.tuple([z.string(), z.int().min(0)]);

const leafSchemas = [
  z.object({ type: z.literal('ByteLevel') }),
  z.object({
    type: z.literal('TemplateProcessing'),
    single: z.array(templateItemSchema),
    special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int().min(0)) })),
  }),
  z.object({
    type: z.enum(['BertProcessing', 'RobertaProcessing']),
    cls: namedTokenSchema,
    sep: namedTokenSchema,
  }),
] as const;

type LeafConfig = z.output<(typeof leafSchemas)[number]>;
export type PostProcessorConfig =
  LeafConfig | { readonly type: 'Sequence'; readonly processors: readonly PostProcessorConfig[] };

export const postProcessorSchema: z.ZodType<PostProcessorConfig> = z.lazy(() =>
  z.discriminatedUnion('type', [
    ...leafSchemas,
    z.object({ type: z.literal('Sequence'), processors: z.array(postProcessorSchema).max(64) }),
  ]),
);

/** The ids around a text when special tokens are added. */
export interface Surroundings {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export function surroundingsOf(config: PostProcessorConfig | null, vocabulary: Vocabulary): Surroundings {
  let result: Surroundings = { before: [], after: [] };
  if (config === null) return result;
  for (const leaf of flatten(config)) {
    const { before, after } = leafSurroundings(leaf, vocabulary);
    result = { before: [...before, ...result.before], after: [...result.after, ...after] };
  }
  return result;
}

function flatten(config: PostProcessorConfig): LeafConfig[] {
  return config.type === 'Sequence' ? config.processors.flatMap(flatten) : [config];
}

function leafSurroundings(config: LeafConfig, vocabulary: Vocabulary): Surroundings {
  switch (config.type) {
    case 'ByteLevel':
      return { before: [], after: [] };
    case 'BertProcessing':
    case 'RobertaProcessing':
      return { before: [known(config.cls[1], vocabulary)], after: [known(config.sep[1], vocabulary)] };
    case 'TemplateProcessing': {
      const before: number[] = [];
      const after: number[] = [];
      let sequences = 0;
      for (const item of config.single) {
        if ('Sequence' in item) {
          if (item.Sequence.id === 'B' || ++sequences > 1) throw badTemplate();
          continue;
        }
        const ids = config.special_tokens[item.SpecialToken.id]?.ids;
        if (ids === undefined) throw badTemplate(item.SpecialToken.id);
        (sequences === 0 ? before : after).push(...ids.map((id) => known(id, vocabulary)));
      }
      if (sequences !== 1) throw badTemplate();
      return { before, after };
    }
  }
}

function known(id: number, vocabulary: Vocabulary): number {
  if (vocabulary.tokenOf(id) !== undefined) return id;
  throw new AhaError({
    code: 'tokenizer-inconsistent',
    boundary: 'text',
    what: 'The post-processor of the tokenizer adds a token that does not exist',
    found: `id ${id}`,
    expected: `an id below ${vocabulary.size}`,
    fix: 'Download tokenizer.json again, or export it anew from the tool that made it.',
  });
}

function badTemplate(token?: string): AhaError {
  return new AhaError({
    code: 'tokenizer-malformed',
    boundary: 'text',
    what: 'The template of the post-processor of the tokenizer cannot be used',
    found: token === undefined ? 'not exactly one $A' : `${JSON.stringify(token)}, which it does not define`,
    expected: 'special tokens that it defines, and $A once',
    fix: 'Download tokenizer.json again, or export it anew from the tool that made it.',
  });
}
