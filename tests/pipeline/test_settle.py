"""What a request asks for, and what is said where the backend cannot make it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.errors import RequestError
from photoplay.generation.backends import get_backend
from photoplay.pipeline.settle import settle
from photoplay.types import Frames, Photo, Request, Video

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
