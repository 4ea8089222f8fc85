"""Arms as layers of their own: cut out along their bones, moved by them, with the body behind them filled in."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.generation.body import CORNERS
from photoplay.generation.layers import Layer, grid
from photoplay.generation.mesh import smoothstep
from photoplay.generation.person import FramedTrack
from photoplay.generation.plate import fill_texture
from photoplay.generation.source import Framing
from photoplay.topology import FACE_OVAL, POSE_INDEX
from photoplay.types import Array, Joints, Label, Mask, Rgb

SEEN = 0.35
"""Visibility from which a joint counts as seen."""
SIDES = ("left", "right")
THICKNESS = (0.22, 0.32, 0.28, 0.26)
"""Radius of the arm at shoulder, elbow, wrist and hand in shoulder widths, sleeves included: the matte ends it sooner."""
INNER = (0.12, 0.13, 0.11, 0.16)
"""The same on the side of the torso, where the matte runs on."""
CLOTH = (3.0, 0.3)
"""How strictly the torso behind an arm takes the colour of what is next to it (as in ``plate.FAITH``)."""
LEAST = 0.12
"""An arm is cut out when it moves against its shoulder by more than this, in shoulder widths: less is not worth a cut."""
UNDER = 0.07
"""How far the torso is continued behind an arm that lies against it, in shoulder widths."""
SEAM = 64
"""Places along each bone where the seam between arm and torso is sought."""
SHORTEST, LONGEST = 0.5, 1.6
"""How far foreshortening may change a bone's length in the picture."""


def arm_chain(joints: Joints, side: str) -> Float32[Array, "4 3"]:
    """Shoulder, elbow, wrist and the tip of the hand."""
    hand = joints[[POSE_INDEX[f"{side}_index"], POSE_INDEX[f"{side}_pinky"]]].mean(0)
    wrist = joints[POSE_INDEX[f"{side}_wrist"]]
    tip = wrist + (hand - wrist) * np.float32(1.9)
    return np.stack([joints[POSE_INDEX[f"{side}_shoulder"]], joints[POSE_INDEX[f"{side}_elbow"]], wrist, tip])


def shoulder_width(joints: Joints) -> float:
    """Distance between the shoulders in frame pixels."""
    left, right = joints[POSE_INDEX["left_shoulder"], :2], joints[POSE_INDEX["right_shoulder"], :2]
    return max(float(np.linalg.norm(left - right)), 1.0)


