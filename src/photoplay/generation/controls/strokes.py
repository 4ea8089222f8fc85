"""How OpenPose's family draws: limbs as filled ellipses at six tenths of their colour, joints as discs on top.

The colours walk round the hue circle in steps of 20 degrees; limb k and joint k share one. Source: the drawing of the
ControlNet annotators (Zhang et al. 2023, https://github.com/lllyasviel/ControlNet, annotator/openpose/util.py, after
https://github.com/Hzzone/pytorch-openpose), which DWPose (https://github.com/IDEA-Research/DWPose) and VACE keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from math import atan2, degrees, hypot
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from photoplay.generation.controls.figure import Points
from photoplay.types import Array, Rgb

Color: TypeAlias = tuple[int, int, int]

COLORS: tuple[Color, ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""Of the 18 joints, and of the 17 limbs."""
LIMBS: tuple[tuple[int, int], ...] = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0), (0, 14),
    (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Which joints each limb joins, in the order in which they are drawn."""
FINGERS: tuple[tuple[int, int], ...] = tuple(
    (0 if bone == 0 else 4 * finger + bone, 4 * finger + bone + 1) for finger in range(5) for bone in range(4)
)
"""The 20 bones of a hand, from the thumb to the little finger, each from the wrist outwards."""
DIMMED = 0.6
WHITE: Color = (255, 255, 255)
_KNUCKLE: Color = (0, 0, 255)


def draw_limb(picture: Rgb, start: Float32[Array, 2], end: Float32[Array, 2], half_width: int, color: Color) -> None:
    """An ellipse whose long axis runs between two points; whole pixels and degrees, cut off as the annotators do."""
    (x0, y0), (x1, y1) = start.tolist(), end.tolist()
    middle = int((x0 + x1) / 2), int((y0 + y1) / 2)
    axes = int(hypot(x0 - x1, y0 - y1) / 2), half_width
    outline = cv2.ellipse2Poly(middle, axes, int(degrees(atan2(y0 - y1, x0 - x1))), 0, 360, 1)
    cv2.fillConvexPoly(picture, np.asarray(outline, np.int32), [int(DIMMED * channel) for channel in color])


def draw_body(
    picture: Rgb,
    bodies: Sequence[Points],
    frame: int,
    half_width: int,
    limbs: Sequence[tuple[int, int]] = LIMBS,
    colors: Sequence[Color] = COLORS,
) -> None:
    """All people's limbs, limb by limb, then all their joints; a limb needs both ends."""
    for color, (start, end) in zip(colors, limbs, strict=False):
        for body in bodies:
            if body.known[frame, start] and body.known[frame, end]:
                draw_limb(picture, body.at[frame, start], body.at[frame, end], half_width, color)
    for joint, color in enumerate(colors):
        for body in bodies:
            draw_dots(
                picture, body.at[frame, joint : joint + 1], body.known[frame, joint : joint + 1], half_width, color
            )


def draw_dots(picture: Rgb, points: Float32[Array, "n 2"], known: Bool[Array, n], radius: int, color: Color) -> None:
    """A disc on every known point."""
    for x, y in points[known].astype(int).tolist():
        cv2.circle(picture, (x, y), radius, color, thickness=-1)


def draw_hands(picture: Rgb, hands: Points, frame: int, thickness: int, radius: int) -> None:
    """Both hands: bones round the hue circle, joints blue."""
    for first in (0, 21):
        at, known = hands.at[frame, first : first + 21], hands.known[frame, first : first + 21]
        for bone, (start, end) in enumerate(FINGERS):
            if known[start] and known[end]:
                tip, root = at[end].astype(int).tolist(), at[start].astype(int).tolist()
                cv2.line(picture, root, tip, _hue(bone / len(FINGERS)), thickness)
        draw_dots(picture, at, known, radius, _KNUCKLE)


def _hue(turn: float) -> Color:
    """The fully saturated colour at ``turn`` (0..1) of the hue circle, red first."""
    red, green, blue = (round(255 * share) for share in hsv_to_rgb(turn, 1, 1))
    return red, green, blue
