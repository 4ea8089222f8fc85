"""Arms: where they are in the photo, and how their points follow their bones. ``limb_cut`` takes them out of the person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from photoplay.generation.body import CORNERS
from photoplay.generation.mesh import smoothstep
from photoplay.generation.person import FramedTrack
from photoplay.topology import POSE_INDEX, arms_touch
from photoplay.types import Array, Joints

SEEN = 0.35
"""Visibility from which a joint counts as seen."""
SIDES = ("left", "right")
THICKNESS = (0.22, 0.32, 0.28, 0.26)
"""Radius of the arm at shoulder, elbow, wrist and hand in shoulder widths, sleeves included: the matte ends it sooner."""
INNER = (0.12, 0.13, 0.11, 0.16)
"""The same on the side of the torso, where the matte runs on."""
LEAST = 0.12
"""An arm is cut out when it moves against its shoulder by more than this, in shoulder widths: less is not worth a cut."""
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


def _is_seen(track: FramedTrack, side: str) -> bool:
    return all(track.visibility[POSE_INDEX[f"{side}_{name}"]] >= SEEN for name in ("shoulder", "elbow", "wrist"))


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
        """Whether it is seen, clear of the face and of the other arm, and moves enough against the shoulder."""
        if not _is_seen(track, self.side) or self._covers_face(track):
            return False
        if all(_is_seen(track, side) for side in SIDES) and arms_touch(track.rest_joints, self.thickness):
            return False
        own = (self.chains - self.chains[:, :1]) - (self.chain - self.chain[:1])
        return float(np.abs(own[:, 1:3, :2]).max()) > LEAST * self.thickness

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
            along, off = along_bone(points, start, start + bone)
            t = np.clip(along, 0, 1)
            near = inner[k] + (inner[k + 1] - inner[k]) * t
            if seam is not None:
                near = np.interp(t * SEAM, np.arange(SEAM), seam[k])
            side = smoothstep(-0.05, 0.05, (points - start) @ normal / self.thickness)
            radius = outer[k] + (outer[k + 1] - outer[k]) * t
            best = np.minimum(best, off - (radius + (near - radius) * side))
        return 1 - smoothstep(-0.7, 0.7, best)


def along_bone(
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
            along, off = along_bone(nodes, arm.chain[k, :2], arm.chain[k + 1, :2])
            soft = min(0.45, float(radius[k]) * (0.8 if k else 0.6) / length)
            _, before = (
                along_bone(nodes, arm.chain[k - 1, :2], arm.chain[k, :2]) if k else (along, np.full_like(off, np.inf))
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

    def looked_up(self, points: Float32[Array, "n 3"]) -> Float32[Array, "n 2"]:
        """Every pixel of an arm is its own."""
        return np.zeros((len(points), 2), np.float32)

    def order(self) -> Float32[Array, n]:
        """Hand before forearm before upper arm, as when one reaches towards the camera."""
        return np.asarray(self.bend.sum(1) * (-0.1 * self.arm.thickness), np.float32)
