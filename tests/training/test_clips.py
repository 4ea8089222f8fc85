from __future__ import annotations

import numpy as np
import pytest

from photoplay.generation.anchors import render
from photoplay.perception.faces import FaceReader
from photoplay.training.clips import Take, example_of, take
from photoplay.training.gap import gap
from photoplay.training.shards import Example
from photoplay.types import Frames, HeadPose
from tests.generation.actors import astronaut, plan, track

SIZE, FRAMES = 96, 4


@pytest.fixture(scope="module")
def reader() -> FaceReader:
    return FaceReader()


@pytest.fixture(scope="module")
def film() -> Frames:
    """The astronaut turning her head, large enough for a detector."""
    turns = [HeadPose(7 * np.sin(0.5 * k), 3 * np.cos(0.5 * k) - 3, 2 * np.sin(0.3 * k)) for k in range(10)]
    scene = astronaut()
    crop = (100.0, 0.0, 350.0, 250.0)
    windows = render(scene, [track(scene, turns)], plan(10, 400, crop))
    return Frames(np.concatenate([window.rgb for window in windows]), 25.0)


@pytest.fixture(scope="module")
def taken(film, reader) -> Take:
    found = take(film, [slice(0, 10)], FRAMES, reader, np.random.default_rng(1))
    assert isinstance(found, Take)
    return found


def test_a_take_shows_one_face_in_frames_of_the_same_shot(taken, film):
    assert len(taken.faces) == len(taken.frames) == FRAMES
    places = [next(k for k in range(10) if np.array_equal(film.rgb[k], frame)) for frame in taken.frames]
    steps = set(np.diff(places))
    assert len(steps) == 1
    assert taken.fps == pytest.approx(25.0 / steps.pop())
    assert any(np.array_equal(taken.photo, frame) for frame in film.rgb)


def test_anchor_and_truth_of_a_take_lie_on_each_other(taken, reader):
    example = example_of(taken, SIZE, reader, {"file": "film"})
    assert isinstance(example, Example)
    assert example.target.shape == (FRAMES, SIZE, SIZE, 3)
    assert example.facts == {"file": "film", "source": "clip"}
    figures = gap(example)
    assert figures["skin_error"] < 4
    assert figures["psnr_face"] > 25
    assert figures["skin_shift"] < 0.6


def test_what_cannot_be_used_says_why(film, reader):
    rng = np.random.default_rng(0)
    assert take(film, [slice(0, 3), slice(3, 6)], FRAMES, reader, rng) == "short shot"
    empty = Frames(np.zeros_like(film.rgb), 25.0)
    assert take(empty, [slice(0, 10)], FRAMES, reader, rng) == "no face"
    gone = film.rgb.copy()
    gone[1:] = 127
    reasons = {take(Frames(gone, 25.0), [slice(0, 10)], FRAMES, reader, np.random.default_rng(k)) for k in range(3)}
    assert reasons <= {"no face", "face lost"}
