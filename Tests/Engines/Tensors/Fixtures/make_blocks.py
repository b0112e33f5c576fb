"""Writes blocks.json: stored blocks with the values that the gguf package reads from them, and values with the blocks that
it, or ggml's own library for the types that it cannot write, makes of them.

    python make_blocks.py [libggml-base.so]

Needs the packages gguf and numpy; the library comes with llama-cpp-python."""
import ctypes
import json
import pathlib
import sys

import gguf
import numpy as np

TYPES = "F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL".split()
random = np.random.default_rng(20261125)
here = pathlib.Path(__file__).parent
path = here / "blocks.json"
ggml = ctypes.CDLL(sys.argv[1]) if len(sys.argv) > 1 else None
old = json.loads(path.read_text()) if path.exists() else {}


def weights(count):
    """Normal values, a block of zeros, one of equal values, large and tiny ones."""
    x = random.standard_normal(count).astype(np.float32)
    x[32:64] = 0
    x[64:96] = 0.375
    x[96:128] *= 1000
    x[128:160] *= np.float32(1e-6)
    x[-32:] = np.abs(x[-32:])
    return x


def error(type, blocks, values):
    return float(np.sqrt(np.mean((gguf.quants.dequantize(blocks, type) - values) ** 2, dtype=np.float64)))


out = {}
for name in TYPES:
    type = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[type]
    stored = random.integers(0, 256, 256 // elements * size, dtype=np.uint8)
    with np.errstate(all="ignore"):
        read = gguf.quants.dequantize(stored, type).reshape(-1)
    while np.isnan(read).any():  # halves that are not numbers have no one reading
        stored = random.integers(0, 256, 256 // elements * size, dtype=np.uint8)
        read = gguf.quants.dequantize(stored, type).reshape(-1)
    values = weights(512)
    entry = {"stored": stored.tobytes().hex(), "read": read.tobytes().hex(), "values": values.tobytes().hex()}
    try:
        entry["written"] = gguf.quants.quantize(values, type).tobytes().hex()
    except NotImplementedError:
        if ggml:
            blocks = np.zeros(512 // elements * size, np.uint8)
            quantize = ggml.ggml_quantize_chunk
            quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
            quantize(type, values.ctypes.data, blocks.ctypes.data, 0, 1, 512, None)
            entry["error"] = error(type, blocks, values)
        else:
            entry["error"] = old[name]["error"]  # the values come from a fixed seed
    out[name] = entry
path.write_text(json.dumps(out, indent=0) + "\n")
