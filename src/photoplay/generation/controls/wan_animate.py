"""Skeletons as Wan-Animate was trained on them (https://github.com/Wan-Video/Wan2.2,
wan/modules/animate/preprocess/human_visualization.py, ``draw_aapose_by_meta_new`` with stick width ``v2``).

OpenPose's limbs and colours in RGB, and two limbs more, from each ankle to its toes. Drawn at the film's own size: limbs
and joints have a half width of ``shorter side // 200 - 1`` pixels, hands half of that, each at least 1. The face has no
dots: its expression goes into the model as pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

from photoplay.generation.controls.canvas import Hands, painted
from photoplay.generation.controls.figure import Figure
from photoplay.generation.controls.strokes import COLORS, LIMBS, draw_body, draw_hands
from photoplay.types import MotionTrack, RenderPlan, Rgb, RgbStack

LIMBS_TO_TOES = (*LIMBS, (13, 18), (10, 19))
COLORS_TO_TOES = (*COLORS, (200, 200, 0), (100, 100, 0))


def half_width(plan: RenderPlan) -> int:
    """Half the width of a limb, which is a joint's radius, in pixels."""
    return max(min(plan.width, plan.height) // 200 - 1, 1)


def draw_wan_animate(
    tracks: Sequence[MotionTrack],
    plan: RenderPlan,
    hands: Hands = (),
) -> RgbStack:
    """Skeletons [f, h, w, 3] of all tracks on black; :class:`Figure` says which points are drawn.

    ``hands`` as for :func:`photoplay.generation.controls.openpose.draw_openpose`. The model knows films of one person;
    further tracks are drawn after the first.
    """
    body = half_width(plan)
    finger = max(body // 2, 1)

    def paint(picture: Rgb, figures: Sequence[Figure], frame: int) -> None:
        for figure in figures:
            draw_body(picture, [figure.body], frame, body, LIMBS_TO_TOES, COLORS_TO_TOES)
            draw_hands(picture, figure.hands, frame, finger, finger)

    return painted(tracks, plan, paint, size=(plan.width, plan.height), hands=hands)
