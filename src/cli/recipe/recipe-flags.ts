/** Flags and the keys of a recipe that they set. Flags win over the file. */
import { Option, type Command } from 'commander';
import { collect, integer, real, seed, words } from '../option-parsers.ts';
import { parseSetting, readConfigFile, setAt, type ConfigValue } from './config-file.ts';

export interface RecipeFlag {
  readonly flags: string;
  readonly key: readonly string[];
  readonly description: string;
  readonly parse?: (text: string) => unknown;
  readonly choices?: readonly string[];
}

const optimizerFlags: readonly RecipeFlag[] = [
  {
    flags: '--lr, --learning-rate <number>',
    key: ['optimizer', 'learningRate'],
    description: 'peak learning rate',
    parse: real({ min: 0, above: true }),
  },
];

/** Of every recipe. */
const runFlags: readonly RecipeFlag[] = [
  {
    flags: '--eval-every <steps>',
    key: ['evaluation', 'every'],
    description: 'steps between evaluations',
    parse: integer({ min: 0 }),
  },
  {
    flags: '--eval-problems <count>',
    key: ['evaluation', 'problems'],
    description: 'held-out problems to evaluate on',
    parse: integer({ min: 0 }),
  },
  {
    flags: '--save-every <steps>',
    key: ['checkpoints', 'every'],
    description: 'steps between checkpoints',
    parse: integer({ min: 0 }),
  },
  { flags: '--seed <seed>', key: ['seed'], description: 'names every random stream of the run', parse: seed },
  {
    flags: '--threads <count>',
    key: ['engine', 'threads'],
    description: 'threads that compute (default: all cores)',
    parse: integer({ min: 1, max: 1024 }),
  },
];

export const taskFlags: readonly RecipeFlag[] = [
  {
    flags: '-t, --task <task>',
    key: ['task'],
    description: 'a built-in task, or the path of a module that exports one',
  },
  {
    flags: '--prompt <form>',
    key: ['prompt'],
    description: 'how a problem is put to the model (default: auto)',
    choices: ['auto', 'raw', 'r1-zero', 'chat'],
  },
];

const loraFlags: readonly RecipeFlag[] = [
  {
    flags: '--lora-rank <rank>',
    key: ['rank'],
    description: 'rank of the adapters (with --lora)',
    parse: integer({ min: 1 }),
  },
  {
    flags: '--lora-alpha <number>',
    key: ['alpha'],
    description: 'scale of the adapters (default: 2 × rank)',
    parse: real({ min: 0, above: true }),
  },
  {
    flags: '--lora-targets <names>',
    key: ['targets'],
    description: 'layers to adapt: all-linear, or q_proj,v_proj,…',
    parse: words,
  },
];

/** `flags` are the everyday ones of this recipe; every other key is set by `--set` or the file. */
export function addRecipeFlags(command: Command, flags: readonly RecipeFlag[]): Command {
  command.option('-c, --config <file>', 'a recipe in YAML; flags win over it');
  for (const flag of [...flags, ...optimizerFlags, ...runFlags]) command.addOption(optionOf(flag));
  command.option('--lora', 'train low-rank adapters instead of all weights');
  command.option('--no-lora', 'train all weights, whatever the recipe says');
  for (const flag of loraFlags) command.addOption(optionOf(flag));
  return command.option(
    '-s, --set <key=value>',
    'set any key of the recipe, such as kl.beta=0.01 (repeatable)',
    collect,
  );
}

/** The value that file, flags and `--set` give together, not yet checked; `what` names it in errors. */
export async function recipeValue(
  flags: readonly RecipeFlag[],
  options: Readonly<Record<string, unknown>>,
): Promise<{ value: ConfigValue; what: string }> {
  const path = options['config'];
  const value: ConfigValue = typeof path === 'string' ? await readConfigFile(path) : {};
  for (const flag of [...flags, ...optimizerFlags, ...runFlags]) {
    const given = options[nameOf(flag)];
    if (given !== undefined) setAt(value, flag.key, given);
  }
  applyLora(value, options);
  for (const setting of (options['set'] as readonly string[] | undefined) ?? []) {
    const { path: key, value: given } = parseSetting(setting);
    setAt(value, key, given);
  }
  return { value, what: typeof path === 'string' ? path : 'The recipe' };
}

/** `--lora-rank` alone means LoRA; `--no-lora` wins over what the file says. */
function applyLora(value: ConfigValue, options: Readonly<Record<string, unknown>>): void {
  if (options['lora'] === false) {
    setAt(value, ['lora'], false);
    return;
  }
  if (options['lora'] === true && (value['lora'] === undefined || value['lora'] === false)) {
    setAt(value, ['lora'], true);
  }
  for (const flag of loraFlags) {
    const given = options[nameOf(flag)];
    if (given !== undefined) setAt(value, ['lora', ...flag.key], given);
  }
}

function optionOf({ flags, description, parse, choices }: RecipeFlag): Option {
  const option = new Option(flags, description);
  if (choices !== undefined) option.choices([...choices]);
  else if (parse !== undefined) option.argParser((text: string) => parse(text));
  return option;
}

function nameOf(flag: RecipeFlag): string {
  return new Option(flag.flags).attributeName();
}

/** How long, and on how much at once, learning from examples goes. */
export const exampleFlags: readonly RecipeFlag[] = [
  {
    flags: '--epochs <count>',
    key: ['epochs'],
    description: 'passes over the examples',
    parse: real({ min: 0, above: true }),
  },
  {
    flags: '-n, --steps <count>',
    key: ['steps'],
    description: 'optimizer steps (default: what the epochs need)',
    parse: integer({ min: 1 }),
  },
  {
    flags: '--batch <examples>',
    key: ['examplesPerStep'],
    description: 'examples per optimizer step (of on-policy distillation: prompts)',
    parse: integer({ min: 1 }),
  },
];
