/**
 * A GRPO run on one screen, and the same run as plain lines. Built on the run's events alone; draws, and decides
 * nothing. Responses are a model's output and untrusted: they are shown through `printable`.
 */
import { printable } from '../../text/printable.ts';
import type { EvaluationMetrics, GrpoEvent, Phase, RolloutRecord, StepMetrics } from '../../train/events.ts';
import type { Clock } from '../../util/clock.ts';
import { divide, progressBar } from './bar.ts';
import { fitToWidth, truncateToWidth, wrapToWidth } from './layout.ts';
import type { Size } from './live-region.ts';
import { Pace } from './pace.ts';
import { formatCount, formatDuration, formatLength, formatNumber, formatShare } from './quantities.ts';
import { sparkline } from './sparkline.ts';
import type { Colors, Terminal } from './terminal.ts';

const phaseNames: Readonly<Record<Phase, string>> = {
  sample: 'sampling',
  verify: 'checking',
  reference: 'reference',
  train: 'training',
  evaluate: 'evaluating',
  save: 'saving',
};

const phaseMarks: readonly { phase: Phase; mark: string; ascii: string }[] = [
  { phase: 'sample', mark: '█', ascii: '#' },
  { phase: 'verify', mark: '▓', ascii: 'v' },
  { phase: 'reference', mark: '▒', ascii: 'r' },
  { phase: 'train', mark: '▚', ascii: '=' },
  { phase: 'evaluate', mark: '░', ascii: 'e' },
  { phase: 'save', mark: '·', ascii: 's' },
];

export interface TrainingViewOptions {
  /** First line: what is trained on what. */
  readonly title: string;
  readonly clock: Clock;
  readonly terminal: Pick<Terminal, 'colors' | 'unicode'>;
}

export class TrainingView {
  readonly #options: TrainingViewOptions;
  readonly #rewards: number[] = [];
  readonly #lengths: number[] = [];
  readonly #accuracies: number[] = [];
  #steps = 0;
  #step = 0;
  #pace: Pace;
  #phase = 'starting';
  #sampled: { completions: number; of: number } | undefined;
  #metrics: StepMetrics | undefined;
  #heldOut: { first: EvaluationMetrics; last: EvaluationMetrics; step: number } | undefined;
  #sample: RolloutRecord | undefined;
  #warning: string | undefined;
  #stopping = false;

