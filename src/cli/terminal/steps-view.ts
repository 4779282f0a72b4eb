/** Supervised steps (pre-training, fine-tuning, distillation) as a few lines on a terminal, and as plain lines. */
import type { LearnEvaluation, LearnEvent, PretrainEvent } from '../../train/events.ts';
import type { Clock } from '../../util/clock.ts';
import { printable } from '../../text/printable.ts';
import { progressBar } from './bar.ts';
import { truncateToWidth } from './layout.ts';
import type { Size } from './live-region.ts';
import { Pace } from './pace.ts';
import { formatCount, formatDuration, formatNumber, formatShare } from './quantities.ts';
import { sparkline } from './sparkline.ts';
import type { Terminal } from './terminal.ts';

/** Plain lines are this many in all, at equal distances. */
const plainLines = 10;

export class StepsView {
  readonly #title: string;
  readonly #clock: Clock;
  readonly #terminal: Pick<Terminal, 'colors' | 'unicode'>;
  readonly #losses: number[] = [];
  #pace: Pace;
  #steps = 0;
  #step = 0;
  #speed = 0;
  #evaluation: LearnEvaluation | undefined;

  constructor(title: string, clock: Clock, terminal: Pick<Terminal, 'colors' | 'unicode'>) {
    this.#title = title;
    this.#clock = clock;
    this.#terminal = terminal;
    this.#pace = new Pace(clock);
  }

  handle(event: PretrainEvent | LearnEvent): void {
    if (event.type === 'run-start') {
      this.#steps = event.steps;
      this.#step = event.step;
      this.#pace = new Pace(this.#clock, event.step);
    } else if (event.type === 'pretrain-step' || event.type === 'learn-step') {
      this.#losses.push(event.loss);
      this.#speed = event.tokensPerSecond;
      this.#step = event.step + 1;
      this.#pace.update(this.#step);
    } else if (event.type === 'learn-evaluation') this.#evaluation = event.metrics;
  }

  render({ columns, rows }: Size): string[] {
    const { colors, unicode } = this.#terminal;
    const share = this.#steps === 0 ? 0 : this.#step / this.#steps;
    const left = this.#pace.secondsLeft(this.#steps);
    const before = `step ${this.#step}/${this.#steps} `;
    const after = [
      ` ${formatShare(share, 0)}`,
      formatDuration(this.#pace.elapsedSeconds),
      ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
      ...(this.#speed > 0 ? [`${formatCount(this.#speed)} tokens/s`] : []),
    ].join(unicode ? ' · ' : ' | ');
    const room = Math.min(40, columns - before.length - after.length);
    const bar = room < 5 ? '' : colors.green(progressBar(share, room, unicode));
    const loss = this.#losses.at(-1);
    const label = loss === undefined ? '' : `loss ${formatNumber(loss)}  `;
    const lines = [
      colors.bold(this.#title),
      // Nothing is known before the first event.
      this.#steps === 0 ? '' : `${before}${bar}${after}`,
      label + colors.cyan(sparkline(this.#losses, { width: Math.min(72, columns - label.length), unicode })),
      ...(this.#evaluation === undefined ? [] : [describeEvaluation(this.#evaluation)]),
    ];
    return lines.slice(0, rows).map((line) => truncateToWidth(line, columns));
  }

  plainLine(event: PretrainEvent | LearnEvent): string | undefined {
    switch (event.type) {
      case 'run-start':
        return event.resumed
          ? `${this.#title}: resuming at step ${event.step} of ${event.steps}`
          : `${this.#title}: ${event.steps} steps`;
      case 'pretrain-step':
      case 'learn-step': {
        const done = event.step + 1;
        const every = Math.max(1, Math.round(event.of / plainLines));
        if (done % every !== 0 && done !== event.of) return undefined;
        const left = this.#pace.secondsLeft(event.of);
        return [
          `${event.type === 'learn-step' ? 'step' : 'pre-training'} ${done}/${event.of}`,
          `loss ${formatNumber(event.loss)}`,
          `${formatCount(event.tokensPerSecond)} tokens/s`,
          ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
        ].join('  ');
      }
      case 'learn-evaluation':
        return `after ${event.step} steps: ${describeEvaluation(event.metrics)}`;
      case 'warning':
        return `warning: ${printable(event.message)}`;
      case 'checkpoint':
      case 'run-end':
        return undefined;
    }
  }
}

/** `held-out loss 1.234, accuracy 45.0 % (40.1 % to 50.0 %)` */
export function describeEvaluation({ loss, task }: LearnEvaluation): string {
  const parts = [
    ...(loss === null ? [] : [`held-out loss ${formatNumber(loss)}`]),
    ...(task === null
      ? []
      : [
          `accuracy ${formatShare(task.accuracy)} ` +
            `(${formatShare(task.accuracyLow)} to ${formatShare(task.accuracyHigh)})`,
        ]),
  ];
  return parts.join(', ');
}
