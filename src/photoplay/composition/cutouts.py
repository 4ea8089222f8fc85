"""A person cut out of a photo: a clean edge, and colours without the old background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from photoplay.composition.filling import carry_on
from photoplay.topology import POSE_INDEX, inter_ocular
from photoplay.types import Array, Body, Face, Mask, Rgb, Scene, Subject

HAIR_BAND, BODY_BAND = 0.22, 0.06
"""How far the soft edge may reach to both sides of the outline, around the head and elsewhere, in inter-ocular distances."""
LARGEST_SPUR = 0.7
"""Thin parts of the body's outline larger than a square of so many heads are somebody's ribbon or strap, not an error."""
RIM, LARGEST_SPECK = 0.035, 0.12
"""Width of the rim, and side of the largest speck, whose colours are taken from beside them, in inter-ocular distances."""
STEP_BLUR, STEP_GAIN = 0.6, 1.35
"""Blur in photo pixels, and how much steeper the edge is made again, where a photo is enlarged."""
CHOKE = 0.06
"""The outline moves inwards by this much of the alpha: the outermost rim of a person is never quite the person's colour."""


@dataclass(frozen=True)
class Cutout:
    """One person on a canvas: ``pixels`` [h, w, 3] sRGB, soft ``matte`` [h, w] 0..255, the face and body in its pixels.

    ``pixels`` are the person's own colours: behind a soft edge they go on as the person's hair or skin, without the old
    background, so that ``matte * pixels + (1 - matte) * plate`` shows no halo. Far from the person they mean nothing.
    """

    pixels: Rgb
    matte: Mask
    face: Face
    body: Body | None = None


@dataclass(frozen=True)
class Placement:
    """Where a photo lies on a canvas: ``canvas = scale * photo + (x, y)``, measured in pixel edges, not centres."""

    scale: float
    x: float
    y: float

    def points(self, points: Float32[Array, "n d"]) -> Float32[Array, "n d"]:
        """Photo points (pixel centres at whole numbers) on the canvas; a third coordinate is scaled alike."""
        moved = points * np.float32(self.scale)
        moved[:, 0] += self.x + 0.5 * self.scale - 0.5
        moved[:, 1] += self.y + 0.5 * self.scale - 0.5
        return np.asarray(moved, np.float32)


def main_subject(scene: Scene) -> int:
    """The index of the largest face."""
    boxes = [subject.face.box for subject in scene.subjects]
    return max(range(len(boxes)), key=lambda i: (boxes[i][2] - boxes[i][0]) * (boxes[i][3] - boxes[i][1]))


def cut_person(rgb: Rgb, subject: Subject, people: Mask) -> Cutout:
    """Cuts ``subject`` out of its photo; ``people`` is the matte of all, for where the person has none of its own."""
    unit = inter_ocular(subject.face.landmarks)
    matte = subject.matte if subject.matte is not None else people
    eyes = subject.face.landmarks[[33, 133, 263, 362], :2].mean(0)
    band = _band(matte.shape, eyes, unit)
    inside, refused = _outline(rgb, matte, subject)
    depth, off = _distance(inside), _distance(1 - inside)
    image = rgb.astype(np.float32)
    front = carry_on(image, ((depth > band) & (matte > 250)).astype(np.float32))
    back = carry_on(image, ((off > band) & (people < 3)).astype(np.float32))
    alpha, share = _measured(image, front, back, matte.astype(np.float32) / 255)
    signed = (depth - off) / band
    alpha = np.clip(np.clip(alpha, 2.2 * signed - 1.2, 2.2 + 2.2 * signed), 0, 1)
    alpha = np.clip((alpha - CHOKE) / (1 - 1.5 * CHOKE), 0, 1).astype(np.float32) * (1 - refused)
    alpha = _without_islands(alpha, inside)
    pure = np.where(signed > 1, 1, share).astype(np.float32)
    core = _core(alpha, pure, unit)
    near = carry_on(image, core.astype(np.float32))
    own = _own_colours(image, near, back, np.minimum(alpha, pure))
    own[core] = rgb[core]
    return Cutout(own, _to_mask(alpha), subject.face, subject.body)


