from dataclasses import replace

import numpy as np
import pytest

from photoplay.motion.retarget import make_track, neck_pivot
from photoplay.motion.skeleton import ARMS, HIPS, SHOULDERS, Skeleton, estimate_joints
from photoplay.motion.taming import head_limits, soft_clip
from photoplay.topology import ARKIT_INDEX, POSE_INDEX, inter_ocular
from photoplay.types import Body, Face, HeadPose, MotionTrack, Performance, Subject
from tests.motion.rig_subjects import NAMES, even, face, scene, still, turned


def ramp(frames: int = 48, **curves: float) -> Performance:
    """Names like ``head_0=10``: that channel rises from 0 to its value; frame 0 is at rest."""
    performance = still(frames)
    up = np.linspace(0.0, 1.0, frames, dtype=np.float32)
    for name, value in curves.items():
        array, *index = name.split("_")
        getattr(performance, array)[(slice(None), *map(int, index))] = up * value
    return performance


def track(
    performance: Performance, of: Face | None = None, body: Body | None = None, intensity: float = 1.0
) -> MotionTrack:
    return make_track(scene(of or face("hopper"), body=body), 0, performance, intensity=intensity)


def standing(of: Face) -> Body:
    return Body(estimate_joints(of).astype(np.float32), np.ones(33, np.float32))


def codes(made: MotionTrack) -> set[str]:
    return {notice.code for notice in made.notices}


@pytest.mark.parametrize("name", NAMES)
def test_a_still_performance_leaves_the_photo(name: str) -> None:
    made = track(still(5), face(name))
    assert np.array_equal(made.landmarks, np.stack([made.rest_landmarks] * 5))
    assert np.array_equal(made.joints, np.stack([made.rest_joints] * 5))
    assert made.head_transform == pytest.approx(np.stack([np.eye(3, 4)] * 5), abs=1e-4)
    assert made.notices == ()


def test_frame_0_is_the_photo_whatever_the_performance_starts_with() -> None:
    performance = still(24)
    for curve in (performance.head, performance.torso, performance.gaze, performance.blendshapes, performance.breath):
        curve[:] = 0.2
    performance.arms[:] = 5.0
    made = track(performance, body=standing(face("hopper")))
    assert np.array_equal(made.landmarks[0], made.rest_landmarks)
    assert np.array_equal(made.joints[0], made.rest_joints)
    assert np.abs(made.landmarks[1] - made.rest_landmarks).max() < 0.1 * inter_ocular(made.rest_landmarks)
    assert np.abs(made.landmarks[-1] - made.rest_landmarks).max() > 1.0


def test_the_head_moves_rigidly_and_as_the_transform_says() -> None:
    made = track(ramp(head_0=10.0, head_1=-6.0, head_2=5.0, head_3=0.1))
    turn, shift = made.head_transform[:, :, :3], made.head_transform[:, :, 3]
    expected = np.einsum("fij,nj->fni", turn, made.rest_landmarks) + shift[:, None]
    assert made.landmarks == pytest.approx(expected, abs=0.02)
    assert np.einsum("fij,fkj->fik", turn, turn) == pytest.approx(np.stack([np.eye(3)] * 48), abs=1e-5)
    assert np.linalg.det(turn) == pytest.approx(np.ones(48), abs=1e-5)


@pytest.mark.parametrize(("channel", "angle"), [("head_0", 10.0), ("head_1", 8.0), ("head_2", -9.0)])
def test_a_pure_turn_adds_to_the_pose(channel: str, angle: float) -> None:
    made = track(ramp(**{channel: angle}), even(face("hopper")))
    expected = np.zeros(3)
    expected[int(channel[-1])] = angle
    assert made.head_pose[-1] == pytest.approx(expected, abs=1e-3)


def test_turning_goes_the_way_the_signs_say() -> None:
    of = even(face("hopper"))
    rest = of.landmarks
    unit = inter_ocular(rest)
    nose, brow = 1, 10

    def relative(made: MotionTrack, landmark: int) -> np.ndarray:
        offset: np.ndarray = (made.landmarks[-1, landmark] - rest[landmark]) / unit
        return offset

    assert relative(track(ramp(head_0=12.0), of), nose)[0] > 0.1  # towards the image's right
    assert relative(track(ramp(head_1=10.0), of), nose)[1] < -0.1  # up
    assert relative(track(ramp(head_2=10.0), of), brow)[0] > 0.1  # clockwise: the top goes right


def test_the_head_turns_about_the_neck() -> None:
    of = face("hopper")
    pivot = neck_pivot(of.landmarks, of.head_pose)
    made = track(ramp(head_0=15.0, head_1=-8.0, head_2=6.0), of)
    moved = made.head_transform[:, :, :3] @ pivot + made.head_transform[:, :, 3]
    assert moved == pytest.approx(np.stack([pivot] * 48), abs=0.05)
    assert pivot[1] > of.landmarks[1, 1]  # below the nose


