"""Makes the points of two people meet: the least change of both bodies that brings every contact together.

For each frame it minimises a convex energy of 20 numbers (each person's whole shift, trunk, head and two hands, all in the
picture) subject to the contacts, which are linear in them: ``J x = d``, where ``d`` is how far the points are apart. The
energy is quadratic where bodies are free and steeper past their limits: a person goes down freely, up hardly; a head stays
in the picture; an arm is as long as it is. Newton's steps keep the contacts exact, however far limits are pushed. All frames
are solved at once; the energy is smooth, so the motion is as smooth as what goes in.

Contacts come and go with their strengths s. With X(A) the solution under the contacts A, a frame's is the multilinear mean
x = sum over A of prod(s_i, i in A) prod(1 - s_i, i not in A) X(A): exact where a strength is 1, free where it is 0, and
between them a contact keeps the share 1 - s of its gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float64

from photoplay.motion.duet_bodies import Body, Shifts
from photoplay.motion.duet_points import Spot
from photoplay.motion.skeleton import ARMS
from photoplay.types import Array

PLACE, BEND, HEAD, HANDS, EACH = 0, 2, 4, 6, 10
STEPS, STILL = 16, 1e-5
"""Newton's steps at most, and the step (in shoulder widths) from which nothing more happens."""
STEEP = 60.0
"""How much dearer motion is past a limit than before it."""
BEND_COST, HEAD_COST, HAND_COST = 7.0, 12.0, 0.2
"""Against 1 for moving the whole person."""
CUT_COST = 8.0
"""How much rather the other one moves where the picture's edge cuts a person."""
UP, DOWN, BACK = 0.01, 0.03, 0.3
"""How far a person goes up, down (one who stands in the picture, or whom only a hand touches), and back from the other, in
shoulder widths, before it becomes dear."""
BEND_ASIDE, BEND_UP, BEND_DOWN = 0.18, 0.02, 0.22
HEAD_ASIDE, HEAD_UP, HEAD_DOWN = 0.24, 0.1, 0.22
"""Limits of trunk (shoulder widths) and head (inter-ocular distances)."""
JOINT_STEEP = 8.0
"""How much steeper the limits of trunk and head are than the whole person's."""
REACH, FOLDED = 0.96, 0.4
"""Shares of its length that an arm stretches to, and (the way it points by itself) folds to, before the body gives way."""
APART, APART_COST = 1.0, 10.0
"""Faces that do not meet keep this share of their widths between their middles."""
SOFT = 0.03
"""How gently a limit begins, in shoulder widths."""
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Meeting:
    """The first person's ``spots[0]`` meets the second's ``spots[1]`` as far as ``strength`` [f] says; ``share`` of the way
    goes the first. ``push`` [f, 2] is what is added to the second point's place less the first's (soft tissue's part).
    ``faces``: the two faces have to do with each other."""

    spots: tuple[Spot, Spot]
    strength: Float64[Array, " f"]
    share: float
    push: Float64[Array, "f 2"]
    faces: bool


@dataclass(frozen=True)
class _Limits:
    """``x @ rows.T`` costs nothing more between ``low`` and ``high``, and ``weights`` times its square beyond."""

    rows: Float64[Array, "k 20"]
    low: Float64[Array, "f k"]
    high: Float64[Array, "f k"]
    weights: Float64[Array, " k"]