def _core(alpha: Float32[Array, "h w"], pure: Float32[Array, "h w"], unit: float) -> Bool[Array, "h w"]:
    """Where a photo's own pixels are the person's beyond doubt: a rim inside the outline, where lens and compression mix
    it with the background, is not, nor are specks of background that shine through hair."""
    solid = (alpha > 0.9).astype(np.uint8)
    core = _distance(solid) > max(1.5, RIM * unit)
    impure = ((pure < 0.6) & core).astype(np.uint8)
    _, groups, stats, _ = cv2.connectedComponentsWithStats(impure, connectivity=8)
    speck = stats[:, cv2.CC_STAT_AREA] < (LARGEST_SPECK * unit) ** 2
    speck[0] = False
    specks = cv2.dilate(speck[groups].astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(core & (specks == 0))


def _band(shape: tuple[int, ...], eyes: Float32[Array, 2], unit: float) -> Float32[Array, "h w"]:
    """Half the width of the soft edge in pixels: wide around the head and the hair that falls on the shoulders."""
    down = (np.arange(shape[0], dtype=np.float32) - eyes[1]) / unit
    across = np.abs(np.arange(shape[1], dtype=np.float32) - eyes[0]) / unit
    hair = np.outer(np.clip(2.0 - down / 2.2, 0, 1), np.clip(2.2 - across / 1.2, 0, 1))
    least = max(1.5, BODY_BAND * unit)
    return (least + max(HAIR_BAND * unit - least, 0) * hair).astype(np.float32)


def _outline(rgb: Rgb, matte: Mask, subject: Subject) -> tuple[UInt8[Array, "h w"], Float32[Array, "h w"]]:
    """The person as one solid shape without islands, pinholes and thin spurs; and where the spurs were, softly.

    Below the chin a spur is whatever a disc of nine tenths of a head does not fit into, unless it is large or a hand.
    """
    unit = inter_ocular(subject.face.landmarks)
    eyes = subject.face.landmarks[[33, 133, 263, 362], :2].mean(0)
    solid = (matte > 127).astype(np.uint8)
    opened = 1 - _opened(1 - _opened(solid, 0.12 * unit), 0.12 * unit)
    thin = _opened(opened & (1 - _opened(opened, 0.9 * unit, at_sides=False)), 0.06 * unit)
    count, groups, stats, centres = cv2.connectedComponentsWithStats(thin, connectivity=4)
    small = (stats[:, cv2.CC_STAT_AREA] < (LARGEST_SPUR * unit) ** 2) & (centres[:, 1] > eyes[1] + 1.6 * unit)
    small[0] = False
    for spur in np.flatnonzero(small):
        left, top, width, height, _ = stats[spur]
        part = np.s_[top : top + height, left : left + width]
        hand = _near_hand(subject.body, centres[spur], 2 * unit)
        small[spur] = not (hand and _skin_like(rgb, rgb[part][groups[part] == spur], subject.face))
    opened = np.where(small[groups], 0, opened).astype(np.uint8)
    spurs = (_distance(1 - small[groups].astype(np.uint8)) <= 0.06 * unit) & (_distance(1 - opened) > 1)
    count, groups, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count > 1:
        height, width = opened.shape
        y, x = int(np.clip(eyes[1], 0, height - 1)), int(np.clip(eyes[0], 0, width - 1))
        own = int(groups[y, x]) or 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        opened = (groups == own).astype(np.uint8)
    _, groups, stats, _ = cv2.connectedComponentsWithStats(1 - opened, connectivity=4)
    hole = stats[:, cv2.CC_STAT_AREA] < (0.3 * unit) ** 2
    hole[0] = False
    inside = np.where(hole[groups], 1, opened).astype(np.uint8)
    smooth = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.12 * unit, borderType=cv2.BORDER_REPLICATE) > 0.5
    first = int(np.clip(eyes[1] + 2.2 * unit, 0, len(inside)))
    inside[first:] = smooth[first:]
    return inside, cv2.GaussianBlur(spurs.astype(np.float32), (0, 0), 0.7)


