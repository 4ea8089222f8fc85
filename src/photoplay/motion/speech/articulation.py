"""From what is heard to what the mouth does: segments of visemes, blended by dominance functions, as ARKit weights.

Every segment pulls every shape towards its own target, with a strength that falls off before its start and after its end
(Cohen and Massaro 1993, "Modeling coarticulation in synthetic visual speech"): lips round before a rounded vowel sounds,
a t leaves the lips to its neighbours, an s does not. With the distance d of time t from segment i,

    D_i(t) = a_i exp(-d / T),    weight(t) = sum_i D_i(t) target_i / sum_i D_i(t).

Closing the lips is no matter of blending: p, b and m close them at one frame at least, whatever stands around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float32, Float64

from photoplay.motion.speech.recogniser import Speech
from photoplay.motion.speech.visemes import VISEMES
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array

SWITCH = 2.5
"""Nats that a change of viseme costs: a doubtful hundredth of a second is no sound of its own."""
BEGINS, ENDS = 0.5, 0.3
"""Speech activity from which on somebody speaks, and below which nobody does any more."""
ONE_AGAINST_MANY = 0.2
"""What silence counts for against a single viseme in loud speech: its share is whole, theirs is split."""
LOUD = 0.5
"""Loudness from which on that holds; where speech dies away silence counts for more."""
SHORTEST = 0.03
"""Seconds; shorter segments go to their longer neighbour, but for those that close the lips."""
LEAD = 0.02
"""Seconds by which the lips are ahead of the sound that they shape."""
PAUSE = 0.10
"""Seconds of silence from which on the lips close."""
OVERSAMPLED = 8
"""Steps a frame in which curves are made, before they are smoothed and read off at the frames."""
LEAST_FRAMES = 1.05
"""Frames that a closure lasts at least, and a sound between two of them."""
SOFTNESS = 0.016
"""Standard deviation in seconds of that smoothing."""
REST_JAW = 0.35
"""How far open a mouth in the photo may stand and is still closed: what mouthClose takes back beyond the jaw's own."""

_Row = dict[str, float]
TARGETS: dict[str, _Row] = {
    "sil": {},
    "PP": {"jawOpen": 0.05, "mouthPress": 0.24, "mouthRollLower": 0.12, "mouthRollUpper": 0.10},
    "FF": {"jawOpen": 0.05, "mouthRollLower": 0.40, "mouthUpperUp": 0.28},
    "TH": {"jawOpen": 0.10, "mouthLowerDown": 0.16, "mouthUpperUp": 0.10, "tongueOut": 0.10},
    "DD": {"jawOpen": 0.09, "mouthLowerDown": 0.16, "mouthUpperUp": 0.09, "mouthStretch": 0.06},
    "kk": {"jawOpen": 0.13, "mouthLowerDown": 0.10, "mouthUpperUp": 0.06},
    "CH": {"jawOpen": 0.08, "mouthFunnel": 0.48, "mouthPucker": 0.26, "mouthLowerDown": 0.10, "mouthUpperUp": 0.10},
    "SS": {"jawOpen": 0.05, "mouthStretch": 0.20, "mouthDimple": 0.06, "mouthLowerDown": 0.26, "mouthUpperUp": 0.14},
    "nn": {"jawOpen": 0.11, "mouthLowerDown": 0.13, "mouthUpperUp": 0.08},
    "RR": {"jawOpen": 0.10, "mouthFunnel": 0.28, "mouthPucker": 0.26, "mouthLowerDown": 0.05},
    "aa": {"jawOpen": 0.34, "mouthLowerDown": 0.17, "mouthUpperUp": 0.15, "mouthStretch": 0.05},
    "E": {"jawOpen": 0.23, "mouthStretch": 0.17, "mouthDimple": 0.08, "mouthLowerDown": 0.20, "mouthUpperUp": 0.14,
          "cheekSquint": 0.05},
    "ih": {"jawOpen": 0.13, "mouthStretch": 0.25, "mouthDimple": 0.12, "mouthLowerDown": 0.20, "mouthUpperUp": 0.14,
           "cheekSquint": 0.07},
    "oh": {"jawOpen": 0.24, "mouthFunnel": 0.38, "mouthPucker": 0.38},
    "ou": {"jawOpen": 0.12, "mouthFunnel": 0.22, "mouthPucker": 0.78},
}  # fmt: skip
"""ARKit weights of each viseme spoken loudly and alone; a name without its side stands for both."""


