/** One prompt, one answer (or several); without a prompt a conversation. */
import { AhaError } from '../../errors.ts';
import type { PromptForm } from '../../task/presentation.ts';
import { printable } from '../../text/printable.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import type { SampleFlags } from '../commands/sample.ts';
import { openModel, type OpenModel } from '../model/open-model.ts';
import { codecFor } from '../model/prompt-form.ts';
import { readStoredRecipe } from '../runs/run-files.ts';
import { formatNumber } from '../terminal/quantities.ts';
import { converse } from './conversation.ts';
import { ResponsePrinter } from './response-printer.ts';
import { Speaker, type Message, type SamplingSettings } from './speaker.ts';

/** Far more than any context holds. */
const maximumPromptBytes = 16 << 20;

export async function sample(
  name: string,
  given: string | undefined,
  flags: SampleFlags,
  context: CommandContext,
): Promise<CommandResult> {
  const { reporter, interruption, clock } = context;
  const talks = given === undefined && process.stdin.isTTY;
  if (talks && (reporter.json || flags.count > 1)) {
    throw new AhaError({
      code: 'prompt-missing',
      boundary: 'configuration',
      what: `${reporter.json ? '--json' : '--count'} needs a prompt`,
      fix: 'Give one after the model, or on standard input.',
    });
  }
  const prompt = given ?? (talks ? undefined : await readStandardInput());
  await using model = await openModel(name, {
    reporter,
    engine: { threads: flags.threads },
    signal: interruption.signal,
  });
  const form = await formOf(flags, name, model.tokenizer());
  checkSystem(flags, form);
  const sampling = samplingOf(flags, model);
  const speaker = new Speaker({
    model,
    codec: codecFor(model.tokenizer(), form, model.source),
    form,
    sampling,
    maxTokens: flags.maxTokens,
    stops: flags.stop ?? [],
    seed: flags.seed,
    clock,
  });
  const system: Message[] = flags.system === undefined ? [] : [{ role: 'system', content: flags.system }];
  if (prompt === undefined) {
    const turns = await converse(speaker, system, model.source, context);
    return { result: { model: model.source, turns } };
  }
  const printer = new ResponsePrinter(reporter);
  const { count } = flags;
  const reply = await speaker.say([...system, { role: 'user', content: prompt }], {
    count,
    onStart: (opened) => {
      printer.begin(opened);
    },
    onText: (text) => {
      if (count === 1) printer.push(text);
    },
  });
  printer.end();
  if (count > 1) {
    for (const [index, response] of reply.responses.entries()) {
      reporter.line(reporter.colors.bold(`${index + 1} of ${count}`));
      printer.begin(reply.opened);
      printer.push(response.text);
      printer.end();
      reporter.line();
    }
  }
  const tokens = reply.responses.reduce((sum, response) => sum + response.tokens, 0);
  const cut = reply.responses.filter(({ finish }) => finish === 'length').length;
  reporter.note(
    [
      `${tokens} tokens in ${reply.seconds.toFixed(1)} s`,
      `${formatNumber(tokens / reply.seconds)} tokens/s`,
      ...(cut === 0 ? [] : [count === 1 ? 'cut off by --max-tokens or the context' : `${cut} cut off`]),
    ].join(', '),
  );
  return {
    result: {
      model: model.source,
      form,
      prompt: reply.prompt,
      sampling,
      text: reply.responses[0]!.text,
      responses: reply.responses,
      seconds: reply.seconds,
      tokensPerSecond: tokens / reply.seconds,
    },
  };
}

/** What was asked for; else how the run that made the model put its prompts; else chat, if the model can. */
async function formOf(flags: SampleFlags, name: string, tokenizer: Tokenizer): Promise<PromptForm> {
  if (flags.raw === true) {
    if (flags.prompt !== undefined && flags.prompt !== 'raw') {
      throw new AhaError({
        code: 'prompt-form-conflict',
        boundary: 'configuration',
        what: '--raw and --prompt contradict each other',
        found: `--raw --prompt ${flags.prompt}`,
        expected: 'one of them',
      });
    }
    return 'raw';
  }
  if (flags.prompt !== undefined && flags.prompt !== 'auto') return flags.prompt;
  const stored = (await readStoredRecipe(name))?.recipe.prompt;
  if (stored !== undefined && stored !== 'auto') return stored;
  return tokenizer.chatTemplate === undefined ? 'raw' : 'chat';
}

function checkSystem(flags: SampleFlags, form: PromptForm): void {
  if (flags.system === undefined || form === 'chat') return;
  throw new AhaError({
    code: 'system-without-chat',
    boundary: 'configuration',
    what: 'A system message needs a chat template',
    found: `prompts in form ${form}`,
    expected: 'form chat',
    fix: 'Leave --system out, or write what it says into the prompt.',
  });
}

/** Flags first; then the model's own settings, if it says that it is to be sampled from. */
function samplingOf(flags: SampleFlags, model: OpenModel): SamplingSettings {
  const own = model.checkpoint.generationConfig ?? {};
  const advised = (key: string): number | undefined => {
    const value = own['do_sample'] === true ? own[key] : undefined;
    return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
  };
  return {
    temperature: flags.temperature ?? advised('temperature') ?? 0.7,
    topK: flags.topK ?? Math.floor(advised('top_k') ?? 0),
    topP: flags.topP ?? (Math.min(1, advised('top_p') ?? 1) || 1),
    minP: flags.minP ?? Math.min(1, advised('min_p') ?? 0),
  };
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += part.length;
    if (bytes > maximumPromptBytes) {
      throw new AhaError({
        code: 'prompt-too-long',
        boundary: 'data',
        what: 'Standard input is longer than any prompt can be',
        found: `more than ${maximumPromptBytes} bytes`,
        fix: 'Check what is piped into the command.',
      });
    }
    chunks.push(part);
  }
  const text = decodeUtf8(Buffer.concat(chunks)).replace(/\r?\n$/, '');
  if (text === '') {
    throw new AhaError({
      code: 'prompt-missing',
      boundary: 'configuration',
      what: 'There is no prompt: standard input is empty',
      fix: 'Give one after the model, or on standard input; on a terminal leave it out for a conversation.',
    });
  }
  return text;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AhaError({
      code: 'prompt-not-text',
      boundary: 'data',
      what: `Standard input is not UTF-8 text (${printable(Buffer.from(bytes.slice(0, 8)).toString('hex'))}…)`,
      fix: 'Check what is piped into the command.',
      cause,
    });
  }
}
