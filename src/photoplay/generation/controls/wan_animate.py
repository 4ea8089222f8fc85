"""Skeletons as Wan-Animate was trained on them (https://github.com/Wan-Video/Wan2.2,
wan/modules/animate/preprocess/human_visualization.py, ``draw_aapose_by_meta_new`` with stick width ``v2``).

OpenPose's limbs and colours in RGB, and two limbs more, from each ankle to its toes. Drawn at the film's own size: limbs
and joints have a half width of ``shorter side // 200 - 1`` pixels, hands half of that, each at least 1. The face has no
dots: its expression goes into the model as pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from photoplay.generation.controls.figure import Figure
from photoplay.generation.controls.strokes import COLORS, LIMBS, draw_body, draw_hands
from photoplay.types import Array, MotionTrack, RenderPlan, RgbStack

LIMBS_TO_TOES = (*LIMBS, (13, 18), (10, 19))
COLORS_TO_TOES = (*COLORS, (200, 200, 0), (100, 100, 0))


def half_width(plan: RenderPlan) -> int:
    """Half the width of a limb, which is a joint's radius, in pixels."""
    return max(min(plan.width, plan.height) // 200 - 1, 1)


def draw_wan_animate(
    tracks: Sequence[MotionTrack],
    plan: RenderPlan,
    hands: Sequence[Float32[Array, "_ 42 3"] | None] = (),
) -> RgbStack:
    """Skeletons [f, h, w, 3] of all tracks on black; :class:`Figure` says which points are drawn.

    ``hands`` as for :func:`photoplay.generation.controls.openpose.draw_openpose`. The model knows films of one person;
    further tracks are drawn after the first.
    """
    size, body = (plan.width, plan.height), half_width(plan)
    finger = max(body // 2, 1)
    known_hands = [*hands, *[None] * (len(tracks) - len(hands))]
    figures = [Figure.of(track, plan, size, own) for track, own in zip(tracks, known_hands, strict=True)]
    pictures = np.zeros((plan.num_frames, plan.height, plan.width, 3), np.uint8)
    for frame, picture in enumerate(pictures):
        for figure in figures:
            draw_body(picture, [figure.body], frame, body, LIMBS_TO_TOES, COLORS_TO_TOES)
            draw_hands(picture, figure.hands, frame, finger, finger)
    return pictures
