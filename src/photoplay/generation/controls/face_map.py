"""Faces alone as white dots on black: what the OpenPose ControlNet of Stable Diffusion 1.5 calls ``faceonly``.

iBUG's 68 points and the two pupils, radius 3 where the shorter side is 512
(https://github.com/huggingface/controlnet_aux, open_pose; OpenPose's face has the same 70 points).
"""

from __future__ import annotations

from collections.abc import Sequence

from photoplay.generation.controls.canvas import painted, working_size
from photoplay.generation.controls.figure import Figure
from photoplay.generation.controls.openpose import FACE_RADIUS, SIDE
from photoplay.generation.controls.strokes import WHITE, draw_dots
from photoplay.types import MotionTrack, RenderPlan, Rgb, RgbStack


def draw_face_map(tracks: Sequence[MotionTrack], plan: RenderPlan) -> RgbStack:
    """The faces [f, h, w, 3] of all tracks; points outside the frame are left out."""

    def paint(picture: Rgb, figures: Sequence[Figure], frame: int) -> None:
        for figure in figures:
            draw_dots(picture, figure.face.at[frame], figure.face.known[frame], FACE_RADIUS, WHITE)

    return painted(tracks, plan, paint, size=working_size(plan, SIDE))
