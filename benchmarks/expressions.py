"""Compares the muscle model with the reference head's expression deltas (ICT-FaceKit, MIT), shape by shape.

    python -m benchmarks.expressions [../shared/data/head/mp478_ict_blendshapes.npz]

cos      mean cosine of the directions over the landmarks that move more than 10 % of the shape's largest movement
field    cosine of the whole fields (large movements count more)
error    |ours - reference| / |reference|
Irises are left out: the reference's eyeballs are meshes of their own and do not turn with eyeLook.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from photoplay.motion.expressions import FaceRig
from photoplay.topology import ARKIT_INDEX, ARKIT_NAMES
from photoplay.types import Face, HeadPose

PIXELS_PER_CM = 40.0
TO_PHOTO = np.array([1.0, -1.0, -1.0])
"""The reference has y up and z towards the camera."""


@dataclass(frozen=True)
class Row:
    shape: str
    largest: float
    ours: float
    cos: float
    field: float
    error: float


def reference_face(landmarks: np.ndarray) -> Face:
    points = (landmarks * TO_PHOTO * PIXELS_PER_CM + 500.0).astype(np.float32)

    def opening(upper: int, lower: int, one: int, other: int) -> float:
        return float(np.linalg.norm(points[upper] - points[lower]) / np.linalg.norm(points[one] - points[other]))

    return Face(
        points, (0.0, 0.0, 1000.0, 1000.0), 1.0, HeadPose(0.0, 0.0, 0.0),
        (opening(386, 374, 263, 362), opening(159, 145, 33, 133)), opening(13, 14, 78, 308), np.ones(478, np.float32),
    )  # fmt: skip


def reference_delta(deltas: np.ndarray, names: list[str], shape: str) -> np.ndarray:
    """The ARKit shape's delta in cm: ICT names its sides _L and _R and splits two shapes that ARKit does not."""
    for name in (shape, shape.replace("Left", "_L"), shape.replace("Right", "_R")):
        if name in names:
            return deltas[names.index(name)].astype(np.float64)
    pair = deltas[names.index(f"{shape}_L")].astype(np.float64) + deltas[names.index(f"{shape}_R")]
    return np.asarray(pair)


def our_delta(rig: FaceRig, shape: str) -> np.ndarray:
    """The rig's delta in cm and the reference's axes. mouthClose is what it changes about an open jaw."""
    rows = np.zeros((2, 52), np.float32)
    rows[1, ARKIT_INDEX[shape]] = 1.0
    if shape == "mouthClose":
        rows[:, ARKIT_INDEX["jawOpen"]] = 1.0
    before, after = rig.pose(rows, np.zeros((2, 2), np.float32)).astype(np.float64)
    return np.asarray((after - before) / PIXELS_PER_CM * TO_PHOTO)


def compare(path: Path) -> list[Row]:
    """One row for each shape that the reference has, largest movement first."""
    with np.load(path) as data:
        landmarks, deltas, names = data["lm"].astype(np.float64), data["ex"], [str(name) for name in data["exn"]]
    rig = replace(FaceRig.build(reference_face(landmarks)), rest_blendshapes=np.zeros(52, np.float32))
    rows = []
    for shape in ARKIT_NAMES:
        if shape == "tongueOut":
            continue
        theirs, ours = reference_delta(deltas, names, shape)[:468], our_delta(rig, shape)[:468]
        their_size, our_size = np.linalg.norm(theirs, axis=1), np.linalg.norm(ours, axis=1)
        moving = their_size > 0.1 * their_size.max()
        dots = (theirs * ours).sum(axis=1)
        rows.append(
            Row(
                shape,
                float(their_size.max()),
                float(our_size.max()),
                float((dots / np.maximum(their_size * our_size, 1e-12))[moving].mean()),
                float(dots.sum() / np.maximum(np.linalg.norm(theirs) * np.linalg.norm(ours), 1e-12)),
                float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)),
            )
        )
    return sorted(rows, key=lambda row: -row.largest)


def main() -> None:
    default = Path(__file__).parents[2] / "shared/data/head/mp478_ict_blendshapes.npz"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    rows = compare(path)
    print(f"{'shape':<22}{'cm':>6}{'ours':>6}{'cos':>7}{'field':>7}{'error':>7}")
    for rank, row in enumerate(rows, 1):
        print(f"{row.shape:<22}{row.largest:6.2f}{row.ours:6.2f}{row.cos:7.2f}{row.field:7.2f}{row.error:7.2f}")
        if rank == 30:
            top = rows[:30]
            means = [float(np.mean([getattr(r, key) for r in top])) for key in ("cos", "field", "error")]
            print(f"{'mean of these 30':<34}{means[0]:7.2f}{means[1]:7.2f}{means[2]:7.2f}")
    with np.load(path) as data:
        rig = FaceRig.build(reference_face(data["lm"].astype(np.float64)))
    weights = np.random.default_rng(0).uniform(0.0, 1.0, (72, 52)).astype(np.float32)
    took = []
    for _ in range(10):
        start = time.perf_counter()
        rig.pose(weights, np.zeros((72, 2), np.float32))
        took.append(time.perf_counter() - start)
    print(f"72 frames: {min(took) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