def _opened(solid: UInt8[Array, "h w"], across: float, at_sides: bool = True) -> UInt8[Array, "h w"]:
    """The shape without what is narrower than a disc ``across`` pixels wide. It goes on beyond the picture, ``at_sides``
    as well as above and below."""
    room = int(across) + 2
    shape = cv2.copyMakeBorder(solid, room, room, 0, 0, cv2.BORDER_REPLICATE)
    shape = cv2.copyMakeBorder(shape, 0, 0, room, room, cv2.BORDER_REPLICATE if at_sides else cv2.BORDER_CONSTANT)
    core = (_distance(shape) > across / 2).astype(np.uint8)
    return np.ascontiguousarray((_distance(1 - core) <= across / 2).astype(np.uint8)[room:-room, room:-room])


def _distance(shape: UInt8[Array, "h w"]) -> Float32[Array, "h w"]:
    """How far each pixel of the shape is from the nearest one outside."""
    return np.asarray(cv2.distanceTransform(shape, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def _near_hand(body: Body | None, where: Array, reach: float) -> bool:
    """Whether a wrist that is seen lies within ``reach``; where no body was found, it may."""
    if body is None:
        return True
    wrists = [POSE_INDEX["left_wrist"], POSE_INDEX["right_wrist"]]
    far = np.linalg.norm(body.joints[wrists, :2] - where, axis=1)
    return bool(((far < reach) & (body.visibility[wrists] > 0.3)).any())


def _skin_like(rgb: Rgb, colours: UInt8[Array, "n 3"], face: Face) -> bool:
    """Whether colours are the face's own skin, in more or less light."""
    x, y = np.round(face.landmarks[[50, 280, 205, 425, 151], :2].T).astype(int)
    skin = rgb[np.clip(y, 0, rgb.shape[0] - 1), np.clip(x, 0, rgb.shape[1] - 1)]
    values = np.stack([np.median(skin, 0), np.median(colours, 0)]).astype(np.uint8)[None]
    lab = cv2.cvtColor(values, cv2.COLOR_RGB2LAB)[0].astype(np.float32)
    return bool(np.hypot(*(lab[0, 1:] - lab[1, 1:])) < 12 and abs(lab[0, 0] - lab[1, 0]) < 60)


def _measured(
    image: Float32[Array, "h w 3"],
    front: Float32[Array, "h w 3"],
    back: Float32[Array, "h w 3"],
    alpha: Float32[Array, "h w"],
) -> tuple[Float32[Array, "h w"], Float32[Array, "h w"]]:
    """Alpha as the share of the way from background to person, as far as both differ and the pixel lies on that way.

    The second is how much of a pixel's colour can be the person's: 1 where the two colours tell nothing.
    """
    way = front - back
    length = np.square(way).sum(-1)
    share = np.clip(((image - back) * way).sum(-1) / np.maximum(length, 1), 0, 1)
    astray = np.square(image - back - share[..., None] * way).sum(-1)
    differ = np.clip((np.sqrt(length) - 40) / 80, 0, 1)
    trust = differ * np.exp(-astray / (0.08 * length + 100))
    doubt = np.clip(8 * alpha * (1 - alpha), 0, 1)
    pure = 1 - differ * np.exp(-astray / (0.02 * length + 50)) * (1 - np.clip(1.3 * share, 0, 1))
    return (alpha + 0.8 * trust * doubt * (share - alpha)).astype(np.float32), pure.astype(np.float32)


def _without_islands(alpha: Float32[Array, "h w"], inside: UInt8[Array, "h w"]) -> Float32[Array, "h w"]:
    """Alpha only where it hangs together with the person."""
    _, groups = cv2.connectedComponents((alpha > 0.35).astype(np.uint8), connectivity=4)
    joined = np.zeros(int(groups.max()) + 1, np.uint8)
    joined[np.unique(groups[inside > 0])] = 1
    joined[0] = 0
    near = cv2.dilate(joined[groups], np.ones((3, 3), np.uint8)).astype(np.float32)
    return alpha * cv2.blur(near, (3, 3))


def _own_colours(
    image: Float32[Array, "h w 3"],
    front: Float32[Array, "h w 3"],
    back: Float32[Array, "h w 3"],
    alpha: Float32[Array, "h w"],
) -> Rgb:
    """The person's colour at every pixel: ``F = (I - (1 - alpha) B) / alpha`` where background and person are alike, so
    that alpha matters little; the more they differ, the more the colour that is carried on from inside (``front``)."""
    some = np.maximum(alpha, 0.25)[..., None]
    unmixed = (image - (1 - alpha[..., None]) * back) / some
    reach = 18 + 90 * alpha[..., None]
    unmixed = front + np.clip(unmixed - front, -reach, reach)
    differ = np.clip((np.sqrt(np.square(front - back).sum(-1)) - 40) / 80, 0, 1)
    trust = (np.clip((alpha - 0.3) / 0.65, 0, 1) * (1 - 0.75 * differ))[..., None]
    own = front + (unmixed - front) * trust
    return np.asarray(np.clip(np.rint(own), 0, 255), np.uint8)


def _to_mask(alpha: Float32[Array, "h w"]) -> Mask:
    return np.asarray(np.rint(np.clip(alpha, 0, 1) * 255), np.uint8)


def place(cutout: Cutout, placement: Placement, width: int, height: int) -> Cutout:
    """The cutout on a canvas of ``width`` x ``height`` (Lanczos; nothing aliases), with its face and body moved along.

    Above and below the photo the person goes on straight, below in mirrored colours; beyond its sides is nobody.
    """
    matte = put(cutout.matte, placement, width, height)
    if placement.scale > 1.2:
        matte = _without_steps(matte, placement.scale)
    if (left := int(np.ceil(placement.x))) > 0:
        matte[:, :left] = 0
    if (right := int(placement.x + placement.scale * cutout.matte.shape[1])) < width:
        matte[:, max(right, 0) :] = 0
    pixels = put(cutout.pixels, placement, width, height, mirrored_below=True)
    face, body = cutout.face, cutout.body
    landmarks = placement.points(face.landmarks)
    inside = ((landmarks[:, :2] > -0.5) & (landmarks[:, :2] < np.array([width - 0.5, height - 0.5]))).all(1)
    corners = np.array(face.box, np.float32).reshape(2, 2) * placement.scale + (placement.x, placement.y)
    x0, y0, x1, y1 = (float(v) for v in corners.reshape(-1))
    face = replace(
        face, landmarks=landmarks, box=(x0, y0, x1, y1), visibility=(face.visibility * inside).astype(np.float32)
    )
    if body is not None:
        joints = placement.points(body.joints)
        seen = ((joints[:, :2] > -0.5) & (joints[:, :2] < np.array([width - 0.5, height - 0.5]))).all(1)
        body = Body(joints, (body.visibility * seen).astype(np.float32))
    return Cutout(pixels, matte, face, body)


def _without_steps(matte: Mask, scale: float) -> Mask:
    """An enlarged matte whose outline does not show the small one's pixels as steps."""
    soft = cv2.GaussianBlur(matte, (0, 0), STEP_BLUR * scale).astype(np.float32)
    return np.asarray(np.clip(np.rint((soft - 127.5) * STEP_GAIN + 127.5), 0, 255), np.uint8)


def put(image: Array, placement: Placement, width: int, height: int, mirrored_below: bool = False) -> Array:
    """``image`` [h, w] or [h, w, 3] on a canvas; beyond its borders it goes on as they are, or mirrored below the lower."""
    rows, columns = image.shape[:2]
    x0, y0 = -placement.x / placement.scale, -placement.y / placement.scale
    x1, y1 = x0 + width / placement.scale, y0 + height / placement.scale
    left, top = max(0, int(np.ceil(-x0)) + 4), max(0, int(np.ceil(-y0)) + 4)
    right, bottom = max(0, int(np.ceil(x1 - columns)) + 4), max(0, int(np.ceil(y1 - rows)) + 4)
    below = cv2.BORDER_REFLECT_101 if mirrored_below else cv2.BORDER_REPLICATE
    grown = cv2.copyMakeBorder(image, 0, bottom, 0, 0, below)
    grown = cv2.copyMakeBorder(grown, top, 0, left, right, cv2.BORDER_REPLICATE)
    box = (x0 + left, y0 + top, x1 + left, y1 + top)
    return np.array(Image.fromarray(grown).resize((width, height), Image.Resampling.LANCZOS, box=box))
