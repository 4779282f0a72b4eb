/** `aha export`: a model in the layout that other tools read. */
import { Command, Option } from 'commander';
import type { SafetensorsDtype } from '../../model/safetensors.ts';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { integer } from '../option-parsers.ts';

export interface ExportFlags extends CommonFlags {
  readonly to: string;
  readonly checkpoint?: string;
  readonly adapter?: boolean;
  readonly base?: string;
  readonly dtype?: SafetensorsDtype;
  readonly force?: boolean;
  readonly threads?: number;
}

const help = `
Examples:
  $ aha export runs/demo --to exported                          the latest checkpoint of a run
  $ aha export runs/countdown --checkpoint best --to best       the one of the best held-out accuracy
  $ aha export runs/countdown/checkpoints/step-000040 --to at-40
  $ aha export runs/countdown --adapter --to adapter            what LoRA has trained, alone, as PEFT saves it
  $ aha export ./adapter --base Qwen/Qwen2.5-0.5B --to merged   a PEFT adapter, merged into its base model
  $ aha export ./model-Q4_K_M.gguf --to model --dtype bf16      GGUF, dequantised

The folder holds config.json, safetensors, tokenizer and chat template: transformers and llama.cpp's converter read
it, and so does every command of aha. It appears whole or not at all.`;

export function exportCommand(): Command {
  const command = new Command('export')
    .summary('write a model as a Hugging Face folder')
    .description('Writes a model, or the checkpoint of a run, as a Hugging Face folder or as a PEFT adapter.')
    .argument('<model>', "a run's folder, one of its checkpoints, a model folder, a GGUF file, or a Hub id")
    .requiredOption('--to <folder>', 'the folder to write: empty, or one that does not exist')
    .option('--checkpoint <name>', 'of a run: latest, best, or a name such as step-000040 (default: latest)')
    .option('--adapter', 'write the LoRA adapter alone instead of merging it into the weights')
    .option('--base <model>', 'the base model of an adapter, if it is not where the adapter says')
    .addOption(
      new Option('--dtype <type>', 'how the weights are stored (default: f32, as they are trained)').choices([
        'f32',
        'f16',
        'bf16',
      ]),
    )
    .option('-f, --force', 'replace a model that the folder holds')
    .option('--threads <count>', 'threads that compute (default: all cores)', integer({ min: 1, max: 1024 }))
    .addHelpText('after', help);
  return addCommonFlags(command).action(async (model: string, flags: ExportFlags) => {
    await runCommand(flags, 'work', async (context) => {
      const { exportModel } = await import('../export/export.ts');
      return exportModel(model, flags, context);
    });
  });
}
