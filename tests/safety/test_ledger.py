from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data
from typer.testing import CliRunner

from photoplay.cli.app import app
from photoplay.errors import ConsentError, RefusedError, SealError
from photoplay.safety.admission import admit
from photoplay.safety.consent.record import Terms
from photoplay.safety.consent.store import public_pem
from photoplay.safety.erase import erase
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import Ledger, Work, work_id
from photoplay.safety.provenance import seal
from photoplay.safety.recipe import make_recipe
from photoplay.safety.takedown import read_receipt, take_down
from photoplay.types import Admitted, Clip, Face, Frames, Photo, Request, Video
from tests.safety.conftest import FINE, PLAN, TEMPLATE
from tests.safety.consent.people import face as face_of
from tests.safety.consent.people import person

Made = tuple[Guard, Admitted, Clip]


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guard:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    return Guard.local()


@pytest.fixture
def make(guard: Guard, unsigned: Path, tmp_path: Path) -> Callable[..., tuple[Admitted, Clip]]:
    """Admits and seals a small film of a photo."""

    def run(name: str = "film.mp4", picture: Any = None, digit: str = "a", **fields: Any) -> tuple[Admitted, Clip]:
        photo = Photo(data.astronaut() if picture is None else picture, digit * 64)
        photos = (photo, *fields.pop("more", ()))
        consent = fields.pop("consent", ("self",) * len(photos))
        reader = fields.pop("reader", None)
        asked = replace(guard, hosted=True) if "records" in fields else guard
        admitted = admit(Request(photos, consent, "smile", **fields), guard=asked, reader=reader)
        clip = seal(
            unsigned / f"film{Path(name).suffix}",
            tmp_path / name,
            admitted=admitted,
            recipe=make_recipe(admitted, TEMPLATE, PLAN, "anchor"),
            report=FINE,
            source_type="algorithmicallyEnhanced",
            screened=guard.content.screened([photo.pixels] * 4, admitted),
            guard=guard,
        )
        return admitted, clip

    return run


def test_a_sealed_film_is_found_by_its_number(guard: Guard, make: Callable[..., Any]) -> None:
    _, clip = make()
    work = guard.ledger.find(work_id(clip.recipe))
    assert isinstance(work, Work)
    assert [source.sha256 for source in work.sources] == ["a" * 64]
    assert [(release.sha256, release.path) for release in work.releases] == [(clip.sha256, str(clip.path))]
    assert guard.ledger.find("0" * 16) is None
    assert guard.ledger.find("../../etc") is None


def test_files_of_one_recipe_are_one_work(guard: Guard, make: Callable[..., Any]) -> None:
    make("a.mp4")
    make("b.png")
    works = list(guard.ledger.works())
    assert [len(work.releases) for work in works] == [2]
    make("c.mp4", seed=7)
    assert len(list(guard.ledger.works())) == 2


def test_no_film_leaves_that_cannot_be_written_down(guard: Guard, make: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "works").write_text("no folder")
    with pytest.raises(SealError) as failed:
        make()
    assert failed.value.code == "ledger_failed"
    assert not list(tmp_path.glob("*.mp4"))


@pytest.mark.parametrize("left", [0, 1, 40, -1])
def test_a_torn_line_stops_nothing(guard: Guard, make: Callable[..., Any], tmp_path: Path, left: int) -> None:
    """A killed process leaves the beginning of a line: of the first, when the work is new, or of a later one."""
    _, clip = make()
    make("other.mp4", picture=data.coffee(), digit="c")
    file = tmp_path / "home" / "works" / f"{work_id(clip.recipe)}.jsonl"
    file.write_bytes(file.read_bytes()[:left])
    assert take_down(guard, sha256="c" * 64).blocked
    _, again = make("again.mp4")
    work = guard.ledger.find(work_id(clip.recipe))
    assert work is not None
    assert [release.sha256 for release in work.releases] == [again.sha256]
    assert len(list(guard.ledger.works())) == 2


