"""Wan's video autoencoder with its data moved less: the same numbers, fewer copies of them.

diffusers 0.42.1 pads every causal convolution's input into a new tensor, doubles pictures in float32, and joins the whole
film anew after each latent frame. Here the convolution pads by itself, pixels are repeated as they are, and the film is
joined once. None of it computes anything, so every bit is the same; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


def lean(vae: Any) -> bool:
    """Replaces the moving of data in an ``AutoencoderKLWan``, in place; False for any other autoencoder."""
    if type(vae).__name__ != "AutoencoderKLWan":
        return False
    for module in vae.modules():
        kind = type(module).__name__
        if kind == "WanCausalConv3d":
            module.forward = partial(_causal_convolution, module)
        elif kind == "WanUpsample" and tuple(module.scale_factor) == (2.0, 2.0) and module.mode == "nearest-exact":
            module.forward = _doubled
    vae._decode = partial(_decode, vae, vae._decode)
    return True


def channels_last(vae: Any) -> None:
    """Lays an autoencoder's convolution weights out channels last; what they compute follows their layout."""
    import torch

    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in vae.parameters():
        if parameter.dim() in formats:
            parameter.data = parameter.data.to(memory_format=formats[parameter.dim()])


def _causal_convolution(conv: Any, x: Any, cache_x: Any = None) -> Any:
    """A convolution that sees no later frame: ``x`` [b, c, f, h, w] after the frames of ``cache_x``, zeros before them."""
    import torch
    from torch.nn import functional

    side, _, top, _, before, _ = conv._padding
    if cache_x is not None and before > 0:
        x = torch.cat([cache_x.to(x.device), x], dim=2)
        before -= cache_x.shape[2]
    if before > 0:
        x = functional.pad(x, (0, 0, 0, 0, before, 0))
    elif before < 0:
        raise ValueError("more frames are remembered than the convolution looks back")
    return functional.conv3d(x, conv.weight, conv.bias, conv.stride, (0, top, side), conv.dilation, conv.groups)


def _doubled(x: Any) -> Any:
    """Pictures [n, c, h, w] at twice the size, every pixel four times: what nearest-exact does for a factor of 2."""
    n, c, h, w = x.shape
    if x.is_contiguous():
        return x[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)
    rows = x.permute(0, 2, 3, 1)[:, :, None, :, None, :].expand(n, h, 2, w, 2, c)
    return rows.reshape(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)


def _decode(vae: Any, stock: Callable[..., Any], z: Any, return_dict: bool = True) -> Any:
    """As ``AutoencoderKLWan._decode``: one latent frame after the other, each with what the last ones left."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
    from diffusers.models.autoencoders.vae import DecoderOutput

    if vae.use_tiling:
        return stock(z, return_dict=return_dict)
    vae.clear_cache()
    x = vae.post_quant_conv(z)
    made = []
    for at in range(z.shape[2]):
        vae._conv_idx = [0]
        latent = x[:, :, at : at + 1]
        made.append(vae.decoder(latent, feat_cache=vae._feat_map, feat_idx=vae._conv_idx, first_chunk=at == 0))
    vae.clear_cache()
    out = torch.cat(made, 2)
    if vae.config.patch_size is not None:
        out = unpatchify(out, patch_size=vae.config.patch_size)
    out = torch.clamp(out, min=-1.0, max=1.0)
    return DecoderOutput(sample=out) if return_dict else (out,)
