"""Makes the points of two people meet: the least change of both bodies that brings every contact together.

For each frame it minimises a convex energy of 20 numbers (each person's whole shift, trunk, head and two hands, all in the
picture) subject to the contacts, which are linear in them: ``J x = d``, where ``d`` is how far the points are apart. The
energy is quadratic where bodies are free and steeper past their limits (a person goes down freely, up hardly; a head stays
in the picture; an arm is as long as it is). A contact of strength s < 1 yields: compliance c = a (1 - s) / s with
a = J Q^-1 J^T leaves the share 1 - s of its gap. Newton's steps keep the contacts exact, so they hold however far the limits
have been pushed; all frames are solved at once, and since the energy is smooth, the motion is as smooth as what goes in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from photoplay.motion.duet_bodies import Body, Shifts
from photoplay.motion.duet_points import Spot
from photoplay.motion.skeleton import ARMS
from photoplay.types import Array

PLACE, BEND, HEAD, HANDS, EACH = 0, 2, 4, 6, 10
STEPS = 14
"""Newton's steps; twice as many change no film by a tenth of a pixel."""
STEEP = 60.0
"""How much dearer motion is past a limit than before it."""
BEND_COST, HEAD_COST, HAND_COST = 7.0, 12.0, 0.05
"""Against 1 for moving the whole person."""
CUT_COST = 8.0
"""How much rather the other one moves where the picture's edge cuts a person."""
UP, DOWN_STANDING = 0.02, 0.03
"""How far a person goes up, and one who stands in the picture down, in shoulder widths, before it becomes dear."""
BEND_ASIDE, BEND_UP, BEND_DOWN = 0.18, 0.035, 0.22
HEAD_ASIDE, HEAD_UP, HEAD_DOWN = 0.24, 0.12, 0.22
"""Limits of trunk (shoulder widths) and head (inter-ocular distances)."""
REACH = 0.96
"""The share of its length that an arm stretches to before the body comes along."""
APART = 0.85
"""Faces that do not meet keep this share of their widths between their middles."""
SOFT = 0.03
"""How gently a limit begins, in shoulder widths."""


@dataclass(frozen=True)
class Meeting:
    """The first person's ``spots[0]`` meets the second's ``spots[1]`` as far as ``strength`` [f] says; ``share`` of the way
    goes the first. ``push`` [f, 2] is what is added to the second point's place less the first's (soft tissue's part)."""

    spots: tuple[Spot, Spot]
    strength: Float64[Array, " f"]
    share: float
    push: Float64[Array, "f 2"]


@dataclass
class _Energy:
    """Rows of limits: ``rows @ x + offset`` costs nothing more between ``low`` and ``high``, and a lot beyond."""

    base: Float64[Array, "f 20"]
    rows: list[Float64[Array, "f 20"]] = field(default_factory=list)
    spans: list[tuple[Array, Array]] = field(default_factory=list)
    weights: list[Array] = field(default_factory=list)

    def limit(self, row: Array, low: Array | float, high: Array | float, weight: Array | float) -> None:
        """Adds one limit."""
        count = len(self.base)
        self.rows.append(np.broadcast_to(row, (count, 2 * EACH)))
        self.spans.append((np.broadcast_to(np.float64(low), count), np.broadcast_to(np.float64(high), count)))
        self.weights.append(np.broadcast_to(np.float64(weight), count))


def solve(
    bodies: tuple[Body, Body], meetings: tuple[Meeting, ...], faces_apart: Float64[Array, " f"]
) -> tuple[Shifts, Shifts]:
    """How both bodies shift so that ``meetings`` come about.

    ``faces_apart`` [f] is how far the two faces shall not cover each other (0 where they meet).
    """
    count = len(bodies[0].landmarks)
    rows, gaps, strengths = _constraints(bodies, meetings, count)
    energy = _energy(bodies, meetings, faces_apart, count)
    x = np.zeros((count, 2 * EACH))
    for _ in range(STEPS):
        gradient, curvature = _slopes(energy, _reaches(bodies, meetings, x), x, _unit(bodies))
        x = _newton(x, gradient, curvature, rows, gaps, strengths)
    return _shifts(x[:, :EACH]), _shifts(x[:, EACH:])


