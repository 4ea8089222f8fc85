from __future__ import annotations

import numpy as np
import pytest

from photoplay.perception.missed import missed
from photoplay.types import Array

UNIT = 56.0


def scene() -> tuple[Array, Array]:
    """Somebody in blue and cream before a dark wall, and the probability that a network gives them: all but a piece."""
    rng = np.random.default_rng(3)
    rgb = np.full((200, 240, 3), 15.0) + rng.normal(0, 3, (200, 240, 3))
    rough = np.zeros((200, 240), np.float32)
    rough[40:200, 80:160] = 0.95
    rgb[40:120, 80:160] = (110, 140, 190)
    rgb[120:200, 80:160] = (200, 180, 130)
    rgb[100:112, 160:168] = (110, 140, 190)  # the piece
    return rgb.clip(0, 255).astype(np.uint8), rough


def test_a_piece_in_the_persons_colours_is_found_and_nothing_else() -> None:
    rgb, rough = scene()
    found = missed(rgb, rough, UNIT)
    assert found[101:111, 161:167].min() > 0.9
    found[98:114, 158:170] = 0
    assert found.max() == 0


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_the_background_shows_elsewhere_belongs_to_it(share: float) -> None:
    """A blue beam behind the person's arm goes on beyond; a faintly bluish one is no person either."""
    rgb, rough = scene()
    beam = np.array([110, 140, 190]) * share + np.array([15, 15, 15]) * (1 - share)
    rgb[100:112, 160:240] = beam
    assert missed(rgb, rough, UNIT).max() == 0


def test_a_thing_in_a_colour_of_its_own_is_not_the_persons() -> None:
    rgb, rough = scene()
    rgb[100:112, 160:168] = (200, 30, 30)
    assert missed(rgb, rough, UNIT).max() == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nobody_and_nothing_but_a_person_miss_nothing(value: float) -> None:
    rgb, _ = scene()
    assert missed(rgb, np.full((200, 240), value, np.float32), UNIT).max() == 0


def test_a_larger_copy_misses_the_same() -> None:
    rgb, rough = scene()
    twice = missed(rgb.repeat(2, 0).repeat(2, 1), rough.repeat(2, 0).repeat(2, 1), 2 * UNIT)
    assert np.abs(twice[::2, ::2] - missed(rgb, rough, UNIT)).mean() < 0.002
