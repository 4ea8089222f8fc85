"""From a template to a performance: its curves at the film's frames, fitted to the film's length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from photoplay.errors import RequestError
from photoplay.motion.channels import CHANNELS
from photoplay.motion.duet_template import AnyTemplate
from photoplay.motion.easing import Ease, interpolate, monotone_slopes
from photoplay.motion.template import Curve, Template
from photoplay.topology import ARKIT_NAMES
from photoplay.types import Array, Notice, Performance

TEMPO_STRETCH = 1.25
"""A motion may be played this much slower or faster to fit the film; beyond that it would not look natural."""
SUSTAIN_SHARE = 0.3
"""A short film keeps at least this share of a template's sustained part."""
TAKE_VARIATION = 0.06
"""Two takes (seeds) of one template differ by up to this share in the size of each motion."""
MAX_FRAMES = 36_000


def perform(template: Template, *, seconds: float, fps: float, speed: float = 1.0, seed: int = 0) -> Performance:
    """Plays the template over a film of ``seconds`` at ``fps``: ``round(seconds * fps)`` frames, at least one.

    A motion that does not loop keeps its natural tempo within 25 %: a longer film draws out its ``sustain`` or holds its
    end, a much shorter one cuts it off (with a notice). Loops are fitted so that a whole number of them fills the film.
    Frame 0 is rest unless the template loops seamlessly. Seed 0 plays it as written; other seeds are other takes, in which
    the size of each motion differs by a few percent.

    Raises:
        RequestError: the film's length or rate is not a positive number, or it has too many frames.
    """
    frames = frame_times(seconds, fps, speed)
    tempo, tamed = borne(template, "speed", speed)
    notices = [*tamed]
    if template.loop == "none":
        times, whole = _once(template, frames, seconds, tempo)
        if not whole:
            notices.append(cut_short(template.title, _shortest(template) / tempo / TEMPO_STRETCH))
    else:
        times = _looped(template, frames, seconds, tempo)
    arrays = _arrays(template, times, seed)
    return Performance(fps=float(fps), name=template.name, notices=tuple(notices), **arrays)


def check_length(seconds: float, fps: float, speed: float = 1.0) -> None:
    """Refuses films that have no length or too many frames.

    Raises:
        RequestError: the film's length or rate is not a positive number, or it has too many frames.
    """
    if not (np.isfinite([seconds, fps, speed]).all() and seconds > 0 and fps > 0 and speed > 0):
        raise RequestError("length_invalid", "The film's length is not a positive number.", "Ask for 1 s or more.")
    if seconds * fps > MAX_FRAMES:
        raise RequestError("film_too_long", "The film would have too many frames.", "Ask for a shorter film.")


def frame_times(seconds: float, fps: float, speed: float) -> Float64[Array, " f"]:
    """When each frame of a film is shown, in seconds: ``round(seconds * fps)`` frames, at least one.

    Raises:
        RequestError: as :func:`check_length`.
    """
    check_length(seconds, fps, speed)
    return np.arange(max(1, round(seconds * fps)), dtype=np.float64) / fps


def borne(template: AnyTemplate, what: Literal["intensity", "speed"], asked: float) -> tuple[float, tuple[Notice, ...]]:
    """The intensity or speed that this template bears, with a notice where it is not the one that was asked for."""
    low, high = getattr(template.parameters, what)
    given = min(max(asked, low), high)
    if given == asked:
        return given, ()
    notice = Notice(
        f"{what}_tamed",
        f"The template '{template.title}' is played at {what} {given:g} instead of {asked:g}.",
        f"It looks natural between {low:g} and {high:g}.",
    )
    return given, (notice,)


def cut_short(title: str, needed: float) -> Notice:
    """Says that the film is shorter than the ``needed`` seconds."""
    return Notice(
        "motion_cut_short",
        f"The film ends before '{title}' does.",
        f"Ask for {np.ceil(needed * 10) / 10:g} s or more, or for a higher speed.",
        "warning",
    )


def _shortest(template: Template) -> float:
    if template.sustain is None:
        return template.duration
    start, stop = _sustain(template)
    return template.duration - (1 - SUSTAIN_SHARE) * (stop - start)


def _sustain(template: Template) -> tuple[float, float]:
    scale = template.duration / template.end
    assert template.sustain is not None
    return template.sustain.low * scale, template.sustain.high * scale


