/** `aha evaluate`: how good is a model at a task, and is it better than another? */
import { Command, InvalidArgumentError, Option } from 'commander';
import { addSandboxFlags } from '../sandbox-flags.ts';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { collect, integer, real, seed } from '../option-parsers.ts';

export interface EvaluateFlags extends CommonFlags {
  readonly task?: readonly string[];
  readonly set?: readonly string[];
  readonly problems: readonly number[];
  readonly weights?: readonly number[];
  readonly level?: number;
  readonly split: 'heldOut' | 'train';
  readonly samples: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly maxTokens?: number;
  readonly prompt: 'auto' | 'raw' | 'r1-zero' | 'chat';
  readonly against?: string;
  readonly endpoint?: string;
  readonly model?: string;
  readonly keyVariable: string;
  readonly concurrency: number;
  readonly retries: number;
  readonly timeout: number;
  readonly maxRequests?: number;
  readonly maxTotalTokens?: number;
  readonly maxPrice?: number;
  readonly price?: { readonly prompt: number; readonly completion: number };
  readonly cache?: string;
  readonly trainingData?: readonly string[];
  readonly solveRates?: string;
  readonly output?: string;
  readonly fresh?: boolean;
  readonly seed: number | string;
  readonly threads?: number;
}

const help = `
Examples:
  $ aha evaluate runs/demo --task arithmetic --samples 8
  $ aha evaluate ./SmolLM2-135M-Instruct --task gsm8k --set gsm8k.path=test.jsonl --problems 200
  $ aha evaluate runs/a --against runs/b --task countdown --samples 4     is b better than a?
  $ aha evaluate runs/evaluations/x --against runs/evaluations/y          the same of two saved reports
  $ aha evaluate ./model.gguf --task arithmetic --task countdown --problems 300 --weights 2,1
  $ aha evaluate --endpoint http://127.0.0.1:8000/v1 --model qwen --task gsm8k --set gsm8k.path=test.jsonl
  $ aha evaluate ./model --task ./mine.mjs --split train --samples 8 --solve-rates rates.jsonl

The report is saved with every response and verdict. The same command again reads it, or goes on where it was stopped.
What each number means is in docs/evaluation.md.`;

export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .summary('how good a model is at a task')
    .description(
      'Puts the held-out problems of tasks to a model, judges what it says, and reports accuracy with its confidence ' +
        'interval, pass@k, majority vote, lengths and failures.',
    )
    .argument('[model]', "a folder, a GGUF file, a run's folder, a Hub id, or a saved report")
    .option('-t, --task <name>', 'a built-in task or a task file (repeatable: a mixture)', collect)
    .option(
      '-s, --set <key=value>',
      'set an option of a task, such as countdown.numbers=4 (repeatable)',
      collect,
    )
    .option('-p, --problems <counts>', 'problems of each task: one number, or one for each', counts, [100])
    .option('--weights <numbers>', 'share all problems among the tasks in this proportion: 2,1', weights)
    .option('--level <level>', 'only problems of this level', integer({ min: 1 }))
    .addOption(
      new Option('--split <split>', 'which problems: held-out ones measure, training ones select')
        .choices(['heldOut', 'train'])
        .default('heldOut'),
    )
    .option('-n, --samples <count>', 'responses to each problem', integer({ min: 1, max: 4096 }), 1)
    .option('--temperature <number>', 'divides the logits; 0 takes the most likely token', real({ min: 0 }))
    .option(
      '--top-p <share>',
      'keep the smallest set of tokens with this probability',
      real({ min: 0, above: true, max: 1 }),
    )
    .option('-m, --max-tokens <count>', 'tokens after which a response is cut off', integer({ min: 1 }))
    .addOption(
      new Option('--prompt <form>', 'how problems are put to the model')
        .choices(['auto', 'raw', 'r1-zero', 'chat'])
        .default('auto'),
    )
    .option('--against <model>', 'compare with this model, or with this saved report, on the same problems')
    .option(
      '--endpoint <url>',
      'evaluate a model behind an OpenAI-compatible endpoint: http://127.0.0.1:8000/v1',
    )
    .option('--model <name>', 'its name there')
    .option('--key-variable <name>', 'the environment variable that holds the key', 'OPENAI_API_KEY')
    .option('--concurrency <count>', 'requests at a time', integer({ min: 1, max: 1024 }), 8)
    .option('--retries <count>', 'further tries of a request that failed', integer({ min: 0, max: 100 }), 8)
    .option('--timeout <seconds>', 'how long an answer may take', real({ min: 0, above: true }), 600)
    .option('--max-requests <count>', 'send no more requests than this', integer({ min: 1 }))
    .option('--max-total-tokens <count>', 'spend no more tokens than this', integer({ min: 1 }))
    .option('--max-price <amount>', 'spend no more than this; needs --price', real({ min: 0, above: true }))
    .option('--price <prompt,answer>', 'what a million tokens of prompts and of answers cost', price)
    .option('--cache <folder>', 'where answers of endpoints are kept, so that none is paid for twice')
    .option('--training-data <file>', 'look for the problems in this training data (repeatable)', collect)
    .option('--solve-rates <file>', 'write how often each problem was solved, as JSON lines')
    .option('-o, --output <folder>', 'where to save the report (default: runs/evaluations/…)')
    .option('--fresh', 'draw again, even if the report is there')
    .option('--seed <seed>', 'draws the same again', seed, 0)
    .option('--threads <count>', 'threads that compute (default: all cores)', integer({ min: 1, max: 1024 }))
    .addHelpText('after', help);
  return addCommonFlags(addSandboxFlags(command)).action(
    async (model: string | undefined, flags: EvaluateFlags) => {
      await runCommand(flags, 'work', async (context) => {
        const { runEvaluate } = await import('../evaluate/run-evaluate.ts');
        return runEvaluate(model, flags, context);
      });
    },
  );
}

function counts(text: string): number[] {
  return text.split(',').map((part) => integer({ min: 1, max: 1_000_000 })(part.trim()));
}

function price(text: string): { prompt: number; completion: number } {
  const [prompt, completion, ...rest] = text.split(',').map((part) => real({ min: 0 })(part.trim()));
  if (prompt === undefined || completion === undefined || rest.length > 0) {
    throw new InvalidArgumentError('Expected two numbers with a comma between: 0.5,1.5');
  }
  return { prompt, completion };
}

function weights(text: string): number[] {
  const list = text.split(',').map((part) => real({ min: 0, above: true })(part.trim()));
  if (list.length < 2)
    throw new InvalidArgumentError('Expected a number for each task, with commas between.');
  return list;
}
