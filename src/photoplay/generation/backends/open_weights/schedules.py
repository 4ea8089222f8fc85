"""Noise schedules: the conventions that models count noise in, and the schedulers that few-step models want.

A noisy sample is written x = a x0 + b e, with x0 the picture and e unit noise. Every model family counts b/a its own way:

    flow   x = (1 - sigma) x0 + sigma e             sigma from 1 (noise) to 0 (clean): ours
    VP     x = alpha x0 + sqrt(1 - alpha^2) e       variance preserving (Ho et al. 2020, https://arxiv.org/abs/2006.11239)
    EDM    x = x0 + s e, s from 0 to infinity       (Karras et al. 2022, https://arxiv.org/abs/2206.00364)

All three are the same sample up to its scale, so that b/a converts one into another.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from types import MethodType
from typing import Any, Literal

from photoplay.errors import RequestError
from photoplay.types import Sampling

TRAINING_STEPS = 1000
"""Timesteps that all the families here were trained with: a flow model's timestep is 1000 sigma."""


def shifted(sigma: float, shift: float) -> float:
    """A flow sigma moved towards noise: s sigma / (1 + (s - 1) sigma) (Esser et al. 2024, https://arxiv.org/abs/2403.03206)."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def unshifted(sigma: float, shift: float) -> float:
    """The inverse of :func:`shifted`, which is a shift by 1/s."""
    return sigma / (shift - (shift - 1) * sigma)


def timestep_of_sigma(sigma: float, steps: int = TRAINING_STEPS) -> float:
    """The timestep by which a flow model is told a sigma."""
    return sigma * steps


def sigma_of_timestep(timestep: float, steps: int = TRAINING_STEPS) -> float:
    """The flow sigma that a timestep tells."""
    return timestep / steps


def vp_of_flow(sigma: float) -> tuple[float, float]:
    """(alpha, sigma) of the variance-preserving sample with a flow sample's share of noise: alpha^2 + sigma^2 = 1."""
    scale = math.hypot(1 - sigma, sigma)
    return (1 - sigma) / scale, sigma / scale


def flow_of_vp(alpha: float, sigma: float) -> float:
    """The flow sigma of a variance-preserving sample's share of noise."""
    return sigma / (alpha + sigma)


def edm_of_flow(sigma: float) -> float:
    """EDM's s of a flow sigma: s = sigma / (1 - sigma), infinite for pure noise."""
    return math.inf if sigma == 1 else sigma / (1 - sigma)


def flow_of_edm(s: float) -> float:
    """The flow sigma of EDM's s: s / (1 + s)."""
    return 1.0 if math.isinf(s) else s / (1 + s)


@dataclass(frozen=True)
class FewStep:
    """How a model or LoRA that was distilled to a few steps is sampled.

    ``names`` is a pattern that its published names contain. ``sampler``: ``euler`` follows the velocity; ``renoise``
    predicts the picture and adds new noise for the next step (diffusers' FlowMatchLCM); ``lcm`` is the same for VP models;
    ``experts`` is the sampler where two experts share the steps. ``sigmas`` are its steps, shifted already, where they are
    not the even ones 1 - i/n: then no other number or shift will do. ``config`` is set in the scheduler beside them.
    """

    names: str
    steps: int
    sampler: Literal["euler", "renoise", "lcm"]
    experts: Literal["euler", "renoise"] = "euler"
    shift: float | None = None
    guidance_scale: float = 1.0
    sigmas: tuple[float, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


LTX2_DISTILLED = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875)
"""The steps of LTX-2's distilled models (diffusers, ``DISTILLED_SIGMA_VALUES``; from the authors' ``constants.py``)."""
FEW_STEP = (
    # Nine steps of CausVid's Wan (Yin et al. 2024, https://arxiv.org/abs/2412.07772), told as timesteps: LightX2V's
    # documentation, "Autoregressive Distillation", denoising_step_list.
    FewStep(
        r"causvid",
        9,
        "renoise",
        "renoise",
        shift=1.0,
        sigmas=(0.999, 0.934, 0.862, 0.756, 0.603, 0.410, 0.250, 0.140, 0.074),
    ),
    # Self-Forcing (Huang et al. 2025, https://arxiv.org/abs/2506.08009): steps 1000, 750, 500, 250, shifted by 5.
    FewStep(r"self.?forcing", 4, "renoise", "renoise", shift=5.0),
    # LightX2V: the same steps and shift; new noise for Wan 2.1, none for the experts of Wan 2.2:
    # github.com/ModelTC/LightX2V, lightx2v/models/schedulers/wan/step_distill/scheduler.py and configs/distill.
    FewStep(r"lightx2v|step.?distill|wan2.?2.?lightning", 4, "renoise", "euler", shift=5.0),
    FewStep(r"ltx.*distilled", 8, "euler", shift=1.0, sigmas=LTX2_DISTILLED),
    # Six steps, guidance 2, linear betas: diffusers' guide to AnimateDiff, "Using AnimateLCM".
    FewStep(r"animate.?lcm", 6, "lcm", guidance_scale=2.0, config={"beta_schedule": "linear"}),
    # LCM-LoRA, two to eight steps and guidance 1 to 2 (Luo et al. 2023, https://arxiv.org/abs/2311.05556).
    FewStep(r"lcm.?lora", 6, "lcm", guidance_scale=1.5),
)


