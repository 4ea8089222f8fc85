"""A portrait that is always there, small enough to make films of in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Development certificates of tests stay among the tests."""
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path_factory.getbasetemp() / "home"))


@pytest.fixture(scope="session")
def portrait_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "portrait.jpg"
    Image.fromarray(astronaut()[:400, 20:420]).save(path, quality=95)
    return path


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of nobody."""
    path = tmp_path_factory.mktemp("photo") / "nobody.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)).save(path)
    return path
