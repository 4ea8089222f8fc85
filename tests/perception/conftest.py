from __future__ import annotations

from collections.abc import Iterator

import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image

from photoplay.perception import FaceReader, perceive
from photoplay.types import Face, Photo, Rgb, Scene
from tests import remembering


@pytest.fixture(scope="package", autouse=True)
def looked_at_anew() -> Iterator[None]:
    """These tests are about the models: each picture is looked at as often as they say."""
    with remembering.anew():
        yield


def as_photo(rgb: Rgb) -> Photo:
    return Photo(np.ascontiguousarray(rgb), "0" * 64)


@pytest.fixture(scope="package")
def reader() -> FaceReader:
    return FaceReader()


@pytest.fixture(scope="package")
def astronaut() -> Rgb:
    return skimage.data.astronaut()


@pytest.fixture(scope="package")
def hopper() -> Rgb:
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        return np.asarray(Image.open(stream).convert("RGB")).copy()


@pytest.fixture(scope="package")
def astronaut_face(reader: FaceReader, astronaut: Rgb) -> Face:
    (face,) = reader.read(astronaut, identity=True)
    return face


@pytest.fixture(scope="package")
def hopper_face(reader: FaceReader, hopper: Rgb) -> Face:
    (face,) = reader.read(hopper, identity=True)
    return face


@pytest.fixture(scope="package")
def astronaut_scene(reader: FaceReader, astronaut: Rgb) -> Scene:
    return perceive(as_photo(astronaut), reader=reader)
