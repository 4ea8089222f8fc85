"""What a model can make, beside what the film shall be: sizes, rates and lengths of its own, and the clips in between.

A film of the plan's size and rate is made at the model's *native* size and rate, in clips that overlap, and brought back by
:mod:`photoplay.generation.backends.open_weights.output`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from photoplay.types import Anchor, Array, Duet, MotionTrack, RenderPlan, RgbStack, Scene

PER_FRAME = ("landmarks", "head_transform", "head_pose", "blendshapes", "gaze", "joints", "breath")
"""The fields of a MotionTrack that hold one row a frame."""


@dataclass(frozen=True)
class Grid:
    """Sizes and lengths that a model takes.

    ``multiple``: both sides of its pictures are multiples of it. ``frame_step`` q: a clip has q k + 1 frames, at most
    ``max_frames``. ``fps`` is the rate it was trained at. ``area`` and ``least_area`` are the pixels of a frame that it was
    trained on at most and at least. ``overlap`` is how many frames of a clip the next one is told, itself q k + 1.
    """

    multiple: int = 16
    frame_step: int = 4
    max_frames: int = 81
    fps: float = 16.0
    area: int = 832 * 480
    least_area: int = 0
    overlap: int = 5

    def __post_init__(self) -> None:
        for name, frames in (("max_frames", self.max_frames), ("overlap", self.overlap)):
            if (frames - 1) % self.frame_step:
                raise ValueError(f"{name} is not a multiple of {self.frame_step} and one more")
        if self.overlap >= self.max_frames:
            raise ValueError("a clip is no longer than its overlap")

    def frames(self, wanted: int) -> int:
        """The shortest clip that holds ``wanted`` frames, were there no longest."""
        return 1 + self.frame_step * math.ceil((max(wanted, 1) - 1) / self.frame_step)


@dataclass(frozen=True)
class Span:
    """A clip: native frames ``start`` to ``start + frames``, of which the first ``known`` were made by the clip before."""

    start: int
    frames: int
    known: int = 0


@dataclass(frozen=True)
class NativePlan:
    """The film as the model makes it; ``spans`` cover ``num_frames`` and perhaps a few more."""

    width: int
    height: int
    fps: float
    num_frames: int
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class ClipInputs:
    """What a clip is made from, all of it at native size and rate; frame 0 is the clip's first.

    ``plan`` has the clip's length and the film's crop, ``film`` is the film's own plan. ``anchor`` is None where no photo
    is moved (no tracks). ``known`` [k, h, w, 3] are the frames that the clip before made.
    """

    scene: Scene
    tracks: tuple[MotionTrack, ...]
    plan: RenderPlan
    film: RenderPlan
    span: Span
    anchor: Anchor | None
    known: RgbStack


def plan_native(plan: RenderPlan, grid: Grid) -> NativePlan:
    """The model's own plan for a film: its shape as near as the grid allows, no larger than the film unless it must."""
    wanted = plan.width * plan.height
    scale = math.sqrt(min(grid.area, max(wanted, grid.least_area)) / wanted)
    width, height = (max(1, round(side * scale / grid.multiple)) * grid.multiple for side in (plan.width, plan.height))
    frames = 1 + math.ceil((plan.num_frames - 1) * grid.fps / plan.fps - 1e-6)
    return NativePlan(width, height, grid.fps, frames, tuple(_spans(frames, grid)))


def _spans(frames: int, grid: Grid) -> list[Span]:
    """As few clips as will do, of about the same length, each told the end of the one before.

    A short rest would be a clip with next to nothing of its own.
    """
    fresh = grid.max_frames - grid.overlap
    count = max(1, math.ceil((frames - grid.overlap) / fresh))
    length = min(grid.max_frames, grid.frames(math.ceil((frames + (count - 1) * grid.overlap) / count)))
    starts = [k * (length - grid.overlap) for k in range(count)]
    return [Span(start, length, grid.overlap if start else 0) for start in starts]


