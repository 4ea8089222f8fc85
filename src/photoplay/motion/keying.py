"""From a performance to a template that a person can read and edit: smoothed curves, few keys."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from photoplay.errors import TemplateError
from photoplay.motion.channels import CHANNELS, PAIRS, Channel
from photoplay.motion.easing import interpolate
from photoplay.motion.template import Category, Curve, Key, Need, Template
from photoplay.types import Array, Performance

TOLERANCE: dict[str, float] = {"blendshapes": 0.03, "degrees": 0.3, "shift": 0.004, "breath": 0.03}
"""How far a curve through the kept keys may be from the performance."""
NOTICEABLE: dict[str, float] = {"blendshapes": 0.08, "degrees": 0.6, "shift": 0.008, "breath": 0.1}
"""A channel that never gets further from rest than this is left out."""
FADE_SECONDS = 0.25
MAX_SECONDS = 120.0


def template_from_performance(
    performance: Performance, *, name: str, title: str, description: str, category: Category, author: str = "unknown"
) -> Template:
    """A template whose keys follow the performance within :data:`TOLERANCE`; it starts at rest.

    What the performance does not start at rest with fades in. Left and right channels that agree become one.

    Raises:
        TemplateError: the performance is too short or too long, holds NaN, or nothing in it moves.
    """
    count = performance.num_frames
    seconds = (count - 1) / performance.fps
    if not 0.2 <= seconds <= MAX_SECONDS:
        raise TemplateError(
            "capture_length",
            f"The motion lasts {seconds:.1f} s, which is too {'short' if seconds < 1 else 'long'} for a template.",
            f"Cut it to between 0.2 s and {MAX_SECONDS:.0f} s.",
        )
    times = np.arange(count) / performance.fps
    fade = np.clip(times / FADE_SECONDS, 0.0, 1.0)
    channels = _reduced(performance, times, fade * fade * (3 - 2 * fade))
    if not channels:
        raise TemplateError(
            "capture_no_motion", "Nothing in it moves.", "Use a recording in which the face or body moves visibly."
        )
    return Template(
        name=name,
        title=title,
        description=description,
        category=category,
        tags=("captured",),
        licence="unknown",
        author=author,
        duration=round(seconds, 3),
        needs=_needs(channels),
        cannot_live_with=("no_face",),
        channels=channels,
    )


def reduce_keys(times: Float64[Array, f], values: Float64[Array, f], tolerance: float) -> Curve:
    """As few keys as needed for the smooth curve through them to stay within ``tolerance`` of ``values``.

    Like Douglas and Peucker's line simplification (1973), but measured against the curve that is played: the worst sample
    of each segment becomes a key until none is too far off.
    """
    keep = {0, len(times) - 1}
    while True:
        chosen = np.array(sorted(keep))
        error = np.abs(interpolate(times, times[chosen], values[chosen]) - values)
        worst = [start + int(np.argmax(error[start:stop])) for start, stop in pairwise(chosen)]
        added = {index for index in worst if error[index] > tolerance} - keep
        if not added:
            return tuple(Key(round(float(times[i]), 3), round(float(values[i]), 3)) for i in chosen)
        keep |= added


def _unit(channel: Channel) -> str:
    if channel.array in ("blendshapes", "breath"):
        return channel.array
    is_shift = channel.array in ("head", "torso") and channel.index[0] >= 3
    return "shift" if is_shift or (channel.index[-1:] == (3,) and channel.array == "arms") else "degrees"


def _reduced(performance: Performance, times: Float64[Array, f], fade: Float64[Array, f]) -> dict[str, Curve]:
    """Keys of each channel that moves noticeably, both sides as one where they agree."""
    curves: dict[str, Array] = {}
    for name, channel in CHANNELS.items():
        raw = getattr(performance, channel.array)[(slice(None), *channel.index)].astype(np.float64)
        if not np.isfinite(raw).all():
            raise TemplateError("capture_invalid", "The motion holds values that are not numbers.", "Export it again.")
        unit = _unit(channel)
        values = np.clip(raw, channel.low, channel.high) * fade
        if np.abs(values).max() > NOTICEABLE[unit]:
            curves[name] = values
    for pair, (left, right) in PAIRS.items():
        unit = _unit(CHANNELS[left])
        both = left in curves and right in curves
        if both and np.abs(curves[left] - curves[right]).max() <= NOTICEABLE[unit]:
            curves[pair] = (curves.pop(left) + curves.pop(right)) / 2
    return {
        name: reduce_keys(times, values, TOLERANCE[_unit(CHANNELS[PAIRS.get(name, (name,))[0]])])
        for name, values in curves.items()
    }


def _needs(channels: dict[str, Curve]) -> tuple[Need, ...]:
    """What a photo has to show for these channels to be seen."""
    needs: list[Need] = []
    if any(name.startswith(("mouth", "jaw", "tongue")) for name in channels):
        needs.append("mouth_visible")
    if any(name.startswith(("eye", "gaze")) for name in channels):
        needs.append("eyes_visible")
    arms = [name for name in channels if name.startswith("arms.")]
    if arms:
        needs.append("shoulders")
    sides: tuple[tuple[str, Need], ...] = (("left", "left_arm"), ("right", "right_arm"))
    for side, need in sides:
        if any(f".{side}." in name or name.count(".") == 1 for name in arms if not name.endswith("shoulder")):
            needs.append(need)
    return tuple(needs)