def _unit(bodies: tuple[Body, Body]) -> float:
    return (bodies[0].width + bodies[1].width) / 2


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
    bodies: tuple[Body, Body], meetings: tuple[Meeting, ...], count: int
) -> tuple[Float64[Array, "m 20"], Float64[Array, "f m"], Float64[Array, "f m"]]:
    """Rows J, gaps d and strengths s: two rows for each meeting."""
    rows, gaps, strengths = np.zeros((2 * len(meetings), 2 * EACH)), [], []
    for number, meeting in enumerate(meetings):
        apart = bodies[1].at(meeting.spots[1]) - bodies[0].at(meeting.spots[0]) + meeting.push
        for axis in range(2):
            rows[2 * number + axis, :EACH] = _carried(meeting.spots[0], axis)
            rows[2 * number + axis, EACH:] = -_carried(meeting.spots[1], axis)
            gaps.append(apart[:, axis])
            strengths.append(meeting.strength)
    shape = (count, 2 * len(meetings))
    return rows, np.array(gaps).T.reshape(shape), np.array(strengths).T.reshape(shape)


def _energy(
    bodies: tuple[Body, Body], meetings: tuple[Meeting, ...], faces_apart: Float64[Array, " f"], count: int
) -> _Energy:
    """What each shift costs, and the limits of bodies and picture."""
    share = _share(meetings, count)
    energy = _Energy(np.zeros((count, 2 * EACH)))
    for which, body in enumerate(bodies):
        at, effort = which * EACH, np.clip((1.0 - share, share)[which] * 2.0, 0.04, 2.0)
        aside = effort * (CUT_COST if body.cut else 1.0)
        for start, cost in ((PLACE, 1.0), (BEND, BEND_COST), (HEAD, HEAD_COST)):
            energy.base[:, at + start] = cost * aside
            energy.base[:, at + start + 1] = cost * effort
        energy.base[:, at + HANDS : at + EACH] = HAND_COST
        _limit_body(energy, body, at, effort)
    _limit_faces(energy, bodies, faces_apart)
    return energy


def _share(meetings: tuple[Meeting, ...], count: int) -> Float64[Array, " f"]:
    """The first person's share of the way: that of the contacts, weighed by how strong they are."""
    total, weight = np.full(count, 0.01 * 0.5), np.full(count, 0.01)
    for meeting in meetings:
        total += meeting.share * meeting.strength
        weight += meeting.strength
    share: Array = total / weight
    return share


def _limit_body(energy: _Energy, body: Body, at: int, effort: Float64[Array, " f"]) -> None:
    """A person goes down freely and up hardly; trunk and head go only so far; the head stays in the picture."""
    width, unit = body.width, body.unit
    down = DOWN_STANDING * width if body.stands else np.inf
    for start, (low, high) in (
        (PLACE + 1, (-UP * width, down)),
        (BEND, (-BEND_ASIDE * width, BEND_ASIDE * width)),
        (BEND + 1, (-BEND_UP * width, BEND_DOWN * width)),
        (HEAD, (-HEAD_ASIDE * unit, HEAD_ASIDE * unit)),
        (HEAD + 1, (-HEAD_UP * unit, HEAD_DOWN * unit)),
    ):
        row = np.zeros(2 * EACH)
        row[at + start] = 1.0
        energy.limit(row, low, high, STEEP * (1.0 if start < BEND else 8.0) * effort)
    moved = body.face_centre() - body.track.rest_landmarks[[10, 152, 234, 454], :2].mean(axis=0)
    for axis, (back, forth) in enumerate(body.room):
        row = np.zeros(2 * EACH)
        row[[at + PLACE + axis, at + BEND + axis, at + HEAD + axis]] = 1.0
        energy.limit(row, -back - moved[:, axis], forth - moved[:, axis], STEEP)


def _limit_faces(energy: _Energy, bodies: tuple[Body, Body], apart: Float64[Array, " f"]) -> None:
    """Faces that have no business with each other do not cover each other (no further than the photo has it)."""
    first, second = bodies
    row = np.zeros(2 * EACH)
    for at, sign in ((0, -first.towards), (EACH, first.towards)):
        row[[at + PLACE, at + BEND, at + HEAD]] = sign
    between = (second.face_centre()[:, 0] - first.face_centre()[:, 0]) * first.towards
    halves = [float(np.ptp(body.track.rest_landmarks[:, 0])) / 2 for body in bodies]
    rest = abs(float(second.track.rest_landmarks[:, 0].mean() - first.track.rest_landmarks[:, 0].mean()))
    least = min(APART * sum(halves), rest)
    energy.limit(row, least - between, np.inf, 4.0 * apart)


