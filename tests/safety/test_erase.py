"""What erasing a person finds of what was made of several people, on records and on statements."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from photoplay.cli.app import app
from photoplay.cli.trust import tell_erased
from photoplay.errors import ConsentError, RefusedError
from photoplay.safety.admission import admit
from photoplay.safety.consent.record import Terms
from photoplay.safety.erase import Erasure, erase
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import Ledger
from photoplay.safety.recipe import make_recipe
from photoplay.types import Face, Photo, Request
from tests.safety.conftest import PLAN, TEMPLATE
from tests.safety.consent.people import face as face_of
from tests.safety.consent.people import person


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guard:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    return Guard.local()


class TwoPeople:
    """Finds in each picture the one face that its first pixel names."""

    def __init__(self, faces: dict[int, Face]) -> None:
        self.faces = faces

    def read(self, rgb: Any, near: Any = None, identity: bool = False) -> tuple[Face, ...]:
        return (self.faces[int(rgb[0, 0, 0])],)


def _photo(value: int, picture: Any, digest: str) -> Photo:
    marked = picture.copy()
    marked[0, 0, 0] = value
    return Photo(marked, digest)


@dataclass(frozen=True)
class Couple:
    """Two people on record, ``hers`` and ``his`` photo in a folder, and whose film it is that is made of some of them."""

    guard: Guard
    folder: Path
    subject: str
    photos: dict[str, Photo]
    ids: tuple[str, ...]
    reader: TwoPeople

    def film(self, name: str, *shown: str, hosted: bool = True, **fields: Any) -> Path:
        """Puts a film of these photos into the folder."""
        request = Request(tuple(self.photos[one] for one in shown), ("granted",) * len(shown), "smile", **fields)
        admitted = admit(
            replace(request, records=self.ids) if hosted else request,
            guard=replace(self.guard, hosted=hosted),
            reader=self.reader,
        )
        (self.folder / name).write_text(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.guard.ledger.add(admitted, make_recipe(admitted, TEMPLATE, PLAN, "anchor"), digest, self.folder / name)
        return self.folder / name

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def couple(guard: Guard, tmp_path: Path) -> Couple:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("hers", "his"):
        (folder / name).write_text(name)
    faces = {1: face_of(person(1)), 2: face_of(person(2))}
    now, terms = datetime.now(UTC), Terms(("face", "duet"), 30)
    records = [guard.records.enrol(face.embedding, terms, now)[0] for face in faces.values()]
    hers, his = (hashlib.sha256(name.encode()).hexdigest() for name in ("hers", "his"))
    photos = {"hers": _photo(1, data.astronaut(), hers), "his": _photo(2, data.coffee(), his)}
    return Couple(guard, folder, records[0].subject, photos, tuple(one.id for one in records), TwoPeople(faces))


def test_erasing_one_of_two_leaves_the_others_photo(couple: Couple) -> None:
    couple.film("both", "hers", "his")
    done = erase(couple.guard, couple.subject, [couple.folder])
    assert (done.works, done.left, done.undecided) == (1, (), ())
    assert couple.names() == {"his"}


def test_whom_an_old_entry_shows_is_left_to_decide(couple: Couple, tmp_path: Path) -> None:
    """From before it was written down in which picture somebody was found."""
    couple.film("both", "hers", "his")
    couple.film("alone", "hers", seed=1)
    for file in (tmp_path / "home" / "works").glob("*.jsonl"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "shows"}) + "\n" for line in lines))
    done = erase(couple.guard, couple.subject, [couple.folder])
    assert (done.works, done.left, done.undecided) == (2, (), (couple.folder / "his",))
    assert couple.names() == {"his"}


def test_films_that_rest_on_a_statement_go_with_the_photo(couple: Couple) -> None:
    """Nobody's record stands behind them, but the photo is known to show the person."""
    couple.film("on record", "hers")
    couple.film("stated", "hers", hosted=False, seed=1)
    couple.film("stated of both", "hers", "his", hosted=False, seed=2)
    couple.film("his own", "his", hosted=False, seed=3)
    blurred = couple.film("who was blurred", "hers", hosted=False, seed=4, bystanders="blur")
    done = erase(couple.guard, couple.subject, [couple.folder])
    assert done.works == 3
    assert set(done.undecided) == {blurred, couple.folder / "his"}
    assert couple.names() == {"his", "his own", "who was blurred"}


def test_what_was_made_of_a_film_goes_as_well(couple: Couple) -> None:
    film = couple.film("first", "hers")
    again = replace(couple.photos["his"], sha256=hashlib.sha256(film.read_bytes()).hexdigest())
    couple.photos["of the film"] = again
    couple.film("second", "of the film", hosted=False)
    assert erase(couple.guard, couple.subject, [couple.folder]).works == 2
    assert couple.names() == {"his"}


