from __future__ import annotations

import numpy as np
import pytest

from photoplay.training.follow import RIGID, similarity
from photoplay.training.gap import gap
from photoplay.training.people import carried, matte_of, synthetic_examples
from photoplay.training.shards import Example
from photoplay.training.synthetic.head import HeadModel
from photoplay.types import HeadPose, Label
from tests.generation.actors import astronaut


def test_the_detectors_errors_ride_along_on_the_motion():
    rest = astronaut().subjects[0].face.landmarks
    turn = 1.2 * HeadPose(20, 5, -10).matrix()
    moved = np.stack([rest, rest @ turn.T])
    rng = np.random.default_rng(0)
    found = rest + rng.normal(0, 2, rest.shape).astype(np.float32)
    track = carried(found, rest, moved)
    np.testing.assert_allclose(track[0], found, atol=0.01)
    np.testing.assert_allclose(track[1], found @ turn.T, atol=0.05)
    np.testing.assert_allclose(carried(rest, rest, moved), moved, atol=1e-5)
    assert similarity(rest[list(RIGID)].astype(float), track[1, list(RIGID)].astype(float)).shape == (3, 4)


def test_the_matte_is_the_person_with_a_soft_edge():
    labels = np.zeros((40, 40), np.uint8)
    labels[10:, 10:30] = Label.SKIN
    labels[20:, 10:30] = Label.BODY
    matte = matte_of(labels)
    assert matte[5, 5] == 0
    assert matte[30, 20] == 255
    assert 100 < int(matte[30, 10]) + int(matte[30, 9]) - 255 + 128 < 156  # half on either side of the edge


@pytest.fixture(scope="module")
def head(shared_data) -> HeadModel:
    return HeadModel.load(shared_data / "head")


def test_anchor_and_truth_of_a_synthetic_person_lie_on_each_other(head):
    made = synthetic_examples(head, 12, 2, 3, 128, None, np.random.default_rng(0))
    assert len(made) == 2
    figures = []
    for example in made:
        assert isinstance(example, Example)
        assert example.target.shape == (3, 128, 128, 3)
        assert example.facts["landmarks"] == "exact"
        figures.append(gap(example))
    # One part hardly moves, the other turns and changes its light, which looks like a shift.
    assert min(f["skin_shift"] for f in figures) < 0.2
    assert max(f["skin_shift"] for f in figures) < 1.0
    assert min(f["psnr_face"] for f in figures) < 45  # and yet there is something to learn
    again = synthetic_examples(head, 12, 2, 3, 128, None, np.random.default_rng(0))
    for first, second in zip(made, again, strict=True):
        assert isinstance(first, Example)
        assert isinstance(second, Example)
        np.testing.assert_array_equal(first.target, second.target)
        np.testing.assert_array_equal(first.window.anchor, second.window.anchor)
