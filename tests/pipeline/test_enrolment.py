"""Looking for somebody in files: what a file holds says its content, not its name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photoplay.pipeline import enrolment
from photoplay.safety.consent.record import Terms
from photoplay.safety.consent.store import RecordStore
from photoplay.types import Box, Face, Rgb
from tests.media.clips import sound, tone, video
from tests.safety.consent.people import face, person

THEIRS, SOMEBODY_ELSES = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 3), 60, np.uint8)


class Reader:
    """Sees person 1 in light pictures, and person 2 in dark ones."""

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        return (face(person(1 if rgb.mean() > 128 else 2)),)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordStore:
    monkeypatch.setattr(enrolment, "FaceReader", Reader)
    return RecordStore(tmp_path / "consent")


def seen(store: RecordStore, name: str, content: bytes) -> bool | None:
    """Whether person 1 is seen in a file of this name and content."""
    record, _ = store.enrol(face(person(1)).embedding, Terms(("face",), 30), datetime.now(UTC))
    file = store.folder.parent / name
    file.write_bytes(content)
    return enrolment.seer(store, record.subject)(file)


def photo(picture: Rgb, folder: Path) -> bytes:
    Image.fromarray(picture).save(folder / "drawn.png")
    return (folder / "drawn.png").read_bytes()


@pytest.mark.parametrize("name", ["photo.png", "photo.mp4", "photo", "photo.txt"])
def test_a_photo_is_looked_at_whatever_its_name(store: RecordStore, tmp_path: Path, name: str) -> None:
    assert seen(store, name, photo(THEIRS, tmp_path)) is True
    assert seen(store, name, photo(SOMEBODY_ELSES, tmp_path)) is False


@pytest.mark.parametrize("name", ["film.mp4", "film.jpg", "film", "film.bak"])
def test_a_film_is_looked_at_whatever_its_name(store: RecordStore, name: str) -> None:
    assert seen(store, name, video([THEIRS] * 3)) is True
    assert seen(store, name, video([SOMEBODY_ELSES] * 3)) is False


def test_a_moving_preview_is_looked_at(store: RecordStore) -> None:
    assert seen(store, "preview.gif", video([THEIRS] * 3, codec="gif")) is True


def test_what_holds_no_pictures_shows_nobody(store: RecordStore) -> None:
    assert seen(store, "note.txt", b"mine") is False
    assert seen(store, "empty", b"") is False
    assert seen(store, "voice.m4a", sound(tone(440.0), container="mp4", codec="aac")) is False


@pytest.mark.parametrize("name", ["photo.jpg", "film.mp4", "preview.gif"])
def test_what_should_hold_pictures_and_does_not_is_told(store: RecordStore, name: str) -> None:
    assert seen(store, name, b"no picture") is None


def test_a_damaged_film_is_told(store: RecordStore) -> None:
    assert seen(store, "film", video([THEIRS] * 3)[:-200]) is None


def test_whom_no_record_describes_cannot_be_looked_for(store: RecordStore, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(photo(THEIRS, tmp_path))
    sees = enrolment.seer(store, "s" * 22)
    assert sees(tmp_path / "photo") is None
    (tmp_path / "note").write_text("mine")
    assert sees(tmp_path / "note") is False
