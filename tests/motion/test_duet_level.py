"""Heads that come level where faces meet: what the photo's own pose takes away is given back, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from photoplay.motion.curves import still_arrays
from photoplay.motion.duet import make_duet
from photoplay.motion.duet_level import LEVEL_FROM, PITCH_SHARE, TURN_MORE, face_touch, level, widest_turn
from photoplay.motion.duet_template import DuetTemplate
from photoplay.motion.library import find
from photoplay.motion.taming import head_limits
from photoplay.types import HeadPose, Performance
from tests.motion.duet_scenes import two

TOUCHING = np.array([0.0, 0.5, 1.0])
AHEAD = HeadPose(0.0, 0.0, 0.0)


def still() -> Performance:
    return Performance(fps=24.0, **still_arrays(3))


def test_who_looks_up_and_away_comes_round_as_far_as_faces_touch() -> None:
    head = level(still(), HeadPose(12.0, 20.0, 3.0), -1.0, TOUCHING).head
    np.testing.assert_allclose(head[:, 0], -12.0 * TOUCHING, atol=1e-5)
    np.testing.assert_allclose(head[:, 1], -PITCH_SHARE * (20.0 - LEVEL_FROM) * TOUCHING, atol=1e-5)
    assert not head[:, 2:].any()


@pytest.mark.parametrize("pose", [AHEAD, HeadPose(25.0, LEVEL_FROM, 9.0), HeadPose(3.0, -LEVEL_FROM, 0.0)])
def test_who_looks_ahead_or_to_the_other_stays_so(pose: HeadPose) -> None:
    role = still()
    assert level(role, pose, 1.0, TOUCHING) is role


def test_only_contacts_of_faces_count() -> None:
    strengths = np.array([[0.2, 1.0], [0.9, 0.3], [0.4, 0.4]])
    assert face_touch(np.array([True, False, True]), strengths).tolist() == [0.4, 1.0]
    assert face_touch(np.array([False, False, False]), strengths).tolist() == [0.0, 0.0]


def test_who_turns_to_the_other_goes_further_than_alone_but_not_from_the_far_side() -> None:
    assert widest_turn(AHEAD, 1.0) == head_limits(AHEAD)[0] + TURN_MORE
    away = HeadPose(-15.0, 0.0, 0.0)
    assert widest_turn(away, 1.0) == head_limits(away)[0]
    assert widest_turn(away, -1.0) > widest_turn(away, 1.0)


def test_in_a_kiss_two_who_look_ahead_show_each_other_their_three_quarter_face() -> None:
    kiss = find("kiss", people=2)
    assert isinstance(kiss, DuetTemplate)
    tracks, duet = make_duet(two(), (0, 1), kiss, seconds=kiss.duration, fps=8, priors=False)
    frame = int(np.argmax(duet.contacts[0].strength))
    for track, towards in zip(tracks, (1.0, -1.0), strict=True):
        assert (track.head_pose[frame, 0] - track.head_pose[0, 0]) * towards > 28.0


def test_who_looks_up_in_the_photo_looks_at_the_other_in_a_hug() -> None:
    hug = find("hug", people=2)
    assert isinstance(hug, DuetTemplate)
    pitch = []
    for pose in (AHEAD, HeadPose(0.0, 20.0, 0.0)):
        (_, second), duet = make_duet(two(poses=(AHEAD, pose)), (0, 1), hug, seconds=hug.duration, fps=8, priors=False)
        moved = second.head_pose[int(np.argmax(duet.contacts[0].strength)), 1]
        pitch.append(float(moved - second.head_pose[0, 1]))
    assert pitch[1] < pitch[0] - 6.0
