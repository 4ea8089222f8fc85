"""Who lies over whom when two people share a frame.

A frame in which the order is settled is painted once. While it changes, the frame is painted in both orders and each pixel
shows one of them: as if both were rounded bodies that pass through each other, the seam wanders from one outline to the
other, at phi = d1 / (d1 + d2) = t, where d is how deep a pixel lies inside either outline. Nothing is cross-faded but the
seam's own edge, and a face changes hands as a whole, in the frame of the change in which the two heads overlap least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.generation.buffers import FrameBuffers
from photoplay.generation.layers import FAR, NEAR
from photoplay.generation.mesh import face_height, smoothstep
from photoplay.generation.people import Person
from photoplay.generation.person import FramedTrack
from photoplay.types import Array, Duet, Mask, Rgb

SEAM = 1.5
"""Width in pixels of the edge between two people while their order changes."""
ROUND = 0.35
"""How far around a face the order still follows the face's own, in face heights."""
SETTLED = 1e-3
"""Below it, and above 1 less it, an order has changed."""
HEAD = 0.75
"""Radius of a head with its hair, in face heights."""
LOOK = 0.2
"""What a degree of gaze counts as motion, in pixels."""
CHEST = 0.02
"""What a full breath counts as motion, in shoulder widths."""


@dataclass(frozen=True)
class Order:
    """One way to paint: ``front`` is the person before the other, ``reaching`` the one behind with the arms before both."""

    front: int
    reaching: bool


@dataclass(frozen=True)
class Stacking:
    """The order of two people over a film; ``front`` [f] and ``arms`` [f, 2] as :class:`photoplay.types.Duet` has them.

    ``faces`` [f] is whose face lies before, ``rest`` [f] how far a frame is the photo itself (1: nobody moves).
    """

    front: Float32[Array, f]
    arms: Float32[Array, "f 2"]
    faces: Int32[Array, f]
    rest: Float32[Array, f]

    @classmethod
    def of(cls, duet: Duet, people: tuple[Person, Person], frames: int) -> Stacking:
        """Reads the duet for ``frames`` frames; beyond its end its last one holds."""
        at = np.minimum(np.arange(frames), len(duet.front) - 1)
        front, arms = np.clip(duet.front[at], 0, 1), np.clip(duet.arms_before[at], 0, 1)
        overlap = _overlap(people[0].framed, people[1].framed, frames)
        still = np.minimum(*(_stillness(person, frames) for person in people))
        return cls(
            front.astype(np.float32), arms.astype(np.float32), changing_hands(front, overlap), still.astype(np.float32)
        )

    def orders(self, frame: int) -> list[list[Order]]:
        """The orders that ``frame`` shows something of: those with the first person before, then with the second."""
        return [
            [Order(who, bool(reaching)) for reaching in _ends(float(self.arms[frame, 1 - who]))]
            for who in _ends(float(self.front[frame]))
        ]


def _ends(t: float) -> tuple[int, ...]:
    """Which of 0 and 1 a share of ``t`` between them shows something of."""
    return (0,) if t <= SETTLED else (1,) if t >= 1 - SETTLED else (0, 1)


