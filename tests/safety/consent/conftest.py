from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image
from skimage.data import astronaut

from photoplay.perception.faces import FaceReader
from photoplay.safety.consent.store import RecordStore
from photoplay.types import Array, Box, Rgb
from tests.safety.consent.acting import Actor


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "consent")


def treated(rgb: Rgb) -> list[Rgb]:
    """A photo as it is, mirrored, darker, compressed, and half as large."""
    _, jpeg = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 25])
    return [
        rgb,
        np.ascontiguousarray(rgb[:, ::-1]),
        (rgb * 0.5).astype(np.uint8),
        np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_UNCHANGED)),
        cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    ]


@pytest.fixture(scope="session")
def portraits() -> dict[str, Rgb]:
    with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as image:
        return {"astronaut": astronaut(), "hopper": np.array(image.convert("RGB"))}


FACES: dict[str, Box] = {"astronaut": (179, 68, 271, 178), "hopper": (167, 131, 356, 334)}
"""Where the faces are, so that nothing has to be searched."""


@pytest.fixture(scope="session")
def photographed(portraits: dict[str, Rgb]) -> dict[str, list[Array]]:
    """Embeddings of the treated portraits, the plain one first."""
    reader, found = FaceReader(), {}
    for name, rgb in portraits.items():
        left, top, right, bottom = FACES[name]
        width = rgb.shape[1]
        boxes = [FACES[name]] * 5
        boxes[1] = (width - right, top, width - left, bottom)
        boxes[4] = (left / 2, top / 2, right / 2, bottom / 2)
        pictures = zip(treated(rgb), boxes, strict=True)
        faces = [reader.read(picture, near=box, identity=True)[0] for picture, box in pictures]
        found[name] = [face.embedding for face in faces if face.embedding is not None]
        assert len(found[name]) == 5
    return found


@pytest.fixture(scope="session")
def actor(portraits: dict[str, Rgb]) -> Actor:
    """Somebody who plays any challenge."""
    return Actor(FaceReader().read(portraits["hopper"], near=FACES["hopper"])[0])
