"""The face's border where it turns towards the camera.

Along a cheek's silhouette the photo shows many degrees of face in a pixel or two, and those pixels are half hair or
background. When the head turns they would be drawn out into a broad strip. So the mesh's border is then looked up a little
further inside, where there is nothing but skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.generation.mesh import Outline, face_height, smoothstep
from photoplay.generation.source import Framing
from photoplay.types import Array, Landmarks

OUTER = ((127, 234, 93, 132, 58, 172, 136, 150), (356, 454, 323, 361, 288, 397, 365, 379))
INNER = ((143, 116, 123, 147, 213, 192, 214, 210), (372, 345, 352, 376, 433, 416, 434, 430))
"""Landmarks of the face's outline from temple to jaw, right and left, and for each one two rings further inside."""
SHARE = np.tile(np.array((0.0, 0.5, 1.0, 1.0, 1.0, 0.8, 0.4, 0.0), np.float32), 2)
"""How much each may be drawn in: all of it below an ear, nothing at the temple and the chin."""
LOOK, SURE = np.linspace(0, 0.05, 11), np.linspace(0.06, 0.09, 4)
"""Where what is no skin is looked for, and where there surely is skin, inwards from the outline in face heights."""
PALER, SAME_HUE, GREY, UNLIKE = 0.6, 0.8, 6.0, 16.0
"""Share of the cheek's own chroma below which a colour is not the cheek's, and cosine of the hues' angle; chroma below which
there is no colour to go by and another lightness (Lab) tells."""
SPARE, REACH = 0.015, 0.12
"""How much further in is looked up than there, and how far in this fades to nothing, in face heights."""
SHOWN, WIDENED = (0.0, 0.02), (0.01, 0.05)
"""Width of the strip between outline and partner in the photo, and by how much it must have widened, in face heights, for
none and all of it. A cheek that the photo does not show at all has no border to mend."""


@dataclass(frozen=True)
class FaceBorder:
    """What a turn does to the look-up of one face's landmarks, all in frame pixels.

    ``inwards`` is how each landmark is drawn in at most and ``follow`` how much it goes with each of the ``OUTER`` ones,
    ``towards`` the direction inwards from these, one face height long, and ``shown`` the width of the strip behind each of
    them in the photo, in face heights.
    """

    inwards: Float32[Array, "478 2"]
    follow: Float32[Array, "478 16"]
    towards: Float32[Array, "16 2"]
    shown: Float32[Array, 16]

    @classmethod
    def of(cls, outline: Outline, rest: Landmarks, framing: Framing, texture: UInt8[Array, "th tw 4"]) -> FaceBorder:
        """Looks at the ``texture`` (premultiplied) of the face whose ``outline`` at ``rest`` (frame space) this is."""
        height, outer = face_height(rest), np.ravel(OUTER)
        inwards = outline.centre - rest[:, :2]
        inwards /= np.maximum(np.linalg.norm(inwards, axis=1, keepdims=True), 1e-3)
        towards = inwards[outer] * height
        shown = _strips(rest, towards)
        drawn = _strange(rest[outer, :2], towards, framing, texture) * SHARE * smoothstep(*SHOWN, shown)
        depth = np.maximum(-outline.bearing(rest[:, :2])[2], 0) / (REACH * height)
        follow = np.concatenate([_hats(inwards, side) for side in OUTER], axis=1) * (drawn * height)
        fade = np.clip(1 - depth, 0, 1)[:, None]
        return cls((inwards * fade).astype(np.float32), follow.astype(np.float32), towards, shown)

    def shift(self, landmarks: Landmarks) -> Float32[Array, "478 2"]:
        """How far from its rest each landmark's pixels are looked up in the pose ``landmarks``."""
        widened = _strips(landmarks, self.towards) - self.shown
        return np.asarray(self.inwards * (self.follow @ smoothstep(*WIDENED, widened))[:, None], np.float32)


def _strips(landmarks: Landmarks, towards: Float32[Array, "16 2"]) -> Float32[Array, 16]:
    """How far each inner landmark lies behind its outer one in the direction ``towards``, in lengths of that."""
    across = (landmarks[np.ravel(INNER)] - landmarks[np.ravel(OUTER)])[:, :2]
    return np.asarray((across * towards).sum(axis=1) / np.square(towards).sum(axis=1), np.float32)


def _strange(
    border: Float32[Array, "n 2"], inwards: Float32[Array, "n 2"], framing: Framing, texture: UInt8[Array, "th tw 4"]
) -> Float32[Array, n]:
    """How far in from each point of the border the photo shows something else than the cheek, in face heights.

    ``inwards`` are one face height long.
    """
    steps = np.concatenate([LOOK, SURE]).astype(np.float32)
    looked = (border[:, None] + inwards[:, None] * steps[None, :, None]).reshape(-1, 2)
    at = framing.to_texture(looked).reshape(len(border), len(steps), 2)
    seen = (
        cv2.remap(texture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        / 255
    )
    alpha = np.maximum(seen[..., 3:], 1e-3)
    colours = cv2.cvtColor(np.clip(seen[..., :3] / alpha, 0, 1), cv2.COLOR_RGB2Lab)
    cheek = np.median(colours[:, len(LOOK) :], axis=1, keepdims=True)
    strange = _no_skin(colours[:, : len(LOOK)], cheek) | (alpha[:, : len(LOOK), 0] < 0.9)
    last = np.where(strange, LOOK + SPARE, 0).max(axis=1)
    return np.asarray(last, np.float32)


def _no_skin(colours: Float32[Array, "n k 3"], cheek: Float32[Array, "n 1 3"]) -> Bool[Array, "n k"]:
    """Where Lab ``colours`` are paler than a cheek's, or of another hue: hair and walls, but not an ear's dark folds.

    Where there is no colour at all lightness tells.
    """
    chroma = np.linalg.norm(cheek[..., 1:], axis=2)
    grey = chroma < GREY
    along = (colours[..., 1:] * cheek[..., 1:]).sum(axis=2) / np.maximum(chroma, 1e-3)
    other = along < np.maximum(PALER * chroma, SAME_HUE * np.linalg.norm(colours[..., 1:], axis=2))
    return np.asarray(np.where(grey, np.abs(colours[..., 0] - cheek[..., 0]) > UNLIKE, other))


def _hats(inwards: Float32[Array, "478 2"], side: tuple[int, ...]) -> Float32[Array, "478 k"]:
    """Weights with which every landmark lies between two neighbours of ``side``, by direction; none beyond its ends."""
    middle = inwards[list(side)].sum(axis=0)
    turned = inwards @ np.array([[middle[0], -middle[1]], [middle[1], middle[0]]])
    angle = np.arctan2(turned[:, 1], turned[:, 0])
    order = np.argsort(angle[list(side)])
    knots = angle[list(side)][order]
    columns = [np.interp(angle, knots, np.eye(len(side))[k][order], left=0, right=0) for k in range(len(side))]
    return np.asarray(np.stack(columns, axis=1), np.float32)
