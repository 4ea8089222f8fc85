"""The network in torch, and how it becomes the file that the product reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor, nn

from photoplay.motion.speech.network import DILATIONS, ENTRY_WIDTH, WIDTH
from photoplay.motion.speech.spectrum import BANDS
from photoplay.motion.speech.visemes import VISEMES
from photoplay.types import Array


class VisemeNet(nn.Module):
    """Dilated convolutions with shortcuts, half a second to either side: ``[b, bands, n]`` to logits ``[b, 15, n]``."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.entry = _convolution(BANDS, width, ENTRY_WIDTH, 1)
        self.blocks = nn.ModuleList([_convolution(width, width, 3, dilation) for dilation in DILATIONS])
        self.exit = nn.Conv1d(width, len(VISEMES), 1)

    def forward(self, x: Float[Tensor, "b bands n"]) -> Float[Tensor, "b 15 n"]:
        x = self.entry(x)
        for block in self.blocks:
            x = x + block(x)
        logits: Tensor = self.exit(x)
        return logits


def _convolution(inputs: int, outputs: int, width: int, dilation: int) -> nn.Sequential:
    padding = dilation * (width // 2)
    convolution = nn.Conv1d(inputs, outputs, width, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(outputs), nn.ReLU())


def exported(network: VisemeNet) -> dict[str, Float16[Array, "*_"]]:
    """Weights ``[width * inputs, outputs]`` and biases in half precision, the normalisation folded in."""
    network = network.eval()
    tensors: dict[str, Any] = {}
    for name, layer in (("entry", network.entry), *((f"block{k}", block) for k, block in enumerate(network.blocks))):
        convolution, norm = layer[0], layer[1]  # type: ignore[index]
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = convolution.weight * scale[:, None, None]
        tensors[f"{name}.weight"] = weight.permute(2, 1, 0).reshape(-1, weight.shape[0])
        tensors[f"{name}.bias"] = norm.bias - norm.running_mean * scale
    tensors["exit.weight"], tensors["exit.bias"] = network.exit.weight[:, :, 0].T, network.exit.bias
    return {name: np.ascontiguousarray(tensor.detach().numpy().astype(np.float16)) for name, tensor in tensors.items()}
