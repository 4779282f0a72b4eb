/** What README.md and the folders beside it promise, held against the program. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { demoRecipe } from '../../src/cli/demo/demo.ts';
import { createProgram } from '../../src/cli/program.ts';
import { readConfigFile } from '../../src/cli/recipe/config-file.ts';
import { parseDistillRecipe } from '../../src/cli/recipe/distill-recipe.ts';
import { deriveDefaults, parseRecipe } from '../../src/cli/recipe/recipe.ts';
import { parseSftRecipe } from '../../src/cli/recipe/sft-recipe.ts';
import { planPipeline } from '../../src/train/pipeline/plan.ts';
import { parsePipeline } from '../../src/train/pipeline/recipe.ts';
import { builtInTasks, loadTask } from '../../src/task/load.ts';
import { checkCurriculum } from '../../src/task/curriculum.ts';
import { aha } from './aha.ts';

// Each test starts several processes, and a machine may be busy.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const root = fileURLToPath(new URL('../..', import.meta.url));
const recipes = (await readdir(join(root, 'recipes'))).filter((name) => name.endsWith('.yaml'));
const readme = await readFile(join(root, 'README.md'), 'utf8');

/** The recipes of `aha train zero`: those of other commands say so in their first lines. */
const zeroRecipes: string[] = [];
for (const name of recipes) {
  const text = await readFile(join(root, 'recipes', name), 'utf8');
  if (text.includes('aha train zero')) zeroRecipes.push(name);
}

describe('recipes', () => {
  it('are there', () => {
    expect(zeroRecipes).toEqual(
      expect.arrayContaining(['arithmetic-scratch.yaml', 'countdown-lora.yaml', 'gsm8k-lora.yaml']),
    );
  });

  it.each(zeroRecipes)('%s states command, cost and what to expect, and can be used', async (name) => {
    const path = join(root, 'recipes', name);
    const text = await readFile(path, 'utf8');
    for (const part of [`recipes/${name}`, '# Cost ', '# Expect ', '# Measured '])
      expect(text).toContain(part);
    const recipe = parseRecipe(deriveDefaults(await readConfigFile(path)), path);
    // GSM8K comes from a file that is not here.
    if (recipe.task === 'gsm8k') return;
    const task = await loadTask(recipe.task, { options: recipe.taskOptions });
    checkCurriculum(recipe.curriculum, task.levels);
  });
});

describe('recipes of fine-tuning and distillation', () => {
  const commands = {
    'sft-lora.yaml': { command: 'aha train sft', parse: parseSftRecipe },
    'distill-text.yaml': { command: 'aha train distill', parse: parseDistillRecipe },
  };
  it.each(Object.entries(commands))(
    '%s states command, cost and what to expect, and can be used',
    async (name, { command, parse }) => {
      const path = join(root, 'recipes', name);
      const text = await readFile(path, 'utf8');
      for (const part of [command, `recipes/${name}`, '# Cost ', '# Expect ']) expect(text).toContain(part);
      expect(parse(await readConfigFile(path), path)).toMatchObject({ lora: { rank: 16 } });
    },
  );

  it('help texts name only recipes that are there', () => {
    for (const command of createProgram().commands.flatMap((one) => [one, ...one.commands])) {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) });
      command.outputHelp();
      for (const [, name] of help.matchAll(/recipes\/([\w.-]+\.yaml)/g))
        expect(recipes, command.name()).toContain(name);
    }
  });
});

describe('recipes of pipelines', () => {
  it.each(['r1.yaml', 'r1-half-billion.yaml', 'zero.yaml'])('%s can be planned', async (name) => {
    const path = join(root, 'recipes', name);
    const plan = await planPipeline(parsePipeline(await readConfigFile(path), path), {
      identify: async (outside) => outside,
      taskIdentity: async (task) => task,
    });
    expect(await readFile(path, 'utf8')).toContain(`recipes/${name}`);
    expect(new Set(plan.map(({ key }) => key)).size).toBe(plan.length);
  });
});

describe('README.md', () => {
  it('shows the task in examples/reverse.mjs, which runs wherever it lies', async () => {
    const example = await readFile(join(root, 'examples', 'reverse.mjs'), 'utf8');
    expect(readme).toContain('```js\n' + example + '```');
    const args = ['train', 'zero', 'scratch', '--task', join(root, 'examples', 'reverse.mjs')];
    // Loaded and checked; what it lacks is only an alphabet for a model from scratch.
    expect((await aha(args)).stderr).toContain('does not say which characters it uses');
  });

  it('names only commands and flags that exist', () => {
    const program = createProgram();
    const lines = [...readme.matchAll(/```sh\n([^`]*)```/g)]
      .flatMap(([, block]) => block!.split('\n'))
      .filter((line) => line.startsWith('aha '))
      .map((line) => line.replace(/\s+#.*$/, ''));
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) {
      const words = line.match(/"[^"]*"|\S+/g)!.slice(1);
      let command = program;
      for (const word of words) {
        const next = command.commands.find((candidate) => candidate.name() === word);
        if (next === undefined) break;
        command = next;
      }
      expect(command, line).not.toBe(program);
      for (const flag of words.filter((word) => word.startsWith('-'))) {
        const known = command.options.some(({ long, short }) => long === flag || short === flag);
        expect(known, `${flag} in: ${line}`).toBe(true);
      }
    }
  });

  it('names only built-in tasks that exist', () => {
    for (const [, name] of readme.matchAll(/--task ([a-z0-9-]+)(?=\s|$)/g)) {
      expect(Object.keys(builtInTasks)).toContain(name);
    }
  });
});

it('every command has --help with examples', async () => {
  const names = createProgram().commands.flatMap((command) =>
    command.commands.length > 0
      ? command.commands.map((child) => [command.name(), child.name()])
      : [[command.name()]],
  );
  for (const words of names) {
    const command = words.reduce(
      (parent, word) => parent.commands.find((candidate) => candidate.name() === word)!,
      createProgram(),
    );
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    expect(help, words.join(' ')).toContain('Examples:\n');
    expect(help, words.join(' ')).toContain(`$ aha ${words.join(' ')}`);
    expect(help).toContain('--json');
  }
});

it('recipes/arithmetic-scratch.yaml is the run of aha demo', async () => {
  const path = join(root, 'recipes', 'arithmetic-scratch.yaml');
  expect(parseRecipe(deriveDefaults(await readConfigFile(path)), path)).toEqual(demoRecipe({}));
});