def resample(track: MotionTrack, fps: float, start: int, frames: int) -> MotionTrack:
    """``frames`` rows of a track at another rate, from that rate's frame ``start`` on; past its end the last row holds.

    Rows are interpolated linearly: half a frame apart, a head transform's rotation is off by less than 0.01 degrees.
    """
    at = (start + np.arange(frames)) * track.fps / fps
    sampled: dict[str, Any] = {name: _rows(getattr(track, name), at) for name in PER_FRAME}
    return replace(track, fps=fps, **sampled)


def resample_duet(duet: Duet | None, film_fps: float, fps: float, start: int, frames: int) -> Duet | None:
    """The same for what joins two tracks of ``film_fps``; phases that began before ``start`` begin with it."""
    if duet is None:
        return None
    at = (start + np.arange(frames)) * film_fps / fps
    contacts = []
    for met in duet.contacts:
        where, gap, strength = (_rows(values, at) for values in (met.where, met.gap, met.strength))
        contacts.append(replace(met, where=where, gap=gap, strength=strength))
    return replace(
        duet,
        front=_rows(duet.front, at),
        arms_before=_rows(duet.arms_before, at),
        contacts=tuple(contacts),
        phases=tuple((name, max(0, round(first * fps / film_fps) - start)) for name, first in duet.phases),
    )


def nearest_frames(video: Array, fps: float, native_fps: float, start: int, frames: int) -> Array:
    """The pictures (or masks) of ``video`` nearest in time to the native frames; past its end the last one holds."""
    at = np.rint((start + np.arange(frames)) * fps / native_fps).astype(int)
    picked: Array = video[np.clip(at, 0, len(video) - 1)]
    return picked


def scaled(frames: Array, width: int, height: int, mask: bool = False) -> Array:
    """Frames [f, h, w, c] or masks [f, h, w] at another size: areas averaged when smaller; masks stay 0 or 255."""
    if frames.shape[1:3] == (height, width):
        return frames
    how = cv2.INTER_AREA if frames.shape[1] > height else cv2.INTER_LANCZOS4
    sized = np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in frames])
    return np.where(sized > 0, 255, 0).astype(np.uint8) if mask else sized


def clip_plan(film: RenderPlan, native: NativePlan, span: Span) -> RenderPlan:
    """The film's plan for one clip alone, footage included."""
    footage = film.footage
    if footage.last is not None:
        footage = replace(footage, last=scaled(footage.last[None], native.width, native.height)[0])
    clips: dict[str, Any] = {}
    for name in ("video", "repair"):
        if (frames := getattr(footage, name)) is not None:
            picked = nearest_frames(frames, film.fps, native.fps, span.start, span.frames)
            clips[name] = scaled(picked, native.width, native.height, mask=name == "repair")
    footage = replace(footage, **clips)
    return replace(
        film,
        width=native.width,
        height=native.height,
        fps=native.fps,
        num_frames=span.frames,
        footage=footage,
        duet=resample_duet(film.duet, film.fps, native.fps, span.start, span.frames),
    )


def joined(windows: Sequence[Anchor]) -> Anchor:
    """Consecutive anchor windows as one."""
    columns: Iterable[list[Any]] = ([getattr(one, field.name) for one in windows] for field in fields(Anchor))
    held: list[Any] = [None if any(part is None for part in parts) else np.concatenate(parts) for parts in columns]
    return Anchor(*held)


def seams(native: NativePlan) -> list[int]:
    """Native frames at which a new clip's own frames begin."""
    return [after.start + after.known for _, after in pairwise(native.spans)]


def _rows(values: Array, at: Array) -> Array:
    """Rows of ``values`` at the places ``at``, which may lie between two of them or beyond the last."""
    last = len(values) - 1
    at = np.clip(at, 0, last)
    before = np.minimum(at.astype(int), last)
    after, share = np.minimum(before + 1, last), (at - before).astype(np.float32)
    weight = share.reshape(-1, *[1] * (values.ndim - 1))
    mixed: Array = (values[before] * (1 - weight) + values[after] * weight).astype(np.float32)
    return mixed
