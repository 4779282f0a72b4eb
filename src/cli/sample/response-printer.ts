/**
 * Prints a response as it comes. On a terminal: safe to show, reasoning dimmed, tags left out. Into a file or a
 * pipe: exactly what the model said.
 */
import { printable } from '../../text/printable.ts';
import { ReasoningStream } from '../../text/reasoning.ts';
import type { Reporter } from '../terminal/reporter.ts';

export class ResponsePrinter {
  readonly #reporter: Reporter;
  #stream: ReasoningStream;
  #kind: 'reasoning' | 'answer' = 'answer';
  #printed = false;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
    this.#stream = new ReasoningStream();
  }

  /** `opened`: the prompt ended inside of reasoning. */
  begin(opened: boolean): void {
    this.#stream = new ReasoningStream({ opened });
    this.#kind = 'answer';
    this.#printed = false;
  }

  push(text: string): void {
    if (this.#reporter.terminal.stream.isTTY !== true) {
      this.#reporter.write(text);
      return;
    }
    for (const part of this.#stream.push(text)) this.#show(part.kind, part.text);
  }

  end(): void {
    if (this.#reporter.terminal.stream.isTTY === true) {
      for (const part of this.#stream.finish()) this.#show(part.kind, part.text);
    }
    this.#reporter.endLine();
  }

  #show(kind: 'reasoning' | 'answer', text: string): void {
    let shown = printable(text);
    if (kind !== this.#kind) {
      // Reasoning and answer are apart, however many line breaks the model has put between them.
      if (this.#printed) this.#reporter.endLine();
      shown = shown.trimStart();
      if (shown === '') return;
      if (this.#printed && kind === 'answer') this.#reporter.line();
      this.#kind = kind;
    }
    if (shown === '') return;
    this.#printed = true;
    const { dim } = this.#reporter.colors;
    // Line by line: a colour that spans lines is lost in some pagers.
    this.#reporter.write(
      kind === 'answer'
        ? shown
        : shown
            .split('\n')
            .map((line) => (line === '' ? '' : dim(line)))
            .join('\n'),
    );
  }
}
