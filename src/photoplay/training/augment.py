"""Two more views of every example, made as it is loaded: mirrored, and in another light's colours."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.topology import face_mirror
from photoplay.training.shards import Example
from photoplay.types import Array

MIRRORED, COLOURED, GREYED = 0.5, 0.8, 0.03
"""Shares of examples that are mirrored, that change their colours, and that lose them."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def augmented(example: Example, rng: np.random.Generator) -> Example:
    """The example mirrored and recoloured at random; anchor, truth and reference stay alike."""
    if rng.random() < MIRRORED:
        example = mirrored(example)
    if rng.random() < COLOURED:
        example = recoloured(example, _curves(rng), _saturation(rng))
    return example


def mirrored(example: Example) -> Example:
    """The example as a mirror shows it: pixels flipped, every landmark in its partner's place."""
    window, order = example.window, face_mirror()
    axis = np.array([-1, 1, 1], np.float32)
    shift = np.array([window.size - 1, 0, 0], np.float32)
    flipped = CropWindow(
        anchor=_flipped(window.anchor),
        confidence=_flipped(window.confidence),
        labels=_flipped(window.labels),
        landmarks=np.ascontiguousarray(window.landmarks[:, order] * axis + shift),
        reference=np.ascontiguousarray(window.reference[:, ::-1]),
        rest_landmarks=np.ascontiguousarray(window.rest_landmarks[order] * axis + shift),
    )
    return Example(flipped, _flipped(example.target), example.facts)


def recoloured(example: Example, curves: UInt8[Array, "256 3"], saturation: float) -> Example:
    """The example in other colours: saturation first (1: as it is, 0: grey), then a curve for each channel."""
    window = example.window
    return Example(
        replace(
            window,
            anchor=_coloured(window.anchor, curves, saturation),
            reference=_coloured(window.reference[None], curves, saturation)[0],
        ),
        _coloured(example.target, curves, saturation),
        example.facts,
    )


def _flipped(stack: Array) -> Array:
    return np.ascontiguousarray(stack[:, :, ::-1])


def _coloured(stack: UInt8[Array, "f h w 3"], curves: UInt8[Array, "256 3"], saturation: float) -> Array:
    """One tall picture: OpenCV's table and matrix are faster than NumPy's."""
    tall = stack.reshape(-1, stack.shape[2], 3)
    if saturation != 1:
        tall = cv2.transform(tall, _towards_grey(saturation))
    return np.asarray(cv2.LUT(tall, curves.reshape(1, 256, 3)), np.uint8).reshape(stack.shape)


def _towards_grey(saturation: float) -> Float32[Array, "3 3"]:
    """The matrix that keeps the luma and scales what differs from it."""
    matrix: Array = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA, (3, 1))
    return np.asarray(matrix, np.float32)


def _curves(rng: np.random.Generator) -> UInt8[Array, "256 3"]:
    """Exposure, contrast and tint as a table: gamma, slope about middle grey, a gain a channel."""
    levels = np.linspace(0, 1, 256)[:, None] ** float(np.exp(rng.normal(0, 0.15)))
    levels = 0.45 + (levels - 0.45) * float(np.exp(rng.normal(0, 0.08)))
    tinted = levels * np.exp(rng.normal(0, 0.05, 3))
    return np.asarray(np.clip(np.rint(255 * tinted), 0, 255), np.uint8)


def _saturation(rng: np.random.Generator) -> float:
    return 0.0 if rng.random() < GREYED else float(np.exp(rng.normal(0, 0.15)))
