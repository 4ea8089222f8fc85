from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.generation.anchors import render
from photoplay.generation.limb_cut import _cleared
from photoplay.generation.limbs import Arm, ArmMotion
from photoplay.generation.person import FramedTrack
from photoplay.generation.source import frame_photo, frame_scene
from photoplay.types import Label, MotionTrack, Photo, Scene
from tests.generation.actors import REST, astronaut, plan, subject, track

SHOULDER, ELBOW, WRIST = (160.0, 150.0), (250.0, 150.0), (330.0, 150.0)


def drawn() -> tuple[Scene, np.ndarray]:
    """A small head over a torso with one arm held out to the side, and its joints."""
    rest = (astronaut().subjects[0].face.landmarks - [227, 110, 0]) * 0.35 + [120, 80, 0]
    photo = np.full((320, 400, 3), (90, 150, 200), np.uint8)
    mask = np.zeros((320, 400), np.uint8)
    for image, body, sleeve in ((photo, (180, 60, 60), (60, 160, 60)), (mask, (255,), (255,))):
        cv2.rectangle(image, (75, 125), (165, 319), body, -1)
        cv2.ellipse(image, (120, 80), (24, 34), 0, 0, 360, (220, 180, 150) if image is photo else (255,), -1)
        cv2.line(image, (160, 150), (345, 150), sleeve, 26)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)
    points = np.zeros((33, 3), np.float32)
    places = {11: SHOULDER, 12: (80, 150), 13: ELBOW, 15: WRIST, 17: (345, 152), 19: (345, 148), 21: (338, 145)}
    places |= {23: (150, 300), 24: (90, 300), 14: (70, 220), 16: (70, 280), 18: (70, 290), 20: (70, 290)}
    for k, (x, y) in places.items():
        points[k, :2] = x, y
    return Scene(Photo(photo, "0" * 64), (subject(rest.astype(np.float32), mask),), mask), points


def arm_track(degrees: list[float]) -> tuple[Scene, MotionTrack]:
    """The left arm turns about its shoulder by ``degrees``, stiff."""
    scene, points = drawn()
    still = track(scene, [REST] * len(degrees))
    joints = np.repeat(points[None], len(degrees), axis=0)
    for k, angle in enumerate(np.radians(degrees)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for j in (13, 15, 17, 19, 21):
            joints[k, j, :2] = SHOULDER + turn @ (points[j, :2] - SHOULDER)
    visibility = np.zeros(33, np.float32)
    visibility[[11, 12, 13, 15, 17, 19, 21, 23, 24]] = 1
    still = replace(still, rest_joints=points, joints=joints.astype(np.float32), joint_visibility=visibility)
    return scene, still


def sized(frames: int):
    return replace(plan(frames), width=400, height=320, crop=(0.0, 0.0, 400.0, 320.0))


def test_a_stiff_arm_turns_rigidly_beyond_the_shoulder():
    scene, moving = arm_track([0.0, 30.0])
    framed = FramedTrack.of(moving, frame_scene(scene, sized(2)))
    arm = Arm.of(framed, "left")
    assert arm.moves(framed)
    nodes = np.array([[220, 145], [300, 155], [330, 150]], np.float32)
    motion = ArmMotion.of(nodes, arm, framed)
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert np.allclose(motion.pose(1)[:, :2], SHOULDER + (nodes - SHOULDER) @ turn.T, atol=0.6)
    assert (motion.pose(0) == motion.rest).all()


def test_angles_run_on_past_half_a_turn():
    _, moving = arm_track([float(a) for a in range(0, 300, 15)])
    scene, _ = drawn()
    framed = FramedTrack.of(moving, frame_scene(scene, sized(20)))
    turns = Arm.of(framed, "left").turns[:, 0]
    assert np.allclose(np.diff(turns), np.radians(15), atol=1e-3)


@pytest.fixture(scope="module")
def raised():
    scene, moving = arm_track([0.0, -50.0])
    return scene, next(render(scene, [moving], sized(2)))


def test_an_arm_at_rest_leaves_the_photo_alone(raised):
    scene, anchor = raised
    assert (anchor.rgb[0] == frame_photo(scene.photo.pixels, sized(2))).all()


def test_a_raised_arm_leaves_background_behind_and_appears_above(raised):
    _, anchor = raised
    left_behind = anchor.rgb[1, 135:165, 230:320].astype(int)
    assert np.abs(left_behind - (90, 150, 200)).max() < 12
    angle = np.radians(-50)
    for reach in (90, 140):
        x, y = round(SHOULDER[0] + reach * np.cos(angle)), round(SHOULDER[1] + reach * np.sin(angle))
        assert np.abs(anchor.rgb[1, y, x].astype(int) - (60, 160, 60)).max() < 12
        assert anchor.labels[1, y, x] == Label.ARM


def test_the_torso_does_not_follow_the_arm(raised):
    _, anchor = raised
    assert (anchor.rgb[1, 200:, 80:160] == anchor.rgb[0, 200:, 80:160]).all()


def test_an_arm_that_is_not_seen_is_not_cut():
    scene, moving = arm_track([0.0, -50.0])
    hidden = replace(moving, joint_visibility=np.zeros(33, np.float32))
    framed = FramedTrack.of(hidden, frame_scene(scene, sized(2)))
    assert not Arm.of(framed, "left").moves(framed)


@pytest.mark.parametrize(
    ("body", "flap", "stays"), [((180, 60, 60), (92, 150, 198), False), ((60, 130, 220),) * 2 + (True,)]
)
def test_gaps_beside_the_torso_open_and_clothes_like_the_wall_do_not_tear(body, flap, stays):
    """Under the arm the matte covers more: background between arm and torso, or cloth a little bluer than the wall."""
    scene, moving = arm_track([0.0, -50.0])
    framed = FramedTrack.of(moving, frame_scene(scene, sized(2)))
    behind = np.full((320, 400, 3), (90, 150, 200), np.uint8)
    remains = np.zeros((320, 400, 4), np.uint8)
    remains[125:, 75:166], remains[160:185, 166:215] = (*body, 255), (*flap, 255)
    cleared = _cleared(remains, behind, np.zeros(2, np.float32), Arm.of(framed, "left"), framed)
    kept = cleared[161:163, 176:190, 3].mean() / 255
    assert kept > 0.98 if stays else kept < 0.1


def test_arms_that_lie_on_each_other_are_not_cut_apart():
    scene, moving = arm_track([0.0, -50.0])
    joints, visibility = moving.rest_joints.copy(), moving.joint_visibility.copy()
    visibility[[14, 16]] = 1
    for hand, cut in (((100.0, 280.0), True), ((290.0, 152.0), False)):
        joints[[16, 18, 20], :2] = hand
        framed = FramedTrack.of(
            replace(moving, rest_joints=joints, joint_visibility=visibility), frame_scene(scene, sized(2))
        )
        assert Arm.of(framed, "left").moves(framed) == cut
