/** A pipeline as a table and as a graph: what needs what, how far it is, what each stage has contributed. */
import { referencesOf } from '../../train/pipeline/plan.ts';
import type { PipelineRecipe } from '../../train/pipeline/recipe.ts';
import type { StageStatus } from '../../train/pipeline/status.ts';
import { table } from '../terminal/layout.ts';
import { formatDuration, formatShare } from '../terminal/quantities.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** A line for each stage with what it has contributed on held-out problems. */
export function stageTable(
  { stages }: Pick<PipelineRecipe, 'stages'>,
  status: ReadonlyMap<string, StageStatus>,
  terminal: Terminal,
): string[] {
  const rows = [...stages].map(([name, stage]) => {
    const known = status.get(name);
    const measures = known?.measures;
    return [
      name,
      stage.kind,
      known === undefined ? 'waiting' : known.state,
      measures === undefined
        ? ''
        : `${formatShare(measures.accuracy)} (${(100 * measures.low).toFixed(0)}–${(100 * measures.high).toFixed(0)})`,
      typeof measures?.format === 'number' ? formatShare(measures.format) : '',
      typeof measures?.length === 'number' ? measures.length.toFixed(1) : '',
      typeof known?.facts?.['rows'] === 'number' ? String(known.facts['rows']) : '',
      known === undefined ? '' : formatDuration(known.seconds),
    ];
  });
  const columns = ['stage', 'kind', 'state', 'accuracy (95 %)', 'format', 'tokens', 'rows', 'time'].map(
    (title) => ({
      title,
    }),
  );
  // Columns that say nothing are left out.
  const used = columns.map((_, index) => index < 3 || rows.some((row) => row[index] !== ''));
  const only = <T>(cells: readonly T[]) => cells.filter((_, index) => used[index]);
  return table(only(columns), rows.map(only), terminal.columns);
}

/** Stages one under the other with lines to what they are made from. */
export function stageGraph(
  { stages }: Pick<PipelineRecipe, 'stages'>,
  status: ReadonlyMap<string, StageStatus>,
  { unicode }: Pick<Terminal, 'unicode'>,
): string[] {
  const marks: Record<StageStatus['state'] | 'waiting', string> = unicode
    ? { done: '●', running: '◐', waiting: '○', failed: '✗', stopped: '■' }
    : { done: '*', running: '~', waiting: 'o', failed: 'x', stopped: '#' };
  const from = unicode ? '└─' : '`-';
  return [...stages].flatMap(([name, stage]) => {
    const known = status.get(name);
    const state = known?.state ?? 'waiting';
    const inputs = referencesOf(stage).map(({ role, name: to }) => `${role.replace(/\[\d+\]$/, '')} ${to}`);
    return [
      `${marks[state]} ${name} (${stage.kind})${known?.reason === undefined ? '' : `: ${known.reason}`}`,
      ...(inputs.length === 0 ? [] : [`  ${from} ${inputs.join(', ')}`]),
    ];
  });
}
