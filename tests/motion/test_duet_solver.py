"""The contact solver against what can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.motion.duet_arms import reach
from photoplay.motion.duet_bodies import Body, Shifts
from photoplay.motion.duet_points import Spot
from photoplay.motion.duet_solver import REACH, UP, Meeting, arm_length, solve
from photoplay.motion.duet_template import Point
from photoplay.motion.retarget import make_track
from photoplay.motion.skeleton import ARMS
from photoplay.types import Scene
from tests.motion.duet_scenes import two
from tests.motion.rig_subjects import still

FRAMES = 5


def bodies(scene: Scene) -> tuple[Body, Body]:
    pair = [Body.of(scene, make_track(scene, k, still(FRAMES)), 1.0 - 2.0 * k) for k in (0, 1)]
    return pair[0], pair[1]


def meeting(first: Point, second: Point, strength: float = 1.0, share: float = 0.5, faces: bool = True) -> Meeting:
    spots = Spot.of(first, True), Spot.of(second, False)
    return Meeting(spots, np.full(FRAMES, strength), share, np.zeros((FRAMES, 2)), faces)


def gap(pair: tuple[Body, Body], meets: Meeting, shifts: tuple[Shifts, Shifts]) -> np.ndarray:
    ends = [body.shifted(shift).at(spot) for body, shift, spot in zip(pair, shifts, meets.spots, strict=True)]
    apart: np.ndarray = np.linalg.norm(ends[1] - ends[0], axis=1)
    return apart


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.6, 1.0])
def test_a_contact_keeps_the_share_of_its_gap_that_its_strength_leaves(strength: float) -> None:
    pair = bodies(two(1.3))
    meets = meeting("lips", "cheek_near", strength)
    before = np.linalg.norm(pair[1].at(meets.spots[1]) - pair[0].at(meets.spots[0]), axis=1)
    assert gap(pair, meets, solve(pair, [meets])) == pytest.approx((1.0 - strength) * before, abs=0.01)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_way_is_shared_as_asked(share: float) -> None:
    pair = bodies(two())
    first, second = solve(pair, [meeting("temple_near", "temple_near", share=share)])
    way = [abs(float((shift.place + shift.bend + shift.head)[0, 0])) for shift in (first, second)]
    assert way[0] / sum(way) == pytest.approx(share, abs=0.03)
    assert abs(first.place[0, 0]) > 5 * abs(first.bend[0, 0]) > 5 * abs(first.head[0, 0])


def test_who_is_higher_goes_down_and_nobody_goes_up() -> None:
    pair = bodies(two(1.5))
    first, second = solve(pair, [meeting("temple_near", "temple_near")])
    meets = meeting("temple_near", "temple_near")
    drop = float((pair[1].at(meets.spots[1]) - pair[0].at(meets.spots[0]))[0, 1])
    assert abs(drop) > 40.0
    lower, higher = (first, second) if drop < 0 else (second, first)
    width = min(body.width for body in pair)
    assert float((higher.place + higher.bend + higher.head)[0, 1]) > 0.75 * abs(drop)
    assert float(lower.place[0, 1]) > -3.5 * UP * width


def test_who_stands_in_the_picture_bends_rather_than_sinks() -> None:
    pair = bodies(two(1.5))
    higher = int(np.argmin([body.face_centre()[0, 1] for body in pair]))
    standing = tuple(replace(body, stands=True) for body in pair)
    free = solve(pair, [meeting("temple_near", "temple_near")])[higher]
    stands = solve((standing[0], standing[1]), [meeting("temple_near", "temple_near")])[higher]
    assert stands.place[0, 1] < 0.5 * free.place[0, 1]
    assert stands.bend[0, 1] > 2 * free.bend[0, 1]


def test_who_is_cut_by_the_edge_stays_and_the_other_comes() -> None:
    pair = bodies(two())
    cut = replace(pair[0], cut=True), pair[1]
    assert abs(solve(cut, [meeting("lips", "lips")])[0].place[0, 0]) < 0.4 * abs(
        solve(pair, [meeting("lips", "lips")])[0].place[0, 0]
    )


def test_two_contacts_are_met_at_once() -> None:
    pair = bodies(two(1.2))
    meets = [meeting("temple_near", "temple_near"), meeting("shoulder_near", "chest", faces=False)]
    shifts = solve(pair, meets)
    for one in meets:
        assert gap(pair, one, shifts).max() < 0.01


def test_contacts_of_other_strength_are_each_met_as_theirs_says() -> None:
    pair = bodies(two())
    meets = [meeting("temple_near", "temple_near", 1.0), meeting("shoulder_near", "shoulder_near", 0.5, faces=False)]
    shifts = solve(pair, meets)
    assert gap(pair, meets[0], shifts).max() < 0.01
    alone = gap(pair, meets[1], solve(pair, meets[:1]))
    assert gap(pair, meets[1], shifts) == pytest.approx(alone / 2, abs=0.01)


def test_faces_that_have_nothing_to_do_with_each_other_stay_apart() -> None:
    pair = bodies(two(apart=0.9))
    shoulders = meeting("shoulder_far", "shoulder_near", faces=False)
    kept, free = (solve(pair, [replace(shoulders, faces=faces)]) for faces in (False, True))

    def between(shifts: tuple[Shifts, Shifts]) -> float:
        places = [body.shifted(shift).face_centre()[0, 0] for body, shift in zip(pair, shifts, strict=True)]
        return float(places[1] - places[0])

    assert between(kept) > between(free) + 5.0


def test_a_hand_is_met_within_reach_by_an_arm_of_its_own_length() -> None:
    pair = bodies(two(1.2, apart=2.2))
    meets = meeting("hand_near", "shoulder_far", share=0.9, faces=False)
    shifts = solve(pair, [meets])
    shifted = pair[0].shifted(shifts[0])
    target = shifted.at(meets.spots[0]) + shifts[0].hands[:, 0]
    arrived = reach(shifted, meets.spots[0], target, meets.strength)
    assert np.linalg.norm(arrived.at(meets.spots[0]) - target, axis=1).max() < 0.01
    assert np.linalg.norm(pair[1].shifted(shifts[1]).at(meets.spots[1]) - target, axis=1).max() < 0.01
    (shoulder,), (elbow,), (wrist,), _ = ARMS[0]
    for start, end in ((shoulder, elbow), (elbow, wrist)):
        bones = [
            np.linalg.norm(body.joints[:, end, :2] - body.joints[:, start, :2], axis=1) for body in (pair[0], arrived)
        ]
        assert bones[1] == pytest.approx(bones[0], rel=0.03)
    stretched = np.linalg.norm(target - arrived.joints[:, shoulder, :2], axis=1)
    assert (stretched < (REACH + 0.04) * arm_length(pair[0], meets.spots[0])).all()


def test_an_arm_without_contact_keeps_its_pose() -> None:
    body = bodies(two())[0]
    spot = Spot.of("hand_near", True)
    kept = reach(body, spot, body.at(spot) + 90.0, np.zeros(FRAMES))
    assert kept.joints == pytest.approx(body.joints)


def test_an_elbow_hangs_down() -> None:
    body = bodies(two())[0]
    spot = Spot.of("hand_near", True)
    (shoulder,), (elbow,), _, _ = ARMS[0]
    target = body.joints[:, shoulder, :2] + np.array([1.2 * body.width, 0.0])
    reached = reach(body, spot, target, np.ones(FRAMES))
    assert (reached.joints[:, elbow, 1] > reached.joints[:, shoulder, 1]).all()
