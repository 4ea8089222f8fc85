"""From what a model made, at its own size and rate, to the film.

Native frames are enlarged as they come, film frames are found between them, and where the film is to keep the photo's own
pixels they are composited onto the anchor. All of it streams: at any time there is one window of the film's frames, one
clip at the model's size, and two of its frames at the film's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights.backend import Made
from photoplay.generation.backends.open_weights.composite import Compositor
from photoplay.generation.backends.open_weights.native import NativePlan, clip_plan
from photoplay.generation.backends.open_weights.rate import Look, Retimer, moment
from photoplay.generation.backends.open_weights.sound import sample_of
from photoplay.generation.backends.open_weights.upscale import Enlarge, Fit, upscaler, upscaler_name
from photoplay.types import Anchor, Audio, Footage, Frames, MotionTrack, RenderPlan, Rgb, Scene


def finish(
    made: Iterator[Made],
    scene: Scene,
    tracks: Sequence[MotionTrack],
    plan: RenderPlan,
    native: NativePlan,
    keeps: bool,
) -> Iterator[Frames]:
    """Yields the film in windows of at most ``plan.window`` frames, ``plan.num_frames`` in all.

    ``keeps``: the photo's own pixels stand where the anchor trusts them. Frames carry their anchor where there are tracks,
    and the sound that the model made for them, if it did.

    Raises:
        UnavailableError, InputError: as :func:`photoplay.generation.backends.open_weights.upscale.upscaler`.
    """
    film = _Film(made, scene, tracks, plan, native)
    compositor = Compositor(scene, plan) if tracks and keeps else None
    anchors: Iterator[Anchor | None] = render(scene, tracks, plan) if tracks else _nothing(plan)
    start = 0
    for anchor in anchors:
        count = min(plan.window, plan.num_frames - start)
        rgb = np.empty((count, plan.height, plan.width, 3), np.uint8)
        for k in range(count):
            rgb[k] = film.frame(start + k, anchor, k)
            if compositor is not None and anchor is not None:
                rgb[k] = compositor.frame(rgb[k], anchor, k)
        yield Frames(rgb, plan.fps, start, anchor, film.sound(start, count))
        start += count


def chosen_upscaler(plan: RenderPlan) -> str:
    """The upscaler that the request names, empty for Lanczos."""
    return plan.sampling.upscaler


def enlarged_with(plan: RenderPlan, native: NativePlan) -> str:
    """What brings the model's frames to the film's size, for the recipe: a model's name, ``lanczos`` or ``none``."""
    return upscaler_name(chosen_upscaler(plan), fit_of(plan, native))


def fit_of(plan: RenderPlan, native: NativePlan) -> Fit:
    """What part of a native frame the film shows: both are crops of the photo."""
    own = clip_plan(replace(plan, footage=Footage()), native, native.spans[0]).crop
    x0, y0, x1, y1 = plan.crop
    wide, high = native.width / (own[2] - own[0]), native.height / (own[3] - own[1])
    box = ((x0 - own[0]) * wide, (y0 - own[1]) * high, (x1 - own[0]) * wide, (y1 - own[1]) * high)
    left, top, right, bottom = (round(side, 6) for side in box)
    within = (max(left, 0.0), max(top, 0.0), min(right, float(native.width)), min(bottom, float(native.height)))
    return Fit(within, plan.width, plan.height)


def _nothing(plan: RenderPlan) -> Iterator[None]:
    """As many windows without an anchor as the film has."""
    for _ in range(math.ceil(plan.num_frames / plan.window)):
        yield None


class _Film:
    """What was made, at the film's size and rate."""

    def __init__(
        self, made: Iterator[Made], scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, native: NativePlan
    ) -> None:
        self._plan, self._native = plan, native
        self._reel = _Reel(made, upscaler(chosen_upscaler(plan), fit_of(plan, native)), native.fps)
        self._retimer = Retimer(plan.width, plan.height)
        self._looks = _Looks(self._retimer.looks(scene, tracks, plan, native)) if tracks else None

    def frame(self, index: int, anchor: Anchor | None, k: int) -> Rgb:
        """Film frame ``index``, which is frame ``k`` of ``anchor``."""
        before, share = moment(index, self._plan, self._native)
        if not share:
            return self._reel.at(before)
        around = self._reel.at(before), self._reel.at(before + 1)
        if self._looks is None or anchor is None:
            return self._retimer.between(*around, share)
        looks = self._looks.at(before), self._looks.at(before + 1)
        return self._retimer.between(*around, share, self._retimer.look(anchor, k), looks)

    def sound(self, start: int, frames: int) -> Audio | None:
        """What is heard during ``frames`` film frames from ``start`` on, if the model made any sound."""
        rate = self._reel.rate
        if not rate:
            return None
        return self._reel.sound(*(sample_of(frame, self._plan.fps, rate) for frame in (start, start + frames)))


class _Reel:
    """The native frames at the film's size, in order; those before the one last asked for are forgotten."""

    def __init__(self, made: Iterator[Made], enlarge: Enlarge, fps: float) -> None:
        self._made, self._enlarge, self._fps = made, enlarge, fps
        self._clips: list[Made] = []
        self._ready: dict[int, Rgb] = {}
        self._heard: list[tuple[int, Audio]] = []
        self.rate = 0

    def at(self, index: int) -> Rgb:
        """Native frame ``index``, which is at most one before the latest that was asked for."""
        if index not in self._ready:
            self._ready = {at: frame for at, frame in self._ready.items() if at >= index - 1}
            clip = self._clip(index)
            self._ready[index] = self._enlarge(clip.rgb[index - clip.start])
        return self._ready[index]

    def _clip(self, index: int) -> Made:
        self._clips = [clip for clip in self._clips if clip.start + len(clip.rgb) > index - 1]
        while not self._clips or self._clips[-1].start + len(self._clips[-1].rgb) <= index:
            clip = next(self._made, None)
            if clip is None:
                raise ValueError("the model made fewer frames than it was to make")
            self._clips.append(clip)
            if clip.audio is not None:
                self.rate = clip.audio.rate
                self._heard.append((sample_of(clip.start, self._fps, self.rate), clip.audio))
        return next(clip for clip in self._clips if clip.start <= index < clip.start + len(clip.rgb))

    def sound(self, first: int, last: int) -> Audio:
        """The film's samples ``first`` to ``last``; silence where clips left gaps. Earlier ones are forgotten."""
        samples = np.zeros(last - first, np.float32)
        for begin, audio in self._heard:
            low, high = max(begin, first), min(begin + len(audio.samples), last)
            if high > low:
                samples[low - first : high - first] = audio.samples[low - begin : high - begin]
        self._heard = [(begin, audio) for begin, audio in self._heard if begin + len(audio.samples) > last]
        return Audio(samples, self.rate, hashlib.sha256(samples.tobytes()).hexdigest())


class _Looks:
    """The native moments in order, of which the last few are kept."""

    def __init__(self, looks: Iterator[Look]) -> None:
        self._looks, self._next = looks, 0
        self._kept: dict[int, Look] = {}

    def at(self, index: int) -> Look:
        while self._next <= index:
            look = next(self._looks)
            self._kept[self._next] = look
            self._kept.pop(self._next - 2, None)
            self._next += 1
        return self._kept[index]
