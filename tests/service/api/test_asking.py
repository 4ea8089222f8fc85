"""What is asked for reaches the job: nothing that the API takes is forgotten on the way."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from photoplay.service.api.asking import TAKEN_AS_IS, Asked, _plain
from photoplay.service.api.shapes import UPLOAD, VideoAsk
from photoplay.service.ground.settings import Settings
from photoplay.service.jobs.requests import JobRequest

UNLIKE_THE_DEFAULT = {
    "prompt": "she smiles",
    "template": "smile",
    "seconds": 4.0,
    "seed": 7,
    "intensity": 0.5,
    "speed": 2.0,
    "who": "main",
    "consent": ("self",),
    "consents": ("a" * 32,),
    "last": UPLOAD,
    "video": UPLOAD,
    "replace": True,
    "backdrop": UPLOAD,
    "audio": (UPLOAD,),
    "left": 1,
    "first": 1,
    "label": "top-left",
    "codec": "av1",
}


def test_every_field_of_an_ask_is_handed_on_or_read_by_name() -> None:
    by_name = {"model", "size", "input_reference", "photos", "remixed_from", "webhook"}
    assert VideoAsk.model_fields.keys() - TAKEN_AS_IS == by_name
    assert JobRequest.model_fields.keys() - TAKEN_AS_IS == {"backend", "size", "photos"}


def test_a_form_says_true_and_false_in_words() -> None:
    assert [_plain("replace", text) for text in ("true", "false", "1")] == [True, False, "1"]
    assert _plain("prompt", "true") == "true"


def test_what_is_handed_on_arrives(tmp_path: Path) -> None:
    assert UNLIKE_THE_DEFAULT.keys() == TAKEN_AS_IS
    ask = VideoAsk.model_validate(UNLIKE_THE_DEFAULT, strict=False)
    request = Asked(ask, ()).request(Settings(secret=SecretStr("s" * 40), data=tmp_path), ())
    for name, value in UNLIKE_THE_DEFAULT.items():
        assert getattr(request, name) == value != JobRequest.model_fields[name].default