@pytest.mark.parametrize(("pose", "limit"), [(HeadPose(0.0, 0.0, 0.0), 22.0), (HeadPose(-30.0, 0.0, 0.0), 12.0)])
def test_ranges_never_leave_what_the_photo_carries(pose: HeadPose, limit: float) -> None:
    of = turned(face("hopper"), pose)
    assert head_limits(pose)[0] == pytest.approx(limit)
    made = track(ramp(head_0=35.0, head_1=30.0, head_2=25.0), of)
    assert "motion_tamed" in codes(made)
    for channel, most in (("head_0", limit), ("head_1", 15.0), ("head_2", 18.0)):
        for sign in (-1.0, 1.0):
            turn = track(ramp(**{channel: sign * 40.0}), of).head_transform[-1, :, :3]
            angle = np.degrees(np.arccos((np.trace(turn) - 1) / 2))
            assert 0.8 * most < angle <= most
    assert "motion_tamed" not in codes(track(ramp(head_0=0.6 * limit), of))


def test_soft_clip_is_smooth_and_bounded() -> None:
    value = np.linspace(-100.0, 100.0, 20001)
    clipped = soft_clip(value, 20.0)
    assert np.abs(clipped).max() <= 20.0
    assert clipped[np.abs(value) < 14.0] == pytest.approx(value[np.abs(value) < 14.0])
    slope = np.diff(clipped) / np.diff(value)
    assert slope.min() >= 0.0
    assert np.abs(np.diff(slope)).max() < 0.01


def test_the_head_stays_in_the_picture() -> None:
    of = face("hopper")
    shift = np.array([200.0, 0.0, 0.0], np.float32)
    aside = replace(of, landmarks=of.landmarks + shift)
    made = track(ramp(head_3=0.85, torso_3=0.25), aside)
    assert "head_kept_in_picture" in codes(made)
    width = scene(aside).photo.width
    assert made.landmarks[..., 0].max() <= max(width, aside.landmarks[:, 0].max() + 0.3 * inter_ocular(of.landmarks))


def test_intensity_scales() -> None:
    performance = ramp(head_0=8.0, blendshapes_44=0.6, torso_2=3.0)
    reach = [
        float(np.abs(track(performance, intensity=intensity).landmarks[-1] - face("hopper").landmarks).mean())
        for intensity in (0.0, 0.5, 1.0)
    ]
    assert reach[0] == 0.0
    assert reach[1] == pytest.approx(reach[2] / 2, rel=0.2)


def test_a_gentle_performance_still_closes_the_eyes() -> None:
    blink = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
    performance = ramp(**{f"blendshapes_{index}": 1.0 for index in blink}, blendshapes_44=0.5)
    made = track(performance, intensity=0.5)
    assert made.blendshapes[-1, blink] == pytest.approx(1.0)
    assert not np.array_equal(made.landmarks[-1], track(performance).landmarks[-1])


def test_coming_nearer_makes_the_head_larger() -> None:
    made = track(ramp(head_5=-1.0))
    assert np.linalg.det(made.head_transform[-1, :, :3]) > 1.1


def test_unseen_joints_are_estimated_with_visibility_0() -> None:
    of = face("hopper")
    made = track(still(2))
    assert not made.joint_visibility.any()
    joints, unit = made.rest_joints, inter_ocular(of.landmarks)
    left, right = joints[list(SHOULDERS)]
    assert left[0] > right[0]
    assert 4.5 < np.linalg.norm(left - right) / unit < 6.0
    assert left[1] > of.landmarks[152, 1]
    assert joints[HIPS[0], 1] > left[1] + 5 * unit
    assert joints[POSE_INDEX["nose"]] == pytest.approx(of.landmarks[1])


def test_seen_joints_stand_and_the_rest_fits_to_them() -> None:
    of = face("hopper")
    joints = estimate_joints(of).astype(np.float32)
    joints[:, 0] += 30.0
    visibility = np.zeros(33, np.float32)
    visibility[list(SHOULDERS)] = 0.9
    skeleton = Skeleton.of(Subject(of, Body(joints, visibility)))
    assert skeleton.joints[list(SHOULDERS)] == pytest.approx(joints[list(SHOULDERS)])
    assert skeleton.joints[list(HIPS), :2] == pytest.approx(joints[list(HIPS), :2], abs=0.5)
    assert skeleton.visibility[HIPS[0]] == 0.0


def test_arms_that_are_not_seen_stay() -> None:
    made = track(ramp(arms_0_0=40.0, arms_1_0=40.0))
    assert [notice.code for notice in made.notices] == ["arm_not_visible"] * 2
    assert np.array_equal(made.joints[-1], made.rest_joints)


