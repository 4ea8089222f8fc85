"""Small models as ``save_pretrained`` lays them out, written without torch, and the things that must not pass for one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

INDEX = {
    "_class_name": "WanVACEPipeline",
    "_diffusers_version": "0.42.1",
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanVACETransformer3DModel"],
    "transformer_2": [None, None],
}


def write_model(folder: Path, seed: int = 0) -> Path:
    """A model of two components whose numbers follow the seed."""
    rng = np.random.default_rng(seed)
    for part in ("transformer", "scheduler"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps({"_class_name": part, "seed": seed}))
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    numbers = {"a": rng.standard_normal((64, 48)).astype(np.float32), "b": rng.standard_normal(7).astype(np.float16)}
    save_file(numbers, folder / "transformer" / "diffusion_pytorch_model.safetensors")
    return folder


class Trap:
    """Unpickling this makes the file ``marker``."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.marker), "w")


def trap(marker: Path) -> bytes:
    """A pickle that would make ``marker``."""
    return pickle.dumps(Trap(marker))