def _reaches(
    bodies: tuple[Body, Body], meetings: tuple[Meeting, ...], x: Float64[Array, "f 20"]
) -> list[tuple[Array, Array, Array]]:
    """For each arm that has something to touch: the row along the arm, how far it is past its reach, and its weight."""
    found = []
    for which, body in enumerate(bodies):
        for arm in (0, 1):
            using = [m.strength for m in meetings if m.spots[which].arm == arm]
            if not using:
                continue
            at = which * EACH + HANDS + 2 * arm
            spot = next(m.spots[which] for m in meetings if m.spots[which].arm == arm)
            stretched = body.at(spot) - body.joints[:, ARMS[arm][0][0], :2] + x[:, at : at + 2]
            length = np.linalg.norm(stretched, axis=1)
            row = np.zeros((len(x), 2 * EACH))
            row[:, at : at + 2] = stretched / np.maximum(length, 1e-6)[:, None]
            found.append((row, length - REACH * arm_length(body, spot), STEEP * np.max(using, axis=0)))
    return found


def arm_length(body: Body, spot: Spot) -> Float64[Array, " f"]:
    """Upper arm and from the elbow to the spot, in pixels of the picture."""
    assert spot.arm is not None
    shoulder, elbow = (body.joints[:, ARMS[spot.arm][k][0], :2] for k in (0, 1))
    length: Array = np.linalg.norm(elbow - shoulder, axis=1) + np.linalg.norm(body.at(spot) - elbow, axis=1)
    return length


def _slopes(
    energy: _Energy, reaches: list[tuple[Array, Array, Array]], x: Float64[Array, "f 20"], unit: float
) -> tuple[Float64[Array, "f 20"], Float64[Array, "f 20 20"]]:
    """The energy's gradient and curvature at ``x``."""
    gradient = energy.base * x
    curvature = np.zeros((len(x), 2 * EACH, 2 * EACH))
    curvature[:, np.arange(2 * EACH), np.arange(2 * EACH)] = energy.base
    limits = []
    for row, (low, high), weight in zip(energy.rows, energy.spans, energy.weights, strict=True):
        value = np.einsum("fn,fn->f", row, x)
        limits += [(row, value - high, weight), (-row, low - value, weight)]
    for row, beyond, weight in (*limits, *reaches):
        push, slope = _ramp(beyond, SOFT * unit)
        gradient += (weight * push)[:, None] * row
        curvature += (weight * slope)[:, None, None] * row[:, :, None] * row[:, None, :]
    return gradient, curvature


def _ramp(beyond: Float64[Array, " f"], soft: float) -> tuple[Float64[Array, " f"], Float64[Array, " f"]]:
    """e^2 / (e + soft) for e > 0, and its slope: no limit begins with a jerk."""
    e = np.where(np.isfinite(beyond), np.maximum(beyond, 0.0), 0.0)
    return e**2 / (e + soft), (e**2 + 2 * e * soft) / (e + soft) ** 2


def _newton(
    x: Float64[Array, "f 20"],
    gradient: Float64[Array, "f 20"],
    curvature: Float64[Array, "f 20 20"],
    rows: Float64[Array, "m 20"],
    gaps: Float64[Array, "f m"],
    strengths: Float64[Array, "f m"],
) -> Float64[Array, "f 20"]:
    """One step to the least energy under the contacts, which it meets exactly where their strength is 1."""
    inverse = np.linalg.inv(curvature)
    free = x - np.einsum("fij,fj->fi", inverse, gradient)
    carried = inverse @ rows.T
    stiff = rows @ carried
    own = np.einsum("fmm->fm", stiff)
    # Scaled by the strengths, so that a contact that is off asks for nothing and divides by nothing.
    system = strengths[:, :, None] * stiff * strengths[:, None, :]
    diagonal = np.arange(len(rows))
    system[:, diagonal, diagonal] += own * strengths * (1.0 - strengths) + 1e-9 * own
    wanted = strengths * (gaps - free @ rows.T)
    force = strengths * np.linalg.solve(system, wanted[..., None])[..., 0]
    step: Array = free + np.einsum("fnm,fm->fn", carried, force)
    return step
