from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from photoplay.cli import show
from photoplay.cli.app import EXIT_CODES, app, exit_code
from photoplay.cli.consent import AdultChoice, ScopeChoice
from photoplay.errors import ConsentError, InputError, PhotoplayError, RefusedError, RequestError
from photoplay.pipeline import enrolment
from photoplay.safety.consent.record import ADULT_METHODS, CATEGORIES
from photoplay.safety.consent.store import RecordStore, local_store
from photoplay.types import Box, Face, Frames, Rgb
from tests.safety.consent.acting import FPS, Actor
from tests.safety.consent.conftest import FACES
from tests.safety.consent.people import face, person

YES = ("--scope", "face", "--yes")


class Reader:
    """Sees in a picture of one shade the people whose numbers are its red, green and blue (0: nobody)."""

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        numbers = [int(value) for value in rgb[0, 0] if value]
        return tuple(face(person(number, rgb.shape[1]), 100.0 * place) for place, number in enumerate(numbers))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RecordStore:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(enrolment, "FaceReader", Reader)
    return local_store()


def photo(folder: Path, *people: int) -> str:
    shade = (*people, 0, 0, 0)[:3]
    path = folder / f"{'-'.join(map(str, people)) or 'nobody'}.png"
    Image.fromarray(np.full((64, 64, 3), shade, np.uint8)).save(path)
    return str(path)


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["consent", *arguments], input=answer)


def told(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def fails(kind: type[PhotoplayError], *arguments: str) -> PhotoplayError:
    result = run(*arguments)
    assert isinstance(result.exception, kind), (result.output, result.exception)
    return result.exception


def test_a_record_from_a_photo_to_its_end(tmp_path: Path, home: RecordStore) -> None:
    made = told("create", photo(tmp_path, 1), *YES, "--scope", "head", "--days", "90", "--adult", "document")
    assert (made["scope"], made["method"], made["weak"], made["adult"]) == (["face", "head"], "operator", True, True)
    assert made["state"] == "valid"
    listed = told("list")
    assert [(one["id"], one["state"]) for one in listed] == [(made["id"], "valid")]
    assert told("show", made["id"]) == {**made}
    assert run("verify", made["id"]).exit_code == 0
    checked = told("verify", made["id"], "--photo", photo(tmp_path, 2, 1))
    assert [line["verdict"] for line in checked["faces"]] == ["somebody else", "this person"]
    assert fails(RequestError, "revoke", made["id"]).code == "confirmation_missing"
    assert "withdrawn" in run("revoke", made["id"], "--reason", "changed my mind", "--yes").stdout
    assert told("list")[0]["state"] == "revoked"
    assert "changed my mind" in run("list").stdout
    assert told("show", made["id"])["reason"] == "changed my mind"
    assert fails(ConsentError, "verify", made["id"]).code == "consent_revoked"
    assert home.records() == ()


def test_the_list_names_the_people_whom_an_erasure_asks_for(tmp_path: Path) -> None:
    made = told("create", photo(tmp_path, 1), *YES)
    assert told("list")[0]["subject"] == made["subject"]
    assert made["subject"] in run("list").stdout
    run("revoke", made["id"], "--yes")
    assert made["subject"] in run("list").stdout


def test_what_is_printed_holds_no_face(tmp_path: Path, home: RecordStore) -> None:
    from photoplay.safety.consent.tokens import encode

    identity = told("create", photo(tmp_path, 1), *YES)["id"]
    binding = home.records()[0].binding
    shown = "".join(run(*words).output for words in (("list",), ("show", identity), ("list", "--json"),
                                                     ("show", identity, "--json"), ("verify", identity)))  # fmt: skip
    assert shown.count(identity) >= 5
    for hidden in (binding.bits, binding.salt, binding.secret):
        assert hidden.hex() not in shown
        assert encode(hidden) not in shown


def test_it_is_told_in_words(tmp_path: Path) -> None:
    shown = run("create", photo(tmp_path, 1), *YES, "--adult", "declared").stdout
    assert "The consent is on record." in shown
    assert "the operator's word alone (weaker)" in shown
    assert "the person says so" in shown
    assert "No consent is on record" not in run("list").stdout


def test_an_empty_list_says_what_to_do() -> None:
    assert "photoplay consent create" in run("list").stdout
    assert told("list") == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "consent_source"),
        (("PHOTO", "--live", "clip.mp4", "--challenge", "a" * 32), "consent_source"),
        (("PHOTO", "--challenge", "a" * 32), "consent_source"),
        (("--live", "clip.mp4"), "consent_source"),
        (("--live", "clip.mp4", "--challenge", "a" * 32, "--own"), "consent_source"),
    ],
)
def test_one_source_is_needed(tmp_path: Path, arguments: Sequence[str], code: str) -> None:
    words = [photo(tmp_path, 1) if word == "PHOTO" else word for word in arguments]
    assert fails(InputError, "create", *words, *YES).code == code


