"""Synthetic clips for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from photoplay.types import Frames, RgbStack


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth coloured texture [h, w, 3] uint8 with detail at several scales."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 120.0, np.float32)
    for cell, gain in ((64, 60), (16, 30), (5, 14)):
        grid = rng.uniform(-1, 1, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        picture += gain * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def moving(count: int, height: int, width: int, reach: float = 12.0, seed: int = 0) -> RgbStack:
    """A texture that slides and turns smoothly."""
    still = texture(height + 80, width + 80, seed)
    frames = []
    for t in np.arange(count):
        turn = cv2.getRotationMatrix2D(((width + 80) / 2, (height + 80) / 2), 1.5 * np.sin(t / 8), 1.0)
        turn[:, 2] += (reach * np.sin(t / 7) - 40, reach * np.cos(t / 9) - 40)
        frames.append(
            cv2.warpAffine(still, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        )
    return np.stack(frames)


def windows(stack: RgbStack, size: int = 24, fps: float = 24.0) -> Iterator[Frames]:
    for start in range(0, len(stack), size):
        yield Frames(stack[start : start + size], fps, start)
