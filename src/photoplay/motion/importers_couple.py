"""Two recorded people in the picture that a camera sees which goes slowly round them.

So one stays at the left and the other at the right, as in a photo, which has no other side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from photoplay.errors import TemplateError
from photoplay.motion.importers_bvh import Skeleton
from photoplay.motion.importers_skeleton import FPS, Person, find_person, refused
from photoplay.types import Array

ARM_IN_WIDTHS = 1.63
"""An arm's length to the wrist in shoulder widths, as the figures of :mod:`photoplay.motion.skeleton` have it."""
CIRCLING = 5.0
"""Seconds over which the camera follows the line between the two."""
FARTHEST, NEAREST = 12.0, 0.15
"""Shoulder widths between two people of whom half the time no more or less can be true in one room."""


@dataclass(frozen=True)
class Dancer:
    """One person in the picture that the circling camera sees: x towards the partner, y down, z away, in shoulder widths.

    ``heading`` is 0 where the body faces the camera and 90 degrees where it faces the partner, ``looking`` the head's.
    """

    pelvis: Float64[Array, "f 3"]
    neck: Float64[Array, "f 3"]
    arms: Float64[Array, "f 2 4 3"]
    hands: Float64[Array, "f 2 3"]
    heading: Float64[Array, " f"]
    looking: Float64[Array, " f"]
    nod: Float64[Array, " f"]


def cut(skeletons: tuple[Skeleton, Skeleton], start: float, seconds: float | None) -> tuple[Skeleton, Skeleton]:
    """Both at 30 frames a second over the same time, from second ``start`` on.

    Raises:
        TemplateError: the part is not in both, or too short or long for a template.
    """
    common = min((len(s.positions) - 1) / s.fps for s in skeletons)
    stop = common if seconds is None else start + seconds
    if not (start >= 0 and stop <= common + 1e-6 and 1.0 <= stop - start <= 120.0):
        raise TemplateError(
            "duet_part",
            f"From {start:g} s on there is no such part in both recordings, which have {common:.1f} s in common.",
            "Choose a part of 1 to 120 s that lies in both.",
        )
    at = start + np.arange(int((stop - start) * FPS + 1e-6) + 1) / FPS
    return _resampled(skeletons[0], at), _resampled(skeletons[1], at)


def _resampled(skeleton: Skeleton, at: Float64[Array, " f"]) -> Skeleton:
    frames = np.clip(at * skeleton.fps, 0, len(skeleton.positions) - 1)
    before = np.floor(frames).astype(int)
    after = np.minimum(before + 1, len(skeleton.positions) - 1)
    share = (frames - before)[:, None, None]
    positions = skeleton.positions[before] * (1 - share) + skeleton.positions[after] * share
    return replace(skeleton, fps=FPS, positions=positions, turns=skeleton.turns[np.rint(frames).astype(int)])


def seen(skeletons: tuple[Skeleton, Skeleton]) -> tuple[bool, tuple[Dancer, Dancer]]:
    """Whether the first is at the left, and both as the circling camera sees them, from the side that shows more of them.

    Raises:
        TemplateError: arms are not named, or the two were not in one place.
    """
    people = find_person(skeletons[0].joints), find_person(skeletons[1].joints)
    up = _up(skeletons, people)
    width = sum(_arm_length(s, p) for s, p in zip(skeletons, people, strict=True)) / 2 / ARM_IN_WIDTHS
    middles = [_flat(s.positions[:, p.pelvis], up) for s, p in zip(skeletons, people, strict=True)]
    apart = middles[1] - middles[0]
    distance = float(np.median(np.linalg.norm(apart, axis=1))) / width
    if not NEAREST <= distance <= FARTHEST:
        raise TemplateError(
            "duet_apart",
            f"The two people are {'in the same place' if distance < 1 else 'nowhere near each other'}.",
            "Use two recordings of one take, both exported in the same world frame.",
        )
    towards = _circling(apart, up)
    away = np.cross(towards, -up)
    facing = [_facing(s, p, up) for s, p in zip(skeletons, people, strict=True)]
    first_is_left = sum(float((f * away).sum()) for f in facing) <= 0
    if not first_is_left:
        away = -away
    centre = (middles[0] + middles[1]) / 2
    dancers = []
    for which in (0, 1):
        axes = np.stack([towards if which == 0 else -towards, np.broadcast_to(-up, towards.shape), away], axis=1)
        left_is_near = (which == 0) == first_is_left
        dancers.append(_dancer(skeletons[which], people[which], axes, centre, width, left_is_near))
    return first_is_left, (dancers[0], dancers[1])


