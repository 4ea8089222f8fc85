from __future__ import annotations

from typing import Any

import pytest

from photoplay.errors import RequestError, TemplateError
from photoplay.service.jobs.filming import check_possible
from photoplay.service.jobs.requests import JobRequest

SERVED = ("echo", "pocket", "wan-animate", "from-elsewhere")
ONE, TWO, CLIP, SOUND = (f"upload_{letter * 26}" for letter in "abcd")
SMILE = {"photos": (ONE,), "template": "smile"}
REPLACED = {"backend": "wan-animate", "photos": (ONE,), "video": CLIP, "replace": True}


def asked(**given: Any) -> None:
    check_possible(JobRequest(**given), SERVED)


@pytest.mark.parametrize(
    "possible",
    [
        SMILE,
        SMILE | {"template": "", "prompt": "she smiles"},
        {"photos": (ONE, TWO), "template": "handshake"},
        {"photos": (ONE,), "template": "handshake"},  # it may show two people
        {"photos": (ONE,), "audio": (SOUND,)},
        REPLACED,
        {"photos": (ONE,), "video": CLIP, "mode": "pose-guided"},
        {"backend": "from-elsewhere", "prompt": "anything"},
        {"backend": "not-served", "prompt": "anything"},
    ],
)
def test_what_may_become_a_film_goes_on(possible: dict[str, Any]) -> None:
    asked(**possible)


@pytest.mark.parametrize(
    ("impossible", "code"),
    [
        ({"prompt": "she smiles"}, "mode_unsupported"),  # pocket needs a photo
        ({}, "photo_missing"),
        ({"photos": (ONE,)}, "template_missing"),
        ({"photos": (ONE,), "prompt": "zxqv brmf"}, "prompt_not_understood"),
        (SMILE | {"video": CLIP}, "mode_unsupported"),
        (SMILE | {"backdrop": TWO}, "input_unused"),
        (SMILE | {"photos": (ONE,), "last": TWO}, "input_unused"),
        ({"photos": (ONE, TWO), "template": "handshake", "who": "main"}, "duet_main"),
        (REPLACED | {"template": "smile"}, "input_unused"),
        (REPLACED | {"audio": (SOUND,)}, "input_unused"),
        (REPLACED | {"photos": (ONE, TWO)}, "input_unused"),
        (REPLACED | {"backend": "echo", "video": None, "template": "smile"}, "input_unused"),
    ],
)
def test_what_can_become_no_film_is_refused_at_once(impossible: dict[str, Any], code: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(**impossible)
    assert refused.value.code == code


def test_backends_that_are_not_served_are_not_recommended() -> None:
    with pytest.raises(RequestError) as refused:
        asked(prompt="she smiles")
    assert "wan" not in refused.value.hint


def test_a_template_that_there_is_not_is_refused_at_once() -> None:
    with pytest.raises(TemplateError):
        asked(**SMILE | {"template": "smirk_wildly"})
