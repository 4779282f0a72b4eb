import { printable } from '../../text/printable.ts';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../test/cli/fake-terminal.ts';
import type { EvaluationMetrics, GrpoEvent, StepMetrics } from '../../train/events.ts';
import { TrainingView } from './training-view.ts';
import { describeTerminal } from './terminal.ts';
import { FakePipe } from '../../../test/cli/fake-terminal.ts';

const stepMetrics: StepMetrics = {
  rewardMean: 0.5,
  rewardStd: 0.5,
  rewardComponents: { score: 0.5 },
  accuracy: 0.5,
  lengthMean: 20.25,
  lengthMax: 48,
  truncatedShare: 0.03,
  zeroVarianceShare: 0.25,
  refilledGroups: 0,
  failedVerdictShare: 0,
  entropy: 0.412,
  learnedEntropy: 0.4,
  kl: 0.0031,
  clipShare: 0.012,
  clipLowShare: 0.004,
  clipHighShare: 0.008,
  ratioMean: 1,
  ratioMin: 0.9,
  ratioMax: 1.1,
  loss: 0.1,
  gradientNorm: 0.41,
  skippedUpdates: 0,
  learningRate: 1e-4,
  learnedSequences: 64,
  learnedTokens: 1296,
  sampledTokensPerSecond: 12_400,
  trainedTokensPerSecond: 8300,
  seconds: 2,
  timeShares: { sample: 0.5, verify: 0.02, train: 0.4, save: 0.05 },
};

const evaluation: EvaluationMetrics = {
  problems: 100,
  scored: 100,
  failed: 0,
  accuracy: 0.68,
  accuracyLow: 0.583,
  accuracyHigh: 0.763,
  reward: 0.68,
  lengthMean: 34.1,
  truncatedShare: 0,
  seconds: 3,
};

function viewAfter(steps: number, options: { unicode?: boolean } = {}) {
  const clock = new FakeClock();
  const { colors } = describeTerminal(new FakePipe(), {});
  const view = new TrainingView({
    title: 'GRPO: a model on a task',
    clock,
    terminal: { colors, unicode: options.unicode ?? true },
  });
  const events: GrpoEvent[] = [
    { type: 'run-start', steps: 10, step: 0, resumed: false, history: { steps: [], evaluations: [] } },
    { type: 'evaluation', step: 0, metrics: { ...evaluation, accuracy: 0.3 }, rollouts: [] },
  ];
  for (let step = 0; step < steps; step++) {
    events.push(
      { type: 'phase', step, phase: 'sample' },
      { type: 'sampling', step, completions: 12, of: 64, tokens: 300 },
      {
        type: 'rollouts',
        step,
        rollouts: [
          {
            problem: 'p',
            prompt: '7+5-3=',
            response: '7+5=12,12-3=9;9\u001B[2J\u001B]0;owned\u0007',
            reward: 1,
            components: { score: 1 },
            advantage: 0.5,
            tokens: 16,
            finish: 'stop',
          },
        ],
      },
      { type: 'step', step, of: 10, metrics: { ...stepMetrics, rewardMean: step / 10 } },
    );
  }
  const lines: string[] = [];
  for (const event of events) {
    if (event.type === 'step') clock.advance(2);
    view.handle(event);
    const line = view.plainLine(event);
    if (line !== undefined) lines.push(line);
  }
  return { view, lines, clock };
}

describe('TrainingView on a terminal', () => {
  it('shows everything on one screen', () => {
    const { view } = viewAfter(5);
    expect(view.render({ columns: 79, rows: 23 })).toEqual([
      'GRPO: a model on a task',
      'step 5/10 █████████████░░░░░░░░░░░░░ 50 % · 10 s · 10 s left · sampling 12/64  ',
      'reward       0.400  ▁▃▅▆█',
      'length        20.3  ▅▅▅▅▅',
      'accuracy    50.0 %  ▅▅▅▅▅',
      'held-out    30.0 %  (58.3 % to 76.3 %) after step 0',
      'spread 0.500   entropy 0.412   KL 0.0031   clipped 1.2 %   ratio 0.900 to 1.100',
      'gradient 0.410   no variance 25 %   truncated 3 %   sampling 12.4k tokens/s',
      'training 8.30k tokens/s   step 2.0 s',
      'time      █████████████████████▓▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚▚··',
      '█ sampling 50 %   ▓ checking 2 %   ▚ training 40 %   · saving 5 %',
      '',
      'a response (reward 1.000, 16 tokens)',
      '│ 7+5-3=',
      `│ 7+5=12,12-3=9;9${printable('\u001B[2J\u001B]0;owned\u0007')}`,
      'Ctrl-C finishes the step, saves and stops.',
    ]);
  });

  it.each([1, 10, 20, 40, 60, 79, 119, 200])('never draws wider than %d columns', (columns) => {
    for (const rows of [1, 3, 6, 10, 23, 60]) {
      const lines = viewAfter(7).view.render({ columns, rows });
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(...lines.map((line) => stringWidth(line)))).toBeLessThanOrEqual(columns);
    }
  });

  it('draws before the first step, and says when it stops', () => {
    const { view } = viewAfter(0);
    expect(view.render({ columns: 79, rows: 23 })[1]).toMatch(/^step 0\/10 ░+ 0 %/);
    view.stopping();
    expect(view.render({ columns: 79, rows: 23 }).at(-1)).toContain('Ctrl-C again quits at once');
  });

  it('keeps to ASCII where it must', () => {
    const lines = viewAfter(5, { unicode: false }).view.render({ columns: 79, rows: 23 });
    // oxlint-disable-next-line no-control-regex
    expect(lines.filter((line) => /[^\u0000-\u007f]/.test(line))).toEqual([]);
  });

  it('goes on with the curves of a resumed run', () => {
    const { view } = viewAfter(0);
    const steps = [0, 1, 2].map((step) => ({ step, metrics: { ...stepMetrics, rewardMean: step } }));
    const history = { steps, evaluations: [{ step: 0, metrics: { ...evaluation, accuracy: 0.1 } }] };
    view.handle({ type: 'run-start', steps: 10, step: 3, resumed: true, history });
    expect(view.rewards).toEqual([0, 1, 2]);
    expect(view.render({ columns: 79, rows: 23 })[1]).toMatch(/^step 3\/10/);
  });
});

describe('TrainingView as plain lines', () => {
  it('says one line per step and evaluation', () => {
    expect(viewAfter(2).lines).toEqual([
      '10 steps',
      'held-out after step 0: 30.0 % (58.3 % to 76.3 %), length 34.1, 100 problems',
      'step 1/10  reward 0.000 ± 0.500  accuracy 50.0 %  length 20.3  entropy 0.412  kl 0.0031  clipped 1.2 %  truncated 3.0 %  2.0 s  18 s left',
      'step 2/10  reward 0.100 ± 0.500  accuracy 50.0 %  length 20.3  entropy 0.412  kl 0.0031  clipped 1.2 %  truncated 3.0 %  2.0 s  16 s left',
    ]);
  });

  it('cannot be made to control the terminal by a warning', () => {
    const { view } = viewAfter(0);
    const event: GrpoEvent = { type: 'warning', step: 0, code: 'x', message: 'bad \u001B[31m' };
    expect(view.plainLine(event)).toBe(`warning: bad ${printable('\u001B[31m')}`);
    expect(view.plainLine(event)).not.toContain('\u001B');
  });
});
