"""Points that touch: where they are, and that near is the partner's side."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from photoplay.motion.duet_points import Spot
from photoplay.motion.duet_template import FACE_POINTS, Point
from photoplay.motion.skeleton import ARMS, SHOULDERS, estimate_joints
from photoplay.topology import inter_ocular
from tests.motion.rig_subjects import even, face

POINTS: tuple[Point, ...] = get_args(Point)


def at(point: Point, left_is_near: bool) -> np.ndarray:
    of = even(face("hopper"))
    joints = estimate_joints(of)
    spot = Spot.of(point, left_is_near)
    place = spot.places(of.landmarks[None].astype(np.float64), joints[None])[0]
    eyes = of.landmarks[[33, 133, 263, 362], :2].mean(axis=0)
    unit: np.ndarray = (place - eyes) / inter_ocular(of.landmarks)
    return unit


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("left_is_near", [True, False])
def test_weights_are_a_mean_and_the_sides_are_mirrored(point: Point, left_is_near: bool) -> None:
    spot = Spot.of(point, left_is_near)
    assert spot.weights.sum() == pytest.approx(1.0)
    assert spot.face == (point in FACE_POINTS)
    here, there = at(point, True), at(point, False)
    assert here == pytest.approx(there * np.array([-1.0, 1.0]), abs=0.02)


@pytest.mark.parametrize("name", ["cheek", "ear", "temple", "shoulder", "back", "waist", "hand", "wrist"])
def test_near_is_on_the_partners_side(name: str) -> None:
    # A person who faces the camera has the left hand at the image's right.
    points: tuple[Point, Point] = (f"{name}_near", f"{name}_far")  # type: ignore[assignment]
    near, far = (at(point, True)[0] for point in points)
    assert near > 0.5 > -0.5 > far


def test_points_are_where_their_names_say() -> None:
    lips, nose, forehead, chin, crown, chest = (
        at(point, True) for point in ("lips", "nose", "forehead", "chin", "crown", "chest")
    )  # fmt: skip
    assert crown[1] < -1.2 < forehead[1] < 0.0 < nose[1] < lips[1] < chin[1] < chest[1]
    assert 0.1 < lips[0] < 0.4  # the half of the mouth that comes first
    assert 0.0 < nose[0] < 0.2


def test_a_hand_touches_between_wrist_and_knuckles() -> None:
    joints = estimate_joints(even(face("hopper")))[None]
    none = np.zeros((1, 478, 3))
    spot = Spot.of("hand_near", True)
    wrist, hand = joints[0, ARMS[0][2][0], :2], joints[0, list(ARMS[0][3][:2]), :2].mean(axis=0)
    assert spot.arm == 0
    assert spot.places(none, joints)[0] == pytest.approx(wrist + 0.9 * (hand - wrist))
    assert Spot.of("wrist_far", True).places(none, joints)[0] == pytest.approx(joints[0, ARMS[1][2][0], :2])


def test_what_hangs_low_follows_the_trunk_less() -> None:
    assert Spot.of("shoulder_near", True).upper == 1.0
    assert Spot.of("waist_near", True).upper == pytest.approx(0.2)
    assert set(np.flatnonzero(Spot.of("shoulder_near", True).weights)) == set(SHOULDERS)
