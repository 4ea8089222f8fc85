from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from photoplay.safety.admission import admit
from photoplay.safety.guard import Guard
from photoplay.safety.provenance import seal
from photoplay.safety.recipe import make_recipe
from photoplay.types import Admitted, Clip, Photo, RenderPlan, Report, Request

SETTINGS = (
    "PHOTOPLAY_SIGN_CERT",
    "PHOTOPLAY_SIGN_KEY",
    "PHOTOPLAY_SIGN_ANCHOR",
    "PHOTOPLAY_TSA_URL",
    "PHOTOPLAY_TSA_ANCHOR",
    "PHOTOPLAY_TRUST",
)
PLAN = RenderPlan(96, 64, (0.0, 0.0, 96.0, 64.0), 24.0, 8)
TEMPLATE = {"name": "smile", "tracks": {"mouthSmileLeft": [[0, 0], [1, 0.8]]}}
GREY = np.full((64, 96, 3), 90, np.uint8)
FINE = Report({"identity": 0.2}, True, "fine")


@pytest.fixture(scope="session")
def user_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, user_home: Path) -> Path:
    """No test touches the certificate of whoever runs it."""
    monkeypatch.setenv("PHOTOPLAY_HOME", str(user_home))
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    return user_home


def make_photo(digit: str = "a", kind: str = "jpeg") -> Photo:
    return Photo(np.zeros((8, 8, 3), np.uint8), digit * 64, kind)


def make_admitted(**fields: Any) -> Admitted:
    return admit(Request(**{"photos": (make_photo(),), "consent": ("self",), "template": "smile", **fields}))


@pytest.fixture
def admitted() -> Admitted:
    return make_admitted()


@pytest.fixture
def recipe(admitted: Admitted) -> dict[str, Any]:
    return make_recipe(admitted, TEMPLATE, PLAN, "anchor")


@pytest.fixture(scope="session")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small unsigned ``film`` of every kind."""
    folder = tmp_path_factory.mktemp("unsigned")
    pictures = [np.full((64, 96, 3), shade, np.uint8) for shade in (20, 90, 160, 230)]
    with av.open(str(folder / "film.mp4"), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    frames = [Image.fromarray(picture) for picture in pictures]
    frames[0].save(folder / "film.png")
    for kind in ("gif", "webp"):
        frames[0].save(folder / f"film.{kind}", save_all=True, append_images=frames[1:], duration=80)
    return folder


SealIt = Callable[..., Clip]


@pytest.fixture
def seal_it(unsigned: Path, tmp_path: Path, admitted: Admitted, recipe: dict[str, Any]) -> SealIt:
    """Seals the small film; every argument of ``seal`` can be replaced."""

    def run(name: str = "film.mp4", **changes: Any) -> Clip:
        given = {"admitted": admitted, "recipe": recipe, "report": FINE, "source_type": "algorithmicallyEnhanced"}
        given["screened"] = Guard.local().content.screened([GREY] * 4, changes.get("admitted", admitted))
        if "signer" in changes:
            changes["guard"] = replace(Guard.local(), signer=changes.pop("signer"))
        source = changes.pop("source", unsigned / name)
        return seal(source, changes.pop("out", tmp_path / name), **{**given, **changes})

    return run
