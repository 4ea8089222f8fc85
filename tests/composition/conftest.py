from __future__ import annotations

from dataclasses import replace

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from photoplay.perception.faces import FaceReader
from photoplay.perception.light import estimate_light
from photoplay.types import Face, Rgb


@pytest.fixture(scope="session")
def reader() -> FaceReader:
    return FaceReader()


@pytest.fixture(scope="session")
def hopper() -> Rgb:
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        return np.asarray(Image.open(stream).convert("RGB")).copy()


@pytest.fixture(scope="session")
def hopper_face(reader: FaceReader, hopper: Rgb) -> Face:
    """Her face with identity and light."""
    (face,) = reader.read(hopper, identity=True)
    return replace(face, light=estimate_light(hopper, face))
