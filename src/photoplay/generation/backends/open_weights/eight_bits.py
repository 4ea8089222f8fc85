"""Denoisers' weights in one byte each, for GPUs that do not hold them in two.

A transformer's linear layers are kept as whole numbers with a scale for each row of the matrix (symmetric weight-only
quantisation; Krishnamoorthi 2018, https://arxiv.org/abs/1806.08342):

    W = diag(s) Q,  s_r = max_c |W_rc| / 127,  Q = round(W_rc / s_r) in -127 .. 127
    y = s * (Q x) + b

Whole numbers up to 127 are exact in bfloat16, so nothing is lost but in the rounding itself. AnimateDiff's network, most of
which is convolutions, is kept in float8 (e4m3) as diffusers casts it, layer by layer.
"""

from __future__ import annotations

import re
from typing import Any

import torch

LEVELS = 127
LORA = "lora_"
"""What adapters' own small matrices are called by; they stay as they are."""


class Int8Linear(torch.nn.Module):
    """A linear layer with its weights in int8 and a scale for each row, computed in its input's precision."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, linear: torch.nn.Linear, device: str) -> None:
        super().__init__()
        precision = linear.weight.dtype
        whole = linear.weight.detach().to(device).float()
        # Rounded first, so that the whole numbers belong to the very scale that they are multiplied by.
        scale = (whole.abs().amax(1) / LEVELS).clamp_min(torch.finfo(precision).tiny).to(precision)
        levels = (whole / scale.float()[:, None]).round_().clamp_(-LEVELS, LEVELS)
        self.register_buffer("weight", levels.to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """y [..., out] of x [..., in]."""
        y = torch.nn.functional.linear(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        return y if self.bias is None else y + self.bias


def keep_in_8_bits(model: Any, device: str) -> None:
    """Keeps a denoiser's weights in eight bits: a transformer's linear layers in int8, where they come to stand on
    ``device``, a U-Net's layers in float8. What diffusers calls delicate (norms, embeddings) stays as it is."""
    if hasattr(model, "down_blocks"):
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=model.dtype)
        return
    from diffusers.hooks.layerwise_casting import DEFAULT_SKIP_MODULES_PATTERN

    delicate = (
        *DEFAULT_SKIP_MODULES_PATTERN,
        *model._skip_layerwise_casting_patterns,
        *(model._keep_in_fp32_modules or ()),
    )
    for name, module in list(model.named_modules()):
        if type(module) is torch.nn.Linear and LORA not in name and not any(re.search(one, name) for one in delicate):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, Int8Linear(module, device))