def few_step(sampling: Sampling) -> FewStep | None:
    """How the model, or one of the LoRAs that count, is sampled in a few steps; None where none of them is distilled."""
    names = [sampling.model, *(PurePath(lora.file).name for lora in sampling.loras if lora.weight)]
    for known in FEW_STEP:
        if any(re.search(known.names, name.lower()) for name in names):
            return known
    return None


def recommended(sampling: Sampling) -> Sampling:
    """Settings that are left open, filled with what a distilled model or LoRA was made for; others stay open."""
    known = few_step(sampling)
    if known is None:
        return sampling
    steps, guidance, shift = sampling.num_inference_steps, sampling.guidance_scale, sampling.flow_shift
    return replace(
        sampling,
        num_inference_steps=known.steps if steps is None else steps,
        guidance_scale=known.guidance_scale if guidance is None else guidance,
        flow_shift=known.shift if shift is None else shift,
    )


def build(scheduler: Any, sampling: Sampling, experts: bool = False) -> Any:
    """A pipeline's scheduler for one call: of the class that the model wants, with ``flow_shift``, the given one untouched.

    Raises:
        RequestError: ``setting_unsupported`` where the model is no flow model, or was distilled to another number of steps;
            ``few_step_mismatch`` where a flow model is given a LoRA of a VP model, or the other way round.
    """
    known = few_step(sampling)
    flow = _is_flow(scheduler)
    if known is None:
        return _rebuilt(scheduler, _shift(scheduler, sampling.flow_shift, flow))
    if flow == (known.sampler == "lcm"):
        raise RequestError(
            "few_step_mismatch",
            "The few-step LoRA was made for another kind of model than this one.",
            "Choose the LoRA that was made for this model, or leave it out.",
        )
    steps = sampling.num_inference_steps or known.steps
    if known.sampler == "lcm":
        return _rebuilt(scheduler, _shift(scheduler, sampling.flow_shift, flow) | dict(known.config), "LCMScheduler")
    shift = sampling.flow_shift or known.shift or 1.0
    if known.sigmas and (steps, shift) != (len(known.sigmas), known.shift):
        raise RequestError(
            "setting_unsupported",
            f"This model was distilled to {len(known.sigmas)} steps of its own and can take no others.",
            f"Leave num_inference_steps ({len(known.sigmas)}) and flow_shift (1) out.",
        )
    sampler = known.experts if experts else known.sampler
    name = "FlowMatchEulerDiscreteScheduler" if sampler == "euler" else "FlowMatchLCMScheduler"
    return _fixed(_class(name)(shift=shift), list(known.sigmas) or [1 - i / steps for i in range(steps)])


def _class(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)


def _is_flow(scheduler: Any) -> bool:
    config = scheduler.config
    return "shift" in config or bool(config.get("use_flow_sigmas"))


def _shift(scheduler: Any, shift: float | None, flow: bool) -> dict[str, Any]:
    """The configuration that gives a scheduler this shift and no other."""
    if shift is None:
        return {}
    if not flow:
        raise RequestError(
            "setting_unsupported",
            "This model does not know the setting flow_shift: it is no flow model.",
            "Leave flow_shift out, or choose a model of the Wan or LTX family.",
        )
    name = "shift" if "shift" in scheduler.config else "flow_shift"
    return {name: shift, "use_dynamic_shifting": False}


def _rebuilt(scheduler: Any, config: dict[str, Any], name: str = "") -> Any:
    kind = _class(name) if name else type(scheduler)
    return kind.from_config(scheduler.config, **config)


def _fixed(scheduler: Any, sigmas: list[float]) -> Any:
    """A scheduler that takes these steps whatever it is asked for: most pipelines only hand it their number."""
    plain = type(scheduler).set_timesteps

    @functools.wraps(plain)
    def set_timesteps(self: Any, *_: Any, device: Any = None, **__: Any) -> None:
        plain(self, sigmas=sigmas, device=device)

    scheduler.set_timesteps = MethodType(set_timesteps, scheduler)
    return scheduler
