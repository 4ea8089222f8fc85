"""Identity: 128 numbers per face; faces of one person lie closer than 0.6 (dlib's ResNet, King 2017)."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay import weights
from photoplay.errors import UnavailableError
from photoplay.types import Array, HeadPose, Landmarks, Rgb

MIN_FACE = 24.0
MAX_YAW = 60.0

_CHIP = 150
# Where dlib's training chips hold the eye corners and the foot of the nose (its mean 5-point shape with a padding of 0.25).
_POINTS = (263, 362, 33, 133, 2)
_PLACES = np.array(
    [(0.8595674595992, 0.2134981538014), (0.6460604764104, 0.2289674387677), (0.1205750620789, 0.2137274526848),
     (0.3340850613712, 0.2290642403242), (0.4901123135679, 0.6277975316475)]
)  # fmt: skip
_PADDING = 0.25


@cache
def _network() -> tuple[Any, threading.Lock]:
    """dlib's network and the lock that serialises its use."""
    try:
        import dlib
    except ImportError as error:
        raise UnavailableError(
            "dlib_missing", "The identity model is not installed.", "Install the package dlib-bin."
        ) from error
    return dlib.face_recognition_model_v1(str(weights.find("face_identity"))), threading.Lock()


def chip(rgb: Rgb, landmarks: Landmarks) -> UInt8[Array, "150 150 3"]:
    """The 150 x 150 aligned face that the network wants: a similarity transform puts eye corners and nose in place."""
    target = (_PLACES + _PADDING) / (1 + 2 * _PADDING) * (_CHIP - 1)
    source = landmarks[list(_POINTS), :2].astype(np.float64)
    centred_source, centred_target = source - source.mean(0), target - target.mean(0)
    a = (centred_source * centred_target).sum()
    b = (centred_source[:, 0] * centred_target[:, 1] - centred_source[:, 1] * centred_target[:, 0]).sum()
    norm = (centred_source**2).sum()
    linear = np.array([[a, -b], [b, a]]) / norm
    move = target.mean(0) - linear @ source.mean(0)
    scale = float(np.hypot(a, b) / norm)
    image = rgb
    if scale < 0.5:
        step = 1 / (2 * scale)
        size = (max(1, round(rgb.shape[1] / step)), max(1, round(rgb.shape[0] / step)))
        image = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        ratio = np.array([rgb.shape[1] / size[0], rgb.shape[0] / size[1]])
        move = move + linear @ (0.5 * ratio - 0.5)
        linear = linear * ratio
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    taken: Array = cv2.warpAffine(image, np.column_stack([linear, move]), (_CHIP, _CHIP), flags=how)
    return taken


def embed(rgb: Rgb, landmarks: Landmarks, pose: HeadPose) -> Float32[Array, 128] | None:
    """The identity vector, or None where the face is under 24 px or turned by more than 60 degrees."""
    size = float(np.ptp(landmarks[:468, :2], axis=0).max())
    if size < MIN_FACE or abs(pose.yaw) > MAX_YAW:
        return None
    network, lock = _network()
    with lock:
        vector = network.compute_face_descriptor(chip(rgb, landmarks))
    return np.array(vector, np.float32)
