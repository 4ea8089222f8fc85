"""What the model made of a crop, put back onto the full-resolution anchor.

Only the difference to the anchor travels: ``film = anchor + gate * (up(change) - doubt * (anchor - up(anchor's crop)))``.
The anchor keeps its own fine detail wherever it can be trusted, and every byte where nothing moved or was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float16, Float32, UInt8

from photoplay.generation.backends.pocket import composite_kernels
from photoplay.generation.backends.pocket.crops import Crop, scale_of, to_crop
from photoplay.generation.mesh import face_height, smoothstep
from photoplay.types import Anchor, Array, Label, Landmarks, Rgb

PARTS = (Label.EYE, Label.LID, Label.LASH, Label.LIP)
"""What takes light and colour from the model as skin does, however the anchor drew it."""
LID_BANDS = (
    (226, 247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25),
    (446, 467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255),
)
"""Rings of landmarks round each eye: from above the lid's crease to below the lower lid."""
GROW, SOFT = 0.018, 0.010
"""How far the parts' mask reaches over its border, and its softness, in crop sides."""
UNSURE = (0.4, 0.85)
"""Lack of confidence (0..1) at which the model begins to show, and from which it stands alone."""
SHADE_WIDTH = 0.026
"""What counts as low frequencies of the change, in crop sides: all that a sure face takes."""
DARK, LIT = 12.0, (0.4, 2.0)
"""Grey levels below which light is not told from noise; how much less or more than its surroundings a pixel takes of it."""
LIVELIER = 2.0
"""How much the model's detail is strengthened at most, where it has less than the anchor."""
DRAWN = (Label.LASH,)
INSIDE = (Label.MOUTH, Label.TEETH, Label.TONGUE)
"""What stays the anchor's drawing: the lash line's edge, and the inside of a mouth as it is. The packaged model makes
greyish teeth of barely opened mouths, where the drawn ones are clean (docs/experiments.md)."""
DRAWN_GROW, DRAWN_SOFT = 0.008, 0.005
"""How far round a drawing it stays, and how softly that ends, in crop sides."""
FADE = 0.07
"""Width of the fade to nothing along the crop's border, in crop sides."""
WORTH = (2.0, 10.0)
"""Change in grey levels from which the anchor's fine detail is doubted where the anchor is unsure."""
STILL, MOVED, DOUBT = 0.6, 1.5, 40.0
"""Pixels of motion under which sure pixels stay as they are, and from which they do not; doubt in levels of confidence."""

UNLIKE, UNLIKE_WIDTH = (1.0, 6.0), 1.5
"""Difference to the photo in grey levels, over a few pixels, that makes an unsure pixel that does not move worth it."""
INWARDS = (0.2, 0.9)
"""Share of a pixel's surroundings that must change with it, for nothing and for all of its change."""

Change: TypeAlias = Float32[Array, "s s 4"]


@cache
def border_fade(size: int) -> Float32[Array, "s s"]:
    """1 inside the crop, 0 along its border."""
    edge = smoothstep(0.0, FADE * size, np.minimum(np.arange(size), np.arange(size)[::-1]).astype(np.float32))
    fade: Array = np.outer(edge, edge).astype(np.float32)
    fade.setflags(write=False)
    return fade


def part_mask(labels: UInt8[Array, "s s"], landmarks: Landmarks) -> Float32[Array, "s s"]:
    """Eyes with their whole lid bands, lips and mouth, a little grown and soft: 0..1; landmarks in crop pixels."""
    size = len(labels)
    mask: Array = np.isin(labels, PARTS).astype(np.uint8)
    for ring in LID_BANDS:
        cv2.fillPoly(mask, [np.rint(landmarks[list(ring), :2]).astype(np.int32)], (1,))
    reach = max(1, round(GROW * size))
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    return np.asarray(_blur(mask.astype(np.float32), SOFT * size), np.float32)


def face_change(
    made: Rgb,
    anchor: Rgb,
    confidence: UInt8[Array, "s s"],
    labels: UInt8[Array, "s s"],
    landmarks: Landmarks,
    own: Float32[Array, "s s"],
    detail: float = 0.0,
) -> Change:
    """What is added to one frame's crop of a head (grey levels), and how far the anchor's detail is doubted there (0..1).

    ``own`` is 1 where the pixel is this head's to paint; what the model made elsewhere counts for nothing. The face and
    all that the anchor is unsure of take the low frequencies of the change: the light, which bright pixels take more of
    than dark ones. Unsure pixels take ``detail`` (0..1) of the rest as well. A few-step prediction is the mean of what may
    be, which is blurred wherever detail cannot be known; so what it sees is brought to the anchor's strength, the lash
    line keeps the anchor's edge, and the inside of a mouth stays as it was drawn.
    """
    size = len(labels)
    shown = anchor.astype(np.float32)
    residual = _lively(shown + own[..., None] * (made - shown), shown) - shown
    free = 1 - _drawn(labels, DRAWN)
    unsure = _unsure(confidence) * free
    face = np.maximum((labels == Label.SKIN).astype(np.float32), np.maximum(unsure, part_mask(labels, landmarks)))
    where = face * free * own
    low = face[..., None] * _shade(residual, where) * np.clip(shown / np.maximum(_shade(shown, where), DARK), *LIT)
    weight = own * border_fade(size) * (1 - _drawn(labels, INSIDE))
    change: Array = np.zeros((size, size, 4), np.float32)
    change[..., :3] = weight[..., None] * low
    if detail:
        change[..., :3] += detail * (weight * unsure)[..., None] * (residual - low)
        change[..., 3] = detail * weight * _doubt(residual, unsure)
    return change


