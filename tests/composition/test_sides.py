from __future__ import annotations

import itertools

import numpy as np
import pytest

from photoplay.composition.cutouts import Cutout
from photoplay.composition.sides import carry_sides
from tests.composition.people import FRONT, face, silhouette

UNIT = 20.0
WIDTH, HEIGHT = 400, 260


def cut_at(left: int, top: int, right: int, x: float = 200.0, y: float = 100.0) -> Cutout:
    """A person on a canvas of whom a photo shows only what lies between ``left`` and ``right``, below ``top``."""
    matte = np.rint(255 * silhouette(WIDTH, HEIGHT, x, y, UNIT)).astype(np.uint8)
    matte[:, :left], matte[:, right:], matte[:top] = 0, 0, 0
    return Cutout(np.full((HEIGHT, WIDTH, 3), FRONT, np.uint8), matte, face(x, y, UNIT))


def straightest(matte: np.ndarray, right: bool) -> int:
    """The longest run of rows in which the silhouette ends in the same column."""
    solid = matte > 127
    ends = np.array([np.flatnonzero(row)[-1 if right else 0] if row.any() else -1 for row in solid])
    longest = run = 1
    for before, after in itertools.pairwise(ends):
        run = run + 1 if after == before and after >= 0 else 1
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize(("left", "right"), [(0, 245), (150, WIDTH), (160, 250)])
def test_a_cut_arm_gets_a_round_outline(left, right):
    person = cut_at(left, 0, right)
    whole = carry_sides(person, (float(left), 0.0, float(right), float(HEIGHT)), UNIT)
    for cut, at_right in ((left > 0, False), (right < WIDTH, True)):
        if cut:
            assert straightest(person.matte, at_right) > 4 * UNIT
            assert straightest(whole.matte, at_right) < 2.2 * UNIT  # a bow is level for a while


def test_what_is_missing_of_an_arm_is_about_what_comes_back():
    truth = cut_at(0, 0, WIDTH).matte > 127
    person = cut_at(0, 0, 245)
    whole = carry_sides(person, (0.0, 0.0, 245.0, float(HEIGHT)), UNIT)
    grown = whole.matte > 127
    missing = truth & ~(person.matte > 127)
    assert (grown & missing).sum() > 0.7 * missing.sum()
    assert (grown & ~truth).sum() < 0.8 * missing.sum()


def test_the_seen_part_stays_as_it_is():
    person = cut_at(0, 0, 245)
    whole = carry_sides(person, (0.0, 0.0, 245.0, float(HEIGHT)), UNIT)
    np.testing.assert_array_equal(whole.matte[:, :240], person.matte[:, :240])
    np.testing.assert_array_equal(whole.pixels[:, :240], person.pixels[:, :240])


def test_the_carried_part_has_the_cloths_colour():
    person = cut_at(0, 0, 245)
    whole = carry_sides(person, (0.0, 0.0, 245.0, float(HEIGHT)), UNIT)
    new = (whole.matte > 200) & (person.matte < 50)
    assert new.sum() > 500
    assert np.abs(whole.pixels[new].astype(float) - FRONT).max() < 0.15 * max(FRONT)


def test_a_head_cut_above_is_rounded_off():
    person = cut_at(0, 78, WIDTH)
    whole = carry_sides(person, (0.0, 78.0, float(WIDTH), float(HEIGHT)), UNIT)
    first, now = (np.flatnonzero((one.matte > 127).any(1))[0] for one in (person, whole))
    assert first == 78
    assert 78 - 1.4 * UNIT < now < 78 - 0.2 * UNIT
    across = [(whole.matte[row] > 127).sum() for row in range(now, 78)]
    assert all(a <= b + 1 for a, b in itertools.pairwise(across))


def test_nothing_happens_where_nothing_is_cut():
    person = cut_at(0, 0, WIDTH)
    whole = carry_sides(person, (0.0, 0.0, float(WIDTH), float(HEIGHT)), UNIT)
    np.testing.assert_array_equal(whole.matte, person.matte)
    aside = carry_sides(person, (60.0, 20.0, 340.0, float(HEIGHT)), UNIT)
    np.testing.assert_array_equal(aside.matte, person.matte)
