"""A film of nobody that nobody sees: what the first real one would wait for is compiled by it.

Numba compiles a kernel for the processor when it is first called and keeps it on disk (beside the code, or in
``NUMBA_CACHE_DIR``). All of them take half a minute and more, once for each installation.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay import topology
from photoplay.finishing.smoothing import smooth
from photoplay.generation.backends.protocol import Backend
from photoplay.motion.curves import still_arrays
from photoplay.motion.retarget import make_track
from photoplay.safety.certificates import data_home
from photoplay.safety.private import locked
from photoplay.safety.watermark import Marker
from photoplay.types import Array, Face, HeadPose, Landmarks, Performance, Photo, RenderPlan, Rgb, Scene, Subject

SIDE = 160
"""Pixels of the picture's sides: as few as carry a watermark."""
FPS, FRAMES = 5.0, 6


def rehearse(backend: Backend) -> None:
    """Makes, smooths and marks a few small frames of a drawn face that laughs, winks and looks about.

    Processes of one installation do so one after the other: what the first has compiled, the second finds.

    Raises:
        UnavailableError: a part of the backend is missing.   OSError: nothing can be written in ``PHOTOPLAY_HOME``.
    """
    scene = drawn_scene()
    track = make_track(scene, 0, _performance())
    plan = RenderPlan(SIDE, SIDE, (0.0, 0.0, float(SIDE), float(SIDE)), FPS, FRAMES, window=FRAMES)
    data_home().mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(data_home() / "rehearsal.lock"):
        for window in smooth(backend.generate(scene, [track], plan)):
            Marker(0).mark(window.rgb)


def drawn_scene() -> Scene:
    """A flat face with eyes, lips and teeth before a grey wall, ``SIDE`` pixels wide and high."""
    eyes = 0.28 * SIDE
    scale, middle = np.array([eyes, -eyes, -eyes], np.float32), np.array([SIDE / 2, 0.36 * SIDE, 0], np.float32)
    landmarks: Landmarks = topology.mean_face() * scale + middle
    for row in (topology.LIPS_INNER_LOWER, topology.LIPS_OUTER_LOWER):  # a smile that shows teeth
        landmarks[list(row), 1] += 0.16 * eyes * np.sin(np.linspace(0, np.pi, len(row), dtype=np.float32))
    chin = int(landmarks[topology.CHIN, 1])
    matte = np.zeros((SIDE, SIDE), np.uint8)
    cv2.rectangle(matte, (SIDE // 4, chin), (3 * SIDE // 4, SIDE), (255,), -1)
    _fill(matte, landmarks, topology.FACE_OVAL, (255,))
    (left, top), (right, bottom) = landmarks[:, :2].min(0).tolist(), landmarks[:, :2].max(0).tolist()
    pose, seen = HeadPose(0.0, 0.0, 0.0), np.ones(478, np.float32)
    face = Face(landmarks, (left, top, right, bottom), 1.0, pose, (0.3, 0.3), 0.2, seen)
    return Scene(Photo(_painted(landmarks, matte), "0" * 64), (Subject(face, None, matte),), matte)


def _painted(landmarks: Landmarks, matte: Array) -> Rgb:
    rgb: Rgb = np.full((SIDE, SIDE, 3), 120, np.uint8)
    rgb[matte > 0] = (205, 160, 135)
    upper, lower = topology.LIPS_OUTER_UPPER, topology.LIPS_OUTER_LOWER
    _fill(rgb, landmarks, (*upper, *lower[::-1]), (170, 80, 80))
    upper, lower = topology.LIPS_INNER_UPPER, topology.LIPS_INNER_LOWER
    _fill(rgb, landmarks, (*upper, *lower[::-1]), (225, 220, 205))
    for upper, lower, iris in (
        (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER, topology.RIGHT_IRIS),
        (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER, topology.LEFT_IRIS),
    ):
        _fill(rgb, landmarks, (*upper, *lower[::-1]), (235, 230, 225))
        _fill(rgb, landmarks, iris[1:], (70, 45, 30))
    return rgb


def _fill(picture: Array, landmarks: Landmarks, outline: Sequence[int], colour: tuple[int, ...]) -> None:
    cv2.fillPoly(picture, [np.rint(landmarks[list(outline), :2]).astype(np.int32)], colour)


def _performance() -> Performance:
    """From rest to a laugh with a wink, a look aside and a turn of the head."""
    curves = still_arrays(FRAMES)
    grows: Float32[Array, f] = np.linspace(0, 1, FRAMES, dtype=np.float32)
    for name, most in (("jawOpen", 0.6), ("mouthSmileLeft", 0.6), ("mouthSmileRight", 0.6), ("eyeBlinkLeft", 1.0)):
        curves["blendshapes"][:, topology.ARKIT_INDEX[name]] = most * grows
    curves["head"][:, 0] = curves["gaze"][:, 0] = 10 * grows
    curves["breath"][:] = grows
    return Performance(FPS, **curves)