def solve(bodies: tuple[Body, Body], meetings: Sequence[Meeting]) -> tuple[Shifts, Shifts]:
    """How both bodies shift so that ``meetings`` come about as far as their strengths say.

    Hands are where they are in contact, whatever its strength: the arm gets there by its own way
    (:func:`photoplay.motion.duet_arms.reach`).
    """
    groups = _groups(meetings)
    total = np.zeros((len(bodies[0].landmarks), 2 * EACH))
    for chosen in product((False, True), repeat=len(groups)):
        shares = [g[0].strength if on else 1.0 - g[0].strength for on, g in zip(chosen, groups, strict=True)]
        together = [meeting for on, group in zip(chosen, groups, strict=True) if on for meeting in group]
        weights = np.prod([np.ones(len(total)), *shares], axis=0)[:, None] * np.ones(2 * EACH)
        for k, group in enumerate(groups):
            others = np.prod([np.ones(len(total)), *shares[:k], *shares[k + 1 :]], axis=0)
            for column in _hands(group):
                weights[:, column : column + 2] = others[:, None] if chosen[k] else 0.0
        if (weights > LEAST_WEIGHT).any():
            total += weights * _solution(bodies, together)
    return _shifts(total[:, :EACH]), _shifts(total[:, EACH:])


def _hands(group: Sequence[Meeting]) -> list[int]:
    """Where the hands that a group of meetings uses stand among the 20 numbers."""
    spots = [(which, spot) for meeting in group for which, spot in enumerate(meeting.spots)]
    return [which * EACH + HANDS + 2 * spot.arm for which, spot in spots if spot.arm is not None]


def _groups(meetings: Sequence[Meeting]) -> list[list[Meeting]]:
    """Meetings that come and go alike stand together."""
    groups: list[list[Meeting]] = []
    for meeting in meetings:
        for group in groups:
            if np.array_equal(group[0].strength, meeting.strength):
                group.append(meeting)
                break
        else:
            groups.append([meeting])
    return groups


def _solution(bodies: tuple[Body, Body], meetings: Sequence[Meeting]) -> Float64[Array, "f 20"]:
    """The least change under which all of ``meetings`` come about wholly."""
    rows, gaps = _constraints(bodies, meetings)
    base, limits = _energy(bodies, meetings)
    unit = (bodies[0].width + bodies[1].width) / 2
    x = np.zeros((len(gaps), 2 * EACH))
    used = _used(meetings)
    for _ in range(STEPS):
        before = x.copy()
        gradient, curvature = _slopes(base, limits, x, SOFT * unit)
        _add_reaches(bodies, meetings, x, gradient, curvature, SOFT * unit)
        x[:, used] = _newton(x[:, used], gradient[:, used], curvature[:, used][:, :, used], rows[:, used], gaps)
        if float(np.abs(x - before).max()) < STILL * unit:
            break
    return x


def _used(meetings: Sequence[Meeting]) -> Array:
    """Which of the 20 numbers count: hands that touch nothing stay with their arms."""
    hands = {column + axis for column in _hands(meetings) for axis in (0, 1)}
    return np.array([k for k in range(2 * EACH) if k % EACH < HANDS or k in hands])


def _shifts(x: Float64[Array, "f 10"]) -> Shifts:
    return Shifts(x[:, PLACE:BEND], x[:, BEND:HEAD], x[:, HEAD:HANDS], x[:, HANDS:].reshape(-1, 2, 2))


def _carried(spot: Spot, axis: int) -> Float64[Array, 10]:
    """How one person's shifts move a spot along x (0) or y (1)."""
    row = np.zeros(EACH)
    row[PLACE + axis] = 1.0
    row[BEND + axis] = spot.upper
    if spot.face:
        row[HEAD + axis] = 1.0
    if spot.arm is not None:
        row[HANDS + 2 * spot.arm + axis] = 1.0
    return row


def _constraints(
    bodies: tuple[Body, Body], meetings: Sequence[Meeting]
) -> tuple[Float64[Array, "m 20"], Float64[Array, "f m"]]:
    """Rows J and gaps d: two rows for each meeting."""
    rows = np.zeros((2 * len(meetings), 2 * EACH))
    gaps = np.zeros((len(bodies[0].landmarks), 2 * len(meetings)))
    for number, meeting in enumerate(meetings):
        for axis in range(2):
            rows[2 * number + axis, :EACH] = _carried(meeting.spots[0], axis)
            rows[2 * number + axis, EACH:] = -_carried(meeting.spots[1], axis)
        apart = bodies[1].at(meeting.spots[1]) - bodies[0].at(meeting.spots[0])
        gaps[:, 2 * number : 2 * number + 2] = apart + meeting.push
    return rows, gaps