@dataclass(frozen=True)
class Arm:
    """One arm's bones over the film, in frame space.

    ``turns`` [f, 3] is how far the bones (upper arm, forearm, hand) turn against the bone before them, in radians and
    without jumps; ``lengths`` [f, 3] their length relative to rest.
    """

    side: str
    chain: Float32[Array, "4 3"]
    chains: Float32[Array, "f 4 3"]
    turns: Float32[Array, "f 3"]
    lengths: Float32[Array, "f 3"]
    thickness: float
    spine: Float32[Array, 2]

    @classmethod
    def of(cls, track: FramedTrack, side: str) -> Arm:
        """Reads the arm on ``side`` of the subject."""
        chain = arm_chain(track.rest_joints, side)
        chains = np.stack([arm_chain(joints, side) for joints in track.joints])
        bones, rest = np.diff(chains[..., :2], axis=1), np.diff(chain[:, :2], axis=0)
        angles = np.unwrap(np.arctan2(bones[..., 1], bones[..., 0]), axis=0)
        angles -= np.arctan2(rest[:, 1], rest[:, 0])
        angles -= 2 * np.pi * np.rint(angles[:1] / (2 * np.pi))
        turns = np.diff(angles, axis=1, prepend=0.0)
        turns -= 2 * np.pi * np.rint(turns[:1] / (2 * np.pi))
        lengths = np.linalg.norm(bones, axis=-1) / np.maximum(np.linalg.norm(rest, axis=-1), 1e-3)
        lengths = np.clip(lengths, SHORTEST, LONGEST).astype(np.float32)
        spine = track.rest_joints[list(CORNERS), :2].mean(0)
        return cls(side, chain, chains, turns.astype(np.float32), lengths, shoulder_width(track.rest_joints), spine)

    def moves(self, track: FramedTrack) -> bool:
        """Whether it is seen, clear of the face, and moves enough against the shoulder."""
        seen = all(
            track.visibility[POSE_INDEX[f"{self.side}_{name}"]] >= SEEN for name in ("shoulder", "elbow", "wrist")
        )
        own = (self.chains - self.chains[:, :1]) - (self.chain - self.chain[:1])
        return seen and float(np.abs(own[:, 1:3, :2]).max()) > LEAST * self.thickness and not self._covers_face(track)

    def in_front(self) -> bool:
        """Whether the arm lies before the torso, as arms mostly do."""
        return bool(self.chain[2, 2] < self.chain[0, 2] + 0.5 * self.thickness)

    def _covers_face(self, track: FramedTrack) -> bool:
        points = np.ascontiguousarray(track.rest[:468, :2])
        return float(self.inside(points).mean()) > 0.1

    def bone(self, k: int) -> tuple[Float32[Array, 2], Float32[Array, 2], Float32[Array, 2]]:
        """Start of bone ``k`` in the photo, the way along it, and its unit normal towards the torso."""
        start, bone = self.chain[k, :2], self.chain[k + 1, :2] - self.chain[k, :2]
        normal = np.array([-bone[1], bone[0]], np.float32) / np.float32(max(float(np.linalg.norm(bone)), 1e-3))
        facing = np.float32(1.0 if float((self.spine - start - bone / 2) @ normal) >= 0 else -1.0)
        return start, bone, normal * facing

    def inside(self, points: Float32[Array, "n 2"], seam: Float32[Array, "3 s"] | None = None) -> Float32[Array, n]:
        """How far ``points`` lie in the arm, 0..1: capsules around its bones, by the torso only up to the ``seam``."""
        outer, inner = np.array(THICKNESS) * self.thickness, np.array(INNER) * self.thickness
        best = np.full(len(points), np.inf, np.float32)
        for k in range(3):
            start, bone, normal = self.bone(k)
            along, off = _along(points, start, start + bone)
            t = np.clip(along, 0, 1)
            near = inner[k] + (inner[k + 1] - inner[k]) * t
            if seam is not None:
                near = np.interp(t * SEAM, np.arange(SEAM), seam[k])
            side = smoothstep(-0.05, 0.05, (points - start) @ normal / self.thickness)
            radius = outer[k] + (outer[k + 1] - outer[k]) * t
            best = np.minimum(best, off - (radius + (near - radius) * side))
        return 1 - smoothstep(-0.7, 0.7, best)


def _along(
    points: Float32[Array, "n 2"], start: Float32[Array, 2], end: Float32[Array, 2]
) -> tuple[Float32[Array, n], Float32[Array, n]]:
    """Where on the bone the nearest point lies (0 start, 1 end, unclipped), and the distance to the bone."""
    bone = end - start
    along = (points - start) @ bone / max(float(bone @ bone), 1e-3)
    off = np.linalg.norm(points - start - np.clip(along, 0, 1)[:, None] * bone, axis=1)
    return along.astype(np.float32), off.astype(np.float32)


