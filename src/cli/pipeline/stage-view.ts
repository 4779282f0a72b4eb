/** One stage of a pipeline on the terminal: the view of its kind while it runs, one line when it is done. */
import type { PlannedStage } from '../../train/pipeline/plan.ts';
import type { StageEvent } from '../../train/pipeline/stage.ts';
import type { StageStatus } from '../../train/pipeline/status.ts';
import type { CommandContext } from '../command.ts';
import { formatDuration, formatShare } from '../terminal/quantities.ts';
import type { Progress, View } from '../terminal/reporter.ts';
import { StepsView } from '../terminal/steps-view.ts';
import { TrainingView } from '../terminal/training-view.ts';

export class StageView {
  readonly #context: CommandContext;
  readonly #title: string;
  readonly #known: boolean;
  #training: TrainingView | undefined;
  #steps: StepsView | undefined;
  #shown: View | undefined;
  #progress: Progress | undefined;

  constructor({ name, stage }: PlannedStage, known: boolean, context: CommandContext) {
    this.#context = context;
    this.#known = known;
    this.#title = `Stage ${name} (${stage.kind})`;
    if (!known) context.reporter.line(context.reporter.colors.bold(this.#title));
  }

  handle(event: StageEvent): void {
    const { reporter, clock } = this.#context;
    const terminal = reporter.progressTerminal;
    switch (event.type) {
      case 'grpo': {
        this.#training ??= new TrainingView({ title: this.#title, clock, terminal });
        const view = this.#training;
        view.handle(event.event);
        this.#show((size) => view.render(size));
        const lasting = event.event.type === 'warning' || event.event.type === 'evaluation';
        const line = this.#shown === undefined || lasting ? view.plainLine(event.event) : undefined;
        if (line !== undefined) reporter.line(line);
        return;
      }
      case 'pretrain':
      case 'learn': {
        this.#steps ??= new StepsView(this.#title, clock, terminal);
        const view = this.#steps;
        view.handle(event.event);
        this.#show((size) => view.render(size));
        const lasting = event.event.type === 'warning' || event.event.type === 'learn-evaluation';
        const line = this.#shown === undefined || lasting ? view.plainLine(event.event) : undefined;
        if (line !== undefined) reporter.line(line);
        return;
      }
      case 'responses': {
        this.#closeView();
        this.#progress ??= reporter.progress({
          label: 'Responses drawn and judged',
          total: event.total,
          done: event.done,
          quiet: true,
        });
        this.#progress.update(event.done, event.total);
        return;
      }
      case 'note':
        reporter.note(event.text);
    }
  }

  /** One line that stays. */
  end(status: StageStatus): void {
    this.close();
    const { reporter } = this.#context;
    const { measures } = status;
    const parts = [
      this.#known ? 'there already' : `done in ${formatDuration(status.seconds)}`,
      ...(typeof status.facts?.['rows'] === 'number' ? [`${status.facts['rows']} rows`] : []),
      ...(measures === undefined
        ? []
        : [
            `held-out accuracy ${formatShare(measures.accuracy)} (${formatShare(measures.low)} to ${formatShare(measures.high)})`,
          ]),
    ];
    reporter.line(`${this.#title}: ${parts.join(', ')}`);
    if (status.state === 'stopped') reporter.line(`  its gate is closed: ${status.reason}`);
  }

  close(): void {
    this.#closeView();
    this.#progress?.finish();
    this.#progress = undefined;
  }

  #show(render: Parameters<CommandContext['reporter']['show']>[0]): void {
    this.#progress?.finish();
    this.#progress = undefined;
    if (this.#shown === undefined) this.#shown = this.#context.reporter.show(render);
    else this.#shown.refresh();
  }

  #closeView(): void {
    this.#shown?.close();
    this.#shown = undefined;
  }
}