def hole_change(made: Rgb, anchor: Rgb, confidence: UInt8[Array, "s s"], free: Float32[Array, "s s"]) -> Change:
    """The same for the coarse whole frame: only unsure pixels change, and only where they are ``free`` (1)."""
    residual = made.astype(np.float32) - anchor
    unsure = _unsure(confidence) * free
    change: Array = np.empty((*unsure.shape, 4), np.float32)
    change[..., :3], change[..., 3] = residual * unsure[..., None], _doubt(residual, unsure)
    return change


def owned(faces: Sequence[Landmarks], heights: Sequence[float], which: int, size: int) -> Float32[Array, "s s"]:
    """Which pixels of a crop are face ``which``'s to paint, 0..1, where ``faces`` (crop pixels) are all there are.

    The larger of two faces counts as nearer (``heights`` at rest, as the anchor's layers have it). A pixel outside all
    faces is its whose face is nearest, in face sizes; another's face is never painted on.
    """
    share: Array = np.ones((size, size), np.float32)
    if len(faces) == 1:
        return share
    y, x = np.mgrid[:size, :size].astype(np.float32)
    mine, distance = _hull(faces[which], size, 0), _distance(faces[which], x, y)
    for k, other in enumerate(faces):
        if k == which:
            continue
        towards = smoothstep(-0.1, 0.1, _distance(other, x, y) - distance) * (1 - _hull(other, size, 2))
        share = share * (towards if heights[k] > heights[which] else np.maximum(towards, mine))
    return np.asarray(share, np.float32)


def shown_own(
    own: Float32[Array, "s s"], identity: UInt8[Array, "h w"], subject: int, matrix: Crop
) -> Float32[Array, "s s"]:
    """``own`` of a crop where it is known who each pixel shows (1 + the scene's index; 0: nobody that moves).

    Who is seen there has a pixel, whoever's face would lie nearer: a hidden face is not painted. What shows nobody stays
    as it was given out.
    """
    size, tables = len(own), np.zeros((2, 256), np.uint8)
    tables[0, 1 + subject], tables[1, 1:], tables[1, 1 + subject] = 255, 255, 0
    mine, others = (
        to_crop(cv2.LUT(identity, table), matrix, size, "confidence").astype(np.float32) / 255 for table in tables
    )
    return np.asarray(own * (1 - others) + (1 - own) * mine, np.float32)


