"""Anchor frames: the photo's own pixels, moved.

Each frame is painted from back to front: a background plate that stands still, then every moving person as a layer whose
mesh follows the track. People without a track stay part of the plate. Two people who share a :class:`Duet` are painted in
the order that it gives (``stacking``), everybody else from far to near.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.buffers import FrameBuffers
from photoplay.generation.mesh import face_height
from photoplay.generation.people import (
    Person,
    before_others,
    cut_lines,
    cut_person,
    cut_texture,
    doubted,
    own_texture,
    shown_at_rest,
    subject_matte,
)
from photoplay.generation.plate import background_plate
from photoplay.generation.source import (
    MARGIN,
    Framing,
    build_source,
    frame_photo,
    frame_picture,
    frame_scene,
    source_of,
    whole_source,
)
from photoplay.generation.stacking import PairPainter, Stacking
from photoplay.types import Anchor, Array, Duet, Mask, MotionTrack, Progress, RenderPlan, Rgb, Scene, StageEvent, silent

__all__ = ["Stage", "build_source", "render", "set_stage"]

WORKERS = 2
UNSEEN = 90
"""Confidence of background that no photo shows."""
RIM, PAIR_RIM = 160, 60
"""How far around people the background is a guess, as parts of the longer side: who walks off leaves hairs behind else."""
FARTHEST = 0.6
"""What is kept as texture beyond each border at most, in longer sides, however far somebody walks."""


@dataclass(frozen=True)
class Stage:
    """A scene prepared for rendering: the framed photo, the empty background, the people on it (far to near).

    ``pair`` paints two people who belong together; then ``people`` are in the duet's order.
    """

    framing: Framing
    plate: Rgb
    plate_trust: Mask
    people: tuple[Person, ...]
    pair: PairPainter | None = None

    def paint(self, buffers: FrameBuffers, frame: int) -> None:
        """Paints one frame into ``buffers``; whatever was there is overwritten."""
        if self.pair is not None:
            self.pair.paint(buffers, frame)
            return
        buffers.clear(self.plate, self.plate_trust)
        still: Float32[Array, "h w"] = np.ones(self.plate_trust.shape, np.float32)
        for person in self.people:
            still = person.limit(still, frame)
        for person in self.people:
            person.paint_body(buffers, self.framing.framed, still, frame)
            person.paint_arms(buffers, self.framing.framed, still, frame)


def set_stage(scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan) -> Stage:
    """Cuts the moving people out of the photo and fills in what is behind them."""
    pair = _pair_of(plan.duet, tracks)
    if plan.duet is not None and pair:
        return _pair_stage(scene, pair, plan, plan.duet)
    framing = frame_scene(scene, plan)
    mattes = cut_lines(scene, tracks)
    plate, trust = _plate(scene, framing, list(mattes.values()))
    source = source_of(framing, scene.matte)
    behind = cv2.copyMakeBorder(plate, *(framing.margin,) * 4, cv2.BORDER_REFLECT_101)
    people = []
    for track in sorted(tracks, key=lambda track: face_height(track.rest_landmarks)):
        texture = cut_texture(framing, behind, mattes[track.subject])
        people.append(cut_person(framing, source, behind, texture, track, scene.subjects[track.subject].face))
    return Stage(framing, plate, trust, tuple(people))


def _pair_of(duet: Duet | None, tracks: Sequence[MotionTrack]) -> tuple[MotionTrack, ...]:
    """The tracks of the duet's two people in its order; none where nobody or only one of them moves."""
    by_subject = {track.subject: track for track in tracks}
    if duet is None or set(by_subject) != set(duet.subjects):
        return ()
    return tuple(by_subject[subject] for subject in duet.subjects)


def _plate(
    scene: Scene, framing: Framing, mattes: Sequence[UInt8[Array, "ph pw"]], rim: int = RIM
) -> tuple[UInt8[Array, "fh fw 3"], UInt8[Array, "fh fw"]]:
    """The background at the film's size, and how sure it is: the scene's own, or the photo with the people filled in.

    So is a ``rim``-th of the longer side around them.
    """
    plan = framing.plan
    if scene.plate is not None:
        plate = frame_photo(scene.plate, plan)
        return plate, np.full(plate.shape[:2], 255, np.uint8)
    moving = np.zeros_like(scene.matte)
    for matte in mattes:
        moving = np.maximum(moving, matte)
    middle = np.ascontiguousarray(framing.sample(moving, 1)[framing.inside])
    plate = background_plate(framing.framed, middle, max(3, round(max(plan.width, plan.height) / rim)))
    return plate, np.where((plate != framing.framed).any(-1), UNSEEN, 255).astype(np.uint8)


def _pair_stage(scene: Scene, tracks: tuple[MotionTrack, ...], plan: RenderPlan, duet: Duet) -> Stage:
    """The stage of two people who may pass each other: each is cut from a picture of their own where there is one."""
    framing = frame_scene(scene, plan, reach=_reach(tracks, plan))
    cut_from_photo = [track for track in tracks if scene.subjects[track.subject].pixels is None]
    mattes = cut_lines(scene, cut_from_photo)
    plate, trust = _plate(scene, framing, list(mattes.values()), PAIR_RIM)
    behind = cv2.copyMakeBorder(plate, *(framing.margin,) * 4, cv2.BORDER_REFLECT_101)
    people, alone = [], []
    for track in tracks:
        subject = scene.subjects[track.subject]
        own, backdrop = framing, behind
        if subject.pixels is not None:
            own = frame_picture(subject.pixels, plan, framing.margin, framing.factor)
            matte = subject_matte(scene, track.subject)
            texture = own_texture(own, matte)
        else:
            matte = mattes[track.subject]
            backdrop = before_others(framing, behind, mattes, track.subject)
            texture = cut_texture(framing, backdrop, matte, walks=True)
        person = cut_person(own, whole_source(own, matte), backdrop, texture, track, subject.face)
        people.append(doubted(person, own, (scene.photo.width, scene.photo.height)))
        alone.append((own, matte))
    (first, second), ((ours, mine), (theirs, other)) = people, alone
    shown = None
    if not cut_from_photo:
        shown = shown_at_rest(framing.framed, (ours, theirs), (mine, other), duet.subjects)
    stacking = Stacking.of(duet, (first, second), plan.num_frames)
    return Stage(
        framing,
        plate,
        trust,
        (first, second),
        PairPainter(plate, trust, framing.framed, shown, (first, second), stacking),
    )


def _reach(tracks: Sequence[MotionTrack], plan: RenderPlan) -> float:
    """How far beyond the frame something may come in from, in longer sides: as far as anybody's body is carried."""
    farthest = 0.0
    for track in tracks:
        body = (track.joints - track.rest_joints)[:, [11, 12, 23, 24], :2]
        farthest = max(farthest, float(np.abs(body).max()))
    return min(max(MARGIN, MARGIN / 2 + farthest * plan.scale / max(plan.width, plan.height)), FARTHEST)


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
