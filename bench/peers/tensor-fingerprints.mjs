/**
 * Prints shape and SHA-256 (of the float32 values) of every tensor of a model, as JSON: what compare-gguf.py compares
 * with transformers. Needs a build: npm run build && node bench/peers/tensor-fingerprints.mjs MODEL > FINGERPRINTS.json
 */
import { createHash } from 'node:crypto';
import { openCheckpoint } from '../../dist/model/checkpoint.js';

const [model] = process.argv.slice(2);
if (model === undefined) throw new Error('usage: node bench/peers/tensor-fingerprints.mjs MODEL');
const checkpoint = await openCheckpoint(model);
const fingerprints = {};
for (const name of checkpoint.tensorNames) {
  const tensor = checkpoint.tensor(name);
  const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
  await tensor.readInto(values);
  const sha256 = createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex');
  fingerprints[name] = { shape: tensor.shape, sha256 };
}
await checkpoint.close();
console.log(JSON.stringify(fingerprints));
