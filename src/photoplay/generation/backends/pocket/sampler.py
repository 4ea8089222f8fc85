"""Noise to film: the loop that integrates a rectified flow, its steps, and noise that windows share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32

from photoplay.types import Array

Latents = TypeVar("Latents", bound=Any)
"""An array or tensor of any shape: only arithmetic is done on it."""


def sigma_schedule(num_inference_steps: int) -> tuple[float, ...]:
    """``num_inference_steps + 1`` evenly spaced noise levels from 1 (noise) down to 0 (clean)."""
    if num_inference_steps < 1:
        raise ValueError("at least one step")
    return tuple(1 - step / num_inference_steps for step in range(num_inference_steps + 1))


def sample_flow(
    denoise: Callable[[Latents, float], Latents], latents: Latents, sigmas: Sequence[float], heun: bool = False
) -> Latents:
    """Integrates a rectified flow from noise to data.

    On the straight paths ``x_s = (1 - s) x0 + s eps`` the velocity is ``dx/ds = eps - x0 = (x_s - x0) / s``, with x0 as
    ``denoise(x_s, s)`` predicts it. Euler's step from s to t is therefore ``x_t = x_s + (t - s) (x_s - x0) / s``; the last
    one, to 0, returns x0 itself. ``heun`` averages the velocities of both ends of a step (second order, twice the calls;
    not for the last step, where the velocity's end is not defined). Lipman et al. 2023 (Flow Matching), Liu et al. 2023
    (Rectified Flow).

    ``sigmas`` fall strictly; the first is the noise level of ``latents``.
    """
    for sigma, lower in pairwise(sigmas):
        velocity = (latents - denoise(latents, sigma)) / sigma
        stepped = latents + (lower - sigma) * velocity
        if heun and lower > 0:
            velocity_there = (stepped - denoise(stepped, lower)) / lower
            stepped = latents + (lower - sigma) * 0.5 * (velocity + velocity_there)
        latents = stepped
    return latents


def frame_noise(seed: int, start: int, count: int, size: int, correlation: float) -> Float32[Array, "f 3 s s"]:
    """Unit Gaussian noise of the frames ``start .. start + count``, the same whichever window asks for a frame.

    ``eps_f = sqrt(r) common + sqrt(1 - r) own_f``: any two frames correlate by ``correlation`` r (PYoCo's mixed noise, Ge et
    al. 2023).
    """
    common = _gaussian((seed, 0), size)
    own = np.stack([_gaussian((seed, 1, start + frame), size) for frame in range(count)])
    return np.float32(sqrt(correlation)) * common + np.float32(sqrt(1 - correlation)) * own


def _gaussian(key: tuple[int, ...], size: int) -> Float32[Array, "3 s s"]:
    return np.random.default_rng(key).standard_normal((3, size, size), dtype=np.float32)
