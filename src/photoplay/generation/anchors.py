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
from jaxtyping import Float32, UInt8

from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.face_layers import FaceLayers
from photoplay.generation.layers import FAR, NEAR, Layer
from photoplay.generation.limb_cut import cut_arm
from photoplay.generation.limbs import SIDES, Arm
from photoplay.generation.matting import edge_softness, firm_matte
from photoplay.generation.mesh import face_height, smoothstep
from photoplay.generation.person import FramedTrack, person_layer
from photoplay.generation.plate import background_plate, premultiplied
from photoplay.generation.source import Framing, build_source, frame_scene, source_of
from photoplay.types import (
    Anchor,
    Array,
    Label,
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
LARGEST = 1600
"""Longer side in pixels at which the cut line is drawn at most."""
UNSEEN = 90
"""Confidence of background that no photo shows."""


@dataclass(frozen=True)
class Person:
    """One moving person, ready to be painted from back to front."""

    track: MotionTrack
    framed: FramedTrack
    behind: tuple[Layer, ...]
    body: Layer
    face: FaceLayers
    before: tuple[Layer, ...]

    def paint(self, buffers: FrameBuffers, photo: Rgb, still: Float32[Array, "h w"], frame: int) -> None:
        """Paints arms behind the torso, the body, the face's layers, and arms before it."""
        for layer in (*self.behind, self.body):
            layer.paint(buffers, photo, still, frame)
        at = self.framed.at(frame)
        self.face.paint(buffers, self.framed.landmarks[at], self.track.blendshapes[at], self.track.gaze[at])
        for layer in self.before:
            layer.paint(buffers, photo, still, frame)


@dataclass(frozen=True)
class Stage:
    """A scene prepared for rendering: the framed photo, the empty background, the people on it (far to near).

    ``touched`` holds for each cut-out arm where the photo cannot stand once the arm moves.
    """

    framing: Framing
    plate: Rgb
    plate_trust: Mask
    people: tuple[Person, ...]
    touched: tuple[tuple[Layer, Float32[Array, "h w"]], ...]

    def paint(self, buffers: FrameBuffers, frame: int) -> None:
        """Paints one frame into ``buffers``; whatever was there is overwritten."""
        buffers.rgb[:] = self.plate
        buffers.confidence[:] = self.plate_trust
        buffers.labels[:] = int(Label.BACKGROUND)
        buffers.flow[:] = 0
        buffers.depth[:] = np.inf
        buffers.identity[:] = 0
        still: Float32[Array, "h w"] = np.ones(self.plate_trust.shape, np.float32)
        for layer, where in self.touched:
            travel = np.abs(layer.motion.pose(frame) - layer.motion.rest)[:, :2]
            still = np.minimum(still, 1 - where * smoothstep(NEAR, FAR, travel).max())
        for person in self.people:
            person.paint(buffers, self.framing.framed, still, frame)


def set_stage(scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan) -> Stage:
    """Cuts the moving people out of the photo and fills in what is behind them."""
    framing = frame_scene(scene, plan)
    mattes = {track.subject: _cut_line(scene, track) for track in tracks}
    moving = np.zeros_like(scene.matte)
    for matte in mattes.values():
        moving = np.maximum(moving, matte)
    middle = np.ascontiguousarray(framing.sample(moving, 1)[framing.inside])
    plate = background_plate(framing.framed, middle, max(3, round(max(plan.width, plan.height) / 160)))
    trust = np.where((plate != framing.framed).any(-1), UNSEEN, 255).astype(np.uint8)
    source = source_of(framing, scene.matte)
    people, touched = [], []
    for track in sorted(tracks, key=lambda track: face_height(track.rest_landmarks)):
        person, marks = _person(framing, source, plate, mattes[track.subject], track)
        people.append(person)
        touched += marks
    return Stage(framing, plate, trust, tuple(people), tuple(touched))


def _person(
    framing: Framing, source: Source, plate: Rgb, matte: UInt8[Array, "ph pw"], track: MotionTrack
) -> tuple[Person, list[tuple[Layer, Float32[Array, "h w"]]]]:
    """Cuts out one person, arms apart where they move."""
    framed = FramedTrack.of(track, framing)
    alpha = framing.sample(matte, framing.factor)
    behind = cv2.copyMakeBorder(plate, *(framing.margin,) * 4, cv2.BORDER_REFLECT_101)
    texture = premultiplied(
        framing.texture, alpha, cv2.resize(behind, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    )
    arms: dict[bool, list[Layer]] = {False: [], True: []}
    touched = []
    for arm in (Arm.of(framed, side) for side in SIDES):
        if arm.moves(framed):
            cut = cut_arm(framing, texture, behind, arm, framed)
            texture = cut.remains
            arms[arm.in_front()].append(cut.layer)
            touched.append((cut.layer, cut.touched))
    body = person_layer(framing, texture, framed)
    face = FaceLayers.build(source, framed.rest, track.rest_blendshapes)
    return Person(track, framed, tuple(arms[False]), body, face, tuple(arms[True])), touched


def _cut_line(scene: Scene, track: MotionTrack) -> Mask:
    height, centre = face_height(track.rest_landmarks), track.rest_landmarks[:, :2].mean(0)
    matte = subject_matte(scene, track.subject)
    full = matte.shape[::-1]
    scale = min(1.0, LARGEST / max(full))
    if scale < 1:
        matte = cv2.resize(matte, (round(full[0] * scale), round(full[1] * scale)), interpolation=cv2.INTER_AREA)
    firm = firm_matte(matte, edge_softness(matte.shape, centre * np.float32(scale), height * scale))
    return firm if scale == 1 else np.asarray(cv2.resize(firm, full, interpolation=cv2.INTER_LINEAR), np.uint8)


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
    return np.asarray(np.rint(scene.matte * mine), np.uint8)


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
        np.empty(shape, np.uint8),
    )


def _paint_into(stage: Stage, window: Anchor, start: int, index: int) -> None:
    """Paints frame ``start + index`` into place ``index`` of ``window``."""
    shape = window.confidence.shape[1:]
    flow, depth = np.empty((*shape, 2), np.float32), np.empty(shape, np.float32)
    identity = np.empty(shape, np.uint8) if window.identity is None else window.identity[index]
    buffers = FrameBuffers(window.rgb[index], window.confidence[index], window.labels[index], flow, depth, identity)
    stage.paint(buffers, start + index)
    window.flow[index] = cv2.convertFp16(flow).view(np.float16)
    window.depth[index] = cv2.convertFp16(depth).view(np.float16)
