"""Faces alone as white dots on black: what the OpenPose ControlNet of Stable Diffusion 1.5 calls ``faceonly``.

iBUG's 68 points and the two pupils, radius 3 where the shorter side is 512
(https://github.com/huggingface/controlnet_aux, open_pose; OpenPose's face has the same 70 points).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from photoplay.generation.controls.figure import Figure
from photoplay.generation.controls.openpose import FACE_RADIUS, SIDE
from photoplay.generation.controls.strokes import WHITE, draw_dots, fitted, working_size
from photoplay.types import MotionTrack, RenderPlan, RgbStack


def draw_face_map(tracks: Sequence[MotionTrack], plan: RenderPlan) -> RgbStack:
    """The faces [f, h, w, 3] of all tracks; points outside the frame are left out."""
    width, height = working_size(plan, SIDE)
    figures = [Figure.of(track, plan, (width, height)) for track in tracks]
    pictures = np.zeros((plan.num_frames, plan.height, plan.width, 3), np.uint8)
    for frame in range(plan.num_frames):
        picture = np.zeros((height, width, 3), np.uint8)
        for figure in figures:
            draw_dots(picture, figure.face.at[frame], figure.face.known[frame], FACE_RADIUS, WHITE)
        pictures[frame] = fitted(picture, plan, cv2.INTER_LINEAR)
    return pictures
