"""One person as a layer: premultiplied texture, a deforming mesh over it, and the labels of what it shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.generation import raster_kernels
from photoplay.generation.body import TorsoField
from photoplay.generation.buffers import FrameBuffers
from photoplay.generation.mesh import HeadField, face_height, signed_areas, visible_triangles
from photoplay.generation.plate import premultiplied
from photoplay.generation.raster import empty_maps, rasterise
from photoplay.generation.source import Framing
from photoplay.topology import (
    CHIN,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    POSE_INDEX,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from photoplay.types import Array, Label, Landmarks, LandmarkTrack, Mask, MotionTrack, Rgb

NEAR, FAR = 0.05, 0.5
"""Where motion in pixels is below NEAR the photo stands untouched; from FAR on the moved layer stands alone."""
FACE_FIRST = 0.06
"""How much nearer the face counts than the skin around it, in face heights, so that the two never fight where they meet."""


@dataclass(frozen=True)
class FramedTrack:
    """A motion track in frame space; ``rigid`` [f, 3, 4] acts on frame-space points."""

    rest: Landmarks
    landmarks: LandmarkTrack
    rigid: Float32[Array, "f 3 4"]
    rest_joints: Float32[Array, "33 3"]
    joints: Float32[Array, "f 33 3"]
    breath: Float32[Array, f]

    @classmethod
    def of(cls, track: MotionTrack, framing: Framing) -> FramedTrack:
        """Brings ``track`` from photo space to the film's frame."""
        plan = framing.plan
        origin = plan.to_frame(np.zeros(3, np.float32))
        turn = track.head_transform[:, :, :3]
        shift = track.head_transform[:, :, 3] * plan.scale + origin - turn @ origin
        return cls(
            plan.to_frame(track.rest_landmarks),
            plan.to_frame(track.landmarks),
            np.concatenate([turn, shift[:, :, None]], axis=2).astype(np.float32),
            plan.to_frame(track.rest_joints),
            plan.to_frame(track.joints),
            track.breath,
        )