  constructor(options: TrainingViewOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock);
  }

  /** Mean reward of each step so far. */
  get rewards(): readonly number[] {
    return this.#rewards;
  }

  /** Mean completion length of each step so far, in tokens. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /** Says that the run stops after this step. */
  stopping(): void {
    this.#stopping = true;
  }

  handle(event: GrpoEvent): void {
    switch (event.type) {
      case 'run-start':
        this.#steps = event.steps;
        this.#step = event.step;
        this.#pace = new Pace(this.#options.clock, event.step);
        for (const { metrics } of event.history.steps) this.#record(metrics);
        for (const { step, metrics } of event.history.evaluations) this.#evaluated(step, metrics);
        return;
      case 'phase':
        this.#phase = phaseNames[event.phase];
        this.#sampled = undefined;
        return;
      case 'sampling':
        this.#sampled = event;
        return;
      case 'rollouts':
        // A different place of the batch each step: the first problem's first completion is not special.
        this.#sample = event.rollouts[event.step % Math.max(1, event.rollouts.length)];
        return;
      case 'step':
        this.#record(event.metrics);
        this.#step = this.#done(event);
        this.#pace.update(this.#step);
        return;
      case 'evaluation':
        this.#evaluated(event.step, event.metrics);
        return;
      case 'warning':
        this.#warning = event.message;
        return;
      case 'preflight':
      case 'update':
      case 'checkpoint':
      case 'run-end':
        return;
    }
  }

  /** The screen, of at most `rows` lines: what matters less goes first when there is little room. */
  render(size: Size): string[] {
    return this.#lines(size)
      .slice(0, size.rows)
      .map((line) => truncateToWidth(line, size.columns));
  }

  #lines({ columns, rows }: Size): string[] {
    const { colors, unicode } = this.#options.terminal;
    const metrics = this.#metrics;
    const head = [colors.bold(this.#options.title), this.#progressLine(columns)];
    if (metrics === undefined) return [...head, ...this.#footer()];
    const series = [
      this.#seriesLine('reward', formatNumber(metrics.rewardMean), this.#rewards, columns, colors.green),
      this.#seriesLine('length', formatLength(metrics.lengthMean), this.#lengths, columns, colors.cyan),
      this.#seriesLine('accuracy', formatShare(metrics.accuracy), this.#accuracies, columns, colors.yellow),
    ];
    if (this.#heldOut !== undefined) series.push(this.#heldOutLine(this.#heldOut));
    const details = [
      ...flow(metricCells(metrics, colors), columns),
      ...timeLines(metrics, columns, unicode, colors),
    ];
    const footer = this.#footer();
    const lines = [...head, ...series];
    let room = rows - lines.length - footer.length;
    const kept = details.slice(0, Math.max(0, room));
    room -= kept.length;
    lines.push(...kept);
    if (this.#sample !== undefined && room >= 4) {
      lines.push('', ...this.#sampleLines(this.#sample, columns, Math.min(10, room - 1)));
    }
    return [...lines, ...footer];
  }

  /** What a log gets for an event: nothing for most. */
  plainLine(event: GrpoEvent): string | undefined {
    switch (event.type) {
      case 'run-start':
        return event.resumed ? `resuming at step ${event.step} of ${event.steps}` : `${event.steps} steps`;
      case 'preflight':
        return `preflight: ${printable(event.check)}: ${event.status} (${printable(event.detail)})`;
      case 'step': {
        const { metrics } = event;
        const left = this.#pace.secondsLeft(this.#steps);
        return [
          `step ${this.#done(event)}/${event.of}`,
          `reward ${formatNumber(metrics.rewardMean)} ± ${formatNumber(metrics.rewardStd)}`,
          `accuracy ${formatShare(metrics.accuracy)}`,
          `length ${formatLength(metrics.lengthMean)}`,
          `entropy ${formatNumber(metrics.entropy)}`,
          ...(metrics.kl === null ? [] : [`kl ${formatNumber(metrics.kl)}`]),
          `clipped ${formatShare(metrics.clipShare)}`,
          ...(metrics.truncatedShare > 0 ? [`truncated ${formatShare(metrics.truncatedShare)}`] : []),
          formatDuration(metrics.seconds),
          ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
        ].join('  ');
      }
      case 'evaluation':
        return `held-out after step ${event.step}: ${describeEvaluation(event.metrics)}`;
      case 'warning':
        return `warning: ${printable(event.message)}`;
      case 'phase':
      case 'sampling':
      case 'update':
      case 'rollouts':
      case 'checkpoint':
      case 'run-end':
        return undefined;
    }
  }

  #record(metrics: StepMetrics): void {
    this.#metrics = metrics;
    this.#rewards.push(metrics.rewardMean);
    this.#lengths.push(metrics.lengthMean);
    this.#accuracies.push(metrics.accuracy);
  }

  #evaluated(step: number, metrics: EvaluationMetrics): void {
    this.#heldOut = { first: this.#heldOut?.first ?? metrics, last: metrics, step };
  }

  /** Steps are numbered from 0 in events and counted from 1 for people. */
  #done(event: { readonly step: number }): number {
    return event.step + 1;
  }

  #progressLine(columns: number): string {
    const { colors, unicode } = this.#options.terminal;
    const share = this.#steps === 0 ? 0 : this.#step / this.#steps;
    const left = this.#pace.secondsLeft(this.#steps);
    const now =
      this.#sampled === undefined
        ? this.#phase
        : `${this.#phase} ${this.#sampled.completions}/${this.#sampled.of}`;
    const before = `step ${this.#step}/${this.#steps} `;
    const parts = [
      ` ${formatShare(share, 0)}`,
      formatDuration(this.#pace.elapsedSeconds),
      ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
      fitToWidth(now, Math.max(now.length, 16)),
    ];
    const after = parts.join(unicode ? ' · ' : ' | ');
    const room = Math.min(40, columns - before.length - after.length);
    const bar = room < 5 ? '' : colors.green(progressBar(share, room, unicode));
    return `${before}${bar}${after}`;
  }

  #seriesLine(
    label: string,
    value: string,
    series: readonly number[],
    columns: number,
    paint: (text: string) => string,
  ): string {
    const before = `${fitToWidth(label, 9)} ${fitToWidth(value, 8, 'right')}  `;
    const width = Math.min(72, columns - before.length);
    return before + paint(sparkline(series, { width, unicode: this.#options.terminal.unicode }));
  }

  #heldOutLine(heldOut: { first: EvaluationMetrics; last: EvaluationMetrics; step: number }): string {
    const { first, last, step } = heldOut;
    const interval = `${formatShare(last.accuracyLow)} to ${formatShare(last.accuracyHigh)}`;
    const before = first === last ? '' : `; at first ${formatShare(first.accuracy)}`;
    return `${fitToWidth('held-out', 9)} ${fitToWidth(formatShare(last.accuracy), 8, 'right')}  (${interval}) after step ${step}${before}`;
  }

  #sampleLines(sample: RolloutRecord, columns: number, rows: number): string[] {
    const { colors, unicode } = this.#options.terminal;
    const mark = unicode ? '│ ' : '| ';
    const verdict = sample.reward === null ? 'not scored' : `reward ${formatNumber(sample.reward)}`;
    const cut = sample.finish === 'length' ? ', cut off' : '';
    const title = colors.bold(`a response (${verdict}, ${sample.tokens} tokens${cut})`);
    const prompt = lastLine(printable(sample.prompt));
    const response = wrapToWidth(printable(sample.response).trimEnd(), columns - 2, Math.max(1, rows - 2));
    return [title, colors.dim(mark + prompt), ...response.map((line) => colors.dim(mark) + line)];
  }

  #footer(): string[] {
    const { colors } = this.#options.terminal;
    const hint = this.#stopping
      ? 'Finishing this step, then saving. Ctrl-C again quits at once.'
      : 'Ctrl-C finishes the step, saves and stops.';
    const warning =
      this.#warning === undefined ? [] : [colors.yellow(`warning: ${lastLine(printable(this.#warning))}`)];
    return [...warning, colors.dim(hint)];
  }
}

