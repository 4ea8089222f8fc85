"""What a person reads of this machine."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from photoplay.cli.app import app
from photoplay.errors import UnavailableError
from photoplay.safety import content


def doctor(*options: str) -> str:
    done = CliRunner().invoke(app, ["doctor", *options])
    assert done.exit_code == 0, done.output
    return done.output


def no_filter() -> None:
    raise UnavailableError("content_filter_missing", "There is none.", "Install one.")


def test_every_line_is_a_name_and_what_is_there() -> None:
    told = doctor()
    assert re.search(r"^memory +[\d.]+ [GMT]B$", told, re.MULTILINE)
    assert re.search(r"^  opencv-contrib-python-headless  +\S", told, re.MULTILINE)
    for line in told.splitlines():
        assert line in ("packages", "encoders") or "  " in line.strip(), line
    assert not re.search(r"True|False|None", told)


def test_what_says_and_what_filters_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    speaker = tmp_path / "espeak-ng"
    monkeypatch.setattr(shutil, "which", lambda name: str(speaker) if name == speaker.name else None)
    told = doctor()
    assert re.search(r"^voice +espeak-ng$", told, re.MULTILINE)
    assert str(tmp_path) not in told
    assert json.loads(doctor("--json"))["voice"] == "espeak-ng"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(content, "default_classifier", no_filter)
    told = doctor()
    assert "install espeak-ng" in told
    assert re.search(r"^content filter +There is none. Install one.$", told, re.MULTILINE)
    assert json.loads(doctor("--json"))["content_filter"] is None