@dataclass(frozen=True)
class PersonLayer:
    """A person cut from the photo. Points are the grid's nodes and then the 478 landmarks."""

    texture: UInt8[Array, "th tw 4"]
    labels: UInt8[Array, "lh lw"]
    uv: Float32[Array, "n 2"]
    trust: Float32[Array, n]
    rest: Float32[Array, "n 3"]
    triangles: Int32[Array, "m 3"]
    head: HeadField
    torso: TorsoField
    track: FramedTrack
    settings: Float32[Array, 4]

    @classmethod
    def of(cls, framing: Framing, plate: Rgb, alpha: Mask, track: FramedTrack) -> PersonLayer:
        """Cuts out what ``alpha`` (texture space) covers and prepares its motion."""
        nodes, cells = _grid(framing, alpha)
        shoulders = (
            track.rest_joints[POSE_INDEX["left_shoulder"]] + track.rest_joints[POSE_INDEX["right_shoulder"]]
        ) / 2
        neck = float(np.linalg.norm(shoulders[:2] - track.rest[CHIN, :2]))
        head = HeadField.of(nodes, track.rest, min(neck, 0.8 * face_height(track.rest)))
        rest = np.concatenate([head.rest, track.rest])
        triangles = np.concatenate([cells, _face_triangles() + len(nodes)]).astype(np.int32)
        trust = np.concatenate([np.ones(len(nodes), np.float32), _facing(track.rest)])
        behind = cv2.copyMakeBorder(plate, *(framing.margin,) * 4, cv2.BORDER_REFLECT_101)
        behind = cv2.resize(behind, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return cls(
            premultiplied(framing.texture, alpha, behind),
            _labels(framing, head, track.rest),
            framing.to_texture(rest[:, :2]),
            trust,
            rest,
            triangles,
            head,
            TorsoField.of(nodes, track.rest_joints),
            track,
            np.array([framing.factor, framing.margin, NEAR, FAR], np.float32),
        )

    def pose(self, frame: int) -> Float32[Array, "n 3"]:
        """Where the points are in ``frame``: x, y, depth in frame space."""
        track, head = self.track, self.head
        as_head = head.moved(track.rest, track.landmarks[frame], track.rigid[frame])
        shift = self.torso.shift(track.rest_joints, track.joints[frame], float(track.breath[frame] - track.breath[0]))
        share = head.head[:, None]
        nodes = as_head * share + (head.rest + shift) * (1 - share)
        return np.concatenate([nodes, track.landmarks[frame]]).astype(np.float32)

    def paint(self, buffers: FrameBuffers, photo: Rgb, still: Float32[Array, "h w"], frame: int) -> None:
        """Lays the person in its pose of ``frame`` over ``buffers``."""
        points = self.pose(frame)
        stretch, count = np.empty(len(points), np.float32), np.empty(len(points), np.float32)
        raster_kernels.vertex_stretch(points, self.rest, self.triangles, stretch, count)
        trust = self.trust / (1 + 3 * np.square(stretch - 1))
        height, width = still.shape
        x0, y0 = (max(0, int(v)) for v in np.floor(points[:, :2].min(0)))
        x1, y1 = (min(size, int(v) + 1) for size, v in zip((width, height), np.ceil(points[:, :2].max(0)), strict=True))
        if x1 <= x0 or y1 <= y0:
            return
        maps = empty_maps(y1 - y0, x1 - x0, 3)
        local = points - np.array([x0, y0, 0], np.float32)
        local[-len(self.track.rest) :, 2] -= FACE_FIRST * self.head.height
        rasterise(local, np.column_stack([self.uv, trust]).astype(np.float32), self.triangles, maps)
        raster_kernels.shade(
            maps, self.texture, self.labels, photo, still, x0, y0, self.settings,
            buffers.rgb, buffers.confidence, buffers.labels, buffers.flow, buffers.depth,
        )  # fmt: skip
        raster_kernels.soften_folds(maps, self.settings[0], x0, y0, buffers.rgb)


def _grid(framing: Framing, alpha: Mask) -> tuple[Float32[Array, "n 2"], Int32[Array, "m 3"]]:
    """A regular grid over what ``alpha`` covers, with room for its soft edge: nodes and triangles."""
    plan, margin = framing.plan, framing.margin
    step = max(4.0, max(plan.width, plan.height) / 96)
    xs = np.linspace(-margin, plan.width - 1 + margin, int(np.ceil((plan.width + 2 * margin) / step)) + 1)
    ys = np.linspace(-margin, plan.height - 1 + margin, int(np.ceil((plan.height + 2 * margin) / step)) + 1)
    cells = (len(xs) - 1, len(ys) - 1)
    covered = cv2.resize((alpha > 0).astype(np.float32), cells, interpolation=cv2.INTER_AREA) > 0
    covered = cv2.dilate(covered.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    row, column = np.nonzero(covered)
    corner = row * len(xs) + column
    a, b, c, d = corner, corner + 1, corner + len(xs), corner + len(xs) + 1
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    used, index = np.unique(triangles, return_inverse=True)
    nodes = np.stack([xs[used % len(xs)], ys[used // len(xs)]], axis=1).astype(np.float32)
    return nodes, index.reshape(-1, 3).astype(np.int32)


def _face_triangles() -> Int32[Array, "m 3"]:
    """The face's 852 triangles and strips that close its mouth and eyes, both sides: no fold may leave a pinhole."""
    strips = [visible_triangles()]
    for upper, lower in (
        (LIPS_INNER_UPPER, LIPS_INNER_LOWER),
        (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER),
        (LEFT_EYE_LOWER, LEFT_EYE_UPPER),
    ):
        u, v = np.array(upper), np.array(lower)
        strips += [np.stack([u[:-1], u[1:], v[:-1]], 1), np.stack([u[1:], v[1:], v[:-1]], 1)]
    front = np.concatenate(strips)
    return np.concatenate([front, front[:, ::-1]]).astype(np.int32)


def _facing(rest: Landmarks) -> Float32[Array, 478]:
    """How far each landmark's surface faced the camera in the photo, 0..1."""
    triangles = visible_triangles()
    a, b, c = (rest[triangles[:, k]].astype(np.float64) for k in range(3))
    normal = np.cross(b - a, c - a)
    vertex = np.zeros((478, 3))
    for k in range(3):
        np.add.at(vertex, triangles[:, k], normal)
    vertex[468:, 2] = 1
    cosine = vertex[:, 2] / np.maximum(np.linalg.norm(vertex, axis=1), 1e-9)
    return np.clip(cosine / 0.35, 0, 1).astype(np.float32)


def _labels(framing: Framing, head: HeadField, rest: Landmarks) -> UInt8[Array, "h w"]:
    """What the layer shows, over the frame and its margin at the film's size."""
    plan, margin = framing.plan, framing.margin
    labels = np.full((plan.height + 2 * margin, plan.width + 2 * margin), int(Label.BODY), np.uint8)
    seen = visible_triangles()
    seen = seen[signed_areas(rest, seen) > 0]
    hair = np.column_stack([head.rest[head.head > 0.5][:, :2], np.zeros(int((head.head > 0.5).sum()))])
    step = int(np.ceil(max(4.0, max(plan.width, plan.height) / 96)))
    for x, y, _ in np.rint(hair + margin).astype(int):
        labels[max(0, y - step) : y + step, max(0, x - step) : x + step] = int(Label.HAIR)
    shapes: list[tuple[Array, Label]] = [(rest[t, :2], Label.SKIN) for t in seen]
    shapes += [
        (rest[list(LIPS_OUTER_UPPER + LIPS_OUTER_LOWER[::-1]), :2], Label.LIP),
        (rest[list(LIPS_INNER_UPPER + LIPS_INNER_LOWER[::-1]), :2], Label.MOUTH),
        (rest[list(RIGHT_EYE_UPPER + RIGHT_EYE_LOWER[::-1]), :2], Label.EYE),
        (rest[list(LEFT_EYE_UPPER + LEFT_EYE_LOWER[::-1]), :2], Label.EYE),
    ]
    for polygon, label in shapes:
        cv2.fillPoly(labels, [np.rint(polygon + margin).astype(np.int32)], int(label))
    return labels
