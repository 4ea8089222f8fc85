"""Whole-body skeletons as VACE's annotator draws them: DWPose's body and face, with red and blue swapped.

VACE's annotator (https://github.com/ali-vilab/VACE, vace/annotators/pose.py and dwpose/) works where the shorter side is
1024, draws limbs 8 pixels thick, joints of radius 4 and the 68 face points as white dots of radius 3, turns the channels
round, and scales to the film. Its ``pose`` task draws body and face; hands are not part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from photoplay.generation.controls.canvas import painted, working_size
from photoplay.generation.controls.figure import Figure
from photoplay.generation.controls.strokes import WHITE, draw_body, draw_dots
from photoplay.types import MotionTrack, RenderPlan, Rgb, RgbStack

SIDE = 1024
HALF_WIDTH = 4
FACE_RADIUS = 3
FACE_POINTS = 68


def draw_whole_body(tracks: Sequence[MotionTrack], plan: RenderPlan) -> RgbStack:
    """Skeletons and faces [f, h, w, 3] of all tracks on black; :class:`Figure` says which points are drawn."""

    def paint(picture: Rgb, figures: Sequence[Figure], frame: int) -> None:
        draw_body(picture, [figure.body for figure in figures], frame, HALF_WIDTH)
        for figure in figures:
            seen = figure.face.known[frame, :FACE_POINTS]
            draw_dots(picture, figure.face.at[frame, :FACE_POINTS], seen, FACE_RADIUS, WHITE)

    drawn = painted(tracks, plan, paint, size=working_size(plan, SIDE), enlarge=cv2.INTER_LANCZOS4)
    return np.ascontiguousarray(drawn[..., ::-1])
