"""Frames at another rate than the model made them: a film frame between two native ones, by where its points move.

Each pixel of the new frame is looked up in both neighbours at the places where the same point stands, and the two are
blended by time; where only one of them shows it, that one is taken alone. There are two ways to know the places:

    tracks   the anchor's flow leads from a pixel to the photo, at any moment of the film, so the same surface point is
             found in both neighbours, whatever covers it being told by depth; exact where the model did as it was told
    sight    DIS optical flow (Kroeger et al. 2016, https://arxiv.org/abs/1603.03590) between the neighbours, both ways,
             with a test of there and back; always there

Where there are tracks both are tried, and each pixel is given to the way on which its two neighbours look alike; the
tracks win a draw. Frames whose times coincide with a native frame are that frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights import rate_kernels
from photoplay.generation.backends.open_weights.native import NativePlan, resample, resample_duet
from photoplay.types import Anchor, Array, MotionTrack, RenderPlan, Rgb, Scene

SIDE = 640
"""Longer side in pixels of the grid on which motion is known, at most."""
EXACT = 1e-3
"""Shares of a native frame's time that count as its very time."""
SLACK = 0.04
"""Depth in longer sides by which a surface may move between two frames and still be the same."""
NEAR = 0.03
"""How far a first guess of the motion reaches, in longer sides."""
MARGIN, DECIDED = 3.0, 3.0
"""Grey levels by which sight must look better than the tracks to be heard, and over which it takes over."""
LOST, LITTLE = 12.0, 0.03
"""Grey levels that sight is taken to be off by where it lost a point, and the weight of that beside what it sees."""
CUT = 24.0
"""Mean difference in grey levels, motion taken out, over which two frames show different things."""
ALIKE = 0.008
"""Size of the surroundings in which both ways are compared, in longer sides."""


@dataclass(frozen=True)
class Look:
    """One moment on the grid: ``flow`` [r, c, 2] to the photo in grid pixels and ``depth`` [r, c] in the same unit."""

    flow: Float32[Array, "r c 2"]
    depth: Float32[Array, "r c"]


def moment(index: int, plan: RenderPlan, native: NativePlan) -> tuple[int, float]:
    """The native frame before (or at) film frame ``index``, and how far on towards the next one, 0 where it is the same."""
    at = min(index * native.fps / plan.fps, native.num_frames - 1.0)
    before = round(at)
    if abs(at - before) >= EXACT:
        before = int(at)
        return before, at - before
    return before, 0.0