def test_what_was_agreed_to_has_to_be_said(tmp_path: Path) -> None:
    assert fails(InputError, "create", photo(tmp_path, 1), "--yes").code == "consent_scope_missing"
    assert fails(ConsentError, "create", photo(tmp_path, 1), *YES, "--days", "367").code == "consent_terms"
    assert run("create", photo(tmp_path, 1), "--scope", "nude", "--yes").exit_code == 2


def test_somebody_has_to_say_that_they_agreed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = fails(ConsentError, "create", photo(tmp_path, 1), "--scope", "face")
    assert (error.code, exit_code(error)) == ("consent_missing", dict(EXIT_CODES)[RefusedError])
    monkeypatch.setattr(show, "interactive", lambda: True)
    assert run("create", photo(tmp_path, 1), "--scope", "face", answer="n\n").exit_code == 1
    assert told("list") == []
    assert run("create", photo(tmp_path, 1), "--scope", "face", answer="y\n").exit_code == 0


def test_whose_consent_it_is_has_to_be_clear(tmp_path: Path, home: RecordStore) -> None:
    assert fails(InputError, "create", photo(tmp_path), *YES).code == "consent_which_face"
    assert fails(InputError, "create", photo(tmp_path, 1, 2), *YES).code == "consent_which_face"
    assert fails(InputError, "create", photo(tmp_path, 1, 2), *YES, "--face", "3").code == "consent_which_face"
    told("create", photo(tmp_path, 1, 2), *YES, "--face", "2")
    assert home.records()[0].binding.distance(person(2)) < 260 < home.records()[0].binding.distance(person(1))


