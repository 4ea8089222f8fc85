"""What a request asks for, and what is said where the backend cannot make it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.errors import RequestError
from photoplay.generation.backends import get_backend
from photoplay.pipeline.settle import settle
from photoplay.types import Audio, Frames, Photo, Request, Video

STILL = np.zeros((64, 64, 3), np.uint8)
MOVED = Request((Photo(STILL, "0" * 64),), ("self",), "", video=Video(Frames(STILL[None].repeat(4, 0), 8.0), "1" * 64))


def hint(request: Request) -> str:
    with pytest.raises(RequestError) as refused:
        settle(request, get_backend("pocket"))
    assert refused.value.code == "mode_unsupported"
    return refused.value.hint


def test_a_clip_that_cannot_be_painted_over_can_move_the_photo() -> None:
    assert "the mode pose-guided" in hint(MOVED)
    assert "the mode pose-guided" not in hint(replace(MOVED, replace=True))  # which that mode does not
    assert "the mode pose-guided" not in hint(Request((), (), "", prompt="a river"))


NOBODY = Request((), (), "", prompt="")
SOUND = Audio(np.zeros(8000, np.float32), 8000, "2" * 64)


@pytest.mark.parametrize(
    "request_",
    [
        NOBODY,
        replace(NOBODY, template="smile"),
        replace(NOBODY, template="smile", prompt="a river"),
        replace(NOBODY, template="smile", audio=(SOUND,)),
        replace(NOBODY, audio=(SOUND,), prompt="a river"),
        replace(MOVED, photos=()),
    ],
)
def test_a_forgotten_photo_is_what_is_told(request_: Request) -> None:
    with pytest.raises(RequestError) as refused:
        settle(request_, get_backend("pocket"))
    assert refused.value.code == "photo_missing"


@pytest.mark.parametrize(
    "words", [{"prompt": "a river"}, {"template": "smile"}, {"template": "smile", "prompt": "she"}]
)
def test_where_words_make_a_film_no_photo_is_missing(words: dict[str, str]) -> None:
    assert settle(replace(NOBODY, **words), get_backend("wan-t2v")).mode == "text-to-video"
    asked = replace(NOBODY, mode="text-to-video", **words)
    assert "These make text-to-video" in hint(asked)