def _once(
    template: Template, frames: Float64[Array, f], seconds: float, tempo: float
) -> tuple[Float64[Array, f], bool]:
    """Template time of each frame for a motion that plays once, and whether all of it is in the film."""
    natural = template.duration / tempo
    if 1 / TEMPO_STRETCH <= seconds / natural <= TEMPO_STRETCH:
        return frames * (template.duration / seconds), True
    if template.sustain is None:
        factor = 1.0 if seconds > natural else 1 / TEMPO_STRETCH
        return np.minimum(frames * tempo / factor, template.duration), seconds >= natural / TEMPO_STRETCH - 1e-9
    start, stop = _sustain(template)
    sides = (template.duration - (stop - start)) / tempo
    middle = max(seconds - sides, SUSTAIN_SHARE * (stop - start) / tempo)
    squeeze = max(1.0, min(TEMPO_STRETCH, (sides + middle) / seconds))
    film = np.array([0, start / tempo, start / tempo + middle, sides + middle]) / squeeze
    return _warp(frames, film, np.array([0, start, stop, template.duration])), film[-1] <= seconds + 1e-9


def _warp(t: Float64[Array, f], film: Float64[Array, 4], template: Float64[Array, 4]) -> Float64[Array, f]:
    """A smooth, rising map from film time to template time; it starts and ends at the tempo of its outer parts."""
    slopes = monotone_slopes(film, template)
    rates = np.diff(template) / np.diff(film)
    slopes[0], slopes[-1] = rates[0], rates[-1]
    t = np.clip(t, film[0], film[-1])
    k = np.clip(np.searchsorted(film, t, side="right") - 1, 0, 2)
    width = np.diff(film)[k]
    u = (t - film[k]) / width
    rise = np.diff(template)[k] * u**2 * (3 - 2 * u)
    mapped: Array = template[k] + rise + width * u * (1 - u) * (slopes[k] * (1 - u) - slopes[k + 1] * u)
    return mapped


def _looped(template: Template, frames: Float64[Array, f], seconds: float, tempo: float) -> Float64[Array, f]:
    """Template time of each frame for a loop; a whole number of rounds where the tempo allows it."""
    there_and_back = 2 if template.loop == "pingpong" else 1
    natural = there_and_back * template.duration / tempo
    rounds = max(1, round(seconds / natural))
    period = np.clip(seconds / rounds, natural / TEMPO_STRETCH, natural * TEMPO_STRETCH)
    phase = np.mod(frames, period) / period
    if template.loop == "pingpong":
        phase = 1 - np.abs(1 - 2 * phase)
    times: Array = np.clip(phase * template.duration, 0, template.duration)
    return times


def still_arrays(count: int) -> dict[str, Any]:
    """The arrays of a performance of ``count`` frames in which nothing moves."""
    return {
        "blendshapes": np.zeros((count, len(ARKIT_NAMES)), np.float32),
        "head": np.zeros((count, 6), np.float32),
        "gaze": np.zeros((count, 2), np.float32),
        "torso": np.zeros((count, 6), np.float32),
        "arms": np.zeros((count, 2, 4), np.float32),
        "breath": np.zeros(count, np.float32),
    }


def _arrays(template: Template, times: Float64[Array, f], seed: int) -> dict[str, Array]:
    arrays = still_arrays(len(times))
    scales = _take(template, seed)
    for name, curve in template.curves():
        channel = CHANNELS[name]
        values = _sample(curve, times, template) * scales[name]
        arrays[channel.array][(slice(None), *channel.index)] = np.clip(values, channel.low, channel.high)
    return arrays


def _take(template: Template, seed: int) -> dict[str, float]:
    return take_factors((name for name, _ in template.curves()), seed)


def take_factors(names: Iterable[str], seed: int) -> dict[str, float]:
    """A factor for each channel: both sides of a face or body get the same one, so that a take stays symmetric."""
    rng = np.random.default_rng(seed)
    bases = sorted({_base(name) for name in CHANNELS})
    drawn = dict(zip(bases, 1 + TAKE_VARIATION * rng.uniform(-1, 1, len(bases)), strict=True))
    return {name: float(drawn.get(_base(name), 1.0)) if seed else 1.0 for name in names}


def _base(name: str) -> str:
    return name.removesuffix("Left").removesuffix("Right").replace(".left.", ".").replace(".right.", ".")


def _sample(curve: Curve, t: Float64[Array, f], template: Template) -> Float64[Array, f]:
    """One channel at template times ``t``. Without a key at time 0 it starts at rest; a loop returns to its start."""
    times, values = [key.time for key in curve], [key.value for key in curve]
    eases: list[Ease] = [key.ease for key in curve]
    if times[0] > 0:
        times, values, eases = [0.0, *times], [0.0, *values], ["smooth", *eases]
    periodic = template.loop == "seamless"
    if periodic and times[-1] < template.duration:
        times, values, eases = [*times, template.duration], [*values, values[0]], [*eases, "smooth"]
    if periodic and len(times) == 2:
        periodic = False
    return interpolate(t, np.array(times), np.array(values, dtype=np.float64), tuple(eases), periodic)