def test_a_record_goes_to_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody signs their own record; the studio trusts their key, for themselves alone."""
    record, key = tmp_path / "me.jws", tmp_path / "me.pem"
    made = told("create", photo(tmp_path, 1), *YES, "--own", "--out", str(record))
    assert (made["method"], made["portable"], made["subject"]) == ("record", True, made["issuer"])
    key.write_text(run("key").stdout)
    assert "PUBLIC KEY" in key.read_text()
    assert "PRIVATE" not in key.read_text()
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "studio"))
    assert fails(ConsentError, "add", str(record)).code == "consent_untrusted"
    assert made["issuer"] in run("trust", str(key), "--person").stdout
    assert told("verify", str(record))["id"] == made["id"]
    assert run("add", str(record)).exit_code == 0
    assert [one["id"] for one in told("list")] == [made["id"]]


def test_a_record_that_does_not_travel_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, key = tmp_path / "anna.jws", tmp_path / "office.pem"
    told("create", photo(tmp_path, 1), *YES, "--out", str(record))
    key.write_text(run("key").stdout)
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "studio"))
    run("trust", str(key))
    assert fails(ConsentError, "add", str(record)).code == "consent_elsewhere"


@pytest.mark.parametrize("words", [("add", "nothing.jws"), ("trust", "nothing.pem"), ("add", ".")])
def test_a_file_that_is_not_there(words: Sequence[str]) -> None:
    assert fails(InputError, *words).code == "consent_file"


@pytest.mark.parametrize("id_", ["nothing", "a" * 32, "../issuer.pem"])
def test_an_id_that_is_not_there(id_: str) -> None:
    assert fails(ConsentError, "show", id_).code == "consent_unknown"
    assert fails(ConsentError, "verify", id_).code == "consent_unknown"


def test_a_further_record_of_the_same_person(tmp_path: Path) -> None:
    first = told("create", photo(tmp_path, 1), *YES)
    second = told("create", photo(tmp_path, 1), "--scope", "head", "--yes", "--subject", first["subject"])
    assert second["subject"] == first["subject"]
    assert fails(ConsentError, "create", photo(tmp_path, 2), *YES, "--subject", "Anna").code == "consent_malformed"


def test_nobody_is_two_people_unawares(tmp_path: Path, home: RecordStore) -> None:
    first = told("create", photo(tmp_path, 1), *YES)
    refused = fails(ConsentError, "create", photo(tmp_path, 1), *YES)
    assert refused.code == "consent_known"
    assert first["subject"] in refused.message
    assert len(home.records()) == 1
    twin = told("create", photo(tmp_path, 1), *YES, "--unlike", first["subject"])
    assert (twin["subject"] != first["subject"], twin["unlike"]) == (True, [first["subject"]])
    refused = fails(ConsentError, "create", photo(tmp_path, 1), *YES, "--subject", first["subject"])
    assert twin["subject"] in refused.message
    assert told("create", photo(tmp_path, 2), *YES)["unlike"] == []


def test_choices_are_those_of_records() -> None:
    assert tuple(choice.value for choice in ScopeChoice) == CATEGORIES
    assert ("none", *(choice.value for choice in AdultChoice)) == ADULT_METHODS
    assert get_args(ScopeChoice) == ()


# --- live ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def actor() -> Actor:
    from matplotlib.cbook import get_sample_data

    with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as image:
        rgb = np.array(image.convert("RGB"))
    return Actor(REAL_READER().read(rgb, near=FACES["hopper"])[0])


REAL_READER = enrolment.FaceReader


def filmed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, actor: Actor, actions: Sequence[str]) -> str:
    """A clip file in which the actor does these things, for whoever reads it from now on."""
    sights = actor.clip(actions)

    class Follower:
        def __init__(self) -> None:
            self.index = -1

        def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
            self.index += 1
            seen = sights[self.index].faces[0]
            return (replace(seen, embedding=person(1, self.index, 0.2) if identity else None),)

    frames = Frames(np.zeros((len(sights), 4, 4, 3), np.uint8), FPS)
    monkeypatch.setattr(enrolment, "read_video", lambda *_, **__: frames)
    monkeypatch.setattr(enrolment, "FaceReader", Follower)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom")
    return str(clip)


def test_a_live_clip_that_answers_its_challenge(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, actor: Actor, home: RecordStore
) -> None:
    asked = told("challenge")
    clip = filmed(monkeypatch, tmp_path, actor, asked["actions"])
    made = told("create", "--live", clip, "--challenge", asked["id"], "--scope", "face")
    assert (made["method"], made["weak"]) == ("live", False)
    assert home.records()[0].binding.distance(person(1)) < 200
    again = fails(ConsentError, "create", "--live", clip, "--challenge", asked["id"], "--scope", "face")
    assert again.code == "live_expired"


def test_attack_a_live_clip_of_another_challenge(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, actor: Actor, home: RecordStore
) -> None:
    first, second = told("challenge"), told("challenge")
    while first["actions"] == second["actions"]:
        second = told("challenge")
    clip = filmed(monkeypatch, tmp_path, actor, first["actions"])
    refused = fails(ConsentError, "create", "--live", clip, "--challenge", second["id"], "--scope", "face")
    assert refused.code == "live_actions"
    assert home.records() == ()
    assert fails(ConsentError, "create", "--live", clip, "--challenge", second["id"], *YES).code == "live_expired"


@pytest.mark.parametrize(
    ("state", "source_type", "taken"),
    [
        ("trusted", "compositeWithTrainedAlgorithmicMedia", False),
        ("untrusted", "trainedAlgorithmicMedia", False),
        ("untrusted", "", False),
        ("tampered", "", False),
        ("untrusted", "digitalCapture", True),
        ("unsigned", "", True),
    ],
)
def test_attack_a_film_of_photoplay_is_no_live_clip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, source_type: str, taken: bool
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"")
    monkeypatch.setattr(enrolment, "verify", lambda _: SimpleNamespace(state=state, source_type=source_type))
    refused = fails(ConsentError, "create", "--live", str(clip), "--challenge", "a" * 32, "--scope", "face")
    assert refused.code == ("live_expired" if taken else "live_made")


def test_a_clip_in_another_container_is_taken(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    clip.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    refused = fails(ConsentError, "create", "--live", str(clip), "--challenge", "a" * 32, "--scope", "face")
    assert refused.code == "live_expired"


def test_a_challenge_in_words() -> None:
    shown = run("challenge").stdout
    assert "Look straight into the camera" in shown
    assert re.search(r"--live CLIP --challenge [0-9a-f]{32}", shown)


def test_a_real_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skimage.data import astronaut

    monkeypatch.setattr(enrolment, "FaceReader", REAL_READER)
    picture = tmp_path / "astronaut.png"
    Image.fromarray(astronaut()[20:276, 96:352]).save(picture)
    made = told("create", str(picture), *YES)
    lines = told("verify", made["id"], "--photo", str(picture))["faces"]
    assert lines == [{"face": 1, "verdict": "this person", "bits_apart": 0}]
