from pathlib import Path

import numpy as np
import pytest

from photoplay.topology import ARKIT_INDEX
from photoplay.training.synthetic.clip import render_clip
from photoplay.training.synthetic.head import HeadModel
from photoplay.training.synthetic.motion import GAZE_LIMITS, HEAD_LIMITS, draw_movement, minimum_jerk
from photoplay.types import Label


@pytest.fixture(scope="module")
def head(shared_data: Path) -> HeadModel:
    return HeadModel.load(shared_data / "head")


@pytest.fixture(scope="module")
def clip(head):
    return render_clip(head, seed=3, num_frames=2, size=192)


def test_shapes_and_determinism(head, clip):
    again = render_clip(head, seed=3, num_frames=2, size=192)
    assert clip.frames.shape == (2, 192, 192, 3)
    np.testing.assert_array_equal(again.frames, clip.frames)
    np.testing.assert_array_equal(again.photo_landmarks, clip.photo_landmarks)
    assert (render_clip(head, seed=4, num_frames=1, size=192).photo != clip.photo).any()


def test_labels_lie_where_the_landmarks_say(clip):
    def at(*indices):
        x, y = np.round(clip.photo_landmarks[list(indices), :2].mean(0)).astype(int)
        return Label(int(clip.photo_labels[y, x]))

    assert at(10, 151) in (Label.SKIN, Label.HAIR)
    assert at(4) == Label.SKIN
    assert at(17, 14) == Label.LIP
    assert at(33, 133, 159, 145) in (Label.EYE, Label.LASH, Label.LID)
    assert {Label.BACKGROUND, Label.BODY, Label.HAIR, Label.SKIN, Label.LIP} <= set(np.unique(clip.photo_labels))


def test_the_subjects_right_eye_is_at_the_images_left(clip):
    assert clip.photo_landmarks[33, 0] < clip.photo_landmarks[133, 0] < clip.photo_landmarks[263, 0]
    assert clip.photo_landmarks[468, 0] < clip.photo_landmarks[473, 0]


def test_shut_lids_cover_the_eyeballs(head):
    from photoplay.training.synthetic import raster
    from photoplay.training.synthetic.camera import Camera
    from photoplay.training.synthetic.parts import Look, Part
    from photoplay.training.synthetic.sitter import seat
    from photoplay.types import HeadPose

    rest, shut = np.zeros(52, np.float32), np.zeros(52, np.float32)
    shut[[ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]] = 1
    seen = {}
    for seed in range(4):
        person = head.random_person(np.random.default_rng(seed))
        keep = person.triangles_of("M_Face", "M_ScleraLeft", "M_ScleraRight")
        part = Part(
            "a",
            person.neutral,
            person.triangles[keep],
            person.uv[keep],
            np.ones((1, 1, 4), np.float32),
            person.labels[keep],
        )
        sitter = seat(person, Look((part,), {}))
        camera = Camera(900.0, 256, (0.0, 0.0, 90.0), HeadPose(0, 0, 0))
        for name, shape in (("open", rest), ("shut", shut)):
            points = camera.place(
                sitter.posed(shape, (0.0, 0.0)), HeadPose(0, 0, 0), np.zeros(3, np.float32), sitter.turns
            )
            ids, _ = raster.draw(sitter, camera.project(points), 256, 256)
            seen[name, seed] = int((sitter.labels[ids[ids >= 0]] == Label.EYE).sum())
    assert all(seen["open", seed] > 150 for seed in range(4))
    assert all(seen["shut", seed] < 0.05 * seen["open", seed] for seed in range(4)), seen


def test_movements_are_smooth_lively_and_within_limits():
    moves = [draw_movement(np.random.default_rng(seed), 24) for seed in range(60)]
    for move in moves:
        assert move.blendshapes.shape == (25, 52)
        assert 0 <= move.blendshapes.min() <= move.blendshapes.max() <= 1
        assert (np.abs(move.head).max(0) <= HEAD_LIMITS).all()
        assert (np.abs(move.gaze).max(0) <= GAZE_LIMITS).all()
        assert np.abs(np.diff(move.head[1:], axis=0)).max() < 12
    peak = np.stack([move.blendshapes[1:].max(0) for move in moves])
    assert (peak[:, ARKIT_INDEX["jawOpen"]] > 0.3).mean() > 0.5
    assert (peak[:, ARKIT_INDEX["eyeBlinkLeft"]] > 0.9).mean() > 0.4
    assert np.median([move.blendshapes[0, ARKIT_INDEX["jawOpen"]] for move in moves]) < 0.05


def test_minimum_jerk_starts_and_ends_at_rest():
    x = np.linspace(0, 1, 101, dtype=np.float32)
    curve = minimum_jerk(x)
    assert (curve[0], curve[50], curve[-1]) == pytest.approx((0, 0.5, 1))
    assert abs(np.diff(curve)[[0, -1]]).max() < 1e-4
