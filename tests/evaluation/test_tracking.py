from __future__ import annotations

import numpy as np
import pytest

from photoplay.evaluation.tracking import STABLE, landmark_box, landmark_error, same_face
from photoplay.topology import FACE_OVAL
from tests.evaluation.films import sliding_head


def test_error_is_a_share_of_the_eyes_distance():
    film = sliding_head()
    rest = film.track.rest_landmarks
    eyes = np.linalg.norm((rest[33] + rest[133] - rest[263] - rest[362]) / 2)
    moved = rest + np.float32([3, 4, 50])
    assert landmark_error(rest, rest) == 0
    assert landmark_error(rest, moved) == pytest.approx(5 / eyes, rel=1e-4)


def test_the_oval_does_not_count():
    rest = sliding_head().track.rest_landmarks
    moved = rest.copy()
    moved[list(FACE_OVAL)] += 100
    assert landmark_error(rest, moved) == 0
    assert len(STABLE) == 468 - len(FACE_OVAL)


def test_box_and_place():
    film = sliding_head()
    rest, face = film.track.rest_landmarks, film.scene.subjects[0].face
    x0, _, x1, y1 = landmark_box(rest)
    assert x0 <= rest[:468, 0].min()
    assert y1 >= rest[:468, 1].max()
    assert same_face(rest, face)
    assert not same_face(rest + np.float32([x1 - x0, 0, 0]), face)
