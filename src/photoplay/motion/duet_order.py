"""Who stands before the other where a template leaves it open: who hides less of the other's face."""

from __future__ import annotations

from typing import Literal

import numpy as np

from photoplay.motion.duet_template import DuetTemplate
from photoplay.topology import inter_ocular
from photoplay.types import Mask, Subject

BROW, MOUTH = 9, 13
FAR = 4.0
"""Hair further from the mouth than this (inter-ocular distances) is not looked for."""
MUCH = 0.15
"""By how much (inter-ocular distances) the second must hide less to stand before the first."""


def stands_before(
    template: DuetTemplate,
    people: tuple[Subject, Subject],
    mattes: tuple[Mask | None, Mask | None],
    towards: tuple[float, float],
) -> Literal[0, 1]:
    """The role (0 first, 1 second) that stands in front as the film begins.

    Where the template leaves it open and faces meet, that is whose hair reaches less far past the mouth, so far as their
    ``mattes`` tell; else the first. ``people`` are the first and the second role's, ``towards`` is 1 for who has the
    partner at the image's right, else -1.
    """
    if template.front is not None:
        return 0 if template.front[0].value < 0.5 else 1
    if not any(touch.faces for touch in template.contacts):
        return 0
    past = [_past_mouth(*one) for one in zip(people, mattes, towards, strict=True)]
    return 1 if past[1] < past[0] - MUCH else 0


def _past_mouth(subject: Subject, matte: Mask | None, towards: float) -> float:
    """How far the silhouette reaches towards the partner, from brow to mouth, in inter-ocular distances from the mouth."""
    if matte is None:
        return 0.0
    landmarks, unit = subject.face.landmarks, inter_ocular(subject.face.landmarks)
    height, width = matte.shape
    top, bottom = (min(max(round(float(landmarks[i, 1])), 0), height) for i in (BROW, MOUTH))
    ahead = (np.arange(width) - float(landmarks[MOUTH, 0])) * towards / unit
    rows = (matte[top:bottom] > 127) & (ahead > 0) & (ahead < FAR)
    if not rows.any():
        return 0.0
    return float(np.median(np.where(rows, ahead, 0.0).max(axis=1)))
