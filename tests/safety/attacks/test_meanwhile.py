"""Attacks on a job that was admitted: somebody withdraws, or a part breaks, while the film is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoplay.errors import PhotoplayError
from photoplay.pipeline import door as door_module
from photoplay.safety import guard as guard_module
from photoplay.safety.certificates import Signer, default_signer
from photoplay.safety.consent.record import ConsentRecord
from photoplay.types import Array
from tests.safety.attacks.attacks import SAYINGS, down
from tests.safety.attacks.door import Door, later

STAGES = ("admit done", "generate", "seal")
"""Between admission and work, in the middle of it, and between the last frame and the seal."""


def _revoked(door: Door, record: ConsentRecord) -> None:
    door.store.revoke(record.id, "changed my mind", datetime.now(UTC))


def _erased(door: Door, record: ConsentRecord) -> None:
    door.store.erase(record.subject, datetime.now(UTC))


def _lost(door: Door, record: ConsentRecord) -> None:
    shutil.rmtree(door.store.folder / "revoked")


def _rekeyed(door: Door, record: ConsentRecord) -> None:
    (door.store.folder / "issuer.pem").unlink()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("happens", "code"),
    [(_revoked, "consent_revoked"), (_erased, "consent_revoked"), (_lost, "consent_store"), (_rekeyed, "consent_untrusted")],
)  # fmt: skip
def test_who_withdraws_is_in_no_film(
    door: Door, happens: Callable[[Door, ConsentRecord], None], code: str, stage: str
) -> None:
    record, photo = door.hosted().enrol(1), door.photo(1)
    door.when(stage, lambda: happens(door, record))
    _fails(door, code, lambda: door.ask(photo, records=(record.id,)))


@pytest.mark.parametrize("stage", STAGES)
def test_a_record_that_runs_out_meanwhile(door: Door, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record, photo = door.hosted().enrol(1), door.photo(1)
    door.when(stage, lambda: monkeypatch.setattr(guard_module, "datetime", later(40)))
    _fails(door, "consent_expired", lambda: door.ask(photo, records=(record.id,)))


def test_a_model_that_thinks_for_long_is_stopped_on_the_way(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "EVERY", 0.0)
    record, photo = door.hosted().enrol(1), door.photo(1)
    seen: list[int] = []
    door.when("generate", lambda: _revoked(door, record))
    door.when("review", lambda: seen.append(1))
    _fails(door, "consent_revoked", lambda: door.ask(photo, records=(record.id,)))
    assert not seen


def test_one_of_two_withdraws(door: Door) -> None:
    door.enrol(1, "contact")
    second = door.enrol(2, "contact")
    photos = door.photo(1), door.photo(2)
    door.when("generate", lambda: _revoked(door, second))
    _fails(door, "consent_revoked", lambda: door.ask(*photos, template="hug"))


def test_nothing_of_a_film_stays_when_somebody_withdraws_among_its_stills(door: Door) -> None:
    record, photo = door.hosted().enrol(1), door.photo(1)
    door.extras = {"stills": door.out / "stills", "sheet": door.out / "sheet.png"}
    signer, count = default_signer(), iter(range(100))

    def third(data: bytes) -> bytes:
        if next(count) == 3:
            _revoked(door, record)
        return signer.sign(data)

    door.guard = replace(door.guard, signer=replace(signer, sign=third))
    _fails(door, "consent_revoked", lambda: door.ask(photo, records=(record.id,), seconds=1.0, fps=8.0))


@pytest.mark.parametrize(
    "says", [*SAYINGS.values(), lambda count: np.ones(count, np.float32)], ids=[*SAYINGS, "unsafe"]
)
def test_a_filter_that_changes_its_mind(door: Door, says: Callable[[int], Array]) -> None:
    photo = door.photo(1)
    door.when("generate", lambda: setattr(door.filter, "says", says))
    _fails(door, None, lambda: door.ask(photo))
    assert door.entries()[-1][2] in ("content_unchecked", "content_refused")


def test_a_filter_that_hangs_in_the_middle(door: Door) -> None:
    from threading import Event

    go_on, photo = Event(), door.photo(1)
    door.when(
        "generate", lambda: setattr(door.filter, "says", lambda count: np.zeros(count * go_on.wait(5), np.float32))
    )
    _fails(door, "content_unchecked", lambda: door.ask(photo))
    go_on.set()


def _signer(sign: Callable[[bytes], bytes]) -> Signer:
    return replace(default_signer(), sign=sign)


@pytest.mark.parametrize(
    "sign", [lambda data: down(0), lambda data: b"", lambda data: bytes(64)], ids=["down", "nothing", "zeros"]
)
def test_a_signer_that_fails(door: Door, sign: Callable[[bytes], bytes]) -> None:
    door.guard = replace(door.guard, signer=_signer(sign))
    photo = door.photo(1)
    _fails(door, None, lambda: door.ask(photo, seconds=1.0, fps=8.0))
    assert door.entries()[-1][:2] == ("make", "failed")


def test_a_ledger_that_fails(door: Door) -> None:
    photo = door.photo(1)
    door.when("generate", lambda: (door.home / "works").write_text(""))
    _fails(door, "ledger_failed", lambda: door.ask(photo))


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b""), lambda path: path.with_suffix(".key").unlink()])
def test_a_log_that_fails(door: Door, spoil: Callable[[Path], Any]) -> None:
    photo = door.photo(1)
    door.when("generate", lambda: spoil(door.home / "audit" / "audit.jsonl"))
    _fails(door, "audit_failed", lambda: door.ask(photo), written=False)


def test_a_caller_who_repaints_the_photo_after_admission(door: Door) -> None:
    """The film is of the picture that was admitted, whatever happens to the caller's own."""
    photo = door.photo(1)
    before = photo.pixels.copy()
    door.when("admit done", lambda: photo.pixels.fill(255))
    seen: list[Array] = []
    door.filter.says = lambda count: (np.zeros(count, np.float32), seen.append(np.zeros(0)))[0]
    clip = door.ask(photo, seconds=1.0, fps=8.0)
    from photoplay.media import read_video

    shown = read_video(clip.path).rgb[0].astype(int)
    assert np.abs(shown - before).mean() < 20 < np.abs(shown - 255).mean()