class Retimer:
    """Makes the frames in between for a film of ``width`` x ``height`` pixels."""

    def __init__(self, width: int, height: int) -> None:
        shrink = max(1.0, max(width, height) / SIDE)
        self.columns, self.rows = max(16, round(width / shrink)), max(16, round(height / shrink))
        self._across = np.array([self.columns / width, self.rows / height], np.float32)
        self._side = max(self.columns, self.rows)
        self._dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def looks(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, native: NativePlan
    ) -> Iterator[Look]:
        """The native frames' moments, one after the other."""
        coarse = replace(
            plan,
            width=self.columns,
            height=self.rows,
            fps=native.fps,
            num_frames=native.num_frames,
            duet=resample_duet(plan.duet, plan.fps, native.fps, 0, native.num_frames),
        )
        moved = [resample(track, native.fps, 0, native.num_frames) for track in tracks]
        for window in render(scene, moved, coarse):
            for flow, depth in zip(window.flow, window.depth, strict=True):
                yield Look(flow.astype(np.float32), depth.astype(np.float32))

    def look(self, anchor: Anchor, index: int) -> Look:
        """Frame ``index`` of a film-size anchor on the grid."""
        size = (self.columns, self.rows)
        flow, depth = anchor.flow[index].astype(np.float32), anchor.depth[index].astype(np.float32)
        flow, depth = (cv2.resize(field, size, interpolation=cv2.INTER_NEAREST_EXACT) for field in (flow, depth))
        return Look(flow * self._across, depth * self._across[0])

    def between(
        self, before: Rgb, after: Rgb, share: float, now: Look | None = None, looks: tuple[Look, Look] | None = None
    ) -> Rgb:
        """The frame at ``share`` (0..1) of the way from ``before`` to ``after``; across a cut, the nearer one of the two.

        With tracks, ``now`` is the anchor of that very moment and ``looks`` those of the two frames.
        """
        if share == 0:
            return before
        first, second = self._small(before), self._small(after)
        ways = [self._seen(first, second, share)]
        if float(_apart(first, second, ways[0]).mean()) > CUT:
            return before if share < 0.5 else after
        choice = [np.ones((self.rows, self.columns), np.float32)]
        if now is not None and looks is not None:
            ways.append(self._tracked(now, looks))
            choice = self._choose(first, second, *ways)
        out = np.empty_like(before)
        rate_kernels.mix(before, after, share, np.stack(ways), np.stack(choice), out)
        return out

    def _small(self, picture: Rgb) -> UInt8[Array, "r c"]:
        small = cv2.resize(picture, (self.columns, self.rows), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)

    def _seen(self, first: UInt8[Array, "r c"], second: UInt8[Array, "r c"], share: float) -> Float32[Array, "r c 6"]:
        there, back = self._dis.calc(first, second, None), self._dis.calc(second, first, None)
        way = np.empty((self.rows, self.columns, 6), np.float32)
        rate_kernels.by_sight(there, back, share, way)
        return way

    def _tracked(self, now: Look, looks: tuple[Look, Look]) -> Float32[Array, "r c 6"]:
        way = np.empty((self.rows, self.columns, 6), np.float32)
        for which, then in enumerate(looks):
            guess = self._guess(now, then)
            rate_kernels.through_photo(
                now.flow, now.depth, then.flow, then.depth, guess, SLACK * self._side, way, which
            )
        return way

    def _guess(self, now: Look, then: Look) -> Float32[Array, "r c 2"]:
        """The shift of what moves, from where both moments show something before the background."""
        both = (np.isfinite(now.depth) & np.isfinite(then.depth)).astype(np.float32)
        coarse = (max(2, self.columns // 4), max(2, self.rows // 4))
        shift, weight = (
            cv2.resize(part, coarse, interpolation=cv2.INTER_AREA)
            for part in ((now.flow - then.flow) * both[..., None], both)
        )
        shift, weight = (cv2.GaussianBlur(part, (0, 0), NEAR * self._side / 4) for part in (shift, weight))
        spread = cv2.resize(shift / np.maximum(weight, 1e-3)[..., None], (self.columns, self.rows))
        guess: Array = spread * np.isfinite(now.depth)[..., None].astype(np.float32)
        return guess

    def _choose(
        self,
        first: UInt8[Array, "r c"],
        second: UInt8[Array, "r c"],
        seen: Float32[Array, "r c 6"],
        tracked: Float32[Array, "r c 6"],
    ) -> list[Float32[Array, "r c"]]:
        """How far each pixel is given to sight and to the tracks."""
        better = self._unlike(first, second, tracked, 0.0) - self._unlike(first, second, seen, LOST)
        sight = np.clip((better - MARGIN) / DECIDED, 0, 1).astype(np.float32)
        return [sight, 1 - sight]

    def _unlike(
        self, first: UInt8[Array, "r c"], second: UInt8[Array, "r c"], way: Float32[Array, "r c 6"], lost: float
    ) -> Float32[Array, "r c"]:
        """How much the two places of a way differ around each pixel, in grey levels, where both show it; ``lost`` where
        they do not."""
        both = way[..., 4] * way[..., 5]
        reach = max(1.0, ALIKE * self._side)
        apart = cv2.GaussianBlur(_apart(first, second, way) * both, (0, 0), reach)
        weight = cv2.GaussianBlur(both, (0, 0), reach)
        return np.asarray((apart + LITTLE * lost) / (weight + LITTLE), np.float32)


def _apart(
    first: UInt8[Array, "r c"], second: UInt8[Array, "r c"], way: Float32[Array, "r c 6"]
) -> Float32[Array, "r c"]:
    """The difference between the two places of a way."""
    y, x = np.mgrid[: len(first), : first.shape[1]].astype(np.float32)
    one, other = (
        cv2.remap(picture, x + way[..., k], y + way[..., k + 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for picture, k in ((first, 0), (second, 2))
    )
    return np.asarray(cv2.absdiff(one, other), np.float32)