@dataclass(frozen=True)
class Articulator:
    """Shapes that move together: how soon they come and go (``before``, ``after``: T in seconds), and each viseme's ``a``.

    ``vowels`` and ``consonants`` hold where ``dominance`` names no other. ``loud`` is how much of a target depends on
    how loudly it is spoken.
    """

    shapes: tuple[str, ...]
    before: float
    after: float
    loud: float
    vowels: float
    consonants: float
    dominance: _Row


_VOWELS = ("aa", "E", "ih", "oh", "ou")
ARTICULATORS: tuple[Articulator, ...] = (
    Articulator(
        ("jawOpen",), 0.040, 0.045, 0.75, 1.0, 0.55,
        {"SS": 1.3, "CH": 1.2, "FF": 2.0, "kk": 0.35, "PP": 0.9, "sil": 0.9},
    ),
    Articulator(
        ("mouthLowerDown", "mouthUpperUp"), 0.035, 0.040, 0.55, 0.8, 0.55,
        {"SS": 1.2, "FF": 2.2, "PP": 1.8, "kk": 0.3, "sil": 0.9},
    ),
    Articulator(
        ("mouthFunnel", "mouthPucker"), 0.085, 0.060, 0.25, 0.9, 0.2,
        {"ou": 1.3, "oh": 1.1, "CH": 1.4, "RR": 0.8, "SS": 0.6, "PP": 0.25, "sil": 0.5},
    ),
    Articulator(
        ("mouthStretch", "mouthDimple", "cheekSquint"), 0.060, 0.060, 0.45, 0.9, 0.2,
        {"ih": 1.1, "SS": 0.7, "CH": 1.0, "PP": 0.3, "sil": 0.5},
    ),
    Articulator(
        ("mouthPress", "mouthRollLower", "mouthRollUpper", "tongueOut"), 0.022, 0.022, 0.0, 0.6, 0.6,
        {"PP": 2.0, "FF": 2.2, "TH": 1.5, "sil": 0.6},
    ),
)  # fmt: skip
BACKGROUND = 0.04
"""Pull of the rest pose where no segment is near."""


@dataclass(frozen=True)
class Closing:
    """How lips close for a viseme: ``share`` of the gap, and the seconds of the way there and back."""

    share: float
    arrive: float
    leave: float


_LIPS_MEET = ("PP", "FF")
CLOSINGS = {"PP": Closing(1.0, 0.065, 0.060), "FF": Closing(0.45, 0.060, 0.055), "sil": Closing(1.0, 0.130, 0.110)}


@dataclass(frozen=True)
class Segment:
    """One viseme from ``start`` to ``end`` (seconds); ``strength`` 0..1 is how loudly it is spoken."""

    viseme: str
    start: float
    end: float
    strength: float


def segments(speech: Speech) -> tuple[Segment, ...]:
    """The likeliest sequence of visemes, without gaps from 0 to the sound's end (Viterbi with a price on every change)."""
    spoken = _speaks(speech.voice)
    likely = np.where(spoken[:, None], speech.probabilities, 0.0).astype(np.float64)
    counts = 1.0 - (1.0 - ONE_AGAINST_MANY) * np.clip(speech.energy / LOUD, 0.0, 1.0)
    likely[:, 0] = np.where(spoken, counts * likely[:, 0], 1.0)
    path = _path(np.log(np.maximum(likely, 1e-3)))
    if not len(path):
        return ()
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    runs = [(VISEMES[path[start]], int(start), int(stop)) for start, stop in pairwise(edges)]
    found = []
    for viseme, start, stop in _without_shortest(runs, SHORTEST * speech.rate):
        loudness = float(np.clip(speech.energy[start:stop].max(), 0.0, 1.0))
        found.append(Segment(viseme, start / speech.rate, stop / speech.rate, loudness))
    return tuple(found)


