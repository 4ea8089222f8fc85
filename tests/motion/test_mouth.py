from dataclasses import replace

import numpy as np
import pytest

from photoplay.motion.canonical import LOWER_LIP_ROWS, UPPER_LIP_ROWS, CanonicalFace
from photoplay.motion.expressions import FaceRig
from photoplay.motion.mouth import JAW_ANGLE, MEETING, _meeting
from photoplay.topology import ARKIT_INDEX, CHIN, FOREHEAD
from photoplay.types import Face, HeadPose
from tests.motion.rig_subjects import NAMES, face, turned

UPPER, LOWER = list(UPPER_LIP_ROWS[0]), list(LOWER_LIP_ROWS[0])


def canonical(of: Face, landmarks: np.ndarray) -> np.ndarray:
    frame = CanonicalFace.of(of)
    return (landmarks - frame.origin) @ np.linalg.inv(frame.axes).T


def lip_gap(of: Face, track: np.ndarray) -> np.ndarray:
    points = np.stack([canonical(of, frame) for frame in track])
    return points[:, UPPER, 1] - points[:, LOWER, 1]


def test_the_jaw_is_a_hinge() -> None:
    of = face("even")
    rig = FaceRig.build(of)
    row = np.zeros((1, 52), np.float32)
    row[0, ARKIT_INDEX["jawOpen"]] = 1.0
    before, after = rig.canonical.points, canonical(of, rig.pose(row, np.zeros((1, 2), np.float32))[0])
    arm_before, arm_after = before[CHIN, 1:] - rig.jaw.pivot[1:], after[CHIN, 1:] - rig.jaw.pivot[1:]
    assert rig.jaw.share[CHIN] == pytest.approx(1.0)
    assert np.linalg.norm(arm_after) == pytest.approx(np.linalg.norm(arm_before), rel=1e-3)
    turned = np.degrees(np.arctan2(arm_before[0], arm_before[1]) - np.arctan2(arm_after[0], arm_after[1]))
    assert turned == pytest.approx(JAW_ANGLE * (1 - rig.rest_blendshapes[ARKIT_INDEX["jawOpen"]]), rel=0.01)
    still = [FOREHEAD, 1, 33, 263, 234, 454, 6, 105, 334]
    assert np.abs(after[still] - before[still]).max() < 3e-4  # a gasp also takes the last of a smile back


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("amount", [0.1, 0.4, 0.8])
def test_mouth_close_brings_the_lips_together(name: str, amount: float) -> None:
    of = face(name)
    rig = FaceRig.build(of)
    rows = np.zeros((2, 52), np.float32)
    rows[:, ARKIT_INDEX["jawOpen"]] = amount
    rows[1, ARKIT_INDEX["mouthClose"]] = rig.absolute(rows)[1, ARKIT_INDEX["jawOpen"]]
    opened, closed = lip_gap(of, rig.pose(rows, np.zeros((2, 2), np.float32)))
    assert opened[5] > 0.03
    assert np.abs(closed).max() < 0.005


@pytest.mark.parametrize("shape", ["mouthPucker", "cheekPuff"])
def test_who_purses_the_lips_shuts_them(shape: str) -> None:
    of = face("hopper")
    rig = FaceRig.build(of)
    row = np.zeros((1, 52), np.float32)
    row[0, ARKIT_INDEX["jawOpen"]] = 0.25
    parted = replace(of, landmarks=rig.pose(row, np.zeros((1, 2), np.float32))[0])
    rows = np.zeros((2, 52), np.float32)
    rows[1, ARKIT_INDEX[shape]] = 1.0
    gap = lip_gap(parted, FaceRig.build(parted).pose(rows, np.zeros((2, 2), np.float32)))[:, 5]
    assert gap[0] > 0.08
    assert gap[1] < 0.5 * gap[0]


def test_lips_never_pass_through_each_other() -> None:
    of = face("hopper")
    rig = FaceRig.build(of)
    mouth = [index for name, index in ARKIT_INDEX.items() if name.startswith("mouth")]
    stream = np.random.default_rng(3)
    rows = np.zeros((200, 52), np.float32)
    rows[:, mouth] = stream.uniform(0.0, 1.0, (200, len(mouth))) ** 2
    floor = np.minimum(lip_gap(of, rig.rest[None])[0], 0.0)
    assert (lip_gap(of, rig.pose(rows, np.zeros((200, 2), np.float32))) > floor - 1e-4).all()


def test_lips_of_a_turned_head_meet_on_an_even_line() -> None:
    """Frontal faces and shut lips meet where they always do; the far end of an open mouth does not droop."""
    smiling = face("astronaut")
    side = turned(smiling, HeadPose(30.0, 0.0, 0.0))
    for of in (smiling, face("hopper"), turned(face("hopper"), HeadPose(30.0, 0.0, 0.0))):
        assert (FaceRig.build(of).lips.meeting == MEETING).all()
    rig = FaceRig.build(side)
    assert (rig.lips.meeting <= MEETING).all()
    blunt = np.zeros((478, 3))
    blunt[UPPER[1:-1], 1] = 0.1
    met = _meeting(blunt, blunt[UPPER, 1], 30.0)
    assert met[5] == pytest.approx(MEETING)
    assert met[[1, 9]].max() < 0.5 * MEETING
    assert (_meeting(blunt, blunt[UPPER, 1], 10.0) == MEETING).all()
    row = np.zeros((1, 52), np.float32)
    row[0, ARKIT_INDEX["mouthClose"]] = 1.0
    assert np.abs(lip_gap(side, rig.pose(row, np.zeros((1, 2), np.float32)))).max() < 0.005
