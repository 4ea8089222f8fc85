"""One person's head, neck and torso as a layer: the face's mesh on a grid that follows head and torso."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from photoplay.generation.body import TorsoField
from photoplay.generation.border import FaceBorder
from photoplay.generation.layers import Layer, grid, grid_step
from photoplay.generation.mesh import HeadField, face_height, signed_areas, visible_triangles
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
from photoplay.types import Array, Joints, JointTrack, Label, Landmarks, LandmarkTrack, MotionTrack

FACE_FIRST = 0.06
"""How much nearer the face counts than the skin around it, in face heights, so that the two never fight where they meet."""
MESH_POINTS = 478


@dataclass(frozen=True)
class FramedTrack:
    """A motion track in frame space; ``rigid`` [f, 3, 4] acts on frame-space points."""

    rest: Landmarks
    landmarks: LandmarkTrack
    rigid: Float32[Array, "f 3 4"]
    rest_joints: Joints
    joints: JointTrack
    visibility: Float32[Array, 33]
    breath: Float32[Array, f]
    subject: int

    @classmethod
    def of(cls, track: MotionTrack, framing: Framing) -> FramedTrack:
        """Brings ``track`` from photo space to the film's frame."""
        plan = framing.plan
        origin = plan.to_frame(np.zeros(3, np.float32))
        turn = track.head_transform[:, :, :3]
        shift = track.head_transform[:, :, 3] * np.float32(plan.scale) + origin - turn @ origin
        return cls(
            plan.to_frame(track.rest_landmarks),
            plan.to_frame(track.landmarks),
            np.concatenate([turn, shift[:, :, None]], axis=2).astype(np.float32),
            plan.to_frame(track.rest_joints),
            plan.to_frame(track.joints),
            track.joint_visibility,
            track.breath,
            track.subject,
        )

    def at(self, frame: int) -> int:
        """``frame``, or the last one where the track has ended."""
        return min(frame, len(self.landmarks) - 1)


@dataclass(frozen=True)
class PersonMotion:
    """The grid's nodes, then the 478 landmarks."""

    track: FramedTrack
    head: HeadField
    torso: TorsoField
    border: FaceBorder
    rest: Float32[Array, "n 3"]

    @classmethod
    def of(
        cls, nodes: Float32[Array, "n 2"], track: FramedTrack, framing: Framing, texture: UInt8[Array, "th tw 4"]
    ) -> PersonMotion:
        """Weighs how each of the grid's rest ``nodes`` follows head and torso of who ``texture`` shows."""
        shoulders = track.rest_joints[[POSE_INDEX["left_shoulder"], POSE_INDEX["right_shoulder"]]].mean(0)
        neck = float(np.linalg.norm(shoulders[:2] - track.rest[CHIN, :2]))
        head = HeadField.of(nodes, track.rest, min(neck, 0.8 * face_height(track.rest)))
        torso = TorsoField.of(nodes, track.rest_joints)
        border = FaceBorder.of(head.outline, track.rest, framing, texture)
        return cls(track, head, torso, border, np.concatenate([head.rest, track.rest]))

    def pose(self, frame: int) -> Float32[Array, "n 3"]:
        """The points in ``frame``: x, y, depth in frame space."""
        track, head, frame = self.track, self.head, self.track.at(frame)
        as_head = head.moved(track.rest, track.landmarks[frame], track.rigid[frame])
        shift = self.torso.shift(track.rest_joints, track.joints[frame], float(track.breath[frame]))
        nodes = head.rest + (as_head - head.rest) * head.head[:, None] + shift * (1 - head.head)[:, None]
        return np.asarray(np.concatenate([nodes, track.landmarks[frame]]), np.float32)

    def looked_up(self, points: Float32[Array, "n 3"]) -> Float32[Array, "n 2"]:
        """A cheek that turns towards the camera is looked up further inside. See :class:`FaceBorder`."""
        shift: Array = np.zeros((len(points), 2), np.float32)
        shift[-MESH_POINTS:] = self.border.shift(points[-MESH_POINTS:])
        return shift

    def order(self) -> Float32[Array, n]:
        """The face comes before the skin around it."""
        order = np.zeros(len(self.rest), np.float32)
        order[-MESH_POINTS:] = -FACE_FIRST * self.head.height
        return order