def test_a_template_that_is_exchanged_after_admission(door: Door, tmp_path: Path) -> None:
    from importlib.resources import files

    built = files("photoplay.motion") / "duets"
    mine = tmp_path / "mine.yaml"
    mine.write_text((built / "wave_together.yaml").read_text())
    photos = door.photo(1), door.photo(2)
    door.when("admit done", lambda: mine.write_text((built / "kiss.yaml").read_text()))
    _fails(door, "template_changed", lambda: door.ask(*photos, template=str(mine)))


@pytest.mark.parametrize("name", ["kiss", "hug", "nose_to_nose", "cheek_kiss"])
def test_a_template_that_calls_itself_something_else(door: Door, tmp_path: Path, name: str) -> None:
    from importlib.resources import files

    text = (files("photoplay.motion") / "duets" / f"{name}.yaml").read_text()
    for category in ("romantic", "contact"):
        text = text.replace(f"category: {category}", "category: duet")
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "mine.yaml").write_text(text.replace(f"name: {name}", "name: wave_together"))
    photos = door.photo(1), door.photo(2)
    _fails(door, "consent_no_match", lambda: door.ask(*photos, template="wave_together"))


def test_a_template_whose_words_ask_a_model_for_a_kiss(door: Door, tmp_path: Path) -> None:
    from importlib.resources import files

    text = (files("photoplay.motion") / "templates" / "smile.yaml").read_text()
    lines = ["title: They kiss" if line.startswith("title:") else line for line in text.splitlines()]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    photo = door.photo(1)
    ask = {"template": str(tmp_path / "mine.yaml"), "backend": "all-modes"}
    _fails(door, "romantic_needs_records", lambda: door.ask(photo, **ask))


def _fails(door: Door, code: str | None, run: Callable[[], object], written: bool = True) -> None:
    """No film, no file, the right answer, and a line in the log."""
    with pytest.raises(PhotoplayError) as caught:
        run()
    assert code in (None, caught.value.code), repr(caught.value.__cause__)
    assert list(door.out.iterdir()) == []
    if written:
        assert door.entries()[-1][1] in ("refused", "failed")
        assert door.entries()[-1][2] == caught.value.code
