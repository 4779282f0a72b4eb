/**
 * Tables of rotary position embedding (Su et al. 2021) for every form that our architectures use: the default,
 * linear interpolation (Chen et al. 2023), Llama 3's piecewise scaling, and YaRN (Peng et al. 2023). Computed in
 * float32 steps as `transformers` does, so that long positions agree with it.
 */
import type { ModelConfig, RopeConfig } from './config.ts';

export interface RopeTables {
  /** [positions, headDim / 2] */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  readonly half: number;
}

/** cos and sin of every angle for positions 0 to `positions` − 1. */
export function ropeTables(config: ModelConfig, positions: number): RopeTables {
  const half = config.headDim / 2;
  const { frequencies, scale } = inverseFrequencies(config.rope, config.headDim);
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]!);
      cos[position * half + i] = Math.fround(Math.cos(angle)) * scale;
      sin[position * half + i] = Math.fround(Math.sin(angle)) * scale;
    }
  }
  return { cos, sin, half };
}

/** The rotation per position of each pair of dimensions [D/2], and the factor on cos and sin (YaRN's `mscale`). */
export function inverseFrequencies(
  rope: RopeConfig,
  dimension: number,
): { readonly frequencies: Float32Array; readonly scale: number } {
  const base = Float32Array.from({ length: dimension / 2 }, (_, i) => {
    return 1 / Math.fround(rope.theta ** Math.fround((2 * i) / dimension));
  });
  switch (rope.kind) {
    case 'default':
      return { frequencies: base, scale: 1 };
    case 'linear':
      return { frequencies: base.map((frequency) => frequency / rope.factor), scale: 1 };
    case 'llama3':
      return { frequencies: base.map((frequency) => scaleLlama3(frequency, rope)), scale: 1 };
    case 'yarn':
      return yarn(rope, base, dimension);
  }
}

function scaleLlama3(frequency: number, rope: Extract<RopeConfig, { kind: 'llama3' }>): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = rope;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength > originalMaxPositionEmbeddings / lowFreqFactor) return frequency / factor;
  if (wavelength < originalMaxPositionEmbeddings / highFreqFactor) return frequency;
  const smooth =
    (originalMaxPositionEmbeddings / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

function yarn(rope: Extract<RopeConfig, { kind: 'yarn' }>, base: Float32Array, dimension: number) {
  const { factor, betaFast, betaSlow, originalMaxPositionEmbeddings, theta } = rope;
  // The dimension whose wavelength makes `rotations` turns within the original context.
  const dimensionAt = (rotations: number) =>
    (dimension * Math.log(originalMaxPositionEmbeddings / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  let low = dimensionAt(betaFast);
  let high = dimensionAt(betaSlow);
  if (rope.truncate) {
    low = Math.floor(low);
    high = Math.ceil(high);
  }
  low = Math.max(low, 0);
  high = Math.min(high, dimension - 1);
  if (low === high) high += 0.001;
  const frequencies = base.map((frequency, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (frequency / factor) * ramp + frequency * (1 - ramp);
  });
  const magnitude = (scale: number, mscale: number) => (scale <= 1 ? 1 : 0.1 * mscale * Math.log(scale) + 1);
  const attention =
    rope.mscale !== undefined && rope.mscaleAllDim !== undefined
      ? magnitude(factor, rope.mscale) / magnitude(factor, rope.mscaleAllDim)
      : magnitude(factor, 1);
  return { frequencies, scale: rope.attentionFactor ?? attention };
}
