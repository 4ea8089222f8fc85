"""Curves through keys: how a value gets from one key to the next.

``smooth`` is the monotone cubic of Fritsch and Butland (1984): continuous velocity, and never beyond the keys. The other
shapes start and end at rest, so that any mix of them joins smoothly too; only ``linear`` has corners.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float64

from photoplay.types import Array

Ease: TypeAlias = Literal["smooth", "linear", "hold", "ease", "overshoot", "spring"]

_WAYPOINTS: dict[Ease, tuple[tuple[float, float], ...]] = {
    "ease": ((0.0, 0.0), (1.0, 1.0)),
    "hold": ((0.0, 0.0), (0.85, 0.0), (1.0, 1.0)),
    "overshoot": ((0.0, 0.0), (0.68, 1.08), (1.0, 1.0)),
    "spring": ((0.0, 0.0), (0.5, 1.12), (0.78, 0.96), (1.0, 1.0)),
}
"""Shapes as minimum-jerk moves between waypoints (share of the segment's time, share of its step)."""


def minimum_jerk(u: Float64[Array, "*n"]) -> Float64[Array, "*n"]:
    """0..1 -> 0..1, at rest and without acceleration at both ends (Flash and Hogan 1985)."""
    shape: Array = u**3 * (10 - 15 * u + 6 * u**2)
    return shape


def _shape(ease: Ease, u: Float64[Array, n]) -> Float64[Array, n]:
    times, levels = np.array(_WAYPOINTS[ease]).T
    segment = np.clip(np.searchsorted(times, u, side="right") - 1, 0, len(times) - 2)
    within = (u - times[segment]) / (times[segment + 1] - times[segment])
    shaped: Array = levels[segment] + (levels[segment + 1] - levels[segment]) * minimum_jerk(within)
    return shaped


def monotone_slopes(times: Float64[Array, k], values: Float64[Array, k], periodic: bool = False) -> Float64[Array, k]:
    """Slope at each key such that the cubic Hermite through them is C1 and monotone between keys.

    The weighted harmonic mean of the neighbouring secants, 0 at a local extremum (Fritsch and Butland 1984). The ends are
    at rest, or, with ``periodic``, joined (the last value equals the first).
    """
    widths, slopes = np.diff(times), np.zeros_like(values)
    secants = np.diff(values) / widths
    before, after = secants[:-1], secants[1:]
    h0, h1 = widths[:-1], widths[1:]
    if periodic:
        before, after = np.append(before, secants[-1]), np.append(after, secants[0])
        h0, h1 = np.append(h0, widths[-1]), np.append(h1, widths[0])
    same = before * after > 0
    w0, w1 = (2 * h1 + h0)[same], (h1 + 2 * h0)[same]
    inner = np.zeros_like(before)
    inner[same] = (w0 + w1) / (w0 / before[same] + w1 / after[same])
    slopes[1 : 1 + len(inner)] = inner
    if periodic:
        slopes[0] = slopes[-1]
    return slopes


def interpolate(
    t: Float64[Array, n],
    times: Float64[Array, k],
    values: Float64[Array, k],
    eases: tuple[Ease, ...] = (),
    periodic: bool = False,
) -> Float64[Array, n]:
    """The curve through the keys at times ``t``; before the first and after the last key it stays.

    ``times`` rise strictly. ``eases[k]`` says how the curve arrives at key k (the first is not used); empty: all smooth.
    """
    if len(times) == 1:
        return np.full_like(t, values[0])
    slopes = monotone_slopes(times, values, periodic)
    smooth: Ease = "smooth"
    arrivals = eases[1:] or (smooth,) * (len(times) - 1)
    shaped = np.array([ease in _WAYPOINTS for ease in arrivals])
    slopes[:-1][shaped] = slopes[1:][shaped] = 0.0
    if periodic and (shaped[0] or shaped[-1]):
        slopes[0] = slopes[-1] = 0.0
    t = np.clip(t, times[0], times[-1])
    segment = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    width = (times[1:] - times[:-1])[segment]
    u = (t - times[segment]) / width
    start, step = values[segment], (values[1:] - values[:-1])[segment]
    out: Array = (
        start + step * u**2 * (3 - 2 * u) + width * u * (1 - u) * (slopes[segment] * (1 - u) - slopes[segment + 1] * u)
    )
    for ease in set(arrivals) - {"smooth"}:
        here = np.array([name == ease for name in arrivals])[segment]
        share = u[here] if ease == "linear" else _shape(ease, u[here])
        out[here] = start[here] + step[here] * share
    return out