def _energy(bodies: tuple[Body, Body], meetings: Sequence[Meeting]) -> tuple[Float64[Array, 20], _Limits]:
    """What each shift costs, and the limits of bodies and picture."""
    share = float(np.mean([meeting.share for meeting in meetings])) if meetings else 0.5
    base = np.zeros(2 * EACH)
    lines: list[tuple[Array, Array | float, Array | float, float]] = []
    for which, body in enumerate(bodies):
        at, effort = which * EACH, max(2.0 * (1.0 - share, share)[which], 0.04)
        aside = effort * (CUT_COST if body.cut else 1.0)
        for start, cost in ((PLACE, 1.0), (BEND, BEND_COST), (HEAD, HEAD_COST)):
            base[at + start], base[at + start + 1] = cost * aside, cost * effort
        base[at + HANDS : at + EACH] = HAND_COST
        sinks = not body.stands and any(m.spots[0].arm is None and m.spots[1].arm is None for m in meetings)
        lines += _body_limits(body, at, sinks)
    if not any(meeting.faces for meeting in meetings):
        lines.append(_faces_apart(bodies))
    count = len(bodies[0].landmarks)
    low, high = (np.stack([np.broadcast_to(line[k], count) for line in lines], axis=1) for k in (1, 2))
    weights = np.array([line[3] for line in lines])
    return base, _Limits(
        np.array([line[0] for line in lines]), low.astype(np.float64), high.astype(np.float64), weights
    )


def _body_limits(body: Body, at: int, sinks: bool) -> list[tuple[Array, Array | float, Array | float, float]]:
    """A person goes up hardly, and down freely where it ``sinks``; trunk and head go only so far; the head stays in the
    picture."""
    width, unit = body.width, body.unit
    lines: list[tuple[Array, Array | float, Array | float, float]] = []
    back, ahead = (-BACK * width, np.inf) if body.towards > 0 else (-np.inf, BACK * width)
    for start, low, high, steep in (
        (PLACE, back, ahead, STEEP),
        (PLACE + 1, -UP * width, np.inf if sinks else DOWN * width, STEEP),
        (BEND, -BEND_ASIDE * width, BEND_ASIDE * width, JOINT_STEEP * STEEP),
        (BEND + 1, -BEND_UP * width, BEND_DOWN * width, JOINT_STEEP * STEEP),
        (HEAD, -HEAD_ASIDE * unit, HEAD_ASIDE * unit, JOINT_STEEP * STEEP),
        (HEAD + 1, -HEAD_UP * unit, HEAD_DOWN * unit, JOINT_STEEP * STEEP),
    ):
        row = np.zeros(2 * EACH)
        row[at + start] = 1.0
        lines.append((row, low, high, steep))
    moved = body.face_centre() - body.rest_centre()
    for axis, (back, forth) in enumerate(body.room):
        row = np.zeros(2 * EACH)
        row[[at + PLACE + axis, at + BEND + axis, at + HEAD + axis]] = 1.0
        lines.append((row, -back - moved[:, axis], forth - moved[:, axis], STEEP))
    return lines


def _faces_apart(bodies: tuple[Body, Body]) -> tuple[Array, Array | float, Array | float, float]:
    """Faces that have no business with each other do not cover each other (no further than the photo has it)."""
    first, second = bodies
    row = np.zeros(2 * EACH)
    for at, sign in ((0, -first.towards), (EACH, first.towards)):
        row[[at + PLACE, at + BEND, at + HEAD]] = sign
    between = (second.face_centre()[:, 0] - first.face_centre()[:, 0]) * first.towards
    halves = sum(float(np.ptp(body.track.rest_landmarks[:, 0])) / 2 for body in bodies)
    rest = abs(float(second.rest_centre()[0] - first.rest_centre()[0]))
    return row, min(APART * halves, rest) - between, np.inf, APART_COST


