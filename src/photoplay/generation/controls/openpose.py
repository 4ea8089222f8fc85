"""OpenPose skeletons as the ControlNets for Stable Diffusion 1.5 know them (``control_v11p_sd15_openpose``).

Drawn where the shorter side is 512, limbs 8 pixels thick with joints of radius 4, then scaled to the film: the annotator's
own ``detect_resolution`` and widths (https://github.com/huggingface/controlnet_aux, open_pose). Its face is 70 white dots
of radius 3, its hands are lines of 2 pixels with blue dots of radius 4. One person after the other, in RGB.
"""

from __future__ import annotations

from collections.abc import Sequence

from photoplay.generation.controls.canvas import Hands, painted, working_size
from photoplay.generation.controls.figure import Figure
from photoplay.generation.controls.strokes import WHITE, draw_body, draw_dots, draw_hands
from photoplay.types import MotionTrack, RenderPlan, Rgb, RgbStack

SIDE = 512
HALF_WIDTH = 4
FACE_RADIUS = 3
HAND_WIDTH = 2


def draw_openpose(
    tracks: Sequence[MotionTrack],
    plan: RenderPlan,
    face: bool = True,
    hands: Hands = (),
) -> RgbStack:
    """Skeletons [f, h, w, 3] of all tracks on black; :class:`Figure` says which points are drawn.

    ``face`` adds the face's dots. ``hands`` are the tracks' hands in photo space where they are known (see
    :meth:`Figure.of`); without them no hand is drawn, since half a hand is nothing that the models were shown.
    """

    def paint(picture: Rgb, figures: Sequence[Figure], frame: int) -> None:
        for figure in figures:
            draw_body(picture, [figure.body], frame, HALF_WIDTH)
            draw_hands(picture, figure.hands, frame, HAND_WIDTH, HALF_WIDTH)
            if face:
                draw_dots(picture, figure.face.at[frame], figure.face.known[frame], FACE_RADIUS, WHITE)

    return painted(tracks, plan, paint, size=working_size(plan, SIDE), hands=hands)
