/** Work out the outputs of a circuit of Boolean gates. One right answer: a bit for each output, in order. */
import { z } from 'zod';
import { proceduralTask } from './procedural-task.ts';

const operations = ['AND', 'OR', 'XOR', 'NAND', 'NOR', 'NOT'] as const;

interface Gate {
  readonly operation: (typeof operations)[number];
  /** Wires by index: inputs first, then gates in order. NOT has one. */
  readonly wires: readonly number[];
}

interface CircuitPuzzle {
  readonly inputs: readonly number[];
  readonly gates: readonly Gate[];
  /** How many of the last gates are outputs. */
  readonly outputs: number;
}

function gateValue({ operation, wires }: Gate, values: readonly number[]): number {
  const a = values[wires[0]!]!;
  const b = values[wires[1] ?? 0]!;
  switch (operation) {
    case 'AND':
      return a & b;
    case 'OR':
      return a | b;
    case 'XOR':
      return a ^ b;
    case 'NAND':
      return 1 - (a & b);
    case 'NOR':
      return 1 - (a | b);
    case 'NOT':
      return 1 - a;
  }
}

/** The values of all wires: inputs, then gates. */
function wireValues({ inputs, gates }: CircuitPuzzle): number[] {
  const values = [...inputs];
  for (const gate of gates) values.push(gateValue(gate, values));
  return values;
}

function wireName(puzzle: CircuitPuzzle, wire: number): string {
  return wire < puzzle.inputs.length ? `x${wire + 1}` : `g${wire - puzzle.inputs.length + 1}`;
}

function writeGate(puzzle: CircuitPuzzle, gate: Gate): string {
  const names = gate.wires.map((wire) => wireName(puzzle, wire));
  return gate.operation === 'NOT' ? `NOT ${names[0]}` : `${names[0]} ${gate.operation} ${names[1]}`;
}

function outputsOf(puzzle: CircuitPuzzle): string {
  return wireValues(puzzle).slice(-puzzle.outputs).join('');
}

export const circuitEvaluation = proceduralTask<
  { readonly inputs: number; readonly gates: number; readonly outputs: number },
  CircuitPuzzle
>({
  name: 'circuit-evaluation',
  description: 'Work out the outputs of a circuit of Boolean gates.',
  knobs: {
    inputs: z.int().min(2).max(16),
    gates: z.int().min(2).max(100),
    /** How many bits are asked for; at most as many as there are gates. */
    outputs: z.int().min(1).max(32),
  },
  levels: [
    { inputs: 3, gates: 5, outputs: 3 },
    { inputs: 4, gates: 8, outputs: 4 },
    { inputs: 6, gates: 14, outputs: 6 },
    { inputs: 8, gates: 24, outputs: 8 },
    { inputs: 10, gates: 40, outputs: 12 },
  ],
  draw(random, { inputs: count, gates: total, outputs }) {
    if (outputs > total) return undefined;
    const inputs = Array.from({ length: count }, () => random.integer(2));
    const gates = Array.from({ length: total }, (_, i): Gate => {
      const operation = random.pick(operations);
      // Late wires are drawn more often, so that values have to be followed.
      const recent = Math.floor((count + i) / 2);
      const wire = () =>
        random.next() < 0.6 ? recent + random.integer(count + i - recent) : random.integer(count + i);
      const first = wire();
      if (operation === 'NOT') return { operation, wires: [first] };
      let second = wire();
      if (second === first) second = (first + 1) % (count + i);
      return { operation, wires: [first, second] };
    });
    return { inputs, gates, outputs };
  },
  question(puzzle) {
    const { inputs, gates, outputs } = puzzle;
    const first = gates.length - outputs;
    const names = gates.slice(first).map((_, i) => `g${first + i + 1}`);
    return (
      `A circuit has the inputs ${inputs.map((bit, i) => `x${i + 1} = ${bit}`).join(', ')} and these gates:\n` +
      `${gates.map((gate, i) => `g${i + 1} = ${writeGate(puzzle, gate)}`).join('\n')}\n` +
      `What are ${names.join(', ')}? Answer with their ${outputs} bits in this order, such as ${'01'.repeat(outputs).slice(0, outputs)}`
    );
  },
  answer: outputsOf,
  reasoning(puzzle) {
    const values = wireValues(puzzle);
    return puzzle.gates
      .map((gate, i) => `g${i + 1} = ${writeGate(puzzle, gate)} = ${values[puzzle.inputs.length + i]}`)
      .join(', ');
  },
  check(puzzle, answer) {
    const bits = answer.replaceAll(/[\s,]/g, '');
    if (!/^[01]+$/.test(bits)) return 'no bits alone';
    if (bits.length !== puzzle.outputs) return `${bits.length} bits, not ${puzzle.outputs}`;
    const right = outputsOf(puzzle);
    for (let i = 0; i < right.length; i++) if (bits[i] !== right[i]) return `bit ${i + 1} is wrong`;
    return undefined;
  },
  corrupt(puzzle, random) {
    const right = outputsOf(puzzle);
    const at = random.integer(right.length);
    return right.slice(0, at) + (right[at] === '0' ? '1' : '0') + right.slice(at + 1);
  },
});
