"""Crops that follow one head: a similarity transform for each frame, so that the face stands still while the film moves.

A crop is a 2x3 matrix from frame pixels to crop pixels. All of a track's crops are found together, before any window is
made, so that no window's length or order can change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.generation.mesh import face_height
from photoplay.types import Anchor, Array, Landmarks, LandmarkTrack, Rgb, RgbStack

Kind: TypeAlias = Literal["colour", "confidence", "labels"]
Crop: TypeAlias = Float32[Array, "2 3"]
CropTrack: TypeAlias = Float32[Array, "f 2 3"]

RIGID: tuple[int, ...] = (33, 133, 263, 362, 6, 168, 197, 195, 10, 338, 109, 127, 356, 234, 454, 98, 327, 152)
"""Points of the skull: eye corners, nose bridge, forehead, temples, cheeks by the ears, nostrils, and last the chin."""
CHIN_WEIGHT = 0.1
ABOVE, BELOW, BESIDE = 0.15, 0.15, 0.12
"""Room around the resting face in face heights: hair above, neck below, ears beside."""
OPENED = 0.06
"""Room below the lowest place that the jaw ever reaches, in face heights."""
SMALLEST, LARGEST = 1.3, 1.6
"""The crop's side in face heights."""
SMOOTH = 1.2
"""Standard deviation in frames of the smoothing over time, which takes out the detector's noise."""


@dataclass(frozen=True)
class HeadCrops:
    """The crops of one head's track: one for each frame, and one for the photo at rest."""

    matrices: CropTrack
    rest: Crop
    size: int

    @classmethod
    def of(cls, landmarks: LandmarkTrack, rest: Landmarks, size: int) -> HeadCrops:
        """Finds the crops of ``size`` x ``size`` pixels.

        ``landmarks`` (of consecutive frames) and ``rest`` are in frame space. Place, roll and scale come from the skull
        alone, so that neither an opening jaw nor a turning head zooms; the side is chosen once, so that the face stays
        inside in every frame.
        """
        poses = [_pose(rest, now) for now in landmarks]
        still = np.concatenate(
            [(now - shift) @ turn / scale for now, (scale, turn, shift) in zip(landmarks, poses, strict=True)]
        )
        level = _level(rest)
        centre, side = _square(rest, still, level)
        rows = np.empty((len(poses), 4))
        for row, (scale, turn, shift) in zip(rows, poses, strict=True):
            roll = np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])
            row[:2], row[2], row[3] = (scale * turn @ centre + shift)[:2], np.log(scale), roll
        rows[:, 3] = np.unwrap(rows[:, 3])
        rows = _smooth(rows)
        matrices = [_matrix(row[:2], float(np.exp(row[2])) * side, level + float(row[3]), size) for row in rows]
        return cls(np.stack(matrices), _matrix(centre[:2], side, level, size), size)


def crop_window(
    anchor: Anchor,
    landmarks: LandmarkTrack,
    rest_landmarks: Landmarks,
    photo_framed: Rgb,
    matrices: CropTrack,
    rest_matrix: Crop,
    size: int,
) -> CropWindow:
    """What the model is told of one head in a window of frames; landmarks are in frame space."""
    return CropWindow(
        crop_frames(anchor.rgb, matrices, size),
        np.stack([to_crop(c, m, size, "confidence") for c, m in zip(anchor.confidence, matrices, strict=True)]),
        np.stack([to_crop(c, m, size, "labels") for c, m in zip(anchor.labels, matrices, strict=True)]),
        np.stack([crop_points(points, m) for points, m in zip(landmarks, matrices, strict=True)]),
        to_crop(photo_framed, rest_matrix, size, "colour"),
        crop_points(rest_landmarks, rest_matrix),
    )


def crop_frames(frames: RgbStack, matrices: CropTrack, size: int) -> UInt8[Array, "f s s 3"]:
    """Every frame in its crop: what :func:`crop_window` does to the anchor, for any other picture of the same frames."""
    return np.stack([to_crop(frame, matrix, size, "colour") for frame, matrix in zip(frames, matrices, strict=True)])


