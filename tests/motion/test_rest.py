"""A smile in the photo can be taken back: by what opposes it, by a negative weight, and never by nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.motion.expressions import FaceRig
from photoplay.motion.rest import NEUTRAL_CORNER, OPPOSING, SIDES, open_smile, smile_taken_back
from photoplay.topology import ARKIT_INDEX, inter_ocular
from tests.motion.rig_subjects import face

NO_GAZE = np.zeros((1, 2), np.float32)


def both(**asked: float) -> np.ndarray:
    row = np.zeros((1, 52), np.float32)
    for name, value in asked.items():
        for side in SIDES:
            row[0, ARKIT_INDEX[name if name in ARKIT_INDEX else f"{name}{side}"]] = value
    return row


def corners(rig: FaceRig, **asked: float) -> tuple[float, float]:
    """Mouth width, and height of the corners over the lips' middle, in inter-ocular distances."""
    points = (rig.pose(both(**asked), NO_GAZE)[0] - rig.canonical.origin) @ np.linalg.inv(rig.canonical.axes).T
    height = points[[61, 291], 1].mean() - points[[0, 17], 1].mean()
    return float(points[291, 0] - points[61, 0]), float(height)


def test_a_negative_smile_leads_to_a_neutral_mouth() -> None:
    smiling, sober = FaceRig.build(face("astronaut")), FaceRig.build(face("hopper"))
    width, height = corners(smiling)
    assert width > 1.0
    assert height > 0.1
    width, height = corners(smiling, mouthSmile=-1.0)
    assert 0.74 < width < 0.90
    assert height == pytest.approx(NEUTRAL_CORNER, abs=0.03)
    assert corners(sober, mouthSmile=-1.0) == pytest.approx(corners(sober), abs=0.06)


def test_a_smile_that_goes_closes_the_lips() -> None:
    rig = FaceRig.build(face("astronaut"))
    relaxed = rig.pose(both(mouthSmile=-1.0), NO_GAZE)[0]
    gap = np.linalg.norm(relaxed[13] - relaxed[14]) / inter_ocular(rig.rest)
    assert np.linalg.norm(rig.rest[13] - rig.rest[14]) / inter_ocular(rig.rest) > 0.14
    assert gap < 0.05


def test_who_smiles_can_frown_pout_and_gasp() -> None:
    rig = FaceRig.build(face("astronaut"))
    width, _ = corners(rig)
    assert corners(rig, mouthFrown=0.5)[1] < -0.02
    assert corners(rig, mouthPucker=0.7)[0] < 0.7 * width
    assert corners(rig, jawOpen=0.4, mouthFunnel=0.2)[0] < 0.85 * width
    assert rig.absolute(both(mouthFrown=0.6))[0, ARKIT_INDEX["mouthSmileLeft"]] < 0.15


def test_a_smile_that_is_asked_for_stays() -> None:
    rig = FaceRig.build(face("astronaut"))
    assert corners(rig, mouthSmile=0.7, jawOpen=0.5)[0] > corners(rig, jawOpen=0.5)[0] + 0.1
    assert smile_taken_back(both(mouthSmile=0.7, jawOpen=0.5).astype(np.float64)) == pytest.approx(0.0)


def test_taking_back_is_smooth_and_one_sided() -> None:
    assert smile_taken_back(np.zeros((1, 52))) == pytest.approx(0.0)
    ramp = np.linspace(0.0, 1.0, 101)[:, None]
    taken = smile_taken_back(ramp * both(mouthFrown=1.0).astype(np.float64))
    assert (np.diff(taken, axis=0) > 0.0).all()
    assert np.abs(np.diff(taken, 2, axis=0)).max() < 0.012
    assert taken[3].max() < 0.06  # a tremor of the lips takes no smile away
    left = np.zeros((1, 52))
    left[0, ARKIT_INDEX["mouthFrownLeft"]] = 0.5
    assert smile_taken_back(left)[0, 0] > 0.6
    assert smile_taken_back(left)[0, 1] == pytest.approx(0.0)


def test_every_opposing_shape_is_one() -> None:
    for name in OPPOSING:
        assert smile_taken_back(both(**{name: 1.0}).astype(np.float64)).min() > 0.3


def test_open_smiles_are_told_from_shut_lips_and_from_an_open_jaw() -> None:
    assert open_smile(face("astronaut")) == 1.0
    assert open_smile(face("hopper")) == 0.0
    row = np.zeros((1, 52), np.float32)
    row[0, ARKIT_INDEX["jawOpen"]] = 0.4
    still = face("hopper")
    dropped = FaceRig.build(still).pose(row, np.zeros((1, 2), np.float32))[0]
    assert open_smile(replace(still, landmarks=dropped, mouth_opening=0.3)) == 0.0
