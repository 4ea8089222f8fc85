import numpy as np
import pytest

from photoplay.motion.expressions import FaceRig
from photoplay.topology import (
    ARKIT_INDEX,
    ARKIT_NAMES,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    face_mirror,
    face_triangles,
    inter_ocular,
)
from photoplay.types import HeadPose
from tests.motion.rig_subjects import NAMES, even, face, turned

NO_GAZE = np.zeros((1, 2), np.float32)
EVERY = np.eye(52, dtype=np.float32)
CLOSED = np.zeros((52, 2), np.float32)


def only(**asked: float) -> np.ndarray:
    row = np.zeros((1, 52), np.float32)
    for name, value in asked.items():
        row[0, ARKIT_INDEX[name]] = value
    return row


@pytest.mark.parametrize("name", NAMES)
def test_no_weights_are_exactly_the_photo(name: str) -> None:
    rig = FaceRig.build(face(name))
    assert np.array_equal(
        rig.pose(np.zeros((3, 52), np.float32), np.zeros((3, 2), np.float32)), np.stack([rig.rest] * 3)
    )


def test_every_shape_moves_the_face() -> None:
    of = face("hopper")
    moved = np.linalg.norm(FaceRig.build(of).pose(EVERY, CLOSED) - of.landmarks, axis=2).max(axis=1) / inter_ocular(
        of.landmarks
    )
    silent = {ARKIT_NAMES[k] for k in np.flatnonzero(moved < 0.02)}
    assert silent <= {"tongueOut", "mouthClose"}  # no landmark for the tongue; these lips are closed already
    assert moved.max() < 0.8


@pytest.mark.parametrize("name", NAMES)
def test_no_skin_folds_over(name: str) -> None:
    """No shape turns a skin triangle inside out, seen from the front; lids and lips close and may."""
    of = turned(face(name), HeadPose(0.0, 0.0, 0.0))
    rig = FaceRig.build(of)
    lids = {*LEFT_EYE_LOWER, *LEFT_EYE_UPPER, *RIGHT_EYE_LOWER, *RIGHT_EYE_UPPER}
    skin = np.array([t for t in face_triangles() if not lids & set(t.tolist())])

    def area(landmarks: np.ndarray) -> np.ndarray:
        a, b, c = (landmarks[..., skin[:, k], :2] for k in range(3))
        return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])

    scale = inter_ocular(of.landmarks) ** 2
    rest, posed = area(of.landmarks) / scale, area(rig.pose(EVERY, CLOSED)) / scale
    facing = np.abs(rest) > 1e-3
    folded = facing & (np.sign(posed) != np.sign(rest)) & (np.abs(posed) > 1e-3)
    assert {ARKIT_NAMES[k]: skin[folded[k]].tolist() for k in np.flatnonzero(folded.any(axis=1))} == {}


def test_left_and_right_mirror_each_other() -> None:
    of = even(face("hopper"))
    rig = FaceRig.build(of)
    offsets = rig.pose(EVERY, CLOSED) - of.landmarks
    for name in ARKIT_NAMES:
        if "Left" in name:
            ours, other = offsets[ARKIT_INDEX[name]], offsets[ARKIT_INDEX[name.replace("Left", "Right")]]
            assert other[face_mirror()] * np.array([-1, 1, 1]) == pytest.approx(ours, abs=2e-3)


@pytest.mark.parametrize("pose", [HeadPose(30.0, 5.0, -10.0), HeadPose(-25.0, -15.0, 20.0)])
def test_posing_and_turning_the_head_commute(pose: HeadPose) -> None:
    of = face("hopper")
    stream = np.random.default_rng(2)
    weights = stream.uniform(0.0, 1.0, (8, 52)).astype(np.float32)
    gaze = stream.normal(0.0, 8.0, (8, 2)).astype(np.float32)
    there = turned(of, pose, 2.0)
    ours = FaceRig.build(there).pose(weights, gaze)
    turn = 2.0 * pose.matrix().astype(np.float64) @ of.head_pose.matrix().astype(np.float64).T
    centre = of.landmarks.mean(axis=0).astype(np.float64)
    theirs = (FaceRig.build(of).pose(weights, gaze) - centre) @ turn.T + centre
    assert ours == pytest.approx(theirs, abs=0.01 * inter_ocular(of.landmarks))


