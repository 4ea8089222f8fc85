from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest

from photoplay.perception.crops import Crop
from photoplay.perception.mediapipe_models import DETECTOR_SIZE, MESH_SIZE, Detector, MeshModel, Models
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


def test_an_answer_depends_on_the_picture_alone(astronaut: Rgb, hopper: Rgb) -> None:
    """Nor on what was looked at before, nor on which of two readers looks: other tests keep answers (tests/remembering)."""

    def answers(first: Rgb, second: Rgb) -> dict[str, Any]:
        models, found = Models(), {}
        asked = {"mesh": models.mesh, "pose": models.pose, "selfie": models.selfie}
        asked |= {kind: models.detector(kind) for kind in DETECTOR_SIZE}
        for name, model in asked.items():
            size = model._graph._size
            shown = [cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) for picture in (first, second)]
            found[name] = [pickle.dumps(model(picture)) for picture in shown]
        return found

    once, again = answers(astronaut, hopper), answers(hopper, astronaut)
    assert once == {name: found[::-1] for name, found in again.items()}
    assert all(once[name][0] != once[name][1] for name in ("mesh", "pose", "selfie", "full_range", "short_range"))
