"""Two bodies brought together: the solver's shifts, arms on their hands' way, and soft tissue that gives way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from photoplay.motion.duet_arms import reach
from photoplay.motion.duet_bodies import Body, Shifts
from photoplay.motion.duet_points import Spot
from photoplay.motion.duet_solver import Meeting, solve
from photoplay.motion.duet_template import Touch
from photoplay.motion.soft_tissue import flattened
from photoplay.types import Array

ROUNDS = 2
"""Soft tissue moves the points that meet, so the solver goes over it again."""
GIVES_FROM = 0.8
"""Strength of a contact from which soft tissue gives way: before that nothing touches."""


@dataclass(frozen=True)
class Cast:
    """The two bodies as each moves alone, and what of the template they can do together: the contacts that both have
    points for, with the points and how strong each contact is [c, f]. ``keeps`` [c, 2] is where the second point stays, seen
    from the first, so that faces are seen (:mod:`photoplay.motion.duet_overlap`)."""

    bodies: tuple[Body, Body]
    touches: tuple[Touch, ...]
    spots: tuple[tuple[Spot, Spot], ...]
    strengths: Float64[Array, "c f"]
    keeps: Float64[Array, "c 2"]


def bring_together(cast: Cast, rounds: int = ROUNDS) -> tuple[Body, Body]:
    """Both bodies with every contact met as far as its strength says; one round leaves soft tissue's share of the gap."""
    count = cast.strengths.shape[1]
    pushes = [np.zeros((count, 2)) for _ in cast.touches]
    together = cast.bodies
    for _ in range(rounds if any(touch.flatten for touch in cast.touches) else 1):
        meetings = tuple(
            Meeting(cast.spots[k], cast.strengths[k], touch.share, pushes[k] - cast.keeps[k], touch.faces)
            for k, touch in enumerate(cast.touches)
        )
        firm = _reached(cast, solve(cast.bodies, meetings))
        together = _softened(cast, firm)
        pushes = [_pushed(pair, firm, together) for pair in cast.spots]
    return together


def meeting_place(cast: Cast, bodies: tuple[Body, Body]) -> Float64[Array, "f 2"]:
    """Where the two meet, or would: the contacts' middle, the stronger ones more."""
    if not cast.touches:
        middle: Array = (bodies[0].face_centre() + bodies[1].face_centre()) / 2
        return middle
    weights = cast.strengths + 0.02
    places = [_middle(pair, bodies) for pair in cast.spots]
    return np.asarray(np.einsum("cf,cfd->fd", weights / weights.sum(axis=0), np.array(places)))


def _middle(pair: tuple[Spot, Spot], bodies: tuple[Body, Body]) -> Float64[Array, "f 2"]:
    middle: Array = (bodies[0].at(pair[0]) + bodies[1].at(pair[1])) / 2
    return middle


def _reached(cast: Cast, shifts: tuple[Shifts, Shifts]) -> tuple[Body, Body]:
    """Both bodies shifted, with the arms of those contacts that a hand makes."""
    moved = []
    for which, (body, shift) in enumerate(zip(cast.bodies, shifts, strict=True)):
        shifted = body.shifted(shift)
        for arm in (0, 1):
            using = [k for k, pair in enumerate(cast.spots) if pair[which].arm == arm]
            if using:
                spot = cast.spots[using[0]][which]
                strength = np.max(cast.strengths[using], axis=0)
                shifted = reach(shifted, spot, shifted.at(spot) + shift.hands[:, arm], strength)
        moved.append(shifted)
    return moved[0], moved[1]


def _softened(cast: Cast, bodies: tuple[Body, Body]) -> tuple[Body, Body]:
    """Both faces with the tissue pressed in where they meet."""
    first, second = bodies
    for touch, pair, strength in zip(cast.touches, cast.spots, cast.strengths, strict=True):
        if not (touch.flatten and pair[0].face and pair[1].face):
            continue
        where = _middle(pair, (first, second))
        line = second.face_centre() - first.face_centre()
        towards = line / np.maximum(np.linalg.norm(line, axis=1), 1e-6)[:, None]
        t = np.clip((strength - GIVES_FROM) / (1.0 - GIVES_FROM), 0.0, 1.0)
        amount = touch.flatten * t * t * (3.0 - 2.0 * t)
        first = first.with_face(flattened(first.landmarks, where, towards, amount, first.unit))
        second = second.with_face(flattened(second.landmarks, where, -towards, amount, second.unit))
    return first, second


def _pushed(pair: tuple[Spot, Spot], firm: tuple[Body, Body], soft: tuple[Body, Body]) -> Float64[Array, "f 2"]:
    """How much further apart giving tissue leaves the two points."""
    moved = [after.at(spot) - before.at(spot) for spot, before, after in zip(pair, firm, soft, strict=True)]
    pushed: Array = moved[1] - moved[0]
    return pushed