def test_directions_are_the_faces() -> None:
    of = even(face("hopper"))
    rig = FaceRig.build(of)

    def moves(landmark: int, **asked: float) -> np.ndarray:
        offset: np.ndarray = rig.pose(only(**asked), NO_GAZE)[0, landmark] - of.landmarks[landmark]
        return offset / inter_ocular(of.landmarks)

    smile = moves(291, mouthSmileLeft=1.0)
    assert smile[0] > 0.08  # outwards
    assert smile[1] < -0.08  # up
    assert smile[2] > 0.05  # back along the cheek
    assert moves(291, mouthPucker=1.0)[0] < -0.05
    assert moves(13, mouthPucker=1.0)[2] < -0.08  # forward
    assert moves(291, mouthFrownLeft=1.0)[1] > 0.04
    assert moves(107, browInnerUp=1.0)[1] < -0.05
    assert moves(282, browOuterUpLeft=1.0)[1] < -0.08
    assert moves(285, browDownLeft=1.0)[1] > 0.02
    assert moves(152, jawOpen=1.0)[1] > 0.3
    assert moves(152, jawLeft=1.0)[0] > 0.1
    assert moves(14, mouthRollLower=1.0)[2] > 0.1
    assert moves(280, cheekSquintLeft=1.0)[1] < -0.05


def test_a_photo_that_smiles_can_smile_only_so_much_more() -> None:
    """The weight is absolute: what the photo holds already is not added again."""
    smiling, sober = FaceRig.build(face("astronaut")), FaceRig.build(face("hopper"))
    smile = ARKIT_INDEX["mouthSmileLeft"]
    assert smiling.rest_blendshapes[smile] > 0.6
    assert sober.rest_blendshapes[smile] < 0.3
    asked = only(mouthSmileLeft=1.0, mouthSmileRight=1.0)

    def reach(rig: FaceRig) -> float:
        moved = rig.pose(asked, NO_GAZE)[0] - rig.rest
        return float(np.linalg.norm(moved[291])) / inter_ocular(rig.rest)

    assert reach(smiling) < 0.45 * reach(sober)
    assert smiling.absolute(asked)[0, smile] == pytest.approx(1.0)
    assert smiling.absolute(0 * asked)[0] == pytest.approx(smiling.rest_blendshapes)


def test_an_open_mouth_counts_as_an_open_jaw() -> None:
    of = face("hopper")
    rig = FaceRig.build(of)
    opened = rig.pose(only(jawOpen=0.5), NO_GAZE)[0]
    width = np.linalg.norm(opened[78] - opened[308])
    again = type(of)(
        opened,
        of.box,
        1.0,
        of.head_pose,
        of.eye_opening,
        float(np.linalg.norm(opened[13] - opened[14]) / width),
        of.visibility,
    )
    assert FaceRig.build(again).rest_blendshapes[ARKIT_INDEX["jawOpen"]] == pytest.approx(0.5, abs=0.12)


def test_one_corner_is_not_pulled_apart_by_many_shapes() -> None:
    rig = FaceRig.build(face("hopper"))
    one = rig.pose(only(mouthSmileLeft=1.0), NO_GAZE)[0] - rig.rest
    many = rig.pose(only(mouthSmileLeft=1.0, mouthStretchLeft=1.0, mouthDimpleLeft=1.0), NO_GAZE)[0] - rig.rest
    assert np.linalg.norm(many[291]) < 1.4 * np.linalg.norm(one[291])
