"""Drawn people whose outline and colours are known."""

from __future__ import annotations

import numpy as np

from photoplay.topology import POSE_INDEX
from photoplay.types import Array, Body, Face, HeadPose, Light, Mask, Photo, Rgb, Scene, Subject

FRONT, BACK = (150, 90, 60), (60, 170, 220)


def face(x: float, y: float, unit: float, yaw: float = 0.0) -> Face:
    """A face whose eyes are ``unit`` apart (in 3-D) around (x, y), turned by ``yaw`` degrees."""
    points = np.zeros((478, 3))
    rng = np.random.default_rng(3)
    points[:] = rng.uniform(-1, 1, (478, 3)) * (1.1, 1.5, 0.2) + (0, 0.6, 0)
    for outer, inner, sign in ((33, 133, -1), (263, 362, 1)):
        points[outer], points[inner] = (sign * 0.72, 0, 0), (sign * 0.28, 0, 0)
    pose = HeadPose(yaw, 0.0, 0.0)
    points = points @ pose.matrix().T.astype(np.float64) * unit + (x, y, 0)
    landmarks = points.astype(np.float32)
    low, high = landmarks[:468, :2].min(0), landmarks[:468, :2].max(0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    light = Light((0.0, 0.0, -1.0), 0.8)
    return Face(landmarks, box, 0.9, pose, (0.3, 0.3), 0.0, np.ones(478, np.float32), None, light)


def body(x: float, y: float, unit: float, ankles: float | None = None) -> Body:
    """Shoulders at their usual place, and ankles ``ankles`` heads below the eyes where they are seen."""
    joints, visibility = np.zeros((33, 3), np.float32), np.zeros(33, np.float32)
    for name, (across, down) in {"shoulder": (2.2, 3.0), "ankle": (1.0, ankles or 23.9)}.items():
        for side, sign in (("left", 1), ("right", -1)):
            joints[POSE_INDEX[f"{side}_{name}"], :2] = x + sign * across * unit, y + down * unit
            visibility[POSE_INDEX[f"{side}_{name}"]] = float(name == "shoulder" or ankles is not None)
    return Body(joints, visibility)


def silhouette(width: int, height: int, x: float, y: float, unit: float) -> Array:
    """Alpha 0..1 of a head and a body with round shoulders, soft over two pixels."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    head = np.hypot((columns - x) / 1.4, rows - y) - 2.0 * unit / 1.4
    u, v = (columns - x) / unit, (rows - y) / unit
    shoulders = (np.hypot(u / 3.4, np.minimum(v - 4.6, 0) / 2.2) - 1) * 2.2 * unit
    neck = np.maximum(np.abs(u) - 0.8, np.abs(v - 2.2) - 1.0) * unit
    return np.clip(0.5 - np.minimum(np.minimum(head, shoulders), neck) / 2, 0, 1)


def drawn(
    width: int = 240, height: int = 240, unit: float = 20.0, x: float = 120.0, y: float = 80.0, **kind: float
) -> tuple[Scene, Array]:
    """A scene of one drawn person before a plain wall, and the true alpha."""
    alpha = silhouette(width, height, x, y, unit)
    rng = np.random.default_rng(5)
    pixels: Rgb = np.asarray(
        np.clip(np.array(FRONT) * alpha[..., None] + np.array(BACK) * (1 - alpha[..., None]), 0, 255), np.float64
    )
    pixels = np.asarray(np.clip(np.rint(pixels + rng.normal(0, 1.0, pixels.shape)), 0, 255), np.uint8)
    matte: Mask = np.asarray(np.rint(alpha * 255), np.uint8)
    subject = Subject(face(x, y, unit, kind.get("yaw", 0.0)), body(x, y, unit, kind.get("ankles")), matte, origin="")
    digest = f"{width:032d}{height:032d}"
    return Scene(Photo(pixels, digest), (subject,), matte), alpha
