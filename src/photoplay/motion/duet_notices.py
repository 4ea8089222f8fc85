"""What two people are told who play a template together: what they cannot do, and what will show."""

from __future__ import annotations

import numpy as np

from photoplay.motion.duet_bodies import Body
from photoplay.motion.duet_points import Spot
from photoplay.motion.duet_template import DuetTemplate
from photoplay.motion.skeleton import HIPS
from photoplay.types import Contact, Notice

RATIOS = (0.6, 1.6)
"""Sizes of one head over the other's between which two people look right together."""
MISSED = 0.02
"""A contact is met within this share of the smaller shoulders' width."""
WHOLE = 0.999
CUT_MOVES, LIFTED, FAR = 0.06, 0.05, 1.6
"""Shoulder widths: how far one whom the edge cuts may leave it, how far anybody may rise, and the longest way."""


def notices_of(
    template: DuetTemplate, bodies: tuple[Body, Body], together: tuple[Body, Body], contacts: tuple[Contact, ...]
) -> tuple[Notice, ...]:
    """All that is worth telling, from the ``bodies`` as each moves alone and as they are ``together``."""
    return (
        *_sizes(bodies),
        *_left_out(template, bodies, contacts),
        *_missed(template, bodies, contacts),
        *(notice for body in together for notice in _ways(body)),
    )


def _sizes(bodies: tuple[Body, Body]) -> list[Notice]:
    ratio = bodies[1].unit / bodies[0].unit
    if RATIOS[0] <= ratio <= RATIOS[1]:
        return []
    return [
        Notice(
            "sizes_far_apart",
            f"One person is {max(ratio, 1 / ratio):.1f} times as large as the other in the picture.",
            "Choose photos taken from a similar distance, or give the size ratio.",
            "warning",
        )
    ]


def _left_out(template: DuetTemplate, bodies: tuple[Body, Body], contacts: tuple[Contact, ...]) -> list[Notice]:
    made = {contact.name for contact in contacts}
    found = []
    for touch in template.contacts:
        if touch.name in made:
            continue
        for point, body in zip((touch.first, touch.second), bodies, strict=True):
            spot = Spot.of(point, body.towards > 0)
            if spot.arm is not None and not body.skeleton.arm_is_free(spot.arm):
                name = ("left", "right")[spot.arm]
                hidden = f"the photo does not show the {name} arm"
                why = f"the {name} arm lies on the other one" if body.skeleton.arm_is_seen(spot.arm) else hidden
                found.append(
                    Notice(
                        "contact_left_out",
                        f"'{template.title}' is played without the contact '{touch.name.replace('_', ' ')}': {why}.",
                        "Choose a photo that shows both arms hanging free.",
                        subject=body.track.subject,
                    )
                )
    return found


def _missed(template: DuetTemplate, bodies: tuple[Body, Body], contacts: tuple[Contact, ...]) -> list[Notice]:
    width = min(body.width for body in bodies)
    found = []
    for contact in contacts:
        gaps = contact.gap[contact.strength >= WHOLE]
        if len(gaps) and float(gaps.max()) > MISSED * width:
            found.append(
                Notice(
                    "contact_missed",
                    f"In '{template.title}' the two do not quite reach each other ({contact.name.replace('_', ' ')}).",
                    "Choose photos in which they are of similar size, or another template.",
                    "warning",
                )
            )
    return found


def _ways(body: Body) -> list[Notice]:
    """What shows when somebody goes far: a cut at the picture's edge, or below."""
    went = (body.joints[:, list(HIPS), :2] - body.track.rest_joints[list(HIPS), :2]).mean(axis=1) / body.width
    index = body.track.subject
    found = []
    if body.cut and float((went[:, 0] * body.towards).max()) > CUT_MOVES:
        found.append(
            Notice(
                "cut_shows",
                "The picture's edge cuts this person, and that shows when they move to the other one.",
                "Choose a photo with more space around the person.",
                subject=index,
            )
        )
    if not body.stands and float(-went[:, 1].min()) > LIFTED:
        found.append(
            Notice(
                "lifted",
                "This person has to rise to reach the other one, which may show the photo's lower edge.",
                "Choose photos in which they are of similar size.",
                subject=index,
            )
        )
    if float(np.linalg.norm(went, axis=1).max()) > FAR:
        found.append(
            Notice(
                "far_apart",
                "The two are far apart in the picture, so this person has a long way to go.",
                "Choose a photo in which they are next to each other.",
                subject=index,
            )
        )
    return found
