"""The astronaut's face in close-up, with lids and jaw moved by hand: what the tests of eyes and mouth paint on."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from photoplay import topology
from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.face_layers import FaceLayers
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array, Landmarks, RenderPlan
from tests.generation.actors import astronaut

STILL = np.zeros(2, np.float32)
NEUTRAL = np.zeros(52, np.float32)
_JAW = (14, 17, 18, 200, 199, 175, 152, 148, 176, 377, 400, 149, 378, 150, 379, 84, 314, 87, 317)


@cache
def face(size: int = 256, grey: bool = False, share: float = 0.8) -> tuple[Source, Landmarks]:
    """The framed face filling ``share`` of a ``size`` x ``size`` frame, and its landmarks there."""
    scene = astronaut()
    landmarks = scene.subjects[0].face.landmarks
    oval = landmarks[list(topology.FACE_OVAL), :2]
    centre, side = (oval.min(0) + oval.max(0)) / 2, float(np.ptp(oval[:, 1])) / share
    x0, y0 = (float(v) for v in centre - side / 2)
    plan = RenderPlan(size, size, (x0, y0, x0 + side, y0 + side), 24.0, 1)
    k = 2 * size / side
    place = np.array([[k, 0, (0.5 - x0) * k - 0.5], [0, k, (0.5 - y0) * k - 0.5]])
    flags = cv2.INTER_AREA if k < 1 else cv2.INTER_CUBIC
    rgb = cv2.warpAffine(scene.photo.pixels, place, (2 * size, 2 * size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if grey:
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return Source(rgb, 2, np.full((size, size), 255, np.uint8), plan), plan.to_frame(landmarks)


@cache
def layers(size: int = 256, grey: bool = False, share: float = 0.8) -> FaceLayers:
    """The layers of :func:`face`."""
    source, rest = face(size, grey, share)
    return FaceLayers.build(source, rest, NEUTRAL)


def frame(size: int = 256, grey: bool = False, share: float = 0.8) -> FrameBuffers:
    """The photo at the film's size, as if the mesh had not moved."""
    buffers = FrameBuffers.empty(size, size)
    buffers.rgb[:] = cv2.resize(face(size, grey, share)[0].rgb, (size, size), interpolation=cv2.INTER_AREA)
    buffers.confidence[:] = 255
    return buffers


def blinked(rest: Landmarks, shut: float) -> Landmarks:
    """Both lids of both eyes ``shut`` of the way to where they meet."""
    landmarks = rest.copy()
    for upper, lower in (
        (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER),
        (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER),
    ):
        meet = 0.15 * rest[list(upper)] + 0.85 * rest[list(lower)]
        landmarks[list(upper)] += shut * (meet - rest[list(upper)])
        landmarks[list(lower)] += shut * (meet - rest[list(lower)])
    return landmarks


def jaw_opened(rest: Landmarks, pixels: float) -> Landmarks:
    """The jaw and the lower lip ``pixels`` lower, the lip's corners where they were."""
    landmarks = rest.copy()
    landmarks[list(_JAW), 1] += pixels
    for edge in (topology.LIPS_INNER_LOWER, topology.LIPS_OUTER_LOWER):
        bow = 1 - np.linspace(-1, 1, len(edge)) ** 2
        landmarks[list(edge), 1] = rest[list(edge), 1] + pixels * bow.astype(np.float32)
    return landmarks


def lips_closed(rest: Landmarks) -> Landmarks:
    """The inner lips brought together halfway."""
    landmarks = rest.copy()
    upper, lower = list(topology.LIPS_INNER_UPPER), list(topology.LIPS_INNER_LOWER)
    landmarks[upper] = landmarks[lower] = (rest[upper] + rest[lower]) / 2
    return landmarks


def painted(
    landmarks: Landmarks, gaze: Array = STILL, size: int = 256, grey: bool = False, **weights: float
) -> FrameBuffers:
    """The frame with the layers painted for ``landmarks``."""
    buffers = frame(size, grey)
    blendshapes = NEUTRAL.copy()
    for name, value in weights.items():
        blendshapes[ARKIT_INDEX[name]] = value
    layers(size, grey).paint(buffers, landmarks, blendshapes, gaze)
    return buffers