def paste(
    canvas: Rgb,
    anchor: Anchor,
    index: int,
    photo: Rgb,
    change: Change,
    anchor_crop: UInt8[Array, "s s 3"],
    matrix: Crop,
) -> None:
    """Adds ``change`` to ``canvas`` in place: frame ``index`` of ``anchor``, seen through the crop ``matrix``.

    Where nothing moved and the anchor is sure, or shows just what the framed ``photo`` shows there, no byte changes.
    """
    if not change.any():
        return
    x0, y0, x1, y1 = _footprint(matrix, len(change), canvas.shape[:2])
    if x1 <= x0 or y1 <= y0:
        return
    scale = scale_of(matrix)
    if scale > 1.2:
        change = np.asarray(_blur(change, 0.4 * scale), np.float32)
    to_region = cv2.invertAffineTransform(matrix).astype(np.float32) - np.array([[0, 0, x0], [0, 0, y0]], np.float32)
    region, box = (x1 - x0, y1 - y0), np.s_[y0:y1, x0:x1]
    added = cv2.warpAffine(change, to_region, region, flags=cv2.INTER_LINEAR if scale > 1 else cv2.INTER_CUBIC)
    coarse = cv2.warpAffine(
        anchor_crop.astype(np.float32), to_region, region, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    gate = _gate(anchor.rgb[index][box], anchor.confidence[index][box], anchor.flow[index][box], photo[box])
    composite_kernels.add_change(canvas[box], anchor.rgb[index][box], gate, added, coarse)


def covered(matrix: Crop, size: int, other: Crop, other_size: int) -> Float32[Array, "s s"]:
    """How far each pixel of crop ``other`` lies inside crop ``matrix``, 0..1, with the same fade at the border."""
    joined: Array = np.vstack([other, [0, 0, 1]]) @ np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    inside = cv2.warpAffine(
        border_fade(size), joined[:2].astype(np.float32), (other_size, other_size), flags=cv2.INTER_LINEAR
    )
    return np.asarray(inside, np.float32)


def _gate(
    rgb: Rgb, confidence: UInt8[Array, "h w"], flow: Float16[Array, "h w 2"], photo: Rgb
) -> Float32[Array, "h w"]:
    """How far a pixel may change, 0..1: 0 where the photo's own stands; it falls off inwards, to the anchor's pixels."""
    way = flow.astype(np.float32)
    unlike = _blur(cv2.absdiff(rgb, photo).max(axis=2).astype(np.float32), UNLIKE_WIDTH)
    doubt = smoothstep(0, DOUBT, 255 - confidence.astype(np.float32)) * smoothstep(*UNLIKE, unlike)
    gate = np.maximum(smoothstep(STILL, MOVED, cv2.magnitude(way[..., 0], way[..., 1])), doubt)
    return np.asarray(gate * smoothstep(*INWARDS, _blur(gate, UNLIKE_WIDTH)), np.float32)


def _drawn(labels: UInt8[Array, "s s"], which: Sequence[Label]) -> Float32[Array, "s s"]:
    """What the anchor drew of these labels, a little grown and soft: 0..1."""
    size = len(labels)
    reach = max(1, round(DRAWN_GROW * size))
    mask = cv2.dilate(np.isin(labels, which).astype(np.float32), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.asarray(_blur(mask, DRAWN_SOFT * size), np.float32)


def _lively(made: Float32[Array, "s s 3"], anchor: Float32[Array, "s s 3"]) -> Float32[Array, "s s 3"]:
    """``made`` with as much detail as the ``anchor`` has in the same place, where it has less."""
    width = SHADE_WIDTH * len(made)
    detail, wanted = (picture - _blur(picture, width) for picture in (made, anchor))
    energy, most = (_blur(np.einsum("yxc,yxc->yx", part, part), width) for part in (detail, wanted))
    gain = np.sqrt(np.clip(most / np.maximum(energy, 1), 1, LIVELIER**2))
    return np.asarray(np.clip(made + (gain - 1)[..., None] * detail, 0, 255), np.float32)


def _shade(residual: Float32[Array, "s s 3"], face: Float32[Array, "s s"]) -> Float32[Array, "s s 3"]:
    """The low frequencies of ``residual`` on the face alone, found at half the size."""
    size = len(face)
    weighed: Array = np.empty((size, size, 4), np.float32)
    weighed[..., :3], weighed[..., 3] = residual * face[..., None], face
    small = cv2.resize(weighed, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
    small = _blur(small, SHADE_WIDTH * size / 2)
    low = small[..., :3] / np.maximum(small[..., 3:], 0.05)
    return np.asarray(cv2.resize(low, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def _unsure(confidence: UInt8[Array, "s s"]) -> Float32[Array, "s s"]:
    lack = _blur((255 - confidence.astype(np.float32)) / 255, 0.006 * len(confidence))
    return smoothstep(*UNSURE, lack)


def _doubt(residual: Float32[Array, "s s 3"], unsure: Float32[Array, "s s"]) -> Float32[Array, "s s"]:
    """How far the anchor's fine detail gives way: where it is unsure and the model says something else."""
    changed = _blur(np.abs(residual).mean(axis=2), 0.01 * len(unsure))
    return np.asarray(unsure * smoothstep(*WORTH, changed), np.float32)


def _blur(image: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE))


def _hull(face: Landmarks, size: int, grow: int) -> Float32[Array, "s s"]:
    outline = cv2.convexHull(np.clip(np.rint(face[:468, :2]), -8 * size, 8 * size).astype(np.int32))
    filled = cv2.fillConvexPoly(np.zeros((size, size), np.uint8), outline, (1,))
    if grow:
        filled = cv2.dilate(filled, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
    return np.asarray(filled, np.float32)


def _distance(face: Landmarks, x: Array, y: Array) -> Float32[Array, "s s"]:
    """Distance from the face's middle in face heights."""
    middle = face[:468, :2].mean(axis=0)
    return np.asarray(np.hypot(x - middle[0], y - middle[1]) / face_height(face), np.float32)


def _footprint(matrix: Crop, size: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The crop's bounding box in the frame: x0, y0, x1, y1."""
    back = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ back[:, :2].T + back[:, 2]
    x0, y0 = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(corners.max(0)) + 1, (shape[1], shape[0])).astype(int)
    return int(x0), int(y0), int(x1), int(y1)