@dataclass(frozen=True)
class ArmMotion:
    """Points of one arm. ``bend`` [n, 3] is how far each follows the turn at shoulder, elbow and wrist."""

    arm: Arm
    track: FramedTrack
    rest: Float32[Array, "n 3"]
    bend: Float32[Array, "n 3"]
    reach: Float32[Array, "n 3"]

    @classmethod
    def of(cls, nodes: Float32[Array, "n 2"], arm: Arm, track: FramedTrack) -> ArmMotion:
        """Weighs how each rest node follows the bones; the joints bend over about the arm's own thickness."""
        radius = np.array(INNER) * arm.thickness
        bend, reach = np.zeros((len(nodes), 3), np.float32), np.zeros((len(nodes), 3), np.float32)
        depth = np.full(len(nodes), arm.chain[0, 2], np.float32)
        passed = np.ones(len(nodes), np.float32)
        for k in range(3):
            length = max(float(np.linalg.norm(arm.chain[k + 1, :2] - arm.chain[k, :2])), 1.0)
            along, off = _along(nodes, arm.chain[k, :2], arm.chain[k + 1, :2])
            soft = min(0.45, float(radius[k]) * (0.8 if k else 0.6) / length)
            _, before = (
                _along(nodes, arm.chain[k - 1, :2], arm.chain[k, :2]) if k else (along, np.full_like(off, np.inf))
            )
            nearer = smoothstep(-0.8, 0.8, (before - off) / radius[k]) if k else np.ones_like(off)
            passed = passed * (
                smoothstep(-soft, soft, along) if k == 0 else nearer * smoothstep(-2 * soft, soft, along)
            )
            bend[:, k] = passed
            reach[:, k] = np.clip(along, 0, 1) * length * passed
            depth += (arm.chain[k + 1, 2] - arm.chain[k, 2]) * np.clip(along, 0, 1) * passed
        return cls(arm, track, np.column_stack([nodes, depth]).astype(np.float32), bend, reach)

    def pose(self, frame: int) -> Float32[Array, "n 3"]:
        """Lengthens the bones, then turns about wrist, elbow and shoulder, then follows the shoulder."""
        arm, frame = self.arm, self.track.at(frame)
        points = self.rest.copy()
        xy = points[:, :2]
        pivots = arm.chain[:3, :2].copy()
        for k in range(3):
            bone = arm.chain[k + 1, :2] - arm.chain[k, :2]
            axis = bone / max(float(np.linalg.norm(bone)), 1e-3)
            more = arm.lengths[frame, k] - 1
            xy += np.outer(self.reach[:, k] * more, axis)
            pivots[k + 1 :] += bone * more
        for k in (2, 1, 0):
            angle = self.bend[:, k] * arm.turns[frame, k]
            cos, sin = np.cos(angle), np.sin(angle)
            off = xy - pivots[k]
            xy[:, 0] = pivots[k, 0] + cos * off[:, 0] - sin * off[:, 1]
            xy[:, 1] = pivots[k, 1] + sin * off[:, 0] + cos * off[:, 1]
        points += arm.chains[frame, 0] - arm.chain[0]
        return np.asarray(points, np.float32)

    def order(self) -> Float32[Array, n]:
        """Hand before forearm before upper arm, as when one reaches towards the camera."""
        return np.asarray(self.bend.sum(1) * (-0.1 * self.arm.thickness), np.float32)


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
    mask = _arm_mask(framing, person, arm)
    share = mask.astype(np.float32)[..., None] / 255
    texture = np.rint(person * share).astype(np.uint8)
    nodes, cells = grid(framing, np.ascontiguousarray(texture[..., 3]))
    labels = np.full(
        (framing.plan.height + 2 * framing.margin, framing.plan.width + 2 * framing.margin), int(Label.ARM)
    )
    motion = ArmMotion.of(nodes, arm, track)
    trust = np.ones(len(nodes), np.float32)
    layer = Layer.of(framing, texture, labels.astype(np.uint8), cells, motion, trust)
    margin, size = framing.margin, (labels.shape[1], labels.shape[0])
    touched = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)[margin:-margin, margin:-margin]
    touched = cv2.dilate((touched > 0).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.float32)
    remains = _without(framing, person, mask, arm, track)
    remains = _cleared(framing, remains, behind, arm, track)
    return ArmCut(layer, remains, cv2.GaussianBlur(touched, (0, 0), 2.0))


def _arm_mask(framing: Framing, person: UInt8[Array, "th tw 4"], arm: Arm) -> Mask:
    """How far each texture pixel belongs to the arm, 0..255: up to the matte outwards, up to the seam by the torso."""
    size = (person.shape[1] // framing.factor, person.shape[0] // framing.factor)
    small = cv2.resize(person, size, interpolation=cv2.INTER_AREA)
    seam = _seam(small, framing.margin, arm)
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32) - framing.margin
    inside = arm.inside(np.stack([x.ravel(), y.ravel()], 1), seam).reshape(size[::-1])
    return np.asarray(np.rint(cv2.resize(inside, person.shape[1::-1], interpolation=cv2.INTER_LINEAR) * 255), np.uint8)


