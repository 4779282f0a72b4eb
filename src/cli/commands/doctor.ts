/** `aha doctor`: what this machine can run, and why not. */
import { Command } from 'commander';
import { addCommonFlags, runCommand, type CommonFlags } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';

interface DoctorFlags extends CommonFlags {
  readonly output: string;
}

const help = `
Examples:
  $ aha doctor
  $ aha doctor --json | jq '.checks[] | select(.status == "failed")'

Exits with status 1 when something that aha needs is missing.`;

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .summary('say what this machine can run, and why not')
    .description('Checks what aha needs on this machine, and says what to do where something is missing.')
    .option('-o, --output <folder>', 'the folder in which runs would be saved', 'runs')
    .addHelpText('after', help);
  return addCommonFlags(command).action(async (flags: DoctorFlags) => {
    await runCommand(flags, 'work', async ({ reporter, environment }) => {
      const { inspectMachine } = await import('../doctor/machine.ts');
      const { capacities, describeCapacity, diagnose } = await import('../doctor/diagnosis.ts');
      const { cacheFolder } = await import('../../hub/client.ts');
      const { printable } = await import('../../text/printable.ts');
      const facts = await inspectMachine(
        [
          { purpose: 'Model cache', path: cacheFolder(environment) },
          { purpose: 'Runs', path: flags.output },
        ],
        environment,
      );
      const checks = diagnose(facts);
      const { colors, unicode } = reporter.terminal;
      const marks = {
        ok: colors.green(unicode ? '✓' : '+'),
        info: colors.dim(unicode ? '·' : '.'),
        warning: colors.yellow('!'),
        failed: colors.red(unicode ? '✗' : 'x'),
      };
      const width = Math.max(...checks.map(({ name }) => name.length));
      for (const { name, status, detail, fix } of checks) {
        reporter.line(`${marks[status]} ${name.padEnd(width)}  ${printable(detail)}`);
        if (fix !== undefined) reporter.line(`  ${' '.repeat(width)}  ${printable(fix)}`);
      }
      reporter.line();
      reporter.line('By its memory, this machine can');
      for (const capacity of capacities(facts)) reporter.line(`  ${describeCapacity(capacity)}`);
      reporter.line(
        'Training larger ones needs smaller micro-batches: --set engine.microBatchPositions=512 --set engine.rememberedBytes=0.',
      );
      const failed = checks.filter(({ status }) => status === 'failed').length;
      reporter.line();
      reporter.line(
        failed === 0 ? 'All that aha needs is here.' : `${failed} of ${checks.length} checks failed.`,
      );
      return {
        result: {
          ok: failed === 0,
          checks,
          capacities: capacities(facts),
          node: facts.node,
          platform: facts.platform,
          architecture: facts.architecture,
          threads: facts.threads,
          memoryBytes: facts.memoryBytes,
          availableBytes: facts.availableBytes,
          gpus: facts.gpus,
          onnxRuntime: 'error' in facts.library ? null : facts.library,
          gigaflops: facts.trial === undefined || 'error' in facts.trial ? null : facts.trial.gigaflops,
        },
        exitCode: failed === 0 ? exitCodes.ok : exitCodes.failure,
      };
    });
  });
}
