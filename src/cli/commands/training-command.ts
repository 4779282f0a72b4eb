/**
 * What the commands under `aha train` have in common: a recipe from a file and flags, `--print-config`,
 * `--help-config`, a folder for the run, and `--resume`.
 */
import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { z } from 'zod';
import { AhaError } from '../../errors.ts';
import {
  addCommonFlags,
  runCommand,
  type CommandContext,
  type CommandResult,
  type CommonFlags,
} from '../command.ts';
import { commandLine } from '../command-line.ts';
import { addSandboxFlags } from '../sandbox-flags.ts';
import type { ConfigValue } from '../recipe/config-file.ts';
import { addRecipeFlags, recipeValue, type RecipeFlag } from '../recipe/recipe-flags.ts';
import type { RunCommand, StoredRecipe } from '../runs/run-files.ts';

export interface TrainFlags extends CommonFlags {
  readonly output?: string;
  readonly resume?: string;
  readonly printConfig?: boolean;
  readonly helpConfig?: boolean;
  readonly [flag: string]: unknown;
}

type RecipeOf<C extends RunCommand> = StoredRecipe<C>['recipe'];

/** What one of the commands does. Loaded only when it runs: `--help` must not wait for it. */
export interface Training<C extends RunCommand> {
  readonly schema: z.ZodObject;
  parse(value: unknown, what: string): RecipeOf<C>;
  /** Defaults that depend on other values. */
  derive(value: ConfigValue): Record<string, unknown>;
  /** Throws `AhaError` for what must be named and is not. */
  require?(value: ConfigValue): void;
  /** The recipe with paths that hold wherever the run is resumed. */
  absolute(recipe: RecipeOf<C>): Promise<RecipeOf<C>>;
  /** What the folder of the run is called by default. */
  runName(recipe: RecipeOf<C>): string;
  run(folder: string, stored: StoredRecipe<C>, context: CommandContext): Promise<CommandResult>;
}

export interface TrainingCommandOptions<C extends RunCommand> {
  /** The first is the command itself; runs of the others are resumed as well. */
  readonly commands: readonly [C, ...C[]];
  readonly flags: readonly RecipeFlag[];
  readonly help: string;
  readonly load: () => Promise<Training<C>>;
}

/** Adds the flags and the action to `command`, which has its arguments and its own flags already. */
export function trainingCommand<C extends RunCommand>(
  command: Command,
  options: TrainingCommandOptions<C>,
  /** Values of the arguments and flags that are no plain keys. */
  given: (args: readonly unknown[], flags: TrainFlags) => ConfigValue,
): Command {
  addRecipeFlags(command, options.flags)
    .option('-o, --output <folder>', 'where to save the run (default: in runs/)')
    .option('--resume <folder>', 'go on with the run in this folder')
    .option('--print-config', 'print the whole recipe in YAML, defaults filled in, and stop')
    .option('--help-config', 'list every key of a recipe, and stop')
    .addHelpText('after', options.help);
  return addCommonFlags(addSandboxFlags(command)).action(async (...args: unknown[]) => {
    const flags = command.opts<TrainFlags>();
    await runCommand(flags, 'work', async (context) => train(options, given(args, flags), flags, context));
  });
}

async function train<C extends RunCommand>(
  { commands, flags: recipeFlags, load }: TrainingCommandOptions<C>,
  given: ConfigValue,
  flags: TrainFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const training = await load();
  if (flags.helpConfig === true) return helpConfig(training.schema, context);
  const { readStoredRecipe, checkNewRunFolder, freeFolder } = await import('../runs/run-files.ts');
  const words = commands[0].split(' ');
  const { value, what } = await recipeValue(recipeFlags, flags);
  if (flags.resume !== undefined) {
    const stored = await readStoredRecipe(flags.resume);
    if (stored === undefined) throw noRun(flags.resume);
    if (!isOf(stored, commands)) throw otherRun(flags.resume, stored.command);
    const [first] = Object.values(given);
    if (first !== undefined || flags.output !== undefined) {
      throw new AhaError({
        code: 'resume-with-model',
        boundary: 'configuration',
        what: 'A resumed run has its model and its folder already',
        found: first ?? `--output ${flags.output}`,
        expected: `only --resume ${flags.resume}`,
      });
    }
    const { mergeRecipes } = await import('../recipe/recipe.ts');
    const recipe = training.parse(mergeRecipes(stored.recipe, value), what);
    if (flags.printConfig === true) return printConfig(recipe, context);
    return training.run(flags.resume, { ...stored, recipe }, context);
  }
  Object.assign(value, given);
  training.require?.(value);
  const recipe = await training.absolute(training.parse(training.derive(value), what));
  if (flags.printConfig === true) return printConfig(recipe, context);
  const folder = flags.output ?? (await freeFolder('runs', training.runName(recipe)));
  await checkNewRunFolder(folder, (path) => commandLine([...words, '--resume', path]));
  context.reporter.note(`Saving to ${folder}`);
  return training.run(folder, { command: commands[0], recipe } as StoredRecipe<C>, context);
}