def test_damage_names_its_work_and_the_rest_is_found(guard: Guard, make: Callable[..., Any], tmp_path: Path) -> None:
    _, clip = make()
    _, other = make("other.mp4", picture=data.coffee(), digit="c")
    damaged, whole = work_id(clip.recipe), work_id(other.recipe)
    (tmp_path / "home" / "works" / f"{damaged}.jsonl").write_bytes(b"[" * 9000 + b"\n")
    with pytest.raises(RefusedError, match=damaged) as failed:
        take_down(guard, sha256="c" * 64)
    assert failed.value.code == "takedown_failed"
    assert guard.blocklist.lists().holds(other.sha256)
    assert take_down(guard, id_=whole).works == (whole,)
    with pytest.raises(RefusedError, match=damaged):
        erase(guard, "s" * 22)


def test_another_recipe_of_that_number_is_not_mixed_in(
    guard: Guard, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photoplay.safety.ledger.work_id", lambda _: "0" * 16)
    make()
    make("same.mp4")
    with pytest.raises(SealError) as taken:
        make("other.mp4", seed=7)
    assert taken.value.code == "ledger_taken"


def test_everything_that_came_in_is_a_source(guard: Guard, make: Callable[..., Any]) -> None:
    clip = Video(Frames(np.stack([np.roll(data.coffee(), 20 * n, axis=1) for n in range(24)]), 24.0), "d" * 64)
    fields = {"last": Photo(data.astronaut(), "e" * 64), "backdrop": Photo(data.coffee(), "f" * 64), "video": clip}
    make(consent=("self",) * 3, **fields)
    (work,) = guard.ledger.works()
    assert work.source_digests == {digit * 64 for digit in "adef"}
    assert work.pictured == {digit * 64 for digit in "ade"}
    assert len({source.pdq for source in work.sources if source.sha256 == "d" * 64}) >= 6
    take_down(guard, sha256="d" * 64)
    with pytest.raises(RefusedError):
        make("again.mp4", picture=clip.frames.rgb[10], digit="b")


@pytest.mark.parametrize("damage", [b"{}\n", b'{"recipe": {}, "sources": []}\n', b"\xff\n"])
def test_a_damaged_work_is_not_skipped(guard: Guard, make: Callable[..., Any], tmp_path: Path, damage: bytes) -> None:
    _, clip = make()
    (tmp_path / "home" / "works" / f"{work_id(clip.recipe)}.jsonl").write_bytes(damage)
    with pytest.raises(ValueError, match=r"damaged|another"):
        list(guard.ledger.works())
    with pytest.raises(RefusedError) as failed:
        take_down(guard, sha256="a" * 64)
    assert failed.value.code == "takedown_failed"


def test_taking_down_a_photo_blocks_it_its_films_and_near_copies(guard: Guard, make: Callable[..., Any]) -> None:
    _, clip = make()
    receipt = take_down(guard, sha256="a" * 64)
    assert receipt.works == (work_id(clip.recipe),)
    assert receipt.files == (clip.path,)
    for picture, digit in ((data.coffee(), "a"), (np.ascontiguousarray(data.astronaut()[::2, ::-2]), "b")):
        with pytest.raises(RefusedError) as blocked:
            make(picture=picture, digit=digit)
        assert blocked.value.code == "photo_blocked"
    make("other.mp4", picture=data.coffee(), digit="c")
    assert take_down(guard, sha256="a" * 64).blocked == 0


FILM = [data.astronaut(), np.roll(data.astronaut(), 170, axis=1)]
"""Frames of a film of the astronaut: one that looks like the photo, and one that does not."""


@pytest.mark.parametrize("how", ["id_", "sha256", "pictures", "file"])
def test_a_film_leads_to_its_photo(guard: Guard, make: Callable[..., Any], how: str) -> None:
    _, clip = make()
    asked = {
        "id_": {"id_": work_id(clip.recipe)},
        "sha256": {"sha256": clip.sha256},
        "pictures": {"pictures": FILM},
        "file": {"sha256": clip.sha256, "pictures": FILM},
    }[how]
    told = take_down(guard, **asked)
    assert (told.works, told.sources) == ((work_id(clip.recipe),), ())
    assert guard.blocklist.lists().holds(clip.sha256)
    for digit, picture in (("a", data.coffee()), ("d", None)):
        with pytest.raises(RefusedError) as blocked:
            make(picture=picture, digit=digit)
        assert blocked.value.code == "photo_blocked"


@pytest.mark.parametrize("how", ["id_", "sha256", "file"])
def test_of_a_film_of_two_photos_none_is_blocked_unasked(guard: Guard, make: Callable[..., Any], how: str) -> None:
    _, clip = make(more=(Photo(data.coffee(), "c" * 64),))
    asked = {
        "id_": {"id_": work_id(clip.recipe)},
        "sha256": {"sha256": clip.sha256},
        "file": {"sha256": clip.sha256, "pictures": FILM},
    }[how]
    assert take_down(guard, **asked).sources == ("a" * 64, "c" * 64)
    assert guard.blocklist.lists().holds(clip.sha256)
    make("again.mp4", seed=5)
    assert take_down(guard, **asked, sources=True).sources == ()
    for digit, picture in (("c", data.astronaut()), ("d", None)):
        with pytest.raises(RefusedError) as blocked:
            make(picture=picture, digit=digit)
        assert blocked.value.code == "photo_blocked"


def test_a_backdrop_is_not_blocked_with_the_photo(guard: Guard, make: Callable[..., Any]) -> None:
    _, clip = make(backdrop=Photo(data.coffee(), "f" * 64))
    assert take_down(guard, id_=work_id(clip.recipe)).sources == ("f" * 64,)
    assert guard.blocklist.lists().holds("a" * 64)


def test_the_command_blocks_several_sources_only_where_asked(
    guard: Guard, make: Callable[..., Any], tmp_path: Path
) -> None:
    _, clip = make(more=(Photo(data.coffee(), "c" * 64),))
    asked = ["takedown", work_id(clip.recipe), "--receipt", str(tmp_path / "receipt")]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0
    assert f"not blocked: {'a' * 64}" in told.output
    assert not guard.blocklist.lists().holds("a" * 64)
    told = CliRunner().invoke(app, [*asked, "--sources"])
    assert "not blocked" not in told.output
    assert guard.blocklist.lists().holds("a" * 64)


@pytest.mark.parametrize("how", ["sha256", "pictures"])
def test_taking_down_one_of_two_photos_leaves_the_other(guard: Guard, make: Callable[..., Any], how: str) -> None:
    _, both = make("both.mp4", more=(Photo(data.coffee(), "c" * 64),))
    asked = (
        {"sha256": "a" * 64} if how == "sha256" else {"pictures": [np.ascontiguousarray(data.astronaut()[::2, ::2])]}
    )
    receipt = take_down(guard, **asked)
    assert (receipt.works, receipt.sources) == ((work_id(both.recipe),), ("c" * 64,))
    said = read_receipt(receipt.token, guard.records.issuer().public_key())
    assert said["not_blocked"] == ["c" * 64]
    assert guard.blocklist.lists().holds(both.sha256)
    make("hers.mp4", picture=data.coffee(), digit="c")
    with pytest.raises(RefusedError):
        make("his.mp4")


def test_a_film_of_a_film_belongs_to_it(guard: Guard, make: Callable[..., Any]) -> None:
    _, first = make()
    clip = Video(Frames(np.stack([data.coffee()] * 12), 24.0), first.sha256)
    _, second = make("second.mp4", picture=data.coffee(), digit="c", video=clip, consent=("self", "self"))
    receipt = take_down(guard, sha256="a" * 64)
    assert set(receipt.works) == {work_id(first.recipe), work_id(second.recipe)}
    assert receipt.sources == ("c" * 64,)


def test_the_receipt_is_signed_and_no_consent(guard: Guard, make: Callable[..., Any], tmp_path: Path) -> None:
    make()
    token = take_down(guard, sha256="a" * 64).token
    said = read_receipt(token, guard.records.issuer().public_key())
    assert "a" * 64 in said["sha256"]
    with pytest.raises(RefusedError):
        read_receipt(token[:-4] + "AAAA", guard.records.issuer().public_key())
    other = replace(guard, records=type(guard.records)(tmp_path / "other"))
    with pytest.raises(RefusedError):
        read_receipt(token, other.records.issuer().public_key())
    with pytest.raises(ConsentError):
        guard.records.add(token, datetime.now(UTC))


def test_nothing_to_take_down(guard: Guard) -> None:
    with pytest.raises(RefusedError) as unknown:
        take_down(guard, id_="0" * 16)
    assert unknown.value.code == "takedown_unknown"


class OneFace:
    """Finds one and the same face in every picture."""

    def __init__(self, face: Face) -> None:
        self.face = face

    def read(self, rgb: Any, near: Any = None, identity: bool = False) -> tuple[Face, ...]:
        return (self.face,)


def test_erasing_a_person_leaves_nothing(guard: Guard, make: Callable[..., Any], tmp_path: Path) -> None:
    face = face_of(person(1))
    terms = Terms(("face",), 30)
    record, _ = guard.records.enrol(face.embedding, terms, datetime.now(UTC))
    _, hers = make("hers.mp4", records=(record.id,), reader=OneFace(face))
    _, others = make("others.mp4", picture=data.coffee(), digit="c")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "keep.txt").write_text("mine")
    done = erase(guard, record.subject, [photos])
    assert (done.records, done.works, done.files, done.left) == (1, 1, 1, ())
    assert not hers.path.exists()
    assert others.path.exists()
    assert (photos / "keep.txt").exists()
    with pytest.raises(ConsentError):
        make("again.mp4", records=(record.id,), reader=OneFace(face))
    with pytest.raises(RefusedError) as unknown:
        erase(guard, record.subject)
    assert unknown.value.code == "erase_unknown"


