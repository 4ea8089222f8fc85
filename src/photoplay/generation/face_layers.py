"""Eyes and mouth of one face as layers that are painted over the warped face mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.contours import skull_motion
from photoplay.generation.eyes import EyeLayer
from photoplay.generation.mouth import MouthLayer
from photoplay.generation.photo_look import Look, read_look
from photoplay.types import Array, Landmarks

_STILL, _MOVING = 0.3, 1.2
"""Frame pixels of the largest landmark motion: below the first the frame stays as it is, above the second all is painted."""


@dataclass(frozen=True)
class FaceLayers:
    """Eyeballs, lids, lashes, lips' inside, teeth and tongue of one face, and the photo's ``look`` around it."""

    rest: Landmarks
    look: Look
    eyes: tuple[EyeLayer, ...]
    mouth: MouthLayer

    @classmethod
    def build(cls, source: Source, rest: Landmarks, rest_blendshapes: Float32[Array, 52]) -> FaceLayers:
        """Reads the layers' textures from the framed photo; ``rest`` is in frame space.

        ``rest_blendshapes`` tell how the photo's lids and lips stand; today the photo itself says it all.
        """
        del rest_blendshapes
        look = read_look(source, rest)
        eyes = (EyeLayer.build(source, rest, "right", look), EyeLayer.build(source, rest, "left", look))
        return cls(rest, look, eyes, MouthLayer.build(source, rest, look))

    def paint(
        self,
        buffers: FrameBuffers,
        landmarks: Landmarks,
        blendshapes: Float32[Array, 52],
        gaze: Float32[Array, 2],
    ) -> None:
        """Repaints eyes and mouth of the warped frame in place.

        ``landmarks`` are in frame space, ``gaze`` is yaw and pitch in degrees relative to the photo. At rest the colours
        stay bit for bit; layers fade in over the first pixel of motion.
        """
        motion = skull_motion(self.rest, landmarks)
        travel = float(np.abs(landmarks[:468, :2] - self.rest[:468, :2]).max())
        weight = min(1.0, max(0.0, (travel - _STILL) / (_MOVING - _STILL)))
        for eye in self.eyes:
            eye.paint(buffers, landmarks, motion, gaze, weight)
        self.mouth.paint(buffers, landmarks, motion, blendshapes, weight)
