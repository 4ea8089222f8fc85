"""Classical inpainting of what the anchor does not know: the strongest simple rival of a model that paints there."""

from __future__ import annotations

import cv2
import numpy as np

from photoplay.types import Anchor, Label, RgbStack

TRUSTED = 128
"""Confidence below which a pixel is painted anew."""
RADIUS = 4.0
"""Pixels around a hole that Telea's method looks at."""


def inpainted(anchor: Anchor) -> RgbStack:
    """The anchor's frames, every pixel of low confidence filled from its surroundings (Telea 2004).

    Background that no photo shows is left as the anchor's plate has it: that is an inpainting already.
    """
    made = anchor.rgb.copy()
    for frame, confidence, labels in zip(made, anchor.confidence, anchor.labels, strict=True):
        holes = ((confidence < TRUSTED) & (labels != Label.BACKGROUND)).astype(np.uint8)
        frame[:] = cv2.inpaint(frame, holes, RADIUS, cv2.INPAINT_TELEA)
    return made


def blurred(anchor: Anchor, sigma: float = 0.7) -> RgbStack:
    """The anchor's frames, slightly blurred: what PSNR pays for doing nothing but being vague."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in anchor.rgb])
