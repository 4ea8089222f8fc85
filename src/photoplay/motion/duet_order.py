"""Who stands before the other where a template leaves it open: who hides less of the other's face."""

from __future__ import annotations

from typing import Literal

from photoplay.motion.duet_overlap import FACE_SEEN, Head, apart
from photoplay.motion.duet_points import Spot
from photoplay.motion.duet_template import DuetTemplate
from photoplay.types import Mask, Subject

MUCH = 0.04
"""By how much nearer (inter-ocular distances) they must come with the second in front for the second to stand there."""


def stands_before(
    template: DuetTemplate,
    people: tuple[Subject, Subject],
    mattes: tuple[Mask | None, Mask | None],
    towards: tuple[float, float],
) -> Literal[0, 1]:
    """The role (0 first, 1 second) that stands in front as the film begins.

    Where the template leaves it open and faces meet, that is whoever lets the two come nearer with enough of both faces
    seen (:mod:`photoplay.motion.duet_overlap`), so far as their ``mattes`` tell; else the first. ``people`` are the first
    and the second role's, ``towards`` is 1 for who has the partner at the image's right, else -1.
    """
    if template.front is not None:
        return 0 if template.front[0].value < 0.5 else 1
    heads = [Head.of(*one) for one in zip(people, mattes, towards, strict=True)]
    off = [0.0, 0.0]
    for touch in template.contacts:
        spots = [Spot.of(touch.first, towards[0] > 0), Spot.of(touch.second, towards[1] > 0)]
        if spots[0].face and spots[1].face:
            points = [spot.weights @ head.landmarks[:, :2] for spot, head in zip(spots, heads, strict=True)]
            for front in (0, 1):
                at = (points[front], points[1 - front])
                off[front] += max(0.0, apart(heads[front], heads[1 - front], at, FACE_SEEN[template.category]))
    return 1 if off[1] < off[0] - MUCH else 0