def test_a_record_of_an_issuer_no_longer_trusted_can_be_erased(guard: Guard, tmp_path: Path) -> None:
    other = type(guard.records)(tmp_path / "other")
    record, token = other.enrol(person(3), Terms(("face",), 30), datetime.now(UTC), portable=True)
    kid = guard.records.trust(public_pem(other.issuer().public_key()), "issuer")
    guard.records.add(token, datetime.now(UTC))
    (tmp_path / "home" / "consent" / "trusted" / "issuers" / f"{kid}.pem").unlink()
    for subject in ("", "nobody", "../" * 8):
        with pytest.raises(RefusedError) as unknown:
            erase(guard, subject)
        assert unknown.value.code == "erase_unknown"
    assert erase(guard, record.subject).records == 1
    assert not list((tmp_path / "home" / "consent" / "records").iterdir())


def test_a_person_stays_known_whose_record_was_revoked_untrusted(guard: Guard, tmp_path: Path) -> None:
    other = type(guard.records)(tmp_path / "other")
    record, token = other.enrol(person(3), Terms(("face",), 30), datetime.now(UTC), portable=True)
    (tmp_path / "home").mkdir(exist_ok=True)
    guard.records.issuer()
    (tmp_path / "home" / "consent" / "records" / f"{record.id}.jws").write_text(token)
    guard.records.revoke(record.id, "asked", datetime.now(UTC))
    assert guard.records.records_of("") == ()
    assert guard.records.records_of(record.subject) == (record.id,)


def test_the_scan_finds_what_is_left(guard: Guard, make: Callable[..., Any], tmp_path: Path) -> None:
    face = face_of(person(2))
    record, _ = guard.records.enrol(face.embedding, Terms(("face",), 30), datetime.now(UTC))
    make("film.mp4", records=(record.id,), reader=OneFace(face))
    copy = tmp_path / "home" / "cache" / "note.json"
    copy.parent.mkdir(parents=True)
    copy.write_text("x" * (1 << 20) + json.dumps({"who": record.id}))
    assert erase(guard, record.subject).left == (copy,)


def test_a_ledger_without_a_folder_is_empty(tmp_path: Path) -> None:
    assert list(Ledger(tmp_path / "none").works()) == []
