/** What a finished run says: accuracy before and after, how reward and length went, and what to do next. */
import type { EvaluationMetrics } from '../../train/events.ts';
import { formatLength, formatNumber, formatShare } from '../terminal/quantities.ts';
import { sparkline } from '../terminal/sparkline.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { ZeroOutcome } from './run-zero.ts';

/** `68.0 % (95 % confidence: 58.3 % to 76.3 %)` */
export function describeAccuracy({ accuracy, accuracyLow, accuracyHigh }: EvaluationMetrics): string {
  return `${formatShare(accuracy)} (95 % confidence: ${formatShare(accuracyLow)} to ${formatShare(accuracyHigh)})`;
}

export function accuracyLines({ before, after, steps }: ZeroOutcome): string[] {
  if (before === undefined || after === undefined) return [];
  const problems = `${after.problems} held-out problems`;
  if (before === after) return [`Accuracy on ${problems}: ${describeAccuracy(before)}`];
  return [
    `Accuracy on ${problems}`,
    `  before          ${describeAccuracy(before)}, ${formatLength(before.lengthMean)} tokens a response`,
    `  after ${`${steps} steps`.padEnd(9)} ${describeAccuracy(after)}, ${formatLength(after.lengthMean)} tokens a response`,
  ];
}

export function curveLines({ history }: ZeroOutcome, { colors, unicode, columns }: Terminal): string[] {
  const { steps } = history;
  if (steps.length < 2) return [];
  const width = Math.min(60, columns - 30);
  const arrow = unicode ? '→' : '->';
  const line = (
    label: string,
    series: readonly number[],
    paint: (text: string) => string,
    format: (value: number) => string,
  ) => {
    const ends = `${format(series[0]!)} ${arrow} ${format(series.at(-1)!)}`;
    return `${label.padEnd(8)} ${paint(sparkline(series, { width, unicode }))}  ${ends}`;
  };
  return [
    line(
      'reward',
      steps.map(({ metrics }) => metrics.rewardMean),
      colors.green,
      formatNumber,
    ),
    line(
      'length',
      steps.map(({ metrics }) => metrics.lengthMean),
      colors.cyan,
      formatLength,
    ),
  ];
}

/** The part of a result that describes an evaluation. */
export function evaluationResult(
  metrics: EvaluationMetrics | undefined,
): Readonly<Record<string, unknown>> | null {
  if (metrics === undefined) return null;
  const { accuracy, accuracyLow, accuracyHigh, lengthMean, truncatedShare, problems } = metrics;
  return {
    accuracy,
    low: accuracyLow,
    high: accuracyHigh,
    length: lengthMean,
    truncated: truncatedShare,
    problems,
  };
}