def _slopes(
    base: Float64[Array, 20], limits: _Limits, x: Float64[Array, "f 20"], soft: float
) -> tuple[Float64[Array, "f 20"], Float64[Array, "f 20 20"]]:
    """The energy's gradient and curvature at ``x``."""
    value = x @ limits.rows.T
    over, over_slope = _ramp(value - limits.high, soft)
    under, under_slope = _ramp(limits.low - value, soft)
    gradient = base * x + (limits.weights * (over - under)) @ limits.rows
    squares = (limits.rows[:, :, None] * limits.rows[:, None, :]).reshape(len(limits.rows), -1)
    curvature = (limits.weights * (over_slope + under_slope)) @ squares
    return gradient, curvature.reshape(-1, 2 * EACH, 2 * EACH) + np.diag(base)


def _add_reaches(
    bodies: tuple[Body, Body],
    meetings: Sequence[Meeting],
    x: Float64[Array, "f 20"],
    gradient: Float64[Array, "f 20"],
    curvature: Float64[Array, "f 20 20"],
    soft: float,
) -> None:
    """Adds to both, in place, what it costs to stretch or fold an arm too far that has something to touch."""
    for which, body in enumerate(bodies):
        for arm in (0, 1):
            spot = next((m.spots[which] for m in meetings if m.spots[which].arm == arm), None)
            if spot is None:
                continue
            at = which * EACH + HANDS + 2 * arm
            stretched = body.at(spot) - body.joints[:, ARMS[arm][0][0], :2] + x[:, at : at + 2]
            length = np.linalg.norm(stretched, axis=1)
            along = stretched / np.maximum(length, 1e-6)[:, None]
            push, slope = _ramp(length - REACH * arm_length(body, spot), soft)
            gradient[:, at : at + 2] += STEEP * push[:, None] * along
            curvature[:, at : at + 2, at : at + 2] += (
                STEEP * slope[:, None, None] * along[:, :, None] * along[:, None, :]
            )


def arm_length(body: Body, spot: Spot) -> Float64[Array, " f"]:
    """Upper arm and from the elbow to the spot, in pixels of the picture."""
    assert spot.arm is not None
    shoulder, elbow = (body.joints[:, ARMS[spot.arm][k][0], :2] for k in (0, 1))
    length: Array = np.linalg.norm(elbow - shoulder, axis=1) + np.linalg.norm(body.at(spot) - elbow, axis=1)
    return length


def _ramp(beyond: Float64[Array, "*f"], soft: float) -> tuple[Float64[Array, "*f"], Float64[Array, "*f"]]:
    """e^2 / (e + soft) for e > 0, and its slope: no limit begins with a jerk."""
    e = np.where(np.isfinite(beyond), np.maximum(beyond, 0.0), 0.0)
    return e**2 / (e + soft), (e**2 + 2 * e * soft) / (e + soft) ** 2


def _newton(
    x: Float64[Array, "f n"],
    gradient: Float64[Array, "f n"],
    curvature: Float64[Array, "f n n"],
    rows: Float64[Array, "m n"],
    gaps: Float64[Array, "f m"],
) -> Float64[Array, "f n"]:
    """One step to the least energy under the contacts, which it meets exactly."""
    right = np.concatenate([gradient[..., None], np.broadcast_to(rows.T, (len(x), *rows.T.shape))], axis=2)
    solved = np.linalg.solve(curvature, right)
    free, carried = x - solved[..., 0], solved[..., 1:]
    stiff = rows @ carried
    # Contacts that contradict each other (one point that shall be in two places) are met as nearly as can be.
    diagonal = np.arange(len(rows))
    stiff[:, diagonal, diagonal] *= 1.0 + 1e-9
    force = np.linalg.solve(stiff, (gaps - free @ rows.T)[..., None])
    step: Array = free + (carried @ force)[..., 0]
    return step
