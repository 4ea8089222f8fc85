"""The head's motion as a field: exact at the face's outline, rigid over hair and ears, fading into the neck.

All points are frame-space pixels at rest unless they say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.topology import CHIN, FACE_OVAL, FOREHEAD, face_triangles
from photoplay.types import Array, Landmarks

RAYS = 180


@cache
def visible_triangles() -> Int32[Array, "852 3"]:
    """The face's triangles, in the order in which :func:`raster.rasterise` takes them for front-facing."""
    triangles = np.ascontiguousarray(face_triangles()[:, [0, 2, 1]])
    triangles.setflags(write=False)
    return triangles


def signed_areas(points: Float32[Array, "n d"], triangles: Int32[Array, "m 3"]) -> Float32[Array, m]:
    """Twice the area of each triangle, positive where its front is seen."""
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    areas: Array = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    return areas


def smoothstep(low: Array | float, high: Array | float, x: Array) -> Float32[Array, ...]:
    """0 at ``low`` and before, 1 at ``high``, which may lie below, and after; a cubic without corners between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def exact_distance(mask: UInt8[Array, "h w"]) -> Float32[Array, "h w"]:
    """Pixels from each one of ``mask`` to the nearest 0, the same to the bit in every call.

    OpenCV's last bits differ from call to call on some processors; squares of distances are whole numbers.
    """
    found = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.sqrt(np.rint(np.square(found))), np.float32)


@dataclass(frozen=True)
class Outline:
    """The visible face's border as seen from its centre: one point for each of ``RAYS`` directions.

    Ray r ends on the edge between landmarks ``first[r]`` and ``second[r]``, ``share[r]`` of the way.
    """

    centre: Float32[Array, 2]
    radius: Float32[Array, RAYS]
    first: Int32[Array, RAYS]
    second: Int32[Array, RAYS]
    share: Float32[Array, RAYS]

    @classmethod
    def of(cls, landmarks: Landmarks) -> Outline:
        """Shoots rays from the face's centre and keeps the farthest edge of a front-facing triangle."""
        triangles = visible_triangles()
        seen = triangles[signed_areas(landmarks, triangles) > 0]
        if not len(seen):
            seen = triangles
        edges = np.unique(np.sort(np.concatenate([seen[:, [0, 1]], seen[:, [1, 2]], seen[:, [2, 0]]]), axis=1), axis=0)
        used = landmarks[np.unique(seen), :2]
        centre = (used.min(0) + used.max(0)) / 2
        angles = np.arange(RAYS) * (2 * np.pi / RAYS)
        ray = np.stack([np.cos(angles), np.sin(angles)], 1)
        start, end = landmarks[edges[:, 0], :2] - centre, landmarks[edges[:, 1], :2] - centre
        along = end - start
        cross = ray[:, :1] * along[:, 1] - ray[:, 1:] * along[:, 0]
        safe = np.where(np.abs(cross) < 1e-9, 1e-9, cross)
        reach = (start[:, 0] * along[:, 1] - start[:, 1] * along[:, 0]) / safe
        share = (start[:, 0] * ray[:, 1:] - start[:, 1] * ray[:, :1]) / safe
        hit = (share >= 0) & (share <= 1) & (reach > 0) & (np.abs(cross) >= 1e-9)
        best = np.where(hit, reach, -1).argmax(1)
        rows = np.arange(RAYS)
        return cls(
            centre.astype(np.float32),
            np.maximum(reach[rows, best], 1e-3).astype(np.float32),
            edges[best, 0].astype(np.int32),
            edges[best, 1].astype(np.int32),
            np.clip(share[rows, best], 0, 1).astype(np.float32),
        )

    def values(self, of_landmarks: Float32[Array, "478 d"]) -> Float32[Array, "r d"]:
        """Values given for each landmark, at the outline's points."""
        share = self.share[:, None]
        mixed: Array = of_landmarks[self.first] * (1 - share) + of_landmarks[self.second] * share
        return mixed

    def bearing(self, points: Float32[Array, "n 2"]) -> tuple[Int32[Array, n], Float32[Array, n], Float32[Array, n]]:
        """For each point the ray before it, the share of the next ray, and how far outside the outline it is."""
        offset = points - self.centre
        turn = np.arctan2(offset[:, 1], offset[:, 0]) % (2 * np.pi) * (RAYS / (2 * np.pi))
        ray = np.floor(turn).astype(np.int32)
        share = (turn - ray).astype(np.float32)
        ray %= RAYS
        radius = self.radius[ray] * (1 - share) + self.radius[(ray + 1) % RAYS] * share
        return ray, share, (np.hypot(offset[:, 0], offset[:, 1]) - radius).astype(np.float32)


