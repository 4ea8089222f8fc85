"""Two people side by side: faces of the rig's subjects on an empty picture, with bodies by human proportions."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from photoplay.motion.skeleton import estimate_joints
from photoplay.topology import inter_ocular
from photoplay.types import Body, Face, HeadPose, Photo, Scene, Subject
from tests.motion.rig_subjects import face, turned

UNIT = 60.0
"""Inter-ocular distance of the person at the left, in pixels: shoulders are 318 px wide."""
WIDTH, HEIGHT = 1500, 1000


def placed(of: Face, at: tuple[float, float], unit: float) -> Face:
    """The face with its eyes' middle at ``at`` and this inter-ocular distance."""
    points = of.landmarks.astype(np.float64)
    eyes = points[[33, 133, 263, 362]].mean(axis=0)
    points = (points - eyes) * unit / inter_ocular(of.landmarks) + np.array([*at, 0.0])
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return replace(of, landmarks=points.astype(np.float32), box=box)


@cache
def two(
    ratio: float = 1.0, apart: float = 1.15, arms: bool = True, names: tuple[str, str] = ("even", "hopper"),
    poses: tuple[HeadPose, HeadPose] | None = None,
) -> Scene:  # fmt: skip
    """Two people on one ground, the right one ``ratio`` times as large, ``apart`` mean shoulder widths."""
    faces = [face(name) for name in names]
    if poses is not None:
        faces = [turned(of, pose) for of, pose in zip(faces, poses, strict=True)]
    units = (UNIT, UNIT * ratio)
    half = apart * 5.3 * (units[0] + units[1]) / 4
    pixels = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    subjects = []
    for of, x, unit in zip(faces, (WIDTH / 2 - half, WIDTH / 2 + half), units, strict=True):
        person = placed(of, (x, HEIGHT - 600 - 3.0 * (unit - UNIT)), unit)
        joints = estimate_joints(person).astype(np.float32)
        seen = np.where(joints[:, 1] < HEIGHT + 600, 1.0, 0.0).astype(np.float32)
        seen[11:] *= float(arms)
        subjects.append(Subject(person, Body(joints, seen)))
    return Scene(Photo(pixels, "2" * 64), tuple(subjects), np.zeros((HEIGHT, WIDTH), np.uint8))
