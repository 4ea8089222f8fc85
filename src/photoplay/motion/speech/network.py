"""The viseme network, run in plain numpy: a few matrix products for each convolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from safetensors.numpy import load_file

from photoplay.types import Array

WIDTH, ENTRY_WIDTH = 96, 5
DILATIONS = (1, 2, 4, 8, 16, 1, 2, 4, 8, 1)
"""Of its blocks of three taps: it sees 49 frames, half a second, to either side."""

Layers = dict[str, Array]


def read(path: Path) -> Layers:
    """The folded layers of a weights file, as float32."""
    return {name: layer.astype(np.float32) for name, layer in load_file(path).items()}


def logits(layers: Layers, features: Float32[Array, "n bands"]) -> Float32[Array, "n 15"]:
    """What the network makes of mel spectra: unnormalised log-probabilities of each viseme."""
    x = np.maximum(convolve(features, layers["entry.weight"], layers["entry.bias"], ENTRY_WIDTH, 1), 0)
    for index, dilation in enumerate(DILATIONS):
        weight, bias = layers[f"block{index}.weight"], layers[f"block{index}.bias"]
        x += np.maximum(convolve(x, weight, bias, 3, dilation), 0)
    made: Array = x @ layers["exit.weight"] + layers["exit.bias"]
    return made


def convolve(
    x: Float32[Array, "n inputs"], weight: Float32[Array, "taps outputs"], bias: Float32[Array, " outputs"], width: int,
    dilation: int,
) -> Float32[Array, "n outputs"]:  # fmt: skip
    """A convolution over time with zeros beyond both ends; ``weight`` holds the taps one after the other."""
    count, inputs = x.shape
    margin = dilation * (width // 2)
    padded = np.zeros((count + 2 * margin, inputs), np.float32)
    padded[margin : margin + count] = x
    made = np.tile(bias, (count, 1))
    for tap in range(width):
        made += padded[tap * dilation : tap * dilation + count] @ weight[tap * inputs : (tap + 1) * inputs]
    return made
