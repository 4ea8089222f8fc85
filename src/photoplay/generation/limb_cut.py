"""Takes an arm out of the person: along the seam beside the torso, with the body behind it filled in."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.generation.layers import Layer, grid
from photoplay.generation.limbs import INNER, SEAM, Arm, ArmMotion, along_bone
from photoplay.generation.mesh import smoothstep
from photoplay.generation.person import FramedTrack
from photoplay.generation.plate import fill_texture
from photoplay.generation.source import Framing
from photoplay.topology import FACE_OVAL, POSE_INDEX
from photoplay.types import Array, Label, Mask, Rgb

CLOTH = (3.0, 0.3)
"""How strictly the torso behind an arm takes the colour of what is next to it (as in ``plate.FAITH``)."""
UNDER = 0.07
"""How far the torso is continued behind an arm that lies against it, in shoulder widths."""

GAP = (40.0, 0.25)
"""How like the background the person must look to be a gap: grey levels, and as a share of how unlike it the rest is."""

FEWEST = 1e-4
"""Share of what lies around from which on a mean is one."""


@dataclass(frozen=True)
class ArmCut:
    """An arm taken out of the person: its layer, what remains of the person, and where the photo cannot stand any more."""

    layer: Layer
    remains: UInt8[Array, "th tw 4"]
    touched: Float32[Array, "h w"]


def cut_arm(framing: Framing, person: UInt8[Array, "th tw 4"], behind: Rgb, arm: Arm, track: FramedTrack) -> ArmCut:
    """Splits ``person`` (premultiplied, texture space) into ``arm`` and the rest, and fills in what the arm hid.

    ``behind`` is the background plate with its margin, at the film's size.
    """
    block, origin = _block(behind, framing.margin, arm)
    large = tuple(slice(s.start * framing.factor, s.stop * framing.factor) for s in block)
    part = np.ascontiguousarray(person[large])
    mask = _arm_mask(part, framing.factor, origin, arm)
    texture, remains = np.zeros_like(person), person.copy()
    texture[large] = np.rint(part * (mask.astype(np.float32)[..., None] / 255))
    without = _without(part, framing.factor, mask, origin, arm, track)
    remains[large] = _cleared(without, np.ascontiguousarray(behind[block]), origin, arm, track)
    nodes, cells = grid(framing, np.ascontiguousarray(texture[..., 3]))
    labels = np.full(behind.shape[:2], int(Label.ARM), np.uint8)
    motion = ArmMotion.of(nodes, arm, track)
    layer = Layer.of(framing, texture, labels, cells, motion, np.ones(len(nodes), np.float32), track.subject)
    touched = np.zeros(behind.shape[:2], np.float32)
    touched[block] = mask[:: framing.factor, :: framing.factor] > 0
    soft = cv2.GaussianBlur(cv2.dilate(touched, np.ones((9, 9), np.uint8)), (0, 0), 2.0)
    return ArmCut(layer, remains, np.ascontiguousarray(soft[framing.inside]).astype(np.float32))


def _block(behind: Rgb, margin: int, arm: Arm) -> tuple[tuple[slice, slice], Float32[Array, 2]]:
    """Rows and columns (with the margin, at the film's size) in which the arm lies, and their first pixel in the frame."""
    low, high = arm.chain[:, :2].min(0) + margin, arm.chain[:, :2].max(0) + margin
    room = 0.6 * arm.thickness
    x0, y0 = (int(np.clip(v - room, 0, size - 2)) for v, size in zip(low, behind.shape[1::-1], strict=True))
    x1, y1 = (int(np.clip(v + room, 2, size)) for v, size in zip(high, behind.shape[1::-1], strict=True))
    origin = np.array([x0 - margin, y0 - margin], np.float32)
    return (slice(y0, max(y1, y0 + 2)), slice(x0, max(x1, x0 + 2))), origin


def _points(size: tuple[int, int], origin: Float32[Array, 2]) -> Float32[Array, "n 2"]:
    """The frame-space points of a block's pixels, row by row."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    return np.asarray(np.stack([x.ravel(), y.ravel()], 1) + origin, np.float32)


def _arm_mask(
    person: UInt8[Array, "th tw 4"], factor: int, origin: Float32[Array, 2], arm: Arm
) -> UInt8[Array, "th tw"]:
    """How far each texture pixel belongs to the arm, 0..255: up to the matte outwards, up to the seam by the torso."""
    size = (person.shape[1] // factor, person.shape[0] // factor)
    small = cv2.resize(person, size, interpolation=cv2.INTER_AREA)
    seam = _seam(small, origin, arm)
    inside = arm.inside(_points(size, origin), seam).reshape(size[::-1])
    return np.asarray(np.rint(cv2.resize(inside, person.shape[1::-1], interpolation=cv2.INTER_LINEAR) * 255), np.uint8)


def _seam(small: UInt8[Array, "h w 4"], origin: Float32[Array, 2], arm: Arm) -> Float32[Array, "3 s"]:
    """Where arm and torso part: for each bone the seam's distance from it at SEAM places along it, in frame pixels.

    The cheapest path along the arm, cheap where the picture has an edge and near the usual radius (dynamic programming).
    """
    colours = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.0)
    across, down = cv2.Sobel(colours, cv2.CV_32F, 1, 0), cv2.Sobel(colours, cv2.CV_32F, 0, 1)
    edges = np.hypot(across, down).sum(-1)
    offsets = np.linspace(0.06, 0.26, 48, dtype=np.float32) * arm.thickness
    places = np.linspace(0, 1, SEAM, endpoint=False, dtype=np.float32)
    rows, usual = [], []
    for k in range(3):
        start, bone, normal = arm.bone(k)
        at = start + places[:, None, None] * bone + offsets[None, :, None] * normal - origin
        at = at.astype(np.float32)
        rows.append(cv2.remap(edges, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        usual.append((INNER[k] + (INNER[k + 1] - INNER[k]) * places) * arm.thickness)
    strength = np.concatenate(rows)
    strength = strength / max(float(np.percentile(strength, 95)), 1e-3)
    off_usual = (offsets[None, :] - np.concatenate(usual)[:, None]) / (0.05 * arm.thickness)
    cost = 1 - np.minimum(strength, 1) + 0.15 * off_usual**2
    path = _cheapest_path(cost.astype(np.float32), 0.6)
    return cv2.GaussianBlur(offsets[path][None], (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE).reshape(3, SEAM)


def _cheapest_path(cost: Float32[Array, "n m"], bend: float) -> Array:
    """The column for each row of the path from top to bottom with the least cost; a step sideways costs ``bend``."""
    total, came = cost[0].copy(), np.zeros(cost.shape, np.int64)
    columns = np.arange(cost.shape[1])
    step = bend * np.abs(columns[:, None] - columns[None, :])
    step = np.where(np.abs(columns[:, None] - columns[None, :]) > 2, np.inf, step)
    for row in range(1, len(cost)):
        through = total[None, :] + step
        came[row] = through.argmin(1)
        total = through.min(1) + cost[row]
    path = [int(total.argmin())]
    for row in range(len(cost) - 1, 0, -1):
        path.append(int(came[row, path[-1]]))
    return np.array(path[::-1])


def _without(
    person: UInt8[Array, "th tw 4"],
    factor: int,
    mask: UInt8[Array, "th tw"],
    origin: Float32[Array, 2],
    arm: Arm,
    track: FramedTrack,
) -> UInt8[Array, "th tw 4"]:
    """The person without the arm: torso filled in where the torso must be, nothing where the background is."""
    size = (person.shape[1] // factor, person.shape[0] // factor)
    small = cv2.resize(person, size, interpolation=cv2.INTER_AREA)
    torso = _torso_mask(size, origin, track, arm)
    gone = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    solid = (small[..., 3] > 250) & (gone == 0)
    beside = cv2.distanceTransform((~solid).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) / arm.thickness
    under = 255 * (1 - smoothstep(UNDER - 0.02, UNDER, beside)) * _inner_side(size, origin, arm)
    torso = np.maximum(torso, under.astype(np.uint8))
    hole = (~solid).astype(np.uint8)
    wanted = (gone > 0) & (torso > 0)
    filled = small[..., :3].astype(np.float32)
    if wanted.any() and solid.sum() > 256:
        part = _around(wanted, round(0.3 * arm.thickness))
        filled[part] = fill_texture(np.ascontiguousarray(filled[part]), np.ascontiguousarray(hole[part]), faith=CLOTH)
    large = (person.shape[1], person.shape[0])
    fill = cv2.resize(filled, large, interpolation=cv2.INTER_LINEAR)
    cover = cv2.resize(torso, large, interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None] / 255
    share = mask.astype(np.float32)[..., None] / 255
    fill = np.dstack([np.clip(fill, 0, 255), np.full(fill.shape[:2], 255, np.float32)])
    kept: Array = np.rint(person * (1 - share) + fill * (share * cover)).astype(np.uint8)
    return kept


def _cleared(
    remains: UInt8[Array, "th tw 4"], behind: Rgb, origin: Float32[Array, 2], arm: Arm, track: FramedTrack
) -> UInt8[Array, "th tw 4"]:
    """``remains`` without what the arm left beside the torso: slivers, and gaps through which background shows."""
    size = (behind.shape[1], behind.shape[0])
    small = cv2.resize(remains, size, interpolation=cv2.INTER_AREA)
    zone = (
        arm.inside(_points(size, origin), np.full((3, SEAM), 0.26 * arm.thickness, np.float32)).reshape(size[::-1]) > 0
    )
    zone = cv2.dilate(zone.astype(np.uint8), np.ones((2 * round(0.05 * arm.thickness) + 1,) * 2, np.uint8)) > 0
    zone &= _torso_mask(size, origin, track, arm) < 128
    solid = (small[..., 3] > 127).astype(np.uint8)
    radius = max(1, round(0.02 * arm.thickness))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    firm = cv2.dilate(cv2.morphologyEx(solid, cv2.MORPH_OPEN, brush), np.ones((5, 5), np.uint8))
    sliver = (small[..., 3] > 0) & (firm == 0)
    wall = cv2.GaussianBlur(behind.astype(np.float32), (0, 0), 1.0)
    to_behind = np.abs(_mean_around(small, small[..., 3] > 0, 1.0, wall) - wall).max(-1)
    unlike = (small[..., 3] > 250) & (to_behind > GAP[0])
    rest = np.abs(_mean_around(small, unlike, 0.2 * arm.thickness, wall) - wall).max(-1)
    gap = to_behind < np.minimum(GAP[0], GAP[1] * rest)
    gap &= cv2.dilate((small[..., 3] < 128).astype(np.uint8), np.ones((4 * radius + 1,) * 2, np.uint8)) > 0
    gone = cv2.dilate((zone & (sliver | gap)).astype(np.uint8), np.ones((3, 3), np.uint8))
    share = cv2.resize(
        cv2.GaussianBlur(gone.astype(np.float32), (0, 0), 0.8), remains.shape[1::-1], interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(np.rint(remains * (1 - share[..., None])), np.uint8)


def _mean_around(
    person: UInt8[Array, "h w 4"], where: Bool[Array, "h w"], sigma: float, otherwise: Float32[Array, "h w 3"]
) -> Float32[Array, "h w 3"]:
    """The person's mean colour ``sigma`` pixels around, of the marked pixels alone; ``otherwise`` where there are none."""
    total = cv2.GaussianBlur(person * where.astype(np.float32)[..., None], (0, 0), sigma)
    share = total[..., 3:] / 255
    return np.asarray(np.where(share > FEWEST, total[..., :3] / np.maximum(share, FEWEST), otherwise), np.float32)


def _inner_side(size: tuple[int, int], origin: Float32[Array, 2], arm: Arm) -> Float32[Array, "h w"]:
    """1 beside the upper arm towards the torso, where an arm that hangs lies against it; else 0."""
    points = _points(size, origin)
    start, bone, normal = arm.bone(0)
    along, _ = along_bone(points, start, start + bone)
    side = smoothstep(0.0, 0.04, (points - start) @ normal / arm.thickness)
    inner = side * smoothstep(0.0, 0.1, along) * (1 - smoothstep(0.85, 1.0, along))
    return np.asarray(inner.reshape(size[::-1]), np.float32)


def _around(mask: Array, room: int) -> tuple[slice, slice]:
    """Rows and columns of what ``mask`` covers, with ``room`` pixels around it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(max(0, rows[0] - room), rows[-1] + room + 1), slice(max(0, columns[0] - room), columns[-1] + room + 1)


def _torso_mask(size: tuple[int, int], origin: Float32[Array, 2], track: FramedTrack, arm: Arm) -> Mask:
    """Where the torso is, whether an arm hides it or not: the shoulders' and hips' quadrilateral and the shoulder's cap."""
    names = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    corners = track.rest_joints[[POSE_INDEX[name] for name in names], :2] - origin
    mask: Array = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(corners).astype(np.int32)), (255,))
    shoulder = tuple(int(v) for v in np.rint(arm.chain[0, :2] - origin))
    mask = cv2.dilate(mask, np.ones((2 * int(0.06 * arm.thickness) + 1,) * 2, np.uint8))
    cv2.circle(mask, shoulder, int(0.1 * arm.thickness), (255,), -1)
    oval = np.rint(track.rest[list(FACE_OVAL), :2] - origin).astype(np.int32)
    cv2.fillPoly(mask, [oval], (255,))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(1.0, 0.01 * arm.thickness)))
