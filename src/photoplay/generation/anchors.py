"""Anchor frames: the photo's own pixels, moved.

Each frame is painted from back to front: a background plate that stands still, then every moving person as a layer whose
mesh follows the track. People without a track stay part of the plate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.generation.buffers import FrameBuffers
from photoplay.generation.layers import FramedTrack, PersonLayer
from photoplay.generation.mesh import face_height
from photoplay.generation.plate import background_plate
from photoplay.generation.source import Framing, build_source, frame_scene
from photoplay.types import (
    Anchor,
    Array,
    Mask,
    MotionTrack,
    Progress,
    RenderPlan,
    Rgb,
    Scene,
    StageEvent,
    silent,
)

__all__ = ["Stage", "build_source", "render", "set_stage"]

WORKERS = 2


@dataclass(frozen=True)
class Stage:
    """A scene prepared for rendering: the framed photo, the empty background, the people on it (far to near)."""

    framing: Framing
    plate: Rgb
    plate_trust: Mask
    layers: tuple[PersonLayer, ...]

    def paint(self, buffers: FrameBuffers, frame: int) -> None:
        """Paints one frame into ``buffers``; whatever was there is overwritten."""
        buffers.rgb[:] = self.plate
        buffers.confidence[:] = self.plate_trust
        buffers.labels[:] = 0
        buffers.flow[:] = 0
        buffers.depth[:] = np.inf
        still: Float32[Array, "h w"] = np.ones(self.plate_trust.shape, np.float32)
        for layer in self.layers:
            layer.paint(buffers, self.framing.framed, still, frame)


def set_stage(scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan) -> Stage:
    """Cuts the moving people out of the photo and fills in what is behind them."""
    framing = frame_scene(scene, plan)
    mattes = {track.subject: subject_matte(scene, track.subject) for track in tracks}
    moving = np.zeros_like(scene.matte)
    for matte in mattes.values():
        moving = np.maximum(moving, matte)
    framed_matte = framing.sample(moving, 1)
    middle = framed_matte[framing.margin : -framing.margin, framing.margin : -framing.margin]
    plate = background_plate(framing.framed, middle, max(3, round(max(plan.width, plan.height) / 160)))
    trust = np.where((plate != framing.framed).any(-1), 90, 255).astype(np.uint8)
    layers = []
    for track in sorted(tracks, key=lambda track: face_height(track.rest_landmarks)):
        alpha = framing.sample(mattes[track.subject], framing.factor)
        layers.append(PersonLayer.of(framing, plate, alpha, FramedTrack.of(track, framing)))
    return Stage(framing, plate, trust, tuple(layers))


def subject_matte(scene: Scene, subject: int) -> Mask:
    """The matte of one subject: its own, or the part of the scene's that is nearest to its face."""
    own = scene.subjects[subject].matte
    if own is not None:
        return own
    if len(scene.subjects) == 1:
        return scene.matte
    height, width = scene.matte.shape
    y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float32)
    nearest = []
    for person in scene.subjects:
        x0, y0, x1, y1 = person.face.box
        size = max(x1 - x0, y1 - y0, 1.0)
        nearest.append(np.hypot((x - (x0 + x1) / 2) / size, (y - (y0 + y1) / 2) / size / 2))
    mine = (np.argmin(nearest, axis=0) == subject).astype(np.float32)
    mine = cv2.resize(cv2.GaussianBlur(mine, (0, 0), 1.0), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.rint(scene.matte * mine).astype(np.uint8)


def render(
    scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
) -> Iterator[Anchor]:
    """Yields the anchor frames in windows of at most ``plan.window`` frames, ``plan.num_frames`` in all.

    Frames beyond a track's end repeat its last one. Only one window is held in memory at a time.
    """
    stage = set_stage(scene, tracks, plan)
    done = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, plan.num_frames, plan.window):
            count = min(plan.window, plan.num_frames - start)
            window = _empty_window(count, plan)
            for _ in pool.map(lambda k, w=window, s=start: _paint_into(stage, w, s, k), range(count)):
                done += 1
                progress(StageEvent("generate", done, plan.num_frames))
            yield window


def _empty_window(count: int, plan: RenderPlan) -> Anchor:
    shape = (count, plan.height, plan.width)
    return Anchor(
        np.empty((*shape, 3), np.uint8),
        np.empty(shape, np.uint8),
        np.empty(shape, np.uint8),
        np.empty((*shape, 2), np.float16),
        np.empty(shape, np.float16),
    )


def _paint_into(stage: Stage, window: Anchor, start: int, index: int) -> None:
    """Paints frame ``start + index`` into place ``index`` of ``window``."""
    shape = window.confidence.shape[1:]
    flow, depth = np.empty((*shape, 2), np.float32), np.empty(shape, np.float32)
    buffers = FrameBuffers(window.rgb[index], window.confidence[index], window.labels[index], flow, depth)
    stage.paint(buffers, start + index)
    window.flow[index] = flow
    window.depth[index] = depth
