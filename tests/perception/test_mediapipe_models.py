from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from photoplay.perception.crops import Crop
from photoplay.perception.mediapipe_models import MESH_SIZE, Detector, MeshModel
from photoplay.types import Face, Rgb


def test_loading_and_running_writes_nothing_to_stderr_but_what_others_write() -> None:
    program = """
import os, threading, numpy as np
from photoplay.perception.mediapipe_models import Detector, MeshModel
MeshModel()(np.zeros((192, 192, 3), np.uint8))
os.write(2, b"kept\\n")
Detector("short_range")(np.zeros((128, 128, 3), np.uint8))
"""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=True, timeout=60)
    assert run.stderr == b"kept\n"
    assert run.stdout == b""


def test_the_mesh_model_tells_a_face_from_noise(astronaut: Rgb, astronaut_face: Face) -> None:
    mesh = MeshModel()
    x0, y0, x1, y1 = astronaut_face.box
    crop = Crop((x0 + x1) / 2, (y0 + y1) / 2, 1.5 * (y1 - y0))
    points, presence = mesh(crop.take(astronaut, MESH_SIZE))
    assert presence > 0.99
    assert np.abs(crop.to_photo(points, MESH_SIZE)[:, :2] - astronaut_face.landmarks[:, :2]).max() < 6
    noise = np.random.default_rng(0).integers(0, 255, (MESH_SIZE, MESH_SIZE, 3), dtype=np.uint8)
    assert mesh(noise)[1] < 0.01


def test_both_face_detectors_agree(astronaut: Rgb, astronaut_face: Face) -> None:
    for kind in ("full_range", "short_range"):
        detector = Detector(kind)
        crop = Crop(225, 160, 320)
        boxes, scores, points = detector(crop.take(astronaut, detector.size))
        assert len(boxes) == 1
        assert scores[0] > 0.7
        right_eye = crop.to_photo(points[0, :1], detector.size)[0]
        assert np.linalg.norm(right_eye - astronaut_face.landmarks[468, :2]) < 8


def test_a_model_refuses_an_image_of_another_size() -> None:
    with pytest.raises(ValueError, match="192 x 192"):
        MeshModel()(np.zeros((100, 192, 3), np.uint8))
