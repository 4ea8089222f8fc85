"""Do the lips go with the sound? How far the mouth opens beside how loud it is, and whether it shuts where it must."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from photoplay.types import Array, Audio, LandmarkTrack

UPPER, LOWER = 13, 14
"""Inner lip points in the middle of the mouth."""
CORNERS = (61, 291)
SHUT = 0.045
"""Opening (gap over width) of a mouth that counts as shut: what the detector says of closed lips, and its noise."""
QUIET = 0.06
"""Share of the loud parts' level under which sound counts as silence."""
PAUSE, EDGE = 0.25, 0.085
"""Seconds from which quiet is a pause, and seconds of it at both ends that do not count."""
REACH = 0.25
"""Seconds either way in which a lag is looked for."""


@dataclass(frozen=True)
class LipReport:
    """``lag`` seconds by which the mouth follows the sound (negative: it leads), ``correlation`` of opening and level at
    that lag, ``shut`` the share of silent frames with a shut mouth, ``closed`` the share of given moments at which the
    lips meet (NaN where there are none)."""

    lag: float
    correlation: float
    shut: float
    closed: float


def mouth_opening(landmarks: LandmarkTrack) -> Float32[Array, f]:
    """Gap of the inner lips over the mouth's width, for every frame."""
    gap = np.linalg.norm((landmarks[:, LOWER] - landmarks[:, UPPER])[:, :2], axis=1)
    width = np.linalg.norm((landmarks[:, CORNERS[1]] - landmarks[:, CORNERS[0]])[:, :2], axis=1)
    opening: Array = (gap / np.maximum(width, 1e-6)).astype(np.float32)
    return opening


def sound_level(audio: Audio, fps: float, num_frames: int) -> Float32[Array, f]:
    """Root mean square of the sound around each frame's instant (one frame wide), 1 at the 95th percentile of its level.

    Past the sound's end the level is 0.
    """
    edges = np.rint((np.arange(num_frames + 1) - 0.5) / fps * audio.rate).astype(int)
    squares = np.concatenate([[0.0], np.cumsum(audio.samples.astype(np.float64) ** 2)])
    at = np.clip(edges, 0, len(audio.samples))
    level = np.sqrt(np.maximum(0.0, np.diff(squares[at])) / np.maximum(1, np.diff(at)))
    loud = float(np.percentile(level, 95)) if len(level) else 0.0
    shares: Array = (level / loud if loud > 1e-6 else np.zeros(num_frames)).astype(np.float32)
    return shares


def lip_report(
    opening: Float32[Array, f],
    level: Float32[Array, f],
    fps: float,
    closures: Bool[Array, f] | None = None,
    resting: float = SHUT,
    settled: float = 0.0,
) -> LipReport:
    """Compares a mouth's opening with the sound's level; ``closures`` marks frames at which the lips must meet.

    ``resting`` is the opening that still counts as shut: that of the smile which a photo with bared teeth keeps in pauses.
    Pauses count from ``settled`` seconds on: before, a mouth open in the photo may still be closing.

    The lag is where the cross-correlation peaks, between frames by a parabola through its highest three values.
    """
    reach = max(1, round(REACH * fps))
    lags = np.arange(-reach, reach + 1)
    scores = np.array([_correlation(opening, level, int(lag)) for lag in lags])
    best = int(np.argmax(scores))
    shift = 0.0
    if 0 < best < len(scores) - 1:
        before, peak, after = scores[best - 1 : best + 2]
        bend = before - 2 * peak + after
        shift = float(0.5 * (before - after) / bend) if bend < 0 else 0.0
    silent = _silent(level, fps)
    silent[: round(settled * fps)] = False
    return LipReport(
        lag=float((lags[best] + shift) / fps),
        correlation=float(scores[best]),
        shut=float(np.mean(opening[silent] < max(resting, SHUT))) if silent.any() else float("nan"),
        closed=_closed(opening, closures),
    )


def _correlation(opening: Array, level: Array, lag: int) -> float:
    """Pearson's, with the opening taken ``lag`` frames later than the sound."""
    a = opening[max(0, lag) : len(opening) + min(0, lag)]
    b = level[max(0, -lag) : len(level) - max(0, lag)]
    if len(a) < 3 or a.std() < 1e-6 or b.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _silent(level: Array, fps: float) -> Bool[Array, f]:
    """Frames within pauses: quiet for PAUSE at least (the closure of a t is shorter), but for both ends, where a mouth may
    still be closing or already opening."""
    silent = np.zeros(len(level), bool)
    edge = max(1, round(EDGE * fps))
    for start, end in _runs(level < QUIET):
        if end - start >= PAUSE * fps:
            silent[start + edge * (start > 0) : end - edge * (end < len(level))] = True
    return silent


def _runs(marked: Array) -> Array:
    """Start and end of each run of marked frames, [n, 2]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    return edges.reshape(-1, 2)


def _closed(opening: Array, closures: Array | None) -> float:
    """Of the runs of marked frames, how many hold one in which the lips meet."""
    if closures is None or not closures.any():
        return float("nan")
    return float(np.mean([opening[start:end].min() < SHUT for start, end in _runs(closures)]))