def _seam(small: UInt8[Array, "h w 4"], margin: int, arm: Arm) -> Float32[Array, "3 s"]:
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
        at = start + places[:, None, None] * bone + offsets[None, :, None] * normal + margin
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
    framing: Framing, person: UInt8[Array, "th tw 4"], mask: Mask, arm: Arm, track: FramedTrack
) -> UInt8[Array, "th tw 4"]:
    """The person without the arm: torso filled in where the torso must be, nothing where the background is."""
    size = (person.shape[1] // framing.factor, person.shape[0] // framing.factor)
    small = cv2.resize(person, size, interpolation=cv2.INTER_AREA)
    torso = _torso_mask(size, framing.margin, track, arm)
    gone = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    solid = (small[..., 3] > 250) & (gone == 0)
    beside = cv2.distanceTransform((~solid).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) / arm.thickness
    under = 255 * (1 - smoothstep(UNDER - 0.02, UNDER, beside)) * _inner_side(size, framing.margin, arm)
    torso = np.maximum(torso, under.astype(np.uint8))
    hole = (~solid).astype(np.uint8)
    wanted = (gone > 0) & (torso > 0)
    filled = small[..., :3].astype(np.float32)
    if wanted.any() and solid.sum() > 256:
        part = _around(wanted, round(0.3 * arm.thickness))
        filled[part] = fill_texture(np.ascontiguousarray(filled[part]), np.ascontiguousarray(hole[part]), faith=CLOTH)
    large = person.shape[1::-1]
    fill = cv2.resize(filled, large, interpolation=cv2.INTER_LINEAR)
    cover = cv2.resize(torso, large, interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None] / 255
    share = mask.astype(np.float32)[..., None] / 255
    fill = np.dstack([np.clip(fill, 0, 255), np.full(fill.shape[:2], 255, np.float32)])
    kept: Array = np.rint(person * (1 - share) + fill * (share * cover)).astype(np.uint8)
    return kept


def _cleared(
    framing: Framing, remains: UInt8[Array, "th tw 4"], behind: Rgb, arm: Arm, track: FramedTrack
) -> UInt8[Array, "th tw 4"]:
    """``remains`` without what the arm left beside the torso: slivers, and gaps through which background shows."""
    size = (behind.shape[1], behind.shape[0])
    small = cv2.resize(remains, size, interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32) - framing.margin
    points = np.stack([x.ravel(), y.ravel()], 1)
    zone = arm.inside(points, np.full((3, SEAM), 0.26 * arm.thickness, np.float32)).reshape(size[::-1]) > 0
    zone = cv2.dilate(zone.astype(np.uint8), np.ones((2 * round(0.05 * arm.thickness) + 1,) * 2, np.uint8)) > 0
    zone &= _torso_mask(size, framing.margin, track, arm) < 128
    solid = (small[..., 3] > 127).astype(np.uint8)
    radius = max(1, round(0.02 * arm.thickness))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    firm = cv2.dilate(cv2.morphologyEx(solid, cv2.MORPH_OPEN, brush), np.ones((5, 5), np.uint8))
    sliver = (small[..., 3] > 0) & (firm == 0)
    gap = np.abs(small[..., :3].astype(np.float32) - behind).max(-1) < 40
    gap &= cv2.dilate((small[..., 3] < 128).astype(np.uint8), np.ones((4 * radius + 1,) * 2, np.uint8)) > 0
    gone = cv2.dilate((zone & (sliver | gap)).astype(np.uint8), np.ones((3, 3), np.uint8))
    share = cv2.resize(
        cv2.GaussianBlur(gone.astype(np.float32), (0, 0), 0.8), remains.shape[1::-1], interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(np.rint(remains * (1 - share[..., None])), np.uint8)


def _inner_side(size: tuple[int, int], margin: int, arm: Arm) -> Float32[Array, "h w"]:
    """1 beside the upper arm towards the torso, where an arm that hangs lies against it; else 0."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32) - margin
    points = np.stack([x.ravel(), y.ravel()], 1)
    start, bone, normal = arm.bone(0)
    along, _ = _along(points, start, start + bone)
    side = smoothstep(0.0, 0.04, (points - start) @ normal / arm.thickness)
    inner = side * smoothstep(0.0, 0.1, along) * (1 - smoothstep(0.85, 1.0, along))
    return np.asarray(inner.reshape(size[::-1]), np.float32)


def _around(mask: Array, room: int) -> tuple[slice, slice]:
    """Rows and columns of what ``mask`` covers, with ``room`` pixels around it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(max(0, rows[0] - room), rows[-1] + room + 1), slice(max(0, columns[0] - room), columns[-1] + room + 1)


def _torso_mask(size: tuple[int, int], margin: int, track: FramedTrack, arm: Arm) -> Mask:
    """Where the torso is, whether an arm hides it or not: the shoulders' and hips' quadrilateral and the shoulder's cap."""
    names = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    corners = track.rest_joints[[POSE_INDEX[name] for name in names], :2] + margin
    mask: Array = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(corners).astype(np.int32)), (255,))
    shoulder = tuple(int(v) for v in np.rint(arm.chain[0, :2] + margin))
    mask = cv2.dilate(mask, np.ones((2 * int(0.06 * arm.thickness) + 1,) * 2, np.uint8))
    cv2.circle(mask, shoulder, int(0.1 * arm.thickness), (255,), -1)
    oval = np.rint(track.rest[list(FACE_OVAL), :2] + margin).astype(np.int32)
    cv2.fillPoly(mask, [oval], (255,))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(1.0, 0.01 * arm.thickness)))
