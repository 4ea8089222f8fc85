"""``photoplay verify``: its words, its JSON and its exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from photoplay.cli import app as command
from photoplay.cli.app import app
from photoplay.errors import MediaError, SealError
from photoplay.safety import recovery
from photoplay.safety import verify as seals
from photoplay.safety.recovery import Recovered
from photoplay.safety.verify import Verification

FILM = Verification(
    "trusted", "Made by photoplay and unchanged since.", signer="Film House", created="2026-01-02T03:04:05Z",
    actions=("c2pa.opened", "c2pa.edited", "c2pa.odd"), source_type="compositeWithTrainedAlgorithmicMedia",
    consent=({"photo": "a" * 64, "statement": "self", "date": "2026-01-02"},), records=("live",), recipe_digest="c" * 64,
    number="c" * 16, sources=(("source photo", "a" * 64),), content_filter="filter 1",
    stamped="2026-01-02T03:04:06+00:00", stamp_trusted=True,
)  # fmt: skip
MARK = Recovered("c" * 16, 9.5, True, "An invisible mark says so.")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def run(monkeypatch: pytest.MonkeyPatch, found: Verification, mark: Recovered | None, *options: str) -> Result:
    monkeypatch.setattr(seals, "verify", lambda _: found)
    monkeypatch.setattr(recovery, "recover", lambda *_: mark)
    return CliRunner().invoke(app, ["verify", "film.mp4", *options])


def test_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, FILM, MARK)
    assert done.exit_code == 0
    lines = {line[2:18].strip(): line[18:] for line in done.stdout.splitlines()[1:]}
    assert done.stdout.startswith(FILM.sentence)
    assert lines["signed by"] == "Film House"
    assert lines["done"] == "opened a picture, animated it, c2pa.odd"
    assert lines["made from"] == f"source photo, sha256 {'a' * 64}"
    assert lines["consent"] == f"self, stated 2026-01-02 for {'a' * 16}…"
    assert lines["on record"] == "live"
    assert lines["number"] == "c" * 16
    assert "known here" in lines["stamped at"]
    assert "not known" not in lines["stamped at"]
    assert "own clock" in lines["signed at"]
    assert MARK.sentence not in done.stdout  # a seal that holds says it all


@pytest.mark.parametrize("state", ["valid", "untrusted", "tampered", "unsigned"])
def test_anything_but_trusted_is_status_1(state: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Verification(state, "Not so.", signer="Somebody", problems=("a.b",), sources=(("source photo", "a" * 64),))
    done = run(monkeypatch, found, MARK)
    assert done.exit_code == 1
    assert done.stdout.startswith("Not so.")
    assert "a.b" in done.stdout
    gone = state in ("tampered", "unsigned")
    assert (MARK.sentence in done.stdout) == gone
    assert ("made from" in done.stdout) == (not gone)  # what a broken seal says is not repeated


@pytest.mark.parametrize("mark", [MARK, None])
def test_json(mark: Recovered | None, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, Verification("unsigned", "No seal."), mark, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["state"]) == (1, "unsigned")
    assert told["mark"] == (None if mark is None else json.loads(json.dumps(vars(mark))))


@pytest.mark.parametrize("file", ["https://example.org/film.mp4", "none.mp4"])
def test_what_is_no_file_is_status_3(file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["verify", file])
    assert isinstance(done.exception, MediaError)
    assert command.exit_code(done.exception) == 3


def test_what_cannot_be_read_is_status_7(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoplay.safety.verify.MAX_SECONDS", 0.001)
    done = CliRunner().invoke(app, ["verify", str(picture)])
    assert isinstance(done.exception, SealError)
    assert command.exit_code(done.exception) == 7


def test_a_real_picture_without_seal_or_mark(picture: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, ["verify", str(picture), "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["state"], told["mark"]) == (1, "unsigned", None)
