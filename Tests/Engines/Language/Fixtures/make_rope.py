"""Writes rope.json: the frequencies that transformers computes for scaled rotary positions.

    python make_rope.py

Needs the packages transformers and numpy, but not torch: the functions run on numpy's arrays in place of torch's."""
import json
import pathlib
import sys
import types

import numpy as np


class Array(np.ndarray):
    def to(self, device=None, dtype=None):
        return self.astype(dtype or self.dtype)


torch = types.ModuleType("torch")
torch.float = torch.float32 = np.float64
torch.int64 = np.int64
torch.arange = lambda *bounds, dtype=None: np.arange(*bounds, dtype=dtype).view(Array)
torch.where = lambda *arguments: np.where(*arguments).view(Array)
torch.clamp = lambda x, low, high: np.clip(x, low, high).view(Array)

from transformers import modeling_rope_utils as rope  # noqa: E402

rope.torch = torch


class Config:
    head_dim = 64
    hidden_size = 512
    num_attention_heads = 8
    max_position_embeddings = 131072
    per_layer_config = {}

    def __init__(self, **parameters):
        self.rope_parameters = parameters

    def standardize_rope_params(self):
        pass


cases = {
    "linear": (rope._compute_linear_scaling_rope_parameters, {"rope_theta": 10000.0, "factor": 4.0}),
    "llama3": (
        rope._compute_llama3_parameters,
        {"rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192},
    ),
    "yarn": (
        rope._compute_yarn_parameters,
        {"rope_theta": 1000000.0, "factor": 4.0, "original_max_position_embeddings": 32768},
    ),
    "yarn_short": (
        rope._compute_yarn_parameters,
        {"rope_theta": 10000.0, "factor": 16.0, "original_max_position_embeddings": 256, "beta_fast": 8.0,
         "attention_factor": 1.5},
    ),
}
out = {}
for name, (compute, parameters) in cases.items():
    frequencies, attention = compute(Config(**parameters), None)
    kind = name.split("_")[0]
    out[name] = {"parameters": {"rope_type": kind, **parameters}, "frequencies": list(map(float, frequencies)),
                 "attention": attention}
path = pathlib.Path(__file__).parent / "rope.json"
path.write_text(json.dumps(out, indent=0) + "\n")
