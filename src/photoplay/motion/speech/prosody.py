"""What a face does besides its mouth while it speaks or listens: nods, brows, blinks, breath, gaze, from the sound.

Heads move with stressed syllables, mostly down (Hadar et al. 1983); brows rise with pitch accents (Cave et al. 1996);
blinks gather at the ends of phrases, about 26 a minute in conversation (Bentivoglio et al. 1997); a speaker breathes in
before a phrase and out through it; listeners nod where a phrase ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from photoplay.motion.priors import blink_curve
from photoplay.motion.speech.articulation import Segment
from photoplay.motion.speech.recogniser import Speech
from photoplay.types import Array

BREAK = 0.25
"""Seconds of silence that end a phrase."""
APART = 0.38
"""Least seconds between two beats."""
NOD = 2.3
"""Degrees of the nod on the strongest beat."""
NOTICED, TURN = 0.12, 0.35
"""Seconds after which a listener turns to another speaker, and for how long."""
BROW = 0.30
"""How far brows rise on it."""


@dataclass(frozen=True)
class Beat:
    """A stressed syllable: when (seconds) and how strongly (0..1)."""

    time: float
    strength: float


@dataclass(frozen=True)
class Gestures:
    """Curves at the film's frames: ``pitch``, ``yaw``, ``roll`` and ``gaze`` in degrees, the others 0..1."""

    head: Float64[Array, "f 3"]
    gaze: Float64[Array, "f 2"]
    brows: Float64[Array, " f"]
    lids: Float64[Array, " f"]
    breath: Float64[Array, " f"]


def phrases(spoken: tuple[Segment, ...]) -> tuple[tuple[float, float], ...]:
    """Start and end of each stretch of speech without a pause of :data:`BREAK` seconds."""
    found: list[tuple[float, float]] = []
    for segment in spoken:
        if segment.viseme == "sil":
            continue
        if found and segment.start - found[-1][1] < BREAK:
            found[-1] = (found[-1][0], segment.end)
        else:
            found.append((segment.start, segment.end))
    return tuple(found)


def beats(speech: Speech, spoken: tuple[tuple[float, float], ...]) -> tuple[Beat, ...]:
    """Stressed syllables: peaks of loudness and pitch together, at least :data:`APART` seconds from each other."""
    prominence = _prominence(speech)
    found: list[Beat] = []
    for start, end in spoken:
        first, last = round(start * speech.rate), min(round(end * speech.rate), len(prominence))
        inside = prominence[first:last]
        if len(inside) < 3:
            continue
        peaks = np.flatnonzero((inside[1:-1] >= inside[:-2]) & (inside[1:-1] > inside[2:])) + 1
        kept: list[int] = []
        for peak in sorted(peaks.tolist(), key=lambda at: -inside[at]):
            if inside[peak] > 0.25 and all(abs(peak - other) >= APART * speech.rate for other in kept):
                kept.append(peak)
        found += [Beat((first + at) / speech.rate, float(min(inside[at], 1.0))) for at in sorted(kept)]
    return tuple(found)


def _prominence(speech: Speech) -> Float64[Array, " n"]:
    """Loudness beyond the usual and pitch above the speaker's own middle, 0..1 about, smoothed over a syllable."""
    energy = speech.energy.astype(np.float64) * np.clip(speech.voice, 0.0, 1.0)
    voiced = speech.pitch > 0
    high = np.zeros(len(energy))
    if voiced.any():
        octaves = np.log2(speech.pitch[voiced].astype(np.float64) / float(np.median(speech.pitch[voiced])))
        high[voiced] = np.clip(octaves / 0.5, -1.0, 1.0)
    width = max(1, round(0.03 * speech.rate))
    kernel = np.exp(-0.5 * (np.arange(-3 * width, 3 * width + 1) / width) ** 2)
    raw: Array = np.clip((energy - 0.55) / 0.45, 0.0, 1.0) * (0.7 + 0.3 * high)
    if len(raw) < len(kernel):
        return raw
    smooth: Array = np.convolve(raw, kernel / kernel.sum(), mode="same")
    return smooth


def speaking(speech: Speech, spoken: tuple[tuple[float, float], ...], fps: float, frames: int, seed: int) -> Gestures:
    """A speaker's gestures: nods and brows on beats, another posture with each phrase, blinks at ends, breath before."""
    time = np.arange(frames) / fps
    draw = np.random.default_rng([seed, 101])
    head = np.zeros((frames, 3))
    brows, lids = np.zeros(frames), np.zeros(frames)
    for beat in beats(speech, spoken):
        size = beat.strength * draw.uniform(0.7, 1.1)
        # A small lift leads into the nod, whose lowest point falls on the syllable.
        head[:, 1] += NOD * size * (0.25 * bump(time, beat.time - 0.26, 0.12, 0.16) - bump(time, beat.time, 0.17, 0.32))
        if beat.strength > 0.5 and draw.random() < 0.65:
            brows = np.maximum(brows, BROW * size * bump(time, beat.time - 0.04, 0.16, 0.42))
    here = np.zeros(3)
    for index, (start, end) in enumerate(spoken):
        there = draw.normal(0.0, (2.0, 0.8, 1.3)).clip((-4.0, -1.6, -2.6), (4.0, 1.6, 2.6))
        head += rise(time, start - 0.35, 0.9)[:, None] * (there - here)
        head[:, 1] -= 1.1 * rise(time, start, max(end - start, 0.3)) * (1.0 - rise(time, end + 0.05, 0.5))
        here = there
        if draw.random() < (0.9 if index == len(spoken) - 1 else 0.7):
            lids = np.maximum(lids, blink_curve(time, end - float(draw.uniform(0.06, 0.16)), fps))
    if spoken:
        head -= rise(time, spoken[-1][1] + 0.25, 1.0)[:, None] * here
    gaze = -0.85 * head[:, :2]
    return Gestures(head, gaze, brows, lids, _breath(time, spoken))


