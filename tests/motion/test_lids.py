import numpy as np
import pytest

from photoplay.motion.expressions import FaceRig
from photoplay.motion.lids import LOWER_RISE, LidMotion, lid_places
from photoplay.topology import (
    ARKIT_INDEX,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from tests.motion.rig_subjects import NAMES, face

EYES = {"Left": (LEFT_EYE_UPPER, LEFT_EYE_LOWER), "Right": (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)}
NO_GAZE = np.zeros((1, 2), np.float32)


def weights(**asked: float) -> np.ndarray:
    row = np.zeros((1, 52), np.float32)
    for name, value in asked.items():
        row[0, ARKIT_INDEX[name]] = value
    return row


def gaps(landmarks: np.ndarray, side: str) -> np.ndarray:
    """Lid gaps over eye width."""
    upper, lower = (landmarks[list(lid)] for lid in EYES[side])
    return np.linalg.norm(upper - lower, axis=1) / np.linalg.norm(upper[0] - upper[-1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("extra", [{}, {"eyeSquint": 0.7}, {"eyeWide": 1.0}, {"mouthSmile": 1.0}, {"eyeLookDown": 0.8}])
def test_a_blink_closes_these_lids(name: str, extra: dict[str, float]) -> None:
    rig = FaceRig.build(face(name))
    for side in EYES:
        assert gaps(rig.rest, side).max() > 0.15
        asked = {f"{shape}{side}": value for shape, value in extra.items()}
        posed = rig.pose(weights(**asked, **{f"eyeBlink{side}": 1.0}), NO_GAZE)[0]
        assert gaps(posed, side).max() < 0.01


def test_the_lower_lid_takes_its_share() -> None:
    rig = FaceRig.build(face("even"))
    posed = rig.pose(weights(eyeBlinkLeft=1.0), NO_GAZE)[0]
    middle = LEFT_EYE_LOWER[4]
    risen = rig.rest[middle, 1] - posed[middle, 1]
    gap = rig.rest[middle, 1] - rig.rest[LEFT_EYE_UPPER[4], 1]
    assert risen / gap == pytest.approx(LOWER_RISE, abs=0.05)


def test_one_eye_winks_alone() -> None:
    rig = FaceRig.build(face("hopper"))
    posed = rig.pose(weights(eyeBlinkLeft=1.0), NO_GAZE)[0]
    right = [*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER, *RIGHT_IRIS]
    assert np.array_equal(posed[right], rig.rest[right])


def test_lids_never_cross() -> None:
    stream = np.random.default_rng(1)
    blink, squint, wide, cheek = stream.uniform(0.0, 1.0, (4, 4000))
    upper, lower = lid_places(LidMotion(blink, squint, wide, cheek, stream.uniform(-35.0, 35.0, 4000)))
    assert (upper <= lower + 1e-9).all()
    shut = LidMotion(np.ones(4000), squint, wide, cheek, stream.uniform(-35.0, 35.0, 4000))
    upper, lower = lid_places(shut)
    assert upper == pytest.approx(lower)


def test_closing_is_monotonic() -> None:
    rig = FaceRig.build(face("hopper"))
    rows = np.zeros((11, 52), np.float32)
    rows[:, ARKIT_INDEX["eyeBlinkLeft"]] = np.linspace(0.0, 1.0, 11)
    posed = rig.pose(rows, np.zeros((11, 2), np.float32))
    assert (np.diff([gaps(frame, "Left")[4] for frame in posed]) < 0).all()


@pytest.mark.parametrize(
    ("yaw", "pitch", "axis", "sign"), [(15, 0, 0, 1), (-15, 0, 0, -1), (0, 15, 1, -1), (0, -15, 1, 1)]
)
def test_irises_turn_on_the_eyeball(yaw: float, pitch: float, axis: int, sign: int) -> None:
    rig = FaceRig.build(face("even"))
    posed = rig.pose(np.zeros((1, 52), np.float32), np.array([[yaw, pitch]], np.float32))[0]
    for eye, iris in zip(rig.eyes, (LEFT_IRIS, RIGHT_IRIS), strict=True):
        moved = posed[list(iris)] - rig.rest[list(iris)]
        assert np.sign(moved[:, axis]) == pytest.approx(sign)
        turned = eye.iris_points + eye.irises(np.array([[yaw, pitch]], np.float64))[0]
        radius = np.linalg.norm(eye.iris_points, axis=1)
        assert np.linalg.norm(turned, axis=1) == pytest.approx(radius)  # rigid
        angle = np.degrees(np.arccos(turned[0] @ eye.iris_points[0] / radius[0] ** 2))
        assert angle == pytest.approx(15.0, abs=0.6)


def test_upper_lid_follows_the_gaze() -> None:
    rig = FaceRig.build(face("hopper"))
    look = np.array([[0, -20], [0, 0], [0, 15]], np.float32)
    posed = rig.pose(np.zeros((3, 52), np.float32), look)
    heights = posed[:, LEFT_EYE_UPPER[4], 1]
    assert heights[0] > heights[1] > heights[2]