@pytest.mark.parametrize("side", [0, 1])
def test_arms_move_by_forward_kinematics(side: int) -> None:
    body = standing(face("hopper"))
    made = track(ramp(**{f"arms_{side}_0": 40.0, f"arms_{side}_1": 50.0}), body=body)
    (shoulder,), (elbow,), (wrist,), hand = ARMS[side]
    rest, last = made.rest_joints.astype(np.float64), made.joints[-1].astype(np.float64)

    def bone(joints: np.ndarray, start: int, end: int) -> np.ndarray:
        return joints[end, :2] - joints[start, :2]

    def turned_by(start: int, end: int) -> float:
        before, after = bone(rest, start, end), bone(last, start, end)
        cross = before[0] * after[1] - before[1] * after[0]
        return float(np.degrees(np.arctan2(cross, before @ after)))

    outward = -1.0 if side == 0 else 1.0  # the left arm is at the image's right: against the clock
    assert turned_by(shoulder, elbow) == pytest.approx(outward * 40.0, abs=0.1)
    assert turned_by(elbow, wrist) == pytest.approx(outward * 90.0, abs=0.1)
    assert turned_by(wrist, hand[0]) == pytest.approx(outward * 90.0, abs=0.1)
    for start, end in ((shoulder, elbow), (elbow, wrist), (wrist, hand[1])):
        assert np.linalg.norm(bone(last, start, end)) == pytest.approx(np.linalg.norm(bone(rest, start, end)), rel=1e-4)
    assert last[elbow, 1] < rest[elbow, 1]
    assert abs(last[elbow, 0] - rest[shoulder, 0]) > abs(rest[elbow, 0] - rest[shoulder, 0])
    assert np.array_equal(made.joints[-1, list(ARMS[1 - side][1])], made.rest_joints[list(ARMS[1 - side][1])])


def test_an_arm_that_is_up_already_goes_little_further() -> None:
    body = standing(face("hopper"))
    joints = body.joints.copy()
    (shoulder,), (elbow,), (wrist,), hand = ARMS[0]
    reach = np.linalg.norm(joints[elbow] - joints[shoulder])
    for steps, place in ((1, elbow), (2, wrist), *((2.4, point) for point in hand)):
        joints[place] = joints[shoulder] + np.array([steps * reach, 0.0, 0.0])  # held out level
    made = track(ramp(arms_0_0=90.0, arms_0_1=90.0), body=replace(body, joints=joints))
    upper, fore = (made.joints[-1, b, :2] - made.joints[-1, a, :2] for a, b in ((shoulder, elbow), (elbow, wrist)))
    assert 20.0 < np.degrees(np.arctan2(-upper[1], upper[0])) < 36.0
    assert 85.0 < np.degrees(np.arctan2(-fore[1], fore[0])) < 101.0
    assert "arm_tamed" in codes(made)
    folded = track(ramp(arms_0_1=-100.0), body=replace(body, joints=joints))
    assert np.abs(folded.joints[-1, wrist] - folded.rest_joints[wrist]).max() < 1e-3


@pytest.mark.parametrize(("apart", "still"), [(0.1, True), (0.8, False)])
def test_folded_hands_stay_folded(apart: float, still: bool) -> None:
    """Both forearms come together before the belly; ``apart`` is in shoulder widths."""
    body = standing(face("hopper"))
    joints = body.joints.copy()
    middle, width = joints[list(SHOULDERS)].mean(axis=0), np.linalg.norm(np.diff(joints[list(SHOULDERS)], axis=0))
    for side, aside in ((0, 0.5), (1, -0.5)):
        (_, (elbow,), (wrist,), hand) = ARMS[side]
        for point in (wrist, *hand):
            joints[point] = [middle[0] + aside * apart * width, joints[elbow, 1] + 0.3 * width, 0.0]
    made = track(ramp(arms_0_0=40.0, arms_1_1=60.0), body=replace(body, joints=joints))
    moved = np.abs(made.joints[-1] - made.rest_joints).max()
    assert (moved < 1e-3) == still
    assert ([notice.code for notice in made.notices] == ["arms_together"] * 2) == still


def test_breath_and_shrug_lift_the_shoulders() -> None:
    performance = ramp(arms_0_3=0.08)
    performance.breath[:] = np.linspace(0.0, 1.0, 48)
    made = track(performance)
    width = np.linalg.norm(made.rest_joints[SHOULDERS[0]] - made.rest_joints[SHOULDERS[1]])
    lift = (made.rest_joints[list(SHOULDERS), 1] - made.joints[-1, list(SHOULDERS), 1]) / width
    assert 0.01 < lift[1] < 0.04  # breath alone
    assert lift[0] == pytest.approx(lift[1] + 0.08, abs=0.005)
    assert made.joints[-1, 0, 1] < made.rest_joints[0, 1]  # the head rises a little too


def test_the_head_follows_the_torso() -> None:
    made = track(ramp(torso_2=5.0))
    neck = made.rest_joints[list(SHOULDERS)].mean(axis=0)
    carried = made.joints[-1, list(SHOULDERS)].mean(axis=0) - neck
    head = made.landmarks[-1].mean(axis=0) - made.rest_landmarks.mean(axis=0)
    assert carried[0] > 5.0
    assert head[0] > carried[0]
    assert 1.0 < made.head_pose[-1, 2] - made.head_pose[0, 2] < 5.0


def test_weights_are_reported_absolute() -> None:
    smile = ARKIT_INDEX["mouthSmileLeft"]
    made = track(ramp(**{f"blendshapes_{smile}": 1.0}), face("astronaut"))
    assert made.blendshapes[0] == pytest.approx(made.rest_blendshapes)
    assert made.blendshapes[-1, smile] == pytest.approx(1.0)
