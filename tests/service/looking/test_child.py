from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoplay.errors import ConsentError, MediaError
from photoplay.service.looking import child
from photoplay.service.looking.child import KEPT, Eyes, told
from photoplay.service.looking.looker import Terms
from photoplay.types import Notice, Photo, Scene
from tests.generation.actors import astronaut
from tests.safety.consent.people import person


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Photo]:
    """Photos that were looked at: what is seen is always the same."""
    seen: list[Photo] = []

    def perceive(photo: Photo) -> Scene:
        seen.append(photo)
        return replace(astronaut(), photo=photo)

    def load_photo(data: bytes) -> Photo:
        if data == b"no photo":
            raise MediaError("photo_broken", "It is broken.", "Take another.")
        return Photo(np.full((64, 64, 3), data[0], np.uint8), data.hex())

    monkeypatch.setattr(child, "perceive", perceive)
    monkeypatch.setattr(child, "load_photo", load_photo)
    return seen


def test_a_scene_is_told_in_shares_of_the_picture_without_what_would_name_a_face() -> None:
    scene = astronaut()
    notice = Notice("dark", "It is dark.", "Use light.", "warning", 0)
    found = told(replace(scene, notices=(notice,)))
    (face,), (subject,) = found["faces"], scene.subjects
    assert found["people"] == 1
    assert face["box"] == pytest.approx([place / 512 for place in subject.face.box], abs=1e-4)
    assert np.shape(face["landmarks"]) == (68, 2)
    assert 0 < np.min(face["landmarks"]) < np.max(face["landmarks"]) < 1
    assert found["advice"] == [
        {"code": "dark", "severity": "warning", "subject": 0, "message": "It is dark.", "hint": "Use light."}
    ]
    assert set(face) == {"box", "yaw", "pitch", "roll", "landmarks", "body"}  # no embedding leaves the process


def test_the_same_photo_is_looked_at_once(looked: list[Photo]) -> None:
    eyes = Eyes(hosted=False)
    first, second = eyes.inspect(b"\x01"), eyes.inspect(b"\x01")
    assert first == second
    eyes.inspect(b"\x02")
    assert [photo.sha256 for photo in looked] == ["01", "02"]


def test_only_so_many_photos_are_kept_and_the_latest_ones(looked: list[Photo]) -> None:
    eyes = Eyes(hosted=False)
    for shade in range(KEPT + 3):
        eyes.inspect(bytes([shade]))
        eyes.inspect(b"\x00")  # one that is asked for again and again stays
    kept = vars(eyes)["_photos"]
    assert len(kept) == KEPT
    assert {photo.sha256 for photo in kept.values()} == {"00", *(f"{shade:02x}" for shade in range(4, KEPT + 3))}
    assert len(looked) == KEPT + 3


def test_a_photo_that_cannot_be_read_is_kept_by_nobody(looked: list[Photo]) -> None:
    eyes = Eyes(hosted=False)
    for _ in range(2):
        with pytest.raises(MediaError):
            eyes.inspect(b"no photo")
    assert vars(eyes)["_photos"] == {}
    assert looked == []


def test_a_large_photo_is_looked_at_smaller_and_keeps_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "SIDE", 100)
    monkeypatch.setattr(child, "load_photo", lambda _data: Photo(np.zeros((400, 200, 3), np.uint8), "d" * 64))
    seen: list[Any] = []
    monkeypatch.setattr(child, "perceive", lambda photo: seen.append(photo) or replace(astronaut(), photo=photo))
    Eyes(hosted=False).inspect(b"x")
    assert (seen[0].width, seen[0].height, seen[0].sha256) == (50, 100, "d" * 64)


@pytest.mark.parametrize(("word", "hosted"), [("hosted", True), ("own", False)])
def test_whose_service_it_is_decides_about_records(word: str, hosted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Eyes] = []
    monkeypatch.setattr(child, "serve", lambda _pipe, tasks, _idle: made.append(tasks.__self__))
    monkeypatch.setattr(child, "Connection", lambda descriptor: descriptor)
    monkeypatch.setattr(child.signal, "signal", lambda *_: None)
    child.main([word, "3"])
    assert made[0].guard.hosted is hosted


def test_who_looks_like_somebody_on_record_is_said_to_be_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path))
    monkeypatch.setattr(child, "face_in_photo", lambda _photo, _face: person(1))
    monkeypatch.setattr(child, "load_photo", lambda data: data)
    eyes, terms = Eyes(hosted=False), Terms(("contact",), 30)
    first = eyes.enrol_photo(b"first", 0, terms)
    twin = eyes.enrol_photo(b"twin", 0, replace(terms, unlike=(first.id,)))
    records = {record.id: record for record in eyes.guard.records.records()}
    assert records[twin.id].unlike == (records[first.id].subject,)
    eyes.guard.records.revoke(first.id, "", datetime.now(UTC))
    with pytest.raises(ConsentError) as gone:
        eyes.enrol_photo(b"twin", 0, replace(terms, unlike=(first.id,)))
    assert gone.value.code == "consent_revoked"
    assert {record.id for record in eyes.guard.records.records()} == {twin.id}


def test_a_child_whose_parent_is_gone_ends_by_itself() -> None:
    code = (
        "import os, socket, sys; ours, theirs = socket.socketpair(); ours.close();"
        "from photoplay.service.looking.child import main; main(['own', str(theirs.detach())])"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0