def _breath(time: Float64[Array, " f"], spoken: tuple[tuple[float, float], ...]) -> Float64[Array, " f"]:
    """In before each phrase, deeper before a longer one, and out while it is spoken."""
    breath, volume, free = np.zeros(len(time)), 0.0, 0.0
    for start, end in spoken:
        inhale = min(max(start - free, 0.0), 0.65)
        if inhale > 0.12:
            full = float(np.clip(0.35 + 0.2 * (end - start), 0.4, 0.9))
            breath += max(full - volume, 0.0) * rise(time, start - inhale, inhale)
            volume = max(full, volume)
        out = min(volume, 0.25 * (end - start))
        breath -= out * rise(time, start, max(end - start, 0.2))
        volume, free = volume - out, end
    breath -= volume * rise(time, free, 1.6)
    return np.clip(breath, 0.0, 1.0)


def attention(
    speakers: Sequence[tuple[float, tuple[tuple[float, float], ...]]], fps: float, frames: int
) -> Float64[Array, " f"]:
    """Where a listener looks at each frame: towards whoever began to speak last.

    ``speakers`` are each one's direction (degrees) and phrases (start, end in seconds). Before anybody speaks it is the
    first one's direction; the eyes leave :data:`NOTICED` seconds after another one begins and need :data:`TURN` seconds.
    """
    time = np.arange(frames) / fps
    begun = sorted((start, towards) for towards, spoken in speakers for start, _ in spoken)
    looks = np.full(frames, begun[0][1] if begun else 0.0)
    for start, towards in begun[1:]:
        looks += rise(time, start + NOTICED, TURN) * (towards - looks)
    return looks


def listening(
    spoken: tuple[tuple[float, float], ...],
    fps: float,
    frames: int,
    seed: int,
    towards: float | Float64[Array, " f"],
) -> Gestures:
    """A listener's: eyes and a little of the head ``towards`` (degrees) who speaks, nods and blinks where phrases end."""
    time = np.arange(frames) / fps
    draw = np.random.default_rng([seed, 202])
    head = np.zeros((frames, 3))
    brows, lids = np.zeros(frames), np.zeros(frames)
    attends = np.zeros(frames)
    for start, end in spoken:
        near = rise(time, start + 0.12, 0.35) * (1.0 - rise(time, end + 1.2, 0.6))
        attends = np.maximum(attends, near)
        if end - start > 0.5 and draw.random() < 0.85:
            size = float(draw.uniform(2.6, 4.2))
            for again in range(2 if draw.random() < 0.6 else 1):
                head[:, 1] -= size * 0.6**again * bump(time, end + 0.22 + 0.42 * again, 0.18, 0.26)
            brows = np.maximum(brows, 0.14 * bump(time, end + 0.12, 0.25, 0.6))
        for at in np.arange(start + 1.6, end - 0.8, 2.2) + draw.uniform(-0.4, 0.4):
            head[:, 1] -= 1.7 * bump(time, float(at), 0.2, 0.3)
        if draw.random() < 0.6:
            lids = np.maximum(lids, blink_curve(time, end + float(draw.uniform(0.1, 0.5)), fps))
    # The eyes go most of the way, the head follows with less and a little later.
    head[:, 0] += 0.4 * towards * attends
    head[:, 2] += float(draw.choice((-1.0, 1.0))) * 1.4 * attends
    gaze = np.zeros((frames, 2))
    gaze[:, 0] = 0.6 * towards * attends
    gaze[:, 1] = -0.85 * head[:, 1]
    return Gestures(head, gaze, brows, lids, np.zeros(frames))


def rise(time: Float64[Array, " f"], start: float, seconds: float) -> Float64[Array, " f"]:
    """A minimum-jerk step from 0 to 1 that begins at ``start``."""
    t = np.clip((time - start) / seconds, 0.0, 1.0)
    step: Array = t**3 * (10.0 - 15.0 * t + 6.0 * t**2)
    return step


def bump(time: Float64[Array, " f"], top: float, before: float, after: float) -> Float64[Array, " f"]:
    """0, up to 1 at ``top`` and back to 0 again."""
    up_and_down: Array = rise(time, top - before, before) * (1.0 - rise(time, top, after))
    return up_and_down
