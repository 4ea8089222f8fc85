"""BVH (Biovision hierarchy): a small, wary parser, and where every joint is in every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from photoplay.errors import TemplateError
from photoplay.motion.turns import turn_about
from photoplay.types import Array

MAX_JOINTS, MAX_DEPTH, MAX_FRAMES, MAX_VALUES = 300, 60, 16_000, 6_000_000
MAX_COORDINATE = 1e6
FPS_RANGE = (5.0, 500.0)
_CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")


@dataclass(frozen=True)
class Joint:
    """A joint at ``offset`` from its ``parent`` (-1: none). ``channels`` are indices into x, y, z position, x, y, z
    rotation in the order in which they apply; ``first`` is the joint's first column in the motion."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[int, ...] = ()
    first: int = 0


@dataclass(frozen=True)
class Skeleton:
    """Moving joints: ``positions`` [f, joint, 3] and ``turns`` [f, joint, 3, 3] in the file's own world frame."""

    joints: tuple[Joint, ...]
    fps: float
    positions: Float64[Array, "f j 3"]
    turns: Float64[Array, "f j 3 3"]


def parse_bvh(text: str) -> Skeleton:
    """Joints and motion of a BVH file's text.

    Raises:
        TemplateError: not a BVH file, too many joints or frames, or a value is not a finite number.
    """
    tokens = iter(text.split())
    joints = _parse_hierarchy(tokens)
    columns = sum(len(joint.channels) for joint in joints)
    _expect(tokens, "Frames:")
    frames = _whole(tokens, "frames", MAX_FRAMES)
    _expect(tokens, "Frame")
    _expect(tokens, "Time:")
    seconds = _number(tokens)
    if not 1 / FPS_RANGE[1] <= seconds <= 1 / FPS_RANGE[0]:
        raise _refused("its frame time is not between 2 and 200 ms.")
    if frames < 3 or frames * columns > MAX_VALUES:
        raise _refused("it has too few frames, or too many values.")
    try:
        motion = np.fromiter((float(next(tokens)) for _ in range(frames * columns)), np.float64, frames * columns)
    except (ValueError, StopIteration, RuntimeError):
        raise _refused("its motion is cut short or holds something else than numbers.") from None
    if not (np.abs(motion) <= MAX_COORDINATE).all():
        raise _refused("a value is not a finite number.")
    return _place(joints, motion.reshape(frames, columns), 1 / seconds)


def _refused(why: str) -> TemplateError:
    return TemplateError("bvh_invalid", f"This BVH file cannot be used: {why}", "Export the motion again as BVH.")


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise _refused("it ends too early.")
    return token


def _expect(tokens: Iterator[str], *words: str) -> str:
    token = _next(tokens)
    if token.lower() not in [word.lower() for word in words]:
        raise _refused(f"{words[0]!r} is missing.")
    return token


def _number(tokens: Iterator[str]) -> float:
    try:
        value = float(_next(tokens))
    except ValueError:
        raise _refused("a number is missing.") from None
    if not abs(value) <= MAX_COORDINATE:
        raise _refused("a value is not a finite number.")
    return value


def _whole(tokens: Iterator[str], what: str, most: int) -> int:
    value = _number(tokens)
    if value != int(value) or not 0 <= value <= most:
        raise _refused(f"its number of {what} is not a whole number up to {most}.")
    return int(value)


def _parse_hierarchy(tokens: Iterator[str]) -> tuple[Joint, ...]:
    """Joints in file order, parents first; end sites are joints without channels."""
    _expect(tokens, "HIERARCHY")
    _expect(tokens, "ROOT")
    joints: list[Joint] = []
    open_joints: list[int] = []
    columns = 0
    word = "ROOT"
    while True:
        if word == "}":
            if not open_joints:
                raise _refused("its brackets do not match.")
            open_joints.pop()
        elif word == "MOTION":
            break
        else:
            joint = _parse_joint(tokens, word, open_joints[-1] if open_joints else -1, columns)
            if joint.parent < 0 and joints:
                raise _refused("it holds more than one skeleton.")
            columns += len(joint.channels)
            joints.append(joint)
            open_joints.append(len(joints) - 1)
        if len(joints) > MAX_JOINTS or len(open_joints) > MAX_DEPTH:
            raise _refused("it has too many joints.")
        word = _expect(tokens, "JOINT", "End", "}", "MOTION").upper()
    if open_joints:
        raise _refused("its brackets do not match.")
    return tuple(joints)


def _parse_joint(tokens: Iterator[str], word: str, parent: int, first: int) -> Joint:
    """One joint up to its first child: name, offset and channels."""
    name = _next(tokens)[:60]
    _expect(tokens, "{")
    _expect(tokens, "OFFSET")
    offset = (_number(tokens), _number(tokens), _number(tokens))
    if word == "END":
        return Joint("", parent, offset, (), first)
    _expect(tokens, "CHANNELS")
    names = [_next(tokens).lower() for _ in range(_whole(tokens, "channels", 6))]
    order = [channel.lower() for channel in _CHANNELS]
    if len(set(names)) < len(names) or not set(names) <= set(order):
        raise _refused("it has unknown or repeated channels.")
    return Joint(name, parent, offset, tuple(order.index(channel) for channel in names), first)


def _place(joints: tuple[Joint, ...], motion: Float64[Array, "f c"], fps: float) -> Skeleton:
    """Forward kinematics: every joint's place and turn in every frame."""
    frames = len(motion)
    positions = np.zeros((frames, len(joints), 3))
    turns = np.zeros((frames, len(joints), 3, 3))
    for index, joint in enumerate(joints):
        turn = np.broadcast_to(np.eye(3), (frames, 3, 3))
        shift = np.tile(np.array(joint.offset), (frames, 1))
        for place, channel in enumerate(joint.channels):
            values = motion[:, joint.first + place]
            if channel >= 3:
                turn = turn @ turn_about(channel - 3, np.radians(values))
            elif joint.parent < 0:
                shift[:, channel] = joint.offset[channel] + values
            else:
                shift[:, channel] = values
        if joint.parent < 0:
            positions[:, index], turns[:, index] = shift, turn
        else:
            parent = turns[:, joint.parent]
            positions[:, index] = positions[:, joint.parent] + np.einsum("fij,fj->fi", parent, shift)
            turns[:, index] = parent @ turn
    return Skeleton(joints, fps, positions, turns)
