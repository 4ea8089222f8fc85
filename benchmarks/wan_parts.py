"""Wan's parts at their published sizes with random weights, and tiny ones, for :mod:`benchmarks.gpu`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from photoplay.generation.backends.open_weights.memory import ClipSize
from photoplay.generation.backends.open_weights.speed import compute_dtype

WORDS = 512
TINY_VAE = {"base_dim": 8, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}


@dataclass(frozen=True)
class Shape:
    """A transformer's size; the published ones are in the config.json of Wan-AI's Diffusers repositories."""

    heads: int
    ffn: int
    layers: int
    head_dim: int = 128
    text: int = 4096

    @property
    def dim(self) -> int:
        return self.heads * self.head_dim


SHAPES = {"14b": Shape(40, 13824, 40), "1.3b": Shape(12, 8960, 30), "tiny": Shape(4, 64, 3, 12, 32)}
CLIPS = {"480p": ClipSize(832, 480, 81), "720p": ClipSize(1280, 720, 81), "tiny": ClipSize(32, 32, 9)}
SMALL = ClipSize(480, 272, 17)  # a clip that does not fill the GPU


def teraflop(shape: Shape, tokens: int) -> float:
    """Arithmetic of one forward in TFLOP: projections and feed-forward, attention to all tokens and to the words."""
    linear = 2 * (6 * shape.dim**2 + 2 * shape.dim * shape.ffn)
    attention = 4 * (tokens + WORDS) * shape.dim
    words = 2 * 2 * shape.dim**2 * WORDS
    return shape.layers * (tokens * (linear + attention) + words) / 1e12


def transformer(shape: Shape, device: str, dtype: torch.dtype) -> Any:
    """Wan's transformer with random weights, in the precisions that ``from_pretrained`` gives it."""
    from diffusers import WanTransformer3DModel

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = WanTransformer3DModel(
                num_attention_heads=shape.heads, attention_head_dim=shape.head_dim, ffn_dim=shape.ffn,
                num_layers=shape.layers, text_dim=shape.text, rope_max_seq_len=1024,
            )  # fmt: skip
    finally:
        torch.set_default_dtype(before)
    for name, parameter in model.named_parameters():
        if any(part in name for part in model._keep_in_fp32_modules):
            parameter.data = parameter.data.float()
    return model.eval().requires_grad_(False)


def pipeline(shape: Shape, device: str, tiny: bool) -> Any:
    """A whole text-to-video pipeline: the autoencoder in float32 and the rest in the device's precision, as published."""
    import diffusers
    import transformers

    dtype = compute_dtype(device)
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        *((c, -3.0) for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    large = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64, "vocab_size": 256384}
    small = {"d_model": shape.text, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 300}
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            config = transformers.UMT5Config(**(small if tiny else large), feed_forward_proj="gated-gelu")
            words = transformers.UMT5EncoderModel(config).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)
    pipe = diffusers.WanPipeline(
        tokenizer=transformers.T5Tokenizer(vocab=pieces, extra_ids=0),
        text_encoder=words,
        vae=autoencoder(device, tiny),
        scheduler=diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=transformer(shape, device, dtype),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def autoencoder(device: str, tiny: bool) -> Any:
    """Wan 2.1's autoencoder in float32, the same weights at every call."""
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    with torch.device(device):
        return AutoencoderKLWan(**(TINY_VAE if tiny else {})).eval().requires_grad_(False)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weights(model: Any) -> float:
    """GiB of a model's weights, those that are kept in fewer bits among them."""
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers())) / 2**30