def _speaks(voice: Float32[Array, " n"]) -> Bool[Array, " n"]:
    """Hysteresis: speech begins at :data:`BEGINS` and lasts while activity stays over :data:`ENDS`, to both sides."""
    over = voice > ENDS
    edges = np.flatnonzero(np.diff(over.astype(np.int8), prepend=0, append=0))
    spoken = np.zeros(len(voice), bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        spoken[start:stop] = voice[start:stop].max() > BEGINS
    return spoken


def _path(scores: Float64[Array, "n 15"]) -> Array:
    """The best path through log probabilities where staying is free and every change costs :data:`SWITCH`."""
    best = np.zeros(scores.shape[1])
    came = np.zeros(scores.shape, np.int64)
    stay = np.arange(scores.shape[1])
    for step, row in enumerate(scores):
        other = int(best.argmax())
        changed = best[other] - SWITCH
        came[step] = np.where(best >= changed, stay, other)
        best = np.maximum(best, changed) + row
    path = np.zeros(len(scores), np.int64)
    state = int(best.argmax())
    for step in range(len(scores) - 1, -1, -1):
        path[step] = state
        state = int(came[step, state])
    return path


def _without_shortest(runs: list[tuple[str, int, int]], least: float) -> list[tuple[str, int, int]]:
    """The runs with those under ``least`` steps given to their longer neighbour; what closes the lips stays."""
    runs = list(runs)
    while len(runs) > 1:
        lengths = [stop - start if viseme not in ("PP", "FF") else least for viseme, start, stop in runs]
        at = int(np.argmin(lengths))
        if lengths[at] >= least:
            break
        before = lengths[at - 1] if at else -1.0
        after = lengths[at + 1] if at + 1 < len(runs) else -1.0
        to = at - 1 if before >= after else at + 1
        first, last = min(at, to), max(at, to)
        runs[first : last + 1] = [(runs[to][0], runs[first][1], runs[last][2])]
        runs = _joined(runs)
    return runs


def _joined(runs: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    joined = runs[:1]
    for viseme, start, stop in runs[1:]:
        if viseme == joined[-1][0]:
            joined[-1] = (viseme, joined[-1][1], stop)
        else:
            joined.append((viseme, start, stop))
    return joined


def articulate(
    spoken: tuple[Segment, ...], *, fps: float, frames: int, quiet: Float64[Array, " f"] | float = 1.0
) -> Float64[Array, "f 52"]:
    """ARKit weights of the mouth at each of ``frames`` frames; after the last segment the mouth is at rest.

    mouthClose holds as much of jawOpen as is closed, and where the lips meet also what a mouth open in the photo needs.
    ``quiet`` (0..1) is how far silence closes the lips: p, b and m always do.
    """
    fine = np.arange(frames * OVERSAMPLED) / (fps * OVERSAMPLED)
    times = np.arange(frames) / fps
    led = _seen(spoken, LEAST_FRAMES / fps)
    weights = np.zeros((frames, 52))
    for part in ARTICULATORS:
        curves = _soft(_blended(part, led, fine), fps * OVERSAMPLED)[::OVERSAMPLED]
        for column, name in enumerate(part.shapes):
            weights[:, both_sides(name)] = curves[:, column, None]
    shut = np.maximum(closed_share(led, times, ("PP", "FF")), quiet * closed_share(led, times, ("sil",)))
    jaw = weights[:, ARKIT_INDEX["jawOpen"]]
    weights[:, ARKIT_INDEX["mouthClose"]] = np.clip(shut * np.maximum(jaw, 0.05) + REST_JAW * shut**12, 0.0, 1.0)
    return weights


def both_sides(name: str) -> list[int]:
    """The rows of ``topology.ARKIT_NAMES`` that ``name`` stands for: one, or its left and right."""
    return [ARKIT_INDEX[full] for full in (name, f"{name}Left", f"{name}Right") if full in ARKIT_INDEX]


def _blended(part: Articulator, spoken: tuple[Segment, ...], times: Float64[Array, " t"]) -> Float64[Array, "t s"]:
    pull = np.full(len(times), BACKGROUND)
    total = np.zeros((len(times), len(part.shapes)))
    for segment in spoken:
        usual = part.vowels if segment.viseme in _VOWELS else part.consonants
        reach = 6.0 * max(part.before, part.after)
        first, last = np.searchsorted(times, (segment.start - reach, segment.end + reach))
        near = times[first:last]
        away = np.maximum(segment.start - near, 0.0) / part.before + np.maximum(near - segment.end, 0.0) / part.after
        dominance = part.dominance.get(segment.viseme, usual) * np.exp(-away)
        loudness = 1.0 - part.loud * (1.0 - segment.strength)
        target = np.array([TARGETS[segment.viseme].get(name, 0.0) for name in part.shapes]) * loudness
        pull[first:last] += dominance
        total[first:last] += dominance[:, None] * target
    blended: Array = total / pull[:, None]
    return blended


def _seen(spoken: tuple[Segment, ...], least: float) -> tuple[Segment, ...]:
    """The segments as the lips form them, ahead of the sound; p b m f v last for one frame (``least`` seconds) at least.

    What is spoken between two of them lasts a quarter longer still, so that the lips can part: they give way.
    """
    led = [replace(segment, start=segment.start - LEAD, end=segment.end - LEAD) for segment in spoken]
    between = {index for index in range(1, len(led) - 1) if _between_closures(led, index)}
    for index in sorted(between):
        more = max(1.25 * least - (led[index].end - led[index].start), 0.0) / 2
        start, end = led[index].start - more, led[index].end + more
        led[index - 1 : index + 2] = (
            replace(led[index - 1], end=start),
            replace(led[index], start=start, end=end),
            replace(led[index + 1], start=end),
        )
    for index, segment in enumerate(led):
        if segment.viseme in _LIPS_MEET:
            more = max(least - (segment.end - segment.start), 0.0)
            before = more * (0.5 if index + 1 not in between else 1.0) if index - 1 not in between else 0.0
            after = more - before if index + 1 not in between else 0.0
            led[index] = replace(segment, start=segment.start - before, end=segment.end + after)
    return tuple(led)


def _between_closures(spoken: Sequence[Segment], index: int) -> bool:
    around = (spoken[index - 1].viseme, spoken[index + 1].viseme)
    return spoken[index].viseme not in CLOSINGS and set(around) <= set(_LIPS_MEET)


def closed_share(
    spoken: tuple[Segment, ...], times: Float64[Array, " f"], visemes: tuple[str, ...] = tuple(CLOSINGS)
) -> Float64[Array, " f"]:
    """How far the lips are closed at ``times`` for these ``visemes``: 1 where they meet, as in p, b, m and in silence.

    Between two closures the lips part for one step of ``times`` at least, however short the vowel.
    """
    shut = np.zeros(len(times))
    step = float(times[1] - times[0]) if len(times) > 1 else 0.0
    last = next((index for index in reversed(range(len(spoken))) if spoken[index].viseme != "sil"), -1)
    ended = spoken[last].end if last >= 0 else -np.inf
    for index, segment in enumerate((*spoken[: last + 1], Segment("sil", ended, np.inf, 0.0))):
        kind = CLOSINGS.get(segment.viseme) if segment.viseme in visemes else None
        start, stop = segment.start, segment.end
        if kind is None or (segment.viseme == "sil" and stop - start < PAUSE):
            continue
        arrive, leave = kind.arrive, kind.leave
        if segment.viseme == "sil":
            # Lips come together while the sound dies away and part a little before the next one begins.
            start, stop = min(start + 0.5 * arrive, stop), stop - 0.5 * leave
        else:
            arrive, leave = min(arrive, _way(spoken, index - 1, step)), min(leave, _way(spoken, index + 1, step))
        arrived = _step((times - start) / arrive + 1.0)
        left = _step((stop - times) / leave + 1.0)
        shut = np.maximum(shut, kind.share * arrived * left)
    return shut


def _way(spoken: tuple[Segment, ...], index: int, step: float) -> float:
    """Seconds that a closure may take of the segment ``index`` beside it: half of what leaves it ``step`` if another
    closure follows."""
    if not 0 < index < len(spoken) - 1 or not _between_closures(spoken, index):
        return float(np.inf)
    return max(spoken[index].end - spoken[index].start - step, 0.01) / 2


def _step(t: Float64[Array, " f"]) -> Float64[Array, " f"]:
    t = np.clip(t, 0.0, 1.0)
    step: Array = t * t * (3.0 - 2.0 * t)
    return step


def _soft(curves: Float64[Array, "t s"], rate: float) -> Float64[Array, "t s"]:
    """Smoothed by a Gaussian of :data:`SOFTNESS`; the ends are held."""
    reach = max(1, round(3.0 * SOFTNESS * rate))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (SOFTNESS * rate)) ** 2)
    kernel /= kernel.sum()
    held = np.pad(curves, ((reach, reach), (0, 0)), mode="edge")
    columns = [np.convolve(held[:, column], kernel, mode="valid") for column in range(curves.shape[1])]
    return np.stack(columns, axis=1)
