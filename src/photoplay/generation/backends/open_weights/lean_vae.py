"""Wan's video autoencoder with its data moved less: the same numbers, fewer copies of them.

diffusers 0.42.1 doubles pictures in float32, interleaves frames in a layout that the convolutions turn again, and joins the
whole film anew after each latent frame. :func:`lean` repeats pixels as they are, interleaves frames in the layout that they
came in, and joins the film once; none of that computes anything, so every bit is the same. :func:`channels_last` and
:func:`fuse_norms` have the same sums computed by other kernels, which add them up in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any


def lean(vae: Any) -> bool:
    """Replaces the moving of data in an ``AutoencoderKLWan``, in place; False for any other autoencoder."""
    if type(vae).__name__ != "AutoencoderKLWan":
        return False
    for module in vae.modules():
        kind = type(module).__name__
        if kind == "WanUpsample" and tuple(module.scale_factor) == (2.0, 2.0) and module.mode == "nearest-exact":
            module.forward = _doubled
        elif kind == "WanResample" and module.mode == "upsample3d":
            module.forward = partial(_upsampled, module)
    vae._decode = partial(_decode, vae, vae._decode)
    return True


def channels_last(vae: Any) -> None:
    """Lays an autoencoder's convolution weights out channels last; what they compute follows their layout.

    Causal convolutions then pad by themselves, instead of copying their whole input into a padded one before.
    """
    import torch

    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in vae.parameters():
        if parameter.dim() in formats:
            parameter.data = parameter.data.to(memory_format=formats[parameter.dim()])
    for module in vae.modules():
        if type(module).__name__ == "WanCausalConv3d":
            module.forward = partial(_causal_convolution, module)


def fuse_norms(vae: Any, compiler: Callable[..., Any] | None = None) -> bool:
    """Computes each norm of a Wan autoencoder's residual blocks and the SiLU after it in one pass, by ``torch.compile``.

    Eager, they pass over the whole tensor six times. False for any other autoencoder.
    """
    import torch

    if type(vae).__name__ != "AutoencoderKLWan":
        return False
    fused = (compiler or torch.compile)(norm_silu, dynamic=True)
    for block in vae.modules():
        if type(block).__name__ == "WanResidualBlock" and isinstance(block.nonlinearity, torch.nn.SiLU):
            for norm in (block.norm1, block.norm2):
                norm.forward = partial(_normed, norm, fused)
            block.nonlinearity = torch.nn.Identity()
    return True


def norm_silu(x: Any, gamma: Any, scale: float) -> Any:
    """SiLU(x / |x| scale gamma), the length taken over the last axis [n, c]."""
    from torch.nn import functional

    return functional.silu(functional.normalize(x.float(), dim=-1).to(x.dtype) * scale * gamma)


def _normed(norm: Any, fused: Callable[..., Any], x: Any) -> Any:
    """A norm and SiLU of [b, c, f, h, w] as rows of channels: one shape, so one compilation serves every layer and size."""
    rows = x.movedim(1, -1)
    flat = fused(rows.reshape(-1, x.shape[1]).contiguous(), norm.gamma.flatten(), norm.scale)
    return flat.reshape(rows.shape).movedim(-1, 1)


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
    """Pictures [n, c, h, w] at twice the size, every pixel four times: what nearest-exact does for a factor of 2.

    The layout is what torch's own upsampling gives: channels last only if they came in so.
    """
    import torch

    n, c, h, w = x.shape
    if x.stride(1) == 1 and c > 1 and x.is_contiguous(memory_format=torch.channels_last):
        rows = x.permute(0, 2, 3, 1)[:, :, None, :, None, :].expand(n, h, 2, w, 2, c)
        return rows.reshape(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)
    return x[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)


def _upsampled(block: Any, x: Any, feat_cache: Any = None, feat_idx: Any = None) -> Any:
    """As ``WanResample.forward`` that doubles frames and pictures; ``feat_cache`` is diffusers' list of what frames left.

    The film's very first latent frame stays one frame, the next one has zeros before it, and each later one has the frames
    that went before.
    """
    import torch

    if feat_cache is not None:
        at = feat_idx[0]
        feat_idx[0] += 1
        before = feat_cache[at]
        if before is None:
            feat_cache[at] = "Rep"
        else:
            second = isinstance(before, str)
            last = x[:, :, -2:].clone()
            if last.shape[2] < 2:
                earlier = torch.zeros_like(last) if second else before[:, :, -1:].to(last.device)
                last = torch.cat([earlier, last], dim=2)
            x = block.time_conv(x) if second else block.time_conv(x, before)
            x = _interleaved(x, not block.time_conv.weight.is_contiguous())
            feat_cache[at] = last
    batch = x.shape[0]
    pictures = block.resample(x.transpose(1, 2).flatten(0, 1))
    return pictures.unflatten(0, (batch, -1)).transpose(1, 2)


def _interleaved(x: Any, last: bool) -> Any:
    """[b, 2 c, f, h, w] as [b, c, 2 f, h, w], the first half of the channels before the second in time."""
    halves = x.unflatten(1, (2, -1))
    if last:
        return halves.permute(0, 3, 1, 4, 5, 2).flatten(1, 2).permute(0, 4, 1, 2, 3)
    return halves.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)


def _decode(vae: Any, stock: Callable[..., Any], z: Any, return_dict: bool = True) -> Any:
    """As ``AutoencoderKLWan._decode``: one latent frame after the other, each with what the last ones left."""
    import torch

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
        out = import_module(type(vae).__module__).unpatchify(out, patch_size=vae.config.patch_size)
    out = torch.clamp(out, min=-1.0, max=1.0)
    return import_module("diffusers.models.autoencoders.vae").DecoderOutput(sample=out) if return_dict else (out,)