def test_a_record_that_is_named_is_asked_for_at_home_too(couple: Couple) -> None:
    request = Request((couple.photos["hers"],), ("granted",), "smile", records=couple.ids[:1])
    admitted = admit(request, guard=couple.guard, reader=couple.reader)
    assert [(one["id"], one["pictures"]) for one in admitted.statements["records"]] == [
        (couple.ids[0], [couple.photos["hers"].sha256])
    ]
    with pytest.raises(ConsentError) as caught:
        admit(replace(request, photos=(couple.photos["his"],)), guard=couple.guard, reader=couple.reader)
    assert caught.value.code == "consent_no_match"


def test_whoever_looks_like_them_in_what_is_left_is_told(couple: Couple) -> None:
    """No record stands behind these films, and no photo of theirs is known."""
    elsewhere = couple.folder.parent / "elsewhere.mp4"
    couple.film("stated", "hers", hosted=False)
    (couple.folder / "stated").rename(elsewhere)
    (ledger,) = (couple.folder.parent / "home" / "works").glob("*.jsonl")
    ledger.write_text(ledger.read_text().replace(str(couple.folder / "stated"), str(elsewhere)))
    asked: list[str] = []

    def sees(path: Path) -> bool | None:
        asked.append(path.name)
        return {"hers": True, "his": False, "elsewhere.mp4": None}[path.name]

    done = erase(couple.guard, couple.subject, [couple.folder, couple.folder], sees)
    assert sorted(asked) == ["elsewhere.mp4", "hers", "his"]
    assert (done.works, done.undecided, done.unseen) == (0, (couple.folder / "hers",), (elsewhere,))
    assert couple.names() == {"hers", "his"}


def test_whoever_stops_the_looking_has_erased_nothing_and_can_ask_again(couple: Couple) -> None:
    couple.film("hers alone", "hers")
    (couple.folder / "another").write_text("another")
    looked: list[str] = []

    def stopped(path: Path) -> bool:
        looked.append(path.name)
        if len(looked) == 2:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        erase(couple.guard, couple.subject, [couple.folder], stopped)
    assert couple.names() == {"hers", "his", "hers alone", "another"}
    assert len(couple.guard.records.records()) == 2
    told: list[tuple[int, int]] = []
    again = erase(
        couple.guard,
        couple.subject,
        [couple.folder],
        lambda _: False,
        progress=lambda event: told.append((event.done, event.total)),
    )
    assert (again.works, again.left, again.unseen, again.looked) == (1, (), (), True)
    assert couple.names() == {"his", "another"}
    assert told == [(0, 2), (1, 2), (2, 2)]  # what is theirs for sure needs no look


def test_where_nobody_looked_nobody_says_that_nothing_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    tell_erased(Erasure(1, 1, 1, ()))
    assert "Nobody looked for their face" in capsys.readouterr().out
    tell_erased(Erasure(1, 1, 1, (), looked=True))
    assert capsys.readouterr().out.endswith("The scan found nothing more.\n")


def test_a_ledger_out_of_reach_erases_nothing(couple: Couple, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(self: Ledger) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(Ledger, "survey", lost)
    with pytest.raises(RefusedError, match="Nothing was erased") as failed:
        erase(couple.guard, couple.subject, [couple.folder])
    assert failed.value.code == "erase_failed"
    assert couple.names() == {"hers", "his"}
    assert len(couple.guard.records.records()) == 2


def test_the_command_looks_for_their_face(guard: Guard, tmp_path: Path) -> None:
    from photoplay.perception.faces import FaceReader

    folder = tmp_path / "photos"
    folder.mkdir()
    portrait = np.ascontiguousarray(data.astronaut()[:400, 20:420])
    (face,) = FaceReader().read(portrait, identity=True)
    record, _ = guard.records.enrol(face.embedding, Terms(("face",), 30), datetime.now(UTC))
    Image.fromarray(np.ascontiguousarray(data.astronaut()[:, ::-1])).save(folder / "mirrored.png")
    Image.fromarray(data.coffee()).save(folder / "coffee.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "note.txt").write_text("mine")
    told = CliRunner().invoke(app, ["erase", record.subject, "--folder", str(folder), "--yes"])
    assert told.exit_code == 5
    lines = [line.strip() for line in told.output.splitlines()]
    assert f"may show them or somebody else, left to decide: {folder / 'mirrored.png'}" in lines
    assert f"could not be looked at: {folder / 'broken.jpg'}" in lines
    assert not any("coffee" in line or "note" in line for line in lines)
    assert guard.records.records() == ()
