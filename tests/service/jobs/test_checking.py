from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import ReviewError
from photoplay.service.jobs.checking import check_film
from photoplay.service.jobs.maker import Film
from photoplay.service.jobs.requests import JobRequest
from tests.service.makers import write_film

ASKED = JobRequest(template="smile", seconds=1.0)


def film(path: Path, frames: np.ndarray | None = None) -> Film:
    if frames is None:
        frames = np.random.default_rng(0).integers(0, 255, (24, 64, 96, 3), np.uint8)
    write_film(path, frames)
    return Film(path, None, None, {}, {"passed": True, "sentence": "", "metrics": {"a": 0.1}}, (), 96, 64, 1.0)


def refused(made: Film, asked: JobRequest = ASKED) -> str:
    with pytest.raises(ReviewError) as found:
        check_film(made, asked)
    return found.value.code


def test_a_film_as_it_was_asked_for_passes(tmp_path: Path) -> None:
    made = film(tmp_path / "film.mp4")
    check_film(made, ASKED)
    check_film(made, ASKED.model_copy(update={"seconds": None}))


def test_a_dark_room_is_not_black(tmp_path: Path) -> None:
    frames = np.zeros((24, 64, 96, 3), np.uint8)
    frames[:, 20:40, 30:60] = 60
    check_film(film(tmp_path / "film.mp4", frames), ASKED)


@pytest.mark.parametrize("black", [24, 12, 2])
def test_black_frames_are_no_film(tmp_path: Path, black: int) -> None:
    frames = np.full((24, 64, 96, 3), 128, np.uint8)
    frames[24 - black :] = 3
    assert refused(film(tmp_path / "film.mp4", frames)) == "film_black"


def test_another_size_or_length_is_not_what_was_asked_for(tmp_path: Path) -> None:
    made = film(tmp_path / "film.mp4")
    assert refused(made, ASKED.model_copy(update={"seconds": 2.0})) == "film_length"
    assert refused(replace(made, width=98)) == "film_size"
    large = film(tmp_path / "large.mp4", np.full((24, 482, 482, 3), 90, np.uint8))
    assert refused(replace(large, width=482, height=482)) == "film_size"


@pytest.mark.parametrize("data", [b"", b"not a film", None])
def test_what_cannot_be_played_is_no_film(tmp_path: Path, data: bytes | None) -> None:
    made = film(tmp_path / "film.mp4")
    if data is None:
        made.path.unlink()
    else:
        made.path.write_bytes(data)
    assert refused(made) == "film_broken"


def test_a_film_that_is_cut_short_is_broken(tmp_path: Path) -> None:
    made = film(tmp_path / "film.mp4")
    made.path.write_bytes(made.path.read_bytes()[:-200])
    assert refused(made) == "film_broken"


@pytest.mark.parametrize("metrics", [{"a": float("nan")}, {"a": {"b": [1.0, float("inf")]}}])
def test_a_report_without_numbers_is_none(tmp_path: Path, metrics: dict[str, object]) -> None:
    made = film(tmp_path / "film.mp4")
    assert refused(replace(made, report={**made.report, "metrics": metrics})) == "report_broken"
    assert refused(replace(made, report={**made.report, "passed": False})) == "report_broken"