/** `68.0 % (58.3 % to 76.3 %), length 34.1, 100 problems` */
export function describeEvaluation(metrics: EvaluationMetrics): string {
  return [
    `${formatShare(metrics.accuracy)} (${formatShare(metrics.accuracyLow)} to ${formatShare(metrics.accuracyHigh)})`,
    `length ${formatLength(metrics.lengthMean)}`,
    `${metrics.problems} problems`,
    ...(metrics.truncatedShare > 0 ? [`truncated ${formatShare(metrics.truncatedShare)}`] : []),
    ...(metrics.failed > 0 ? [`${metrics.failed} checks failed`] : []),
  ].join(', ');
}

function metricCells(metrics: StepMetrics, colors: Colors): string[] {
  const cell = (label: string, value: string) => `${colors.dim(label)} ${value}`;
  const ratios = `${formatNumber(metrics.ratioMin)} to ${formatNumber(metrics.ratioMax)}`;
  return [
    cell('spread', formatNumber(metrics.rewardStd)),
    cell('entropy', formatNumber(metrics.entropy)),
    ...(metrics.kl === null ? [] : [cell('KL', formatNumber(metrics.kl))]),
    cell('clipped', formatShare(metrics.clipShare)),
    cell('ratio', ratios),
    cell('gradient', formatNumber(metrics.gradientNorm)),
    cell('no variance', formatShare(metrics.zeroVarianceShare, 0)),
    cell('truncated', formatShare(metrics.truncatedShare, 0)),
    cell('sampling', `${formatCount(metrics.sampledTokensPerSecond)} tokens/s`),
    cell('training', `${formatCount(metrics.trainedTokensPerSecond)} tokens/s`),
    cell('step', formatDuration(metrics.seconds)),
  ];
}

/** A bar of the step's time by phase, with its legend. */
function timeLines(metrics: StepMetrics, columns: number, unicode: boolean, colors: Colors): string[] {
  const parts = phaseMarks.filter(({ phase }) => (metrics.timeShares[phase] ?? 0) >= 0.005);
  if (parts.length === 0) return [];
  const width = Math.min(40, columns - 10);
  const sizes = divide(
    parts.map(({ phase }) => metrics.timeShares[phase] ?? 0),
    Math.max(0, width),
  );
  const mark = (part: (typeof phaseMarks)[number]) => (unicode ? part.mark : part.ascii);
  const bar = parts.map((part, index) => mark(part).repeat(sizes[index]!)).join('');
  const legend = parts.map(
    (part) =>
      `${mark(part)} ${phaseNames[part.phase]} ${formatShare(metrics.timeShares[part.phase] ?? 0, 0)}`,
  );
  return [`${fitToWidth('time', 9)} ${colors.magenta(bar)}`, ...flow(legend, columns)];
}

/** Cells beside each other, as many to a line as fit. */
function flow(cells: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const cell of cells) {
    const longer = line === '' ? cell : `${line}   ${cell}`;
    // Escapes count for nothing: truncating changes only what is too wide.
    if (line !== '' && truncateToWidth(longer, columns) !== longer) {
      lines.push(line);
      line = cell;
    } else {
      line = longer;
    }
  }
  return line === '' ? lines : [...lines, line];
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