def person_layer(framing: Framing, texture: UInt8[Array, "h w 4"], track: FramedTrack) -> Layer:
    """The layer of the person that ``texture`` (premultiplied, texture space) shows."""
    nodes, cells = grid(framing, np.ascontiguousarray(texture[..., 3]))
    motion = PersonMotion.of(nodes, track, framing, texture)
    triangles = np.concatenate([cells, _face_triangles() + len(nodes)]).astype(np.int32)
    trust = np.concatenate([np.ones(len(nodes), np.float32), _facing(track.rest)])
    return Layer.of(
        framing, texture, _labels(framing, motion.head, track.rest), triangles, motion, trust, track.subject
    )


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
    return np.asarray(np.concatenate([front, front[:, ::-1]]), np.int32)


def _facing(rest: Landmarks) -> Float32[Array, 478]:
    """How far each landmark's surface faced the camera in the photo, 0..1."""
    triangles = visible_triangles()
    a, b, c = (rest[triangles[:, k]].astype(np.float64) for k in range(3))
    normal = np.cross(b - a, c - a)
    vertex = np.zeros((MESH_POINTS, 3))
    for k in range(3):
        np.add.at(vertex, triangles[:, k], normal)
    vertex[468:, 2] = 1
    cosine = vertex[:, 2] / np.maximum(np.linalg.norm(vertex, axis=1), 1e-9)
    return np.asarray(np.clip(cosine / 0.35, 0, 1), np.float32)


def _labels(framing: Framing, head: HeadField, rest: Landmarks) -> UInt8[Array, "h w"]:
    """What the layer shows, over the frame and its margin at the film's size."""
    plan, margin = framing.plan, framing.margin
    labels: Array = np.full((plan.height + 2 * margin, plan.width + 2 * margin), int(Label.BODY), np.uint8)
    step = int(np.ceil(grid_step(plan)))
    for x, y in np.rint(head.rest[head.head > 0.5][:, :2] + margin).astype(int):
        labels[max(0, y - step) : y + step, max(0, x - step) : x + step] = int(Label.HAIR)
    labels = cv2.medianBlur(labels, 2 * step + 1)
    seen = visible_triangles()
    shapes: list[tuple[Array, Label]] = [(rest[t, :2], Label.SKIN) for t in seen[signed_areas(rest, seen) > 0]]
    shapes += [
        (rest[list(LIPS_OUTER_UPPER + LIPS_OUTER_LOWER[::-1]), :2], Label.LIP),
        (rest[list(LIPS_INNER_UPPER + LIPS_INNER_LOWER[::-1]), :2], Label.MOUTH),
        (rest[list(RIGHT_EYE_UPPER + RIGHT_EYE_LOWER[::-1]), :2], Label.EYE),
        (rest[list(LEFT_EYE_UPPER + LEFT_EYE_LOWER[::-1]), :2], Label.EYE),
    ]
    for polygon, label in shapes:
        cv2.fillPoly(labels, [np.rint(polygon + margin).astype(np.int32)], (int(label),))
    bare = (labels == Label.HAIR) & _skin_coloured(framing, labels == Label.SKIN)
    labels[bare] = int(Label.SKIN)
    return np.asarray(labels, np.uint8)


def _skin_coloured(framing: Framing, face: Bool[Array, "h w"]) -> Bool[Array, "h w"]:
    """Where the picture has the face's own colour: ears and neck."""
    if not face.any():
        return face
    half = (max(1, face.shape[1] // 2), max(1, face.shape[0] // 2))
    small = cv2.resize(framing.texture, half, interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(cv2.medianBlur(small, 3), cv2.COLOR_RGB2YCrCb)
    inside = colours[cv2.resize(face.astype(np.uint8), half, interpolation=cv2.INTER_AREA) > 0].astype(np.float32)
    if not len(inside):
        return face
    usual = np.median(inside, axis=0)
    reach = 1.6 * np.maximum(1.5 * np.std(inside, axis=0), (30, 5, 5))
    alike = cv2.inRange(colours, np.clip(usual - reach, 0, 255), np.clip(usual + reach, 0, 255))
    alike = cv2.resize(alike, face.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.medianBlur(alike, 5) > 127)