@dataclass(frozen=True)
class HeadField:
    """How the points around a face follow it: weights for ``n`` rest points [n, 3] (z in frame pixels).

    ``head`` is 1 on the head and 0 on the torso, ``local`` the share of the outline's own (non-rigid) motion.
    """

    outline: Outline
    rest: Float32[Array, "n 3"]
    outside: Float32[Array, n]
    head: Float32[Array, n]
    local: Float32[Array, n]
    ray: Int32[Array, n]
    share: Float32[Array, n]
    height: float

    @classmethod
    def of(cls, points: Float32[Array, "n 2"], landmarks: Landmarks, neck: float) -> HeadField:
        """Builds the field for rest ``points``; ``neck`` is the distance from the chin to the shoulders' line."""
        outline = Outline.of(landmarks)
        ray, share, outside = outline.bearing(points)
        height = face_height(landmarks)
        down = landmarks[CHIN, :2] - landmarks[FOREHEAD, :2]
        down /= max(float(np.linalg.norm(down)), 1e-3)
        offset = points - outline.centre
        below = (offset @ down) / np.maximum(np.linalg.norm(offset, axis=1), 1e-3)
        far = np.maximum(outside, 0)
        on_neck = smoothstep(0, 1, smoothstep(-0.05, 0.75, below) * far / max(neck, 0.15 * height))
        beyond = smoothstep(0.75, 1.6, far / height)
        head = (1 - on_neck) * (1 - beyond)
        reach = height * (0.28 + 0.3 * smoothstep(0.2, 0.9, below))
        local = 1 - smoothstep(0, 1, far / reach)
        depth = _depths(outline, landmarks, ray, share, outside, height)
        rest = np.concatenate([points, depth[:, None]], axis=1).astype(np.float32)
        return cls(outline, rest, outside, head.astype(np.float32), local.astype(np.float32), ray, share, height)

    def moved(
        self, landmarks_rest: Landmarks, landmarks: Landmarks, rigid: Float32[Array, "3 4"]
    ) -> Float32[Array, "n 3"]:
        """The points after the head's motion, as if all of them were head; ``rigid`` acts on frame space."""
        turn, shift = rigid[:, :3], rigid[:, 3]
        own = landmarks - (landmarks_rest @ turn.T + shift)
        around = self.outline.values(own)
        follow = around[self.ray] * (1 - self.share)[:, None] + around[(self.ray + 1) % RAYS] * self.share[:, None]
        moved: Array = self.rest @ turn.T + shift + follow * self.local[:, None]
        return moved


def face_height(landmarks: Landmarks) -> float:
    """Distance from the chin to the forehead's top in pixels, in 3-D."""
    return max(float(np.linalg.norm(landmarks[CHIN] - landmarks[FOREHEAD])), 1.0)


def _depths(
    outline: Outline,
    landmarks: Landmarks,
    ray: Int32[Array, n],
    share: Float32[Array, n],
    outside: Float32[Array, n],
    height: float,
) -> Float32[Array, n]:
    """Depth around the face: the outline's own, rounding back to the skull's silhouette.

    Inside the outline the points lie behind the face: they are the hidden strip that shows when the face's border turns.
    """
    border = outline.values(landmarks)[:, 2]
    border = border[ray] * (1 - share) + border[(ray + 1) % RAYS] * share
    oval = landmarks[list(FACE_OVAL), 2]
    skull = float(np.percentile(oval, 75)) + 0.08 * height
    back = border + (np.maximum(skull, border) - border) * smoothstep(0.0, 0.5, outside / height)
    hidden = 0.2 * height * smoothstep(0.05, 0.35, -outside / height)
    depth: Array = (back + hidden).astype(np.float32)
    return depth
