/** The everyday flags of `aha train zero`. */
import { integer, real } from '../option-parsers.ts';
import { type RecipeFlag, taskFlags } from '../recipe/recipe-flags.ts';

export const zeroFlags: readonly RecipeFlag[] = [
  ...taskFlags,
  {
    flags: '-n, --steps <count>',
    key: ['steps'],
    description: 'rollouts to sample and learn from',
    parse: integer({ min: 1 }),
  },
  {
    flags: '--problems <count>',
    key: ['problemsPerStep'],
    description: 'different problems per step',
    parse: integer({ min: 1 }),
  },
  {
    flags: '--group-size <count>',
    key: ['groupSize'],
    description: 'completions per problem',
    parse: integer({ min: 2 }),
  },
  {
    flags: '--max-tokens <count>',
    key: ['maxCompletionTokens'],
    description: 'tokens after which a completion is cut off',
    parse: integer({ min: 1 }),
  },
  {
    flags: '--temperature <number>',
    key: ['sampling', 'temperature'],
    description: 'divides the logits',
    parse: real({ min: 0, above: true }),
  },
  {
    flags: '--loss <type>',
    key: ['loss', 'type'],
    description: 'what the loss averages over',
    choices: ['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo'],
  },
  {
    flags: '--kl <beta>',
    key: ['kl', 'beta'],
    description: 'weight of the divergence from the first model',
    parse: real({ min: 0 }),
  },
];