def _up(skeletons: tuple[Skeleton, Skeleton], people: tuple[Person, Person]) -> Float64[Array, 3]:
    """The world's axis along which both stand."""
    spine = sum(
        (s.positions[:, p.chest] - s.positions[:, p.pelvis]).mean(axis=0)
        for s, p in zip(skeletons, people, strict=True)
    )
    axis = int(np.argmax(np.abs(spine)))
    if np.abs(np.asarray(spine)).max() < 1e-6:
        raise refused("it has no size.")
    up = np.zeros(3)
    up[axis] = np.sign(np.asarray(spine)[axis])
    return up


def _arm_length(skeleton: Skeleton, person: Person) -> float:
    lengths = [
        np.linalg.norm(skeleton.positions[:, b] - skeleton.positions[:, a], axis=1).mean()
        for arm in person.arms
        for a, b in pairwise(arm[:3])
    ]
    length = float(sum(lengths)) / 2
    if length < 1e-6:
        raise refused("it has no size.")
    return length


def _flat(points: Float64[Array, "f 3"], up: Float64[Array, 3]) -> Float64[Array, "f 3"]:
    level: Array = points - (points @ up)[:, None] * up
    return level


def _unit(vectors: Float64[Array, "f 3"]) -> Float64[Array, "f 3"]:
    directed: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return directed


def _circling(apart: Float64[Array, "f 3"], up: Float64[Array, 3]) -> Float64[Array, "f 3"]:
    """Unit vectors from the first to the second person, turning no faster than a calm camera would."""
    across, ahead = (np.roll(up, k) for k in (1, 2))
    angle = np.unwrap(np.arctan2(apart @ ahead, apart @ across))
    spread = CIRCLING * FPS / 2
    reach = np.arange(-int(2 * spread), int(2 * spread) + 1)
    weights = np.exp(-0.5 * (reach / (spread / 2)) ** 2)
    padded = np.pad(angle, int(2 * spread), mode="edge")
    calm = np.convolve(padded, weights / weights.sum(), mode="valid")
    line: Array = np.cos(calm)[:, None] * across + np.sin(calm)[:, None] * ahead
    return line


def _facing(skeleton: Skeleton, person: Person, up: Float64[Array, 3]) -> Float64[Array, "f 3"]:
    """Where the chest looks: square to the line of the shoulders."""
    left, right = (skeleton.positions[:, person.arms[side][0]] for side in (0, 1))
    return _unit(np.cross(_flat(left - right, up), up))


def _dancer(
    skeleton: Skeleton,
    person: Person,
    axes: Float64[Array, "f 3 3"],
    centre: Float64[Array, "f 3"],
    width: float,
    left_is_near: bool,
) -> Dancer:
    points = np.einsum("fij,fkj->fki", axes, skeleton.positions - centre[:, None]) / width
    order = (0, 1) if left_is_near else (1, 0)
    arms = np.stack([points[:, list(person.arms[side])] for side in order], axis=1)
    up = -axes[:, 1].mean(axis=0)
    facing = np.einsum("fij,fj->fi", axes, _facing(skeleton, person, up / np.linalg.norm(up)))
    heading = np.degrees(np.arctan2(facing[:, 0], -facing[:, 2]))
    looking, nod = heading, np.zeros(len(points))
    if person.head >= 0:
        turn, nod = _head_on_chest(skeleton, person, axes)
        looking = heading + (turn if left_is_near else -turn)
    return Dancer(
        pelvis=points[:, person.pelvis],
        neck=arms[:, :, 0].mean(axis=1),
        arms=arms,
        hands=(arms[:, :, 2] + arms[:, :, 3]) / 2,
        heading=heading,
        looking=looking,
        nod=nod,
    )


def _head_on_chest(
    skeleton: Skeleton, person: Person, axes: Float64[Array, "f 3 3"]
) -> tuple[Float64[Array, " f"], Float64[Array, " f"]]:
    """How far the head turns (to the person's own left) and nods (up) on the chest, in degrees, from its median."""
    chest, head = skeleton.turns[:, person.chest], skeleton.turns[:, person.head]
    on_chest = chest.transpose(0, 2, 1) @ head
    turn = on_chest @ on_chest[0].T
    # About the body's own axes of the first frame: across to the left, up, and ahead.
    up = -axes[0, 1]
    ahead = _facing(skeleton, person, up)[0]
    body = chest[0].T @ np.stack([np.cross(up, ahead), up, ahead], axis=1)
    seen = body.T @ turn @ body
    yaw = np.degrees(np.arctan2(seen[:, 0, 2], seen[:, 2, 2]))
    pitch = np.degrees(np.arcsin(np.clip(seen[:, 1, 2], -1, 1)))
    return yaw - np.median(yaw), pitch - np.median(pitch)
