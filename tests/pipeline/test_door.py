"""Who is let in, before a face is looked at."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import photoplay
from photoplay import device
from photoplay.errors import RequestError, UnavailableError
from photoplay.generation.backends import get_backend
from photoplay.perception.mediapipe_models import Models
from photoplay.pipeline import let_in
from photoplay.safety.guard import Guard
from photoplay.types import Photo, Request, Staging, Turn

REQUEST = Request((Photo(np.zeros((64, 64, 3), np.uint8), "0" * 64),), ("self",), "smile")


def refused(request: Request) -> RequestError:
    with pytest.raises(RequestError) as caught:
        let_in(request, get_backend("anchor"), Guard.local())
    return caught.value


def test_turns_without_a_sound_are_not_dropped() -> None:
    error = refused(replace(REQUEST, turns=(Turn(0.0, 9.0, 0),)))
    assert error.code == "input_unused"
    assert "turns to speak" in error.message


def test_a_number_out_of_range_is_named_in_words() -> None:
    error = refused(replace(REQUEST, staging=Staging(size_ratio=5.0)))
    assert error.code == "size_ratio_out_of_range"
    assert error.message == "size ratio is 5, which is not possible."


def test_a_forked_process_makes_no_film(portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would wait for threads that only its parent has."""
    monkeypatch.setattr(device, "_working", os.getpid() + 1)
    with pytest.raises(UnavailableError) as film:
        photoplay.animate(portrait_file, consent="self", template="smile", out=tmp_path / "film.mp4")
    with pytest.raises(UnavailableError) as look:
        Models().detector("full_range")
    assert film.value.code == look.value.code == "process_forked"
    assert list(tmp_path.iterdir()) == []
