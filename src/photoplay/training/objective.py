"""What a training step makes small: few-step flow matching on residual latents, with terms for edges, motion and shapes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from photoplay.generation.backends.pocket.conditioning import LATENT_SCALE, PREVIOUS_PLANES
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.training.batches import TorchBatch
from photoplay.training.config import LossConfig, SigmaConfig
from photoplay.training.features import FeatureNet, shape_distance

Latents = Float[Tensor, "b 3 f p p"]
Weight = Float[Tensor, "b 1 f p p"]
_KNOWN = PREVIOUS_PLANES.index("known")
_SCALES = 3  # of the gradient term: 1, 1/2, 1/4
_FEATURE_FRAMES = 2  # a frame is much like its neighbours: features of so many a patch are enough


@dataclass(frozen=True)
class Drawn:
    """The random part of a step: ``noise`` [b, 3, f, p, p] and ``sigma`` [b] in 0..1."""

    noise: Latents
    sigma: Float[Tensor, " b"]


def draw(
    shape: tuple[int, ...], correlation: float, config: SigmaConfig, generator: torch.Generator, device: str
) -> Drawn:
    """Noise levels and noise for latents of ``shape``.

    The noise is :func:`sampler.frame_noise`'s: ``eps_f = sqrt(r) common + sqrt(1 - r) own_f`` with ``r = correlation``
    (PYoCo; Ge et al. 2023). ``generator`` lives on ``device``.
    """
    batch, channels, frames, height, width = shape
    common = torch.randn((batch, channels, 1, height, width), generator=generator, device=device)
    own = torch.randn((batch, channels, frames, height, width), generator=generator, device=device)
    normal = torch.randn(batch, generator=generator, device=device)
    uniform, lot = torch.rand((2, batch), generator=generator, device=device)
    rest = uniform if config.rest == "uniform" else torch.sigmoid(config.mean + config.spread * normal)
    sigma = torch.where(lot < config.pure, torch.ones_like(rest), rest)
    return Drawn(sqrt(correlation) * common + sqrt(1 - correlation) * own, sigma)


class Objective(nn.Module):
    """One step's loss around a network, so that compiling and sharing over GPUs see the whole of it.

    With ``x_s = (1 - s) x0 + s eps`` (rectified flow; Liu et al. 2023, https://arxiv.org/abs/2209.03003) the velocity's
    error is that of the predicted ``x0`` over ``s``; so a squared error on x0 weighted with ``1 / max(s, floor)^2`` is flow
    matching (Lipman et al. 2023, https://arxiv.org/abs/2210.02747) with its weight capped near the data.
    """

    def __init__(self, network: PocketNet, config: LossConfig, features: FeatureNet | None = None) -> None:
        super().__init__()
        self.network, self.config, self.features = network, config, features

    def forward(
        self,
        latents: Latents,
        cond: Float[Tensor, "b c f p p"],
        previous: Float[Tensor, "b k f p p"],
        reference: Float[Tensor, "b r s s"],
        weight: Weight,
        noise: Latents,
        sigma: Float[Tensor, " b"],
    ) -> dict[str, Tensor]:
        """Terms by name, each unweighted, and ``loss``, their weighted sum."""
        s = sigma[:, None, None, None, None]
        noisy = (1 - s) * latents + s * noise
        denoised = self.network(noisy, sigma, cond, previous, self.network.encode(reference))
        weight = _pixel_weight(weight, previous[:, _KNOWN : _KNOWN + 1], self.config)
        level = 1 / sigma.clamp_min(self.config.floor).square()
        return self.terms(denoised, latents, cond[:, :3], weight, level)

    def terms(
        self,
        denoised: Latents,
        latents: Latents,
        anchor: Latents,
        weight: Weight,
        level: Float[Tensor, " b"],
    ) -> dict[str, Tensor]:
        """The terms for a prediction; ``level`` weighs each example by its noise, ``anchor`` in colours -1..1."""
        config = self.config
        error = denoised.float() - latents
        terms = {"pixels": _mean(level, weight * penalty(error, config))}
        loss = terms["pixels"]
        if config.gradient:
            terms["gradient"] = gradient_term(
                error, weight, level.sqrt()
            )  # an absolute error scales with 1/s, not 1/s^2
            loss = loss + config.gradient * terms["gradient"]
        if config.temporal and error.shape[2] > 1:
            change = error[:, :, 1:] - error[:, :, :-1]
            terms["temporal"] = _mean(level, weight[:, :, 1:] * penalty(change, config))
            loss = loss + config.temporal * terms["temporal"]
        if self.features is not None and (config.features or config.shapes):
            made, true = _shown(anchor, denoised.float()), _shown(anchor, latents)
            terms["features"], terms["shapes"] = shape_distance(self.features, made, true)
            loss = loss + config.features * terms["features"] + config.shapes * terms["shapes"]
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}


def step_inputs(batch: TorchBatch, drawn: Drawn) -> dict[str, Tensor]:
    """The arguments of :meth:`Objective.forward`."""
    return {**vars(batch), **vars(drawn)}


def penalty(error: Tensor, config: LossConfig) -> Tensor:
    """Squared error, or pseudo-Huber ``c (sqrt(e^2 + c^2) - c) * 2``: squared under ``c``, straight over it, so that a few
    impossible pixels do not rule (Song & Dhariwal 2023, https://arxiv.org/abs/2310.14189)."""
    if config.kind == "squared":
        return error.square()
    return 2 * config.huber * ((error.square() + config.huber**2).sqrt() - config.huber)


def gradient_term(error: Latents, weight: Weight, level: Float[Tensor, " b"]) -> Tensor:
    """Mean absolute difference of neighbouring pixels' errors at three scales: what is wrong in edges, not in tone.

    ``sum_k |d_x e_k| + |d_y e_k|`` with ``e_k`` the error averaged over 2^k x 2^k pixels (a gradient difference loss;
    Mathieu et al. 2016, https://arxiv.org/abs/1511.05440).
    """
    total = error.new_zeros(())
    planes, weights = error.transpose(1, 2).flatten(0, 1), weight.transpose(1, 2).flatten(0, 1)
    levels = level.repeat_interleave(error.shape[2])
    for scale in range(_SCALES):
        if scale:
            planes, weights = F.avg_pool2d(planes, 2), F.avg_pool2d(weights, 2)
        across = (planes[..., 1:] - planes[..., :-1]).abs() * weights[..., 1:]
        down = (planes[..., 1:, :] - planes[..., :-1, :]).abs() * weights[..., 1:, :]
        total = total + _mean(levels, across) + _mean(levels, down)
    return total / (2 * _SCALES)


def _pixel_weight(weight: Weight, known: Weight, config: LossConfig) -> Weight:
    """The regions' weight, 1 to ``region``, less where a frame was handed in."""
    regions = 1 + (config.region - 1) * weight
    return regions * (1 - (1 - config.known) * known)


def _mean(level: Float[Tensor, " b"], values: Tensor) -> Tensor:
    return (level * values.flatten(1).mean(1)).mean()


def _shown(anchor: Latents, latents: Latents) -> Float[Tensor, "n 3 p p"]:
    """The frames' colours -1..1 of a few evenly chosen frames, as pictures."""
    frames = latents.shape[2]
    chosen = torch.linspace(0, frames - 1, min(_FEATURE_FRAMES, frames), device=latents.device).round().long()
    colours = (anchor[:, :, chosen] + LATENT_SCALE * latents[:, :, chosen]).clamp(-1.2, 1.2)
    return colours.transpose(1, 2).flatten(0, 1)
