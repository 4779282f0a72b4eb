/** A conversation on a terminal. */
import { createInterface } from 'node:readline/promises';
import { describeFailure } from '../failure.ts';
import type { CommandContext } from '../command.ts';
import { ResponsePrinter } from './response-printer.ts';
import type { Message, Speaker } from './speaker.ts';

const help = [
  '/clear          forget the conversation',
  '/system TEXT    set the system message and forget the conversation',
  '/help           this',
  '/exit           leave (or Ctrl-D)',
  'Ctrl-C stops a response, or leaves.',
];

/** Talks until the reader leaves. Returns how many questions were answered. */
export async function converse(
  speaker: Speaker,
  system: readonly Message[],
  source: string,
  { reporter, verbose }: CommandContext,
): Promise<number> {
  const { colors } = reporter;
  const chat = speaker.form === 'chat';
  reporter.note(
    chat
      ? `Talking to ${source}. /help lists commands.`
      : `Talking to ${source}, which continues text: every prompt stands for itself. /help lists commands.`,
  );
  const input = createInterface({ input: process.stdin, output: process.stdout, terminal: true });
  let speaking: AbortController | undefined;
  let left = false;
  input.on('SIGINT', () => {
    if (speaking === undefined) {
      left = true;
      input.close();
    } else {
      speaking.abort();
    }
  });
  const printer = new ResponsePrinter(reporter);
  let opening = system;
  let messages: Message[] = [...opening];
  let turns = 0;
  const ask = async (): Promise<string | undefined> => {
    const closed = new Promise<undefined>((resolve) => {
      input.once('close', () => {
        resolve(undefined);
      });
    });
    return Promise.race([input.question(colors.bold('> ')).catch(() => undefined), closed]);
  };
  // oxlint-disable-next-line no-unmodified-loop-condition -- a signal handler sets it
  while (!left) {
    const text = await ask();
    if (text === undefined || text.trim() === '/exit') break;
    const [, command, rest] = /^\/(\w+)\s*(.*)$/s.exec(text.trim()) ?? [];
    if (text.trim() === '') continue;
    if (command === 'help') {
      reporter.lines(help);
      continue;
    }
    if (command === 'clear') {
      messages = [...opening];
      continue;
    }
    if (command === 'system' && chat) {
      opening = rest === undefined || rest === '' ? [] : [{ role: 'system', content: rest }];
      messages = [...opening];
      continue;
    }
    if (command !== undefined && chat) {
      reporter.note(`There is no command /${command}. /help lists those that there are.`);
      continue;
    }
    speaking = new AbortController();
    const question: Message = { role: 'user', content: text };
    let said = '';
    try {
      const reply = await speaker.say([...messages, question], {
        count: 1,
        signal: speaking.signal,
        onStart: (opened) => {
          printer.begin(opened);
        },
        onText: (piece) => {
          said += piece;
          printer.push(piece);
        },
      });
      // Templates leave earlier reasoning out; those that do not would see it twice as long each turn.
      const { answer, text: whole } = reply.responses[0]!;
      said = answer === '' ? whole : answer;
    } catch (error) {
      if (!speaking.signal.aborted) reporter.failure(describeFailure(error, verbose));
    }
    printer.end();
    // What was stopped half-way was said nevertheless; what failed was not.
    if (said !== '') messages.push(question, { role: 'assistant', content: said });
    turns++;
    speaking = undefined;
  }
  input.close();
  reporter.endLine();
  return turns;
}
