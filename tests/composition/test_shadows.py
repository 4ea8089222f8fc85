from __future__ import annotations

import numpy as np
import pytest

from photoplay.composition.cutouts import Cutout
from photoplay.composition.shadows import darken, shade_person, shade_plate
from photoplay.composition.tones import to_linear
from photoplay.topology import POSE_INDEX
from photoplay.types import Array, Body, Face, HeadPose, Light

HEIGHT, WIDTH, UNIT = 240, 320, 20.0
FROM_LEFT, FROM_RIGHT = Light((-0.8, -0.3, -0.52), 0.2), Light((0.8, -0.3, -0.52), 0.2)


def _person(x0: int, x1: int, top: int = 60, feet: bool = False) -> Cutout:
    """A grey block from ``top`` to the picture's lower edge, or to feet at 200."""
    matte = np.zeros((HEIGHT, WIDTH), np.uint8)
    matte[top : 200 if feet else HEIGHT, x0:x1] = 255
    landmarks = np.zeros((478, 3), np.float32)
    middle = (x0 + x1) / 2
    landmarks[[33, 133]] = (middle - UNIT / 2, top + 20, 0)
    landmarks[[263, 362]] = (middle + UNIT / 2, top + 20, 0)
    box = (middle - 30, float(top), middle + 30, top + 60.0)
    face = Face(landmarks, box, 1.0, HeadPose(0, 0, 0), (0.3, 0.3), 0.0, np.ones(478, np.float32))
    body = None
    if feet:
        joints = np.zeros((33, 3), np.float32)
        for side, x in (("left", x1 - 8), ("right", x0 + 8)):
            for name, dx, y in (("ankle", 0, 190), ("heel", -2, 198), ("foot_index", 6, 199)):
                joints[POSE_INDEX[f"{side}_{name}"], :2] = x + dx, y
        body = Body(joints, np.ones(33, np.float32))
    return Cutout(np.full((HEIGHT, WIDTH, 3), 180, np.uint8), matte, face, body)


def _taken(before: Array, after: Array) -> Array:
    """The share of green light that is gone, [h, w]."""
    return np.asarray(1 - to_linear(after)[..., 1] / to_linear(before)[..., 1])


def test_the_front_persons_shadow_falls_away_from_the_light() -> None:
    front, left, right = _person(130, 190), _person(20, 135), _person(185, 300)

    def shadow(behind: Cutout, light: Light) -> float:
        return float(_taken(behind.pixels, shade_person(behind, front, light))[100:200].max(0)[[110, 209]].max())

    assert shadow(right, FROM_LEFT) > 1.5 * shadow(right, FROM_RIGHT)
    assert shadow(left, FROM_RIGHT) > 1.5 * shadow(left, FROM_LEFT)


def test_the_shadow_is_soft_near_and_only_on_the_person() -> None:
    front, behind = _person(130, 190), _person(150, 300)
    taken = _taken(behind.pixels, shade_person(behind, front, FROM_LEFT))
    row = taken[150, 192:290]
    assert 0.15 < row[0] < 0.6
    assert np.diff(row).max() < 0.02
    assert row[-1] < 0.01, "some head's breadths away there is none"
    assert np.abs(np.diff(row)).max() < 0.05, "no hard edge"
    assert taken[40].max() == pytest.approx(0), "above the person nothing is darkened"


def test_what_is_hidden_carries_no_print_of_the_other() -> None:
    front, behind = _person(60, 220), _person(150, 300)
    taken = _taken(behind.pixels, shade_person(behind, front, FROM_LEFT))
    assert taken[150, 160] < 0.05
    assert taken[150, 222] > 0.15


def test_harder_light_makes_deeper_shadows() -> None:
    front, behind = _person(130, 190), _person(150, 300)
    hard, soft = (
        _taken(behind.pixels, shade_person(behind, front, Light(FROM_LEFT.direction, ambient)))[150, 195:260].sum()
        for ambient in (0.1, 0.9)
    )
    assert hard > 1.3 * soft > 0


def test_a_wall_takes_a_wide_faint_shadow_and_no_wall_none() -> None:
    plate = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    person = _person(130, 190)
    assert shade_plate(plate, (person,), FROM_LEFT, wall=False) is plate
    taken = _taken(plate, shade_plate(plate, (person,), FROM_LEFT, wall=True))
    assert 0.03 < taken.max() < 0.35
    assert np.abs(np.diff(taken[150])).max() < 0.02
    assert taken[150, 200:260].mean() > 2 * taken[150, 60:120].mean()


def test_feet_stand_in_their_shadow() -> None:
    plate = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    person = _person(130, 190, feet=True)
    taken = _taken(plate, shade_plate(plate, (person,), FROM_LEFT, wall=False))
    assert taken[199, 138] > 0.3
    assert taken[215].max() < 0.1
    assert taken[194, 195:230].mean() > 2 * taken[194, 90:125].mean(), "the cast shadow lies on the side off the light"
    assert taken[60:150].max() < 0.1, "on the ground, not in the air"


def test_two_shadows_never_take_more_than_all_and_order_does_not_matter() -> None:
    plate = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    pair = _person(100, 160, feet=True), _person(150, 210, feet=True)
    both = shade_plate(plate, pair, FROM_LEFT, wall=True)
    off = both.astype(int) - shade_plate(plate, pair[::-1], FROM_LEFT, wall=True)
    assert np.abs(off).max() <= 1
    assert both.min() > 0


def test_darkening_leaves_a_little_blue() -> None:
    grey = np.full((4, 4, 3), 180, np.uint8)
    dark = darken(grey, np.full((4, 4), 0.4, np.float32))[0, 0].astype(int)
    assert dark[0] < dark[1] < dark[2] < dark[0] + 12
    assert to_linear(np.uint8([dark[0]]))[0] == pytest.approx(0.6 * to_linear(np.uint8([180]))[0], rel=0.02)
    assert darken(grey, np.zeros((4, 4), np.float32)) is grey
