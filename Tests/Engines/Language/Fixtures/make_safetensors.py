"""Writes tiny.safetensors: one tensor of each of several types, as the safetensors package writes it.

    python make_safetensors.py

Needs the packages safetensors and numpy."""
import pathlib

import numpy as np
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
values = (np.arange(12).reshape(3, 4) - 5.5).astype(np.float32)
save_file(
    {
        "float32": values,
        "float16": values.astype(np.float16),
        "float64": values.astype(np.float64),
        "int64": np.arange(4, dtype=np.int64),
        "mask": np.array([True, False, True]),
        "bytes": np.arange(5, dtype=np.uint8),
        "scalar": np.array(2.5, np.float32),
        "nothing": np.zeros((0, 3), np.float32),
    },
    here / "tiny.safetensors",
    metadata={"format": "pt", "note": "größer"},
)
