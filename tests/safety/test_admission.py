from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from photoplay.errors import CancelledError, ConsentError, RefusedError, RequestError
from photoplay.safety.admission import admit, check_romance
from photoplay.safety.audit import AuditLog
from photoplay.safety.guard import Guard
from photoplay.types import Face, Lora, Request, Sampling
from tests.safety.conftest import make_photo

SOURCE = Path(__file__).parents[2] / "src" / "photoplay"


def request(**fields: Any) -> Request:
    known = {"photos": (make_photo(),), "consent": ("self",), "template": "smile"}
    made = Request(**{**known, **{name: value for name, value in fields.items() if name != "consent"}})
    object.__setattr__(made, "consent", fields.get("consent", ("self",)))  # past the type checker, like a library user
    return made


@pytest.mark.parametrize("statement", ["self", "granted", "historical", "fictional"])
def test_a_statement_is_kept_with_the_photo_it_is_about(statement: str) -> None:
    said = admit(request(consent=(statement,))).statements["consent"]
    assert [(one["photo"], one["statement"]) for one in said] == [("a" * 64, statement)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", said[0]["date"])


def test_each_photo_has_its_own_statement() -> None:
    photos = (make_photo("a"), make_photo("b"))
    said = admit(request(photos=photos, consent=("self", "granted"))).statements["consent"]
    assert [(one["photo"][0], one["statement"]) for one in said] == [("a", "self"), ("b", "granted")]


@pytest.mark.parametrize(
    ("consent", "code"),
    [((), "consent_missing"), (("self", "self"), "consent_missing"), (("sure",), "consent_invalid"),
     (("",), "consent_invalid"), (("SELF",), "consent_invalid"), ((None,), "consent_invalid")],
)  # fmt: skip
def test_without_a_known_statement_nobody_is_animated(consent: tuple[str, ...], code: str) -> None:
    with pytest.raises(ConsentError) as caught:
        admit(request(consent=consent))
    assert caught.value.code == code


def test_more_statements_than_photos_are_counted() -> None:
    with pytest.raises(ConsentError, match="statements about consent are 2, and the files that show people are 1"):
        admit(request(consent=("self", "self")))


def test_no_photo() -> None:
    with pytest.raises(RequestError) as caught:
        admit(request(photos=(), consent=()))
    assert caught.value.code == "photo_missing"


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "../../etc/passwd"])
def test_a_photo_that_no_statement_can_name(digest: str) -> None:
    photo = make_photo()
    object.__setattr__(photo, "sha256", digest)
    with pytest.raises(RefusedError) as caught:
        admit(request(photos=(photo,)))
    assert caught.value.code == "photo_unidentified"


class Nobody:
    """Finds no faces."""

    def read(self, rgb: Any, near: Any = None, identity: bool = False) -> tuple[Face, ...]:
        return ()


@pytest.mark.parametrize("category", ["romantic", "contact", "Romantic", " contact "])
@pytest.mark.parametrize(("reader", "code"), [(None, "check_failed"), (Nobody(), "consent_no_faces")])
def test_romance_needs_records(category: str, reader: Nobody | None, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        admit(request(category=category), reader=reader)
    assert caught.value.code == code


def test_what_was_decided_is_written_down(home: Path) -> None:
    log = AuditLog(home / "audit")
    before = log.head().count
    admit(request())
    with pytest.raises(RefusedError):
        admit(request(prompt="she undresses slowly"))
    said = [(one["decision"], one["reason"]) for one in log.entries()][before:]
    assert said == [("allowed", ""), ("refused", "prompt_refused")]
    assert log.verify().intact
    assert "undress" not in (home / "audit" / "audit.jsonl").read_text()


def test_nobody_is_admitted_when_it_cannot_be_written_down(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    guard = replace(Guard.local(), audit=AuditLog(tmp_path / "file"))
    with pytest.raises(RefusedError) as caught:
        admit(request(), guard=guard)
    assert caught.value.code == "audit_failed"


@pytest.mark.parametrize("where", ["prompt", "said"])
def test_the_prompt_is_read_and_what_a_voice_shall_say(where: str) -> None:
    with pytest.raises(RefusedError) as caught:
        admit(request(**{where: "she undresses slowly"}))
    assert caught.value.code == "prompt_refused"
    assert "undress" not in str(caught.value)


@pytest.mark.parametrize(
    "trouble", [ValueError("secret"), KeyError("secret"), MemoryError(), RecursionError(), OSError("/x")]
)
def test_a_broken_gate_means_no(trouble: Exception) -> None:
    def broken(_: Request) -> None:
        raise trouble

    with pytest.raises(RefusedError) as caught:
        admit(request(), gates=(broken,))
    assert caught.value.code == "check_failed"
    assert "secret" not in str(caught.value)


def test_a_gate_of_its_own_that_breaks_means_no() -> None:
    nonsense = request()
    object.__setattr__(nonsense, "prompt", None)
    with pytest.raises(RefusedError) as caught:
        admit(nonsense)
    assert caught.value.code == "check_failed"


def test_further_gates_do_not_replace_the_first() -> None:
    with pytest.raises(ConsentError):
        admit(request(consent=()), gates=(lambda _: None,))


def test_a_gate_may_say_what_it_likes() -> None:
    def cancelled(_: Request) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        admit(request(), gates=(cancelled,))


def test_only_safety_holds_the_gate_key() -> None:
    users = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"gate_key", path.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert users == {"types/request.py", "safety/admission.py", "safety/content.py", "safety/provenance.py"}


def test_a_lora_may_show_somebody() -> None:
    wanted = request(photos=(), consent=(), mode="text-to-video", prompt="they kiss")
    check_romance(wanted)
    with pytest.raises(RefusedError):
        check_romance(replace(wanted, sampling=Sampling(loras=(Lora("somebody.safetensors"),))))
