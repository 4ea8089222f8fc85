"""``photoplay takedown`` of files: what a file is says its content, not its name."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from photoplay.cli.app import app
from photoplay.cli.trust import tell_erased
from photoplay.media import read_video
from photoplay.safety.consent.tokens import decode
from photoplay.safety.erase import Erasure
from photoplay.safety.guard import Guard
from tests.media.clips import video

MOVING = [np.ascontiguousarray(np.roll(data.astronaut()[::2, ::2], 8 * step, 1)) for step in range(4)]


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guard:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    return Guard.local()


def taken_down(file: Path) -> dict[str, Any]:
    """What the receipt of a takedown of this file says."""
    receipt = file.parent / "receipt.jws"
    told = CliRunner().invoke(app, ["takedown", str(file), "--receipt", str(receipt)])
    assert told.exit_code == 0, told.output or told.exception
    said: dict[str, Any] = json.loads(decode(receipt.read_text().split(".")[1]))
    return said


@pytest.mark.parametrize("name", ["preview.gif", "film.mp4", "film", "film.jpg"])
def test_a_film_is_one_whatever_its_name(guard: Guard, tmp_path: Path, name: str) -> None:
    container = ("gif", "gif") if name.endswith(".gif") else ("mp4", "libx264")
    (tmp_path / name).write_bytes(video(MOVING, 4.0, *container))
    said = taken_down(tmp_path / name)
    assert len(said["sha256"]) == 1
    assert len(said["pdq"]) == len(MOVING)


@pytest.mark.parametrize("name", ["photo.png", "photo", "photo.mp4", "photo.gif"])
def test_a_photo_is_one_whatever_its_name(guard: Guard, tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        Image.fromarray(MOVING[0]).save(file, "GIF" if name.endswith(".gif") else "PNG")
    assert len(taken_down(tmp_path / name)["pdq"]) == 1


def test_a_long_film_in_large_pictures_can_be_taken_down(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few of its frames are enough: all of them may be more pixels than are held at once."""
    defaults = inspect.unwrap(read_video).__kwdefaults__
    monkeypatch.setitem(defaults, "max_pixel_frames", 10 * MOVING[0].shape[0] * MOVING[0].shape[1])
    (tmp_path / "film.mp4").write_bytes(video(MOVING * 9, 12.0))
    assert len(taken_down(tmp_path / "film.mp4")["pdq"]) > 1


def test_what_is_neither_is_refused(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    told = CliRunner().invoke(app, ["takedown", str(tmp_path / "film.mp4")])
    assert getattr(told.exception, "code", "") == "photo_format_unknown"
    assert not (tmp_path / "takedown.jws").exists()


def test_what_was_erased_is_counted_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    tell_erased(Erasure(1, 0, 2, ()))
    assert capsys.readouterr().out.startswith("Erased: 1 record, 0 works, 2 files.\n")