def changing_hands(front: Float32[Array, f], overlap: Float32[Array, f]) -> Int32[Array, f]:
    """Whose face lies before in each frame: within a change of ``front`` it changes where ``overlap`` is least."""
    faces = np.rint(front).astype(np.int32)
    moving = (front > SETTLED) & (front < 1 - SETTLED)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], moving, [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        before = faces[start - 1] if start else faces[start]
        after = faces[end] if end < len(front) else faces[end - 1]
        change = start
        if before != after:
            cost = overlap[start:end] + 0.01 * np.abs(front[start:end] - 0.5)
            change = start + int(np.argmin(cost))
        faces[start:change], faces[change:end] = before, after
    return faces


def _overlap(first: FramedTrack, second: FramedTrack, frames: int) -> Float32[Array, f]:
    """How far the two heads cover each other, 0 (apart) .. 1, in each of ``frames`` frames."""
    reach = HEAD * (face_height(first.rest) + face_height(second.rest))
    middles = [
        track.landmarks[np.minimum(np.arange(frames), len(track.landmarks) - 1), :468, :2].mean(1)
        for track in (first, second)
    ]
    apart = np.linalg.norm(middles[0] - middles[1], axis=1)
    overlap: Array = np.clip(1 - apart / reach, 0, 1).astype(np.float32)
    return overlap


def _stillness(person: Person, frames: int) -> Float32[Array, f]:
    """How far ``person`` stands as in the photo in each frame."""
    track = person.framed
    shoulders = float(np.linalg.norm(track.rest_joints[11, :2] - track.rest_joints[12, :2]))
    travel = np.maximum.reduce(
        [
            np.abs(track.landmarks - track.rest).max((1, 2)),
            np.abs(track.joints - track.rest_joints)[..., :2].max((1, 2)),
            np.abs(person.track.gaze).max(1) * LOOK,
            np.abs(track.breath) * CHEST * shoulders,
        ]
    )
    at = np.minimum(np.arange(frames), len(travel) - 1)
    return np.asarray(1 - smoothstep(NEAR, FAR, travel[at]), np.float32)


@dataclass(frozen=True)
class PairPainter:
    """Two people before a plate; ``photo`` is the framed photo, which a film at rest shows, and ``shown`` who is where in it
    (None: as the layers have it)."""

    plate: Rgb
    trust: Mask
    photo: Rgb
    shown: Mask | None
    people: tuple[Person, Person]
    stacking: Stacking

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the film."""
        return self.trust.shape[1], self.trust.shape[0]

    def paint(self, buffers: FrameBuffers, frame: int) -> None:
        """Paints one frame into ``buffers``; whatever was there is overwritten."""
        painted: list[FrameBuffers] = []
        for group in self.stacking.orders(frame):
            image = self._ordered(group[0], frame, FrameBuffers.empty(*self.size) if painted else buffers)
            for other in group[1:]:
                t = float(self.stacking.arms[frame, 1 - other.front])
                self._change(image, self._ordered(other, frame, FrameBuffers.empty(*self.size)), t, round(t), frame)
            painted.append(image)
        if len(painted) == 2:
            self._change(
                painted[0], painted[1], float(self.stacking.front[frame]), int(self.stacking.faces[frame]), frame
            )
        rest = float(self.stacking.rest[frame])
        if rest > 0:
            self._rest(buffers, rest)

    def _rest(self, buffers: FrameBuffers, share: float) -> None:
        """Lets the photo stand as far as ``share`` says, but not where the film has another order than the photo."""
        differ: Array = np.zeros(self.trust.shape, np.uint8)
        if self.shown is not None:
            differ = (buffers.identity != self.shown).astype(np.uint8)
            differ = cv2.morphologyEx(differ, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))  # outlines differ by a hair
            differ = cv2.dilate(differ, np.ones((9, 9), np.uint8))
        if differ.any():
            weight = share * (1 - cv2.GaussianBlur(differ.astype(np.float32), (0, 0), 1.5))
            own = buffers.rgb.astype(np.float32)
            buffers.rgb[:] = np.rint(own + (self.photo - own) * weight[..., None])
        else:
            buffers.rgb[:] = cv2.addWeighted(self.photo, share, buffers.rgb, 1 - share, 0)

    def _ordered(self, order: Order, frame: int, into: FrameBuffers) -> FrameBuffers:
        """The frame as ``order`` has it."""
        into.clear(self.plate, self.trust)
        back, front = self.people[1 - order.front], self.people[order.front]
        waiting = None
        for person in (back, front):
            still = person.limit(np.ones(self.trust.shape, np.float32), frame)
            person.paint_body(into, person.own, still, frame, alone=False)
            if person is back and order.reaching:
                waiting = still
            else:
                person.paint_arms(into, person.own, still, frame, alone=False)
        if waiting is not None:
            back.paint_arms(into, back.own, waiting, frame, alone=False)
        return into

    def _change(self, first: FrameBuffers, second: FrameBuffers, t: float, face: int, frame: int) -> None:
        """Lets ``second`` come through ``first`` as far as ``t`` says, in place; faces are all ``second``'s or none."""
        differ = np.argwhere(first.identity != second.identity)
        if not len(differ):
            return
        room = 4
        (y0, x0), (y1, x1) = (
            np.maximum(differ.min(0) - room, 0),
            np.minimum(differ.max(0) + room + 1, first.identity.shape),
        )
        box = np.s_[y0:y1, x0:x1]
        hulls = [
            np.rint(p.framed.landmarks[p.framed.at(frame), :468, :2] - (x0, y0)).astype(np.int32) for p in self.people
        ]
        heights = [face_height(p.framed.rest) for p in self.people]
        near = near_faces(hulls, heights, (int(y1 - y0), int(x1 - x0)))
        share = seam(first.identity[box], second.identity[box], t + (face - t) * near)
        first.mix(second, share, box)


def near_faces(
    hulls: Sequence[Int32[Array, "468 2"]], heights: Sequence[float], shape: tuple[int, int]
) -> Float32[Array, "h w"]:
    """1 inside the faces, falling to 0 around them; ``hulls`` are their points (pixels) and ``heights`` their heights."""
    near: Float32[Array, "h w"] = np.zeros(shape, np.float32)
    for points, height in zip(hulls, heights, strict=True):
        face = cv2.fillConvexPoly(np.ones(shape, np.uint8), cv2.convexHull(points), (0,))
        if face.all():
            continue
        off = cv2.distanceTransform(face, cv2.DIST_L2, cv2.DIST_MASK_5)
        near = np.maximum(near, 1 - smoothstep(2.0, 2.0 + ROUND * height, off))
    return near


def seam(first: UInt8[Array, "h w"], second: UInt8[Array, "h w"], t: Float32[Array, "h w"]) -> Float32[Array, "h w"]:
    """How far each pixel shows ``second`` rather than ``first``, two pictures of the same people in another order.

    Both say who each pixel shows. ``t`` goes from 0 (all ``first``) to 1; the seam's edge is SEAM pixels wide.
    """
    differ = first != second
    depths = []
    for shown in (first, second):
        counts = np.bincount(shown[differ].ravel(), minlength=1)
        mask = (shown == int(counts.argmax())).astype(np.uint8)
        depths.append(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5))
    d1, d2 = depths
    reached = t * (d1 + d2 + 2 * SEAM) - d1 - SEAM
    return np.asarray(np.clip(reached / SEAM + 0.5, 0, 1), np.float32)