function isOf<C extends RunCommand>(stored: StoredRecipe, commands: readonly C[]): stored is StoredRecipe<C> {
  return (commands as readonly RunCommand[]).includes(stored.command);
}

async function printConfig(recipe: object, { reporter }: CommandContext): Promise<CommandResult> {
  const { stringify } = await import('yaml');
  reporter.write(stringify(recipe));
  return { result: { recipe } };
}

async function helpConfig(schema: z.ZodObject, { reporter }: CommandContext): Promise<CommandResult> {
  const { describeKeys } = await import('../recipe/schema-help.ts');
  const { wrapToWidth } = await import('../terminal/layout.ts');
  const keys = describeKeys(schema);
  const { colors, columns } = reporter.terminal;
  for (const { key, type, defaultValue, description } of keys) {
    const value = defaultValue === undefined ? '' : ` (default ${defaultValue})`;
    reporter.line(`${colors.bold(key)}: ${type}${value}`);
    for (const line of wrapToWidth(description, Math.min(100, columns) - 4)) reporter.line(`    ${line}`);
  }
  return { result: { keys } };
}

/** A path that exists, from the root; anything else (a Hub id, a built-in name) as it is. */
export async function absolutePath(path: string): Promise<string> {
  return stat(path).then(
    () => resolve(path),
    () => path,
  );
}

/** A task by name or by its file's absolute path. */
export async function absoluteTask(task: string): Promise<string> {
  const { builtInTasks } = await import('../../task/load.ts');
  return Object.hasOwn(builtInTasks, task) ? task : absolutePath(task);
}

/** The options of a task with paths that hold from any folder. What names the Hub stays as it is. */
export async function absoluteTaskOptions<O extends Readonly<Record<string, unknown>>>(
  task: string,
  options: O,
): Promise<O> {
  const { fileOptions } = await import('../../task/load.ts');
  const { isHubData } = await import('../../hub/data-reference.ts');
  const paths = fileOptions(task).flatMap((key) => {
    const value = options[key];
    return typeof value !== 'string' || value === '' || isHubData(value) ? [] : [[key, resolve(value)]];
  });
  return { ...options, ...Object.fromEntries(paths) };
}

/** `countdown-smollm2-135m` */
export function nameOfRun(...parts: readonly string[]): string {
  const short = (path: string) => basename(path, extname(path).length > 5 ? '' : extname(path));
  return parts
    .map(short)
    .join('-')
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .slice(0, 60);
}

export function missing(name: string, expected: string, example: readonly string[]): AhaError {
  return new AhaError({
    code: `${name}-missing`,
    boundary: 'configuration',
    what: `No ${name} was named`,
    expected,
    fix: `For example: ${commandLine(example)}`,
  });
}

function noRun(folder: string): AhaError {
  return new AhaError({
    code: 'no-such-run',
    boundary: 'configuration',
    what: `There is no run in ${folder}`,
    expected: 'a folder that aha train has written (it holds recipe.json)',
    fix: 'Check the path.',
  });
}

function otherRun(folder: string, command: RunCommand): AhaError {
  return new AhaError({
    code: 'run-of-another-command',
    boundary: 'configuration',
    what: `The run in ${folder} was made by another command`,
    found: `aha ${command}`,
    fix: `Go on with it: ${commandLine([...command.split(' '), '--resume', folder])}`,
  });
}
