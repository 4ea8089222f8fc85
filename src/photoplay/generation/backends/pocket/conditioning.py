"""What the pocket model is told: the anchor's crop, the geometry that belongs there, and the photo's own crop.

One crop follows one head (see :mod:`crops`), so that the face stands still in it. Training and film making build their
inputs here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.backends.pocket.guide import guide_planes, rest_planes
from photoplay.types import Array, Label, Landmarks, LandmarkTrack, Rgb, RgbStack

Known: TypeAlias = UInt8[Array, "k h w 3"]
"""The first frames of a window, where they were already made."""

LATENT_SCALE = 0.25
"""Latents are the residual to the anchor over this: about unit size where the anchor is wrong, 0 where it is right."""
LABELS = 11
"""Planes of one-hot labels: those of :class:`photoplay.types.Label`; an arm counts as body."""
COND_PLANES: tuple[str, ...] = (
    "anchor_r", "anchor_g", "anchor_b", "confidence",
    *(f"label_{k}" for k in range(LABELS)),
    "normal_x", "normal_y", "normal_z", "rest_normal_x", "rest_normal_y", "rest_normal_z", "face_x", "face_y", "face_z",
)  # fmt: skip
"""Names of the planes of :func:`cond_planes`: colours in -1..1, confidence and labels 0..1, geometry -1..1 (0: no face).

``normal`` is the face's surface now, ``rest_normal`` the same point's surface in the photo (their difference tells how the
light on it changed), ``face`` where on the face it is: the point's own coordinates in the photo, centred, in face heights.
"""
GUIDE_FROM = COND_PLANES.index("label_0")
"""From this plane on the geometry is told: what an ablation hides."""
REFERENCE_PLANES: tuple[str, ...] = ("r", "g", "b", "normal_x", "normal_y", "normal_z", "face_x", "face_y", "face_z")
"""Names of the planes of :func:`reference_planes`."""
PREVIOUS_PLANES: tuple[str, ...] = ("r", "g", "b", "known")
"""What was already made of a frame (colours in -1..1, 0 where unknown) and whether it is known."""


PER_FRAME = ("anchor", "confidence", "labels", "landmarks")
"""Fields of :class:`CropWindow` that have a row for each frame."""


@dataclass(frozen=True)
class CropWindow:
    """One head's crop over consecutive frames, s x s pixels.

    anchor          [f, s, s, 3] uint8 the anchor frames, resampled into the crop
    confidence      [f, s, s] uint8, 255: the photo's own pixels
    labels          [f, s, s] uint8 of :class:`photoplay.types.Label`
    landmarks       [f, 478, 3] float32 in crop pixels (z in the same unit)
    reference       [s, s, 3] uint8 the photo in the crop of its own (rest) landmarks
    rest_landmarks  [478, 3] float32 in pixels of ``reference``
    """

    anchor: RgbStack
    confidence: UInt8[Array, "f s s"]
    labels: UInt8[Array, "f s s"]
    landmarks: LandmarkTrack
    reference: Rgb
    rest_landmarks: Landmarks

    def each(self, change: Callable[[Array], Array]) -> CropWindow:
        """The same window with ``change`` made to every array that has a row for each frame."""
        return replace(self, **{name: change(getattr(self, name)) for name in PER_FRAME})

    @property
    def num_frames(self) -> int:
        return int(self.anchor.shape[0])

    @property
    def size(self) -> int:
        return int(self.anchor.shape[1])


def cond_planes(window: CropWindow) -> Float32[Array, "f c s s"]:
    """The conditioning of every frame, planes in the order of :data:`COND_PLANES`."""
    planes = np.empty((window.num_frames, len(COND_PLANES), window.size, window.size), np.float32)
    for k, frame in enumerate(planes):
        frame[:3] = _colours(window.anchor[k])
        frame[3] = window.confidence[k] * np.float32(1 / 255)
        shown = np.where(window.labels[k] == Label.ARM, np.uint8(Label.BODY), window.labels[k])
        for label in range(LABELS):
            frame[4 + label] = shown == label
        frame[4 + LABELS :] = guide_planes(window.landmarks[k], window.rest_landmarks, window.size)
    return planes


def reference_planes(window: CropWindow) -> Float32[Array, "c s s"]:
    """The photo's own crop, planes in the order of :data:`REFERENCE_PLANES`."""
    geometry = rest_planes(window.rest_landmarks, window.size)
    return np.asarray(np.concatenate([_colours(window.reference), geometry]), np.float32)


def _colours(rgb: Rgb) -> Float32[Array, "3 h w"]:
    """Colours in -1..1, planes first."""
    planes: Array = rgb.transpose(2, 0, 1) * np.float32(1 / 127.5) - np.float32(1)
    return planes


def to_latents(frames: RgbStack, anchor: RgbStack) -> Float32[Array, "f 3 s s"]:
    """What must be added to the anchor, in units of ``LATENT_SCALE`` (colours in -1..1)."""
    return np.ascontiguousarray(((frames.astype(np.float32) - anchor) / (127.5 * LATENT_SCALE)).transpose(0, 3, 1, 2))


def to_frames(latents: Float32[Array, "f 3 s s"], anchor: RgbStack) -> RgbStack:
    """The inverse of :func:`to_latents`, rounded and clipped."""
    added = latents.transpose(0, 2, 3, 1) * (127.5 * LATENT_SCALE)
    return np.asarray(np.clip(np.rint(anchor + added), 0, 255), np.uint8)
