from __future__ import annotations

import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image

from photoplay.perception import FaceReader, perceive
from photoplay.types import Face, Photo, Rgb, Scene


def as_photo(rgb: Rgb) -> Photo:
    return Photo(np.ascontiguousarray(rgb), "0" * 64)


@pytest.fixture(scope="session")
def reader() -> FaceReader:
    return FaceReader()


@pytest.fixture(scope="session")
def astronaut() -> Rgb:
    return skimage.data.astronaut()


@pytest.fixture(scope="session")
def hopper() -> Rgb:
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        return np.asarray(Image.open(stream).convert("RGB")).copy()


@pytest.fixture(scope="session")
def astronaut_face(reader: FaceReader, astronaut: Rgb) -> Face:
    (face,) = reader.read(astronaut, identity=True)
    return face


@pytest.fixture(scope="session")
def hopper_face(reader: FaceReader, hopper: Rgb) -> Face:
    (face,) = reader.read(hopper, identity=True)
    return face


@pytest.fixture(scope="session")
def astronaut_scene(reader: FaceReader, astronaut: Rgb) -> Scene:
    return perceive(as_photo(astronaut), reader=reader)
