/** `aha train`: reinforcement learning, supervised fine-tuning, distillation. */
import { Command } from 'commander';
import { trainDistillCommand } from './train-distill.ts';
import { trainR1Command } from './pipeline.ts';
import { trainSftCommand } from './train-sft.ts';
import { trainZeroCommand } from './train-zero.ts';

export function trainCommand(): Command {
  return new Command('train')
    .summary('train a model')
    .description('Trains a model.')
    .addCommand(trainZeroCommand())
    .addCommand(trainSftCommand())
    .addCommand(trainDistillCommand())
    .addCommand(trainR1Command());
}
