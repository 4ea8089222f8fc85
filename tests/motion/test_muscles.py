import numpy as np
import pytest

from photoplay.motion.actions import both, mirrored
from photoplay.motion.canonical import CanonicalFace
from photoplay.motion.muscles import DRAG_REACH, LinearMuscle, SheetMuscle, Sphincter, cosine_falloff
from photoplay.topology import LIPS_OUTER_LOWER, LIPS_OUTER_UPPER
from tests.motion.rig_subjects import face


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return CanonicalFace.of(face("even")).points


def test_falloff_is_a_smooth_step() -> None:
    distance = np.linspace(0.0, 3.0, 3001)
    weight = cosine_falloff(distance, 1.0, 2.0)
    assert weight[500] == 1.0
    assert weight[2500] == 0.0
    assert weight[1500] == pytest.approx(0.5)
    assert np.abs(np.diff(weight, 2)).max() < 1e-5  # no kink at either end


def test_linear_muscle_pulls_its_insertion_by_its_pull_towards_the_origin(points: np.ndarray) -> None:
    muscle = LinearMuscle((454,), (291,), 0.2, 40.0, 0.4)
    moved = muscle.field(points)[291]
    towards = points[454] - points[291]
    assert np.linalg.norm(moved) == pytest.approx(0.2)
    assert moved @ towards / np.linalg.norm(moved) / np.linalg.norm(towards) == pytest.approx(1.0)


def test_linear_muscle_stays_within_its_cone_and_reach(points: np.ndarray) -> None:
    muscle = LinearMuscle((454,), (291,), 0.2, 40.0, 0.4)
    size = np.linalg.norm(muscle.field(points), axis=1)
    axis, offset = points[291] - points[454], points - points[454]
    distance = np.linalg.norm(offset, axis=1)
    cosine = offset @ axis / np.maximum(distance, 1e-9) / np.linalg.norm(axis)
    outside = (cosine < np.cos(np.radians(40.0))) | (distance > 1.4 * np.linalg.norm(axis))
    assert outside.any()
    assert size[outside].max() < 1e-12
    assert (size > 0.01).sum() > 20


def test_sheet_muscle_moves_its_insertion_fully_and_fades(points: np.ndarray) -> None:
    field = SheetMuscle((334, 293), (0.01, 0.1, -0.02), 0.3).field(points)
    assert field[[334, 293]] == pytest.approx(np.tile([0.01, 0.1, -0.02], (2, 1)))
    nearest = np.linalg.norm(points[:, None] - points[[334, 293]], axis=2).min(axis=1)
    assert np.abs(field[nearest > 0.3 * DRAG_REACH]).max() == 0.0
    assert (np.diff(np.linalg.norm(field, axis=1)[np.argsort(nearest)]) <= 1e-12).all()


def test_sphincter_narrows_its_ring_evenly(points: np.ndarray) -> None:
    ring = (*LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER)
    field = Sphincter(ring, 0.3, 0.1, 2.0).field(points)
    assert field[291, 0] < -0.02
    assert field[61, 0] == pytest.approx(-field[291, 0])
    assert field[list(ring), 2].min() > 0.05


def test_mirror_twice_is_the_same_and_both_is_symmetric(points: np.ndarray) -> None:
    field = SheetMuscle((291, 0), (0.1, 0.05, 0.02), 0.5).field(points)
    assert mirrored(mirrored(field)) == pytest.approx(field)
    pair = both(field)
    assert mirrored(pair) == pytest.approx(pair)
    assert pair[291] == pytest.approx(field[291], abs=1e-3)
