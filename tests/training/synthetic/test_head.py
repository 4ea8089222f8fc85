from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import InputError
from photoplay.topology import ARKIT_INDEX, LEFT_EYE_LOWER, LEFT_EYE_UPPER
from photoplay.training.synthetic.head import HeadModel, lids_follow
from photoplay.types import Label
from tests.training.synthetic import made_up_head


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> HeadModel:
    return HeadModel.load(made_up_head.write(tmp_path_factory.mktemp("head")))


def shapes(**amounts: float) -> np.ndarray:
    out = np.zeros(52, np.float32)
    for name, amount in amounts.items():
        out[ARKIT_INDEX[name]] = amount
    return out


def test_landmarks_of_the_rest_face_are_its_points(head):
    points = head.landmarks478(head.neutral)
    np.testing.assert_allclose(points[:468], head.neutral[:468])
    assert points[33, 0] < points[133, 0] < 0 < points[362, 0] < points[263, 0]  # x is the subject's left


def test_an_expression_moves_what_its_delta_says(head):
    before, after = head.landmarks478(head.neutral), head.landmarks478(head.posed(shapes(jawOpen=0.5)))
    np.testing.assert_allclose(after[14] - before[14], (0, -1, 0), atol=1e-3)
    np.testing.assert_allclose(after[13], before[13], atol=1e-3)


def test_a_shape_that_the_head_splits_in_two_moves_both_sides(head):
    before, after = head.landmarks478(head.neutral), head.landmarks478(head.posed(shapes(browInnerUp=0.5)))
    np.testing.assert_allclose((after - before)[[336, 107]], [(0, 0.5, 0)] * 2, atol=1e-3)


def test_gaze_turns_irises_by_its_angle(head):
    for gaze, sign in (((20.0, 0.0), (1, 0)), ((0.0, 12.0), (0, 1)), ((-20.0, 0.0), (-1, 0))):
        moved = head.landmarks478(head.posed(shapes(), gaze)) - head.landmarks478(head.neutral)
        for iris in (468, 473):
            assert np.linalg.norm(moved[iris]) == pytest.approx(
                2 * 1.67 * np.sin(np.radians(max(map(abs, gaze))) / 2), rel=0.08
            )
            assert moved[iris, :2] @ sign > 0.3


def test_iris_points_go_right_up_left_down_round_the_centre(head):
    points = head.landmarks478(head.neutral)
    for start in (468, 473):
        right, up, left, down = (points[start + k, :2] - points[start, :2] for k in range(1, 5))
        assert right[0] > 0.2 > abs(right[1])
        assert left[0] < -0.2
        assert up[1] > 0.2 > abs(up[0])
        assert down[1] < -0.2


def test_lids_stay_outside_the_eyeballs(head):
    posed = head.posed(shapes(eyeBlinkLeft=0.6), (10.0, -5.0))
    eye = head.eyes[1]
    lids = posed[[*LEFT_EYE_UPPER, *LEFT_EYE_LOWER]]
    assert (np.linalg.norm(lids - eye.centre, axis=1) > made_up_head.RADIUS).all()


def test_people_differ_and_are_cut_at_the_limit(head):
    np.testing.assert_array_equal(head.person(np.array([9.0])).neutral, head.person(np.array([2.5])).neutral)
    one, two = (head.random_person(np.random.default_rng(seed)).neutral for seed in (1, 2))
    assert np.abs(one - two).max() > 0.05
    with pytest.raises(InputError, match="identity numbers"):
        head.person(np.zeros(3))


def test_labels_say_what_is_what(head):
    kinds = set(np.unique(head.labels).tolist())
    assert {Label.SKIN, Label.LIP, Label.LID, Label.EYE, Label.TEETH} <= kinds
    middle = head.neutral[head.triangles[head.labels == Label.LIP]].mean(1)
    assert (np.abs(middle[:, 1] + 4) < 1.05).all()


def test_lids_follow_the_gaze(head):
    down = lids_follow(shapes(), (14.0, -14.0))
    assert down[ARKIT_INDEX["eyeLookDownLeft"]] == pytest.approx(0.5)
    assert down[ARKIT_INDEX["eyeLookOutLeft"]] == down[ARKIT_INDEX["eyeLookInRight"]] == pytest.approx(0.5)
    assert down[ARKIT_INDEX["eyeLookUpLeft"]] == down[ARKIT_INDEX["eyeLookInLeft"]] == 0


def test_a_folder_that_cannot_be_used_says_why(tmp_path):
    with pytest.raises(InputError) as missing:
        HeadModel.load(tmp_path)
    assert missing.value.code == "head_missing"
    made_up_head.write(tmp_path)
    (tmp_path / "ict_facekit_light.npz").write_bytes(b"PK not a zip")
    with pytest.raises(InputError) as broken:
        HeadModel.load(tmp_path)
    assert broken.value.code == "head_broken"
    np.savez(tmp_path / "ict_facekit_light.npz", v=np.zeros((3, 3)))
    with pytest.raises(InputError, match="has no array"):
        HeadModel.load(tmp_path)
    assert str(tmp_path) not in broken.value.message


def test_the_reference_head_has_its_landmarks_where_the_table_says(shared_data: Path):
    head = HeadModel.load(shared_data / "head")
    table = np.load(shared_data / "head" / "mp478_ict_blendshapes.npz")["lm"]
    np.testing.assert_allclose(head.landmarks478(head.neutral)[:468], table[:468], atol=1e-4)
    assert np.linalg.norm(head.landmarks478(head.neutral)[[468, 473]] - table[[468, 473]], axis=1).max() < 0.3
    assert {Label.TONGUE, Label.MOUTH, Label.LASH} <= set(np.unique(head.labels).tolist())
