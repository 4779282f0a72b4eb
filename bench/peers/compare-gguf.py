"""Compares what aha reads from a GGUF file with what transformers reads from it: every tensor, bit for bit.

Usage: python bench/peers/compare-gguf.py MODEL.gguf FINGERPRINTS.json
FINGERPRINTS.json is what `node bench/peers/tensor-fingerprints.mjs MODEL.gguf` printed.
Needs: torch, transformers, gguf.
"""
import hashlib, json, os, sys
import torch
from transformers import AutoModelForCausalLM

path, fingerprints = sys.argv[1:3]
ours = json.load(open(fingerprints))
model = AutoModelForCausalLM.from_pretrained(
    os.path.dirname(os.path.abspath(path)), gguf_file=os.path.basename(path), dtype=torch.float32)
print(model.config)
theirs = model.state_dict()
if model.config.tie_word_embeddings:
    theirs.pop('lm_head.weight', None)
wrong = []
for name, tensor in theirs.items():
    data = hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
    if name not in ours or ours[name]['shape'] != list(tensor.shape) or ours[name]['sha256'] != data:
        wrong.append(name)
extra = sorted(set(ours) - set(theirs))
print(f'{len(theirs)} tensors in transformers, {len(wrong)} differ: {wrong[:5]}; only in ours: {extra[:5]}')
sys.exit(1 if wrong or extra else 0)