def to_crop(image: Array, matrix: Crop, size: int, kind: Kind) -> Array:
    """``image`` [h, w] or [h, w, c] uint8 in the crop; beyond the frame its border goes on.

    Colours and confidence are averaged over a crop pixel's area where the crop is coarser than the frame; labels are
    those at its centre.
    """
    finer = 1 if kind == "labels" else max(1, ceil(1 / scale_of(matrix) - 0.1))
    larger = finer * matrix + np.array([0, 0, (finer - 1) / 2], np.float32)
    linear = {"colour": cv2.INTER_CUBIC if finer == 1 else cv2.INTER_LINEAR, "confidence": cv2.INTER_LINEAR}
    flags = linear.get(kind, cv2.INTER_NEAREST)
    side = (size * finer, size * finer)
    made = cv2.warpAffine(image, larger, side, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if finer > 1:
        made = cv2.resize(made, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(made, np.uint8)


def crop_points(landmarks: Landmarks, matrix: Crop) -> Landmarks:
    """Frame-space landmarks in crop pixels, z in the same unit."""
    turned = landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.column_stack([turned, landmarks[:, 2] * np.float32(scale_of(matrix))]).astype(np.float32)


def scale_of(matrix: Crop) -> float:
    """Crop pixels per frame pixel."""
    return float(np.hypot(matrix[0, 0], matrix[0, 1]))


def _pose(rest: Landmarks, now: Landmarks) -> tuple[float, Float64[Array, "3 3"], Float64[Array, 3]]:
    """Scale, turn and shift that carry the resting skull to where it is now (Umeyama 1991, weighted)."""
    weight = np.ones((len(RIGID), 1))
    weight[-1] = CHIN_WEIGHT
    weight /= weight.sum()
    source, target = rest[list(RIGID)].astype(np.float64), now[list(RIGID)].astype(np.float64)
    from_middle, to_middle = (weight * source).sum(0), (weight * target).sum(0)
    a, b = source - from_middle, target - to_middle
    u, spread, vt = np.linalg.svd((weight * b).T @ a)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * flip) @ vt
    scale = max(float((spread * flip).sum() / max((weight * a**2).sum(), 1e-9)), 1e-3)
    return scale, turn, to_middle - scale * turn @ from_middle


def _level(rest: Landmarks) -> float:
    """How far the resting face is tilted clockwise in the image, in radians: by the eyes' line and the nose's."""
    across = (rest[263] + rest[362] - rest[33] - rest[133])[:2] / 2
    down = (rest[2] - rest[168])[:2]
    return float(np.arctan2(across[1] - down[0], across[0] + down[1]))


def _square(rest: Landmarks, still: Float64[Array, "n 3"], level: float) -> tuple[Float64[Array, 3], float]:
    """Centre and side of the square over the resting face that holds all of ``still``, the head's motion taken out."""
    height = face_height(rest)
    axes = np.array([[np.cos(level), np.sin(level)], [-np.sin(level), np.cos(level)]])
    face, moved = rest[:468, :2] @ axes.T, still[:, :2] @ axes.T
    low, high = face.min(0), face.max(0)
    top, bottom = low[1] - ABOVE * height, max(high[1] + BELOW * height, moved[:, 1].max() + OPENED * height)
    wide = float(high[0] - low[0]) + 2 * BESIDE * height
    side = float(np.clip(max(bottom - top, wide), SMALLEST * height, LARGEST * height))
    middle = np.array([(low[0] + high[0]) / 2, (top + bottom) / 2]) @ axes
    return np.array([*middle, float(rest[:468, 2].mean())]), side


def _smooth(rows: Float64[Array, "f 4"]) -> Float64[Array, "f 4"]:
    """Each column smoothed over the frames; the ends go on as they are."""
    reach = ceil(3 * SMOOTH)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTH) ** 2)
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, taps / taps.sum(), mode="valid") for column in padded.T], axis=1)


def _matrix(centre: Float64[Array, 2], side: float, roll: float, size: int) -> Crop:
    """The crop of a ``side`` x ``side`` square about ``centre``, tilted clockwise by ``roll`` radians."""
    scale = size / side
    turn = scale * np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    return np.column_stack([turn, (size - 1) / 2 - turn @ centre]).astype(np.float32)
