from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from photoplay.generation.controls.canvas import working_size
from photoplay.generation.controls.face_map import draw_face_map
from photoplay.generation.controls.openpose import draw_openpose
from photoplay.generation.controls.strokes import COLORS, FINGERS
from photoplay.generation.controls.wan_animate import draw_wan_animate, half_width
from photoplay.generation.controls.whole_body import draw_whole_body
from photoplay.types import Array
from tests.generation.controls.goldens import FOLDER, GOLDENS
from tests.generation.controls.people import BODY, NOSE_AT, hands, person, plan, without

# Joint and limb colours as OpenPose's annotators print them: right arm orange to yellow, left arm green,
# right leg green to cyan, left leg cyan to blue.
JOINTS = {
    "right_shoulder": (255, 170, 0), "right_elbow": (255, 255, 0), "right_wrist": (170, 255, 0),
    "left_shoulder": (85, 255, 0), "left_elbow": (0, 255, 0), "left_wrist": (0, 255, 85),
    "right_hip": (0, 255, 170), "right_knee": (0, 255, 255), "right_ankle": (0, 170, 255),
    "left_hip": (0, 85, 255), "left_knee": (0, 0, 255), "left_ankle": (85, 0, 255),
}  # fmt: skip
LIMBS = {
    ("right_shoulder", "right_elbow"): (255, 170, 0), ("right_elbow", "right_wrist"): (255, 255, 0),
    ("left_shoulder", "left_elbow"): (170, 255, 0), ("left_elbow", "left_wrist"): (85, 255, 0),
    ("right_hip", "right_knee"): (0, 255, 85), ("right_knee", "right_ankle"): (0, 255, 170),
    ("left_hip", "left_knee"): (0, 170, 255), ("left_knee", "left_ankle"): (0, 85, 255),
}  # fmt: skip


def at(picture: Array, place: tuple[float, float], scale: float) -> tuple[int, ...]:
    return tuple(picture[int(scale * (place[1] + 0.5)), int(scale * (place[0] + 0.5))].tolist())


@pytest.mark.parametrize("name", GOLDENS)
def test_pictures_are_what_they_were(name: str) -> None:
    np.testing.assert_array_equal(GOLDENS[name]()[0], np.asarray(Image.open(FOLDER / f"{name}.png")))


@pytest.mark.parametrize(("draw", "width"), [(draw_openpose, 512), (draw_wan_animate, 720), (draw_whole_body, 1024)])
def test_left_and_right_limbs_have_their_colours(draw: object, width: int) -> None:
    assert callable(draw)
    picture, scale = draw([person()], plan(width, width * 3 // 2))[0], width / 400
    swap = -1 if draw is draw_whole_body else 1
    for name, color in JOINTS.items():
        assert at(picture, BODY[name], scale) == color[::swap], name
    for (start, end), color in LIMBS.items():
        middle = ((BODY[start][0] + BODY[end][0]) / 2, (BODY[start][1] + BODY[end][1]) / 2)
        assert at(picture, middle, scale) == tuple(int(0.6 * channel) for channel in color[::swap]), (start, end)


def test_vace_s_channels_are_the_other_way_round() -> None:
    picture = draw_whole_body([person()], plan(1024, 1536))[0]
    neck = ((BODY["left_shoulder"][0] + BODY["right_shoulder"][0]) / 2, BODY["left_shoulder"][1])
    between = ((neck[0] + NOSE_AT[0]) / 2, (neck[1] + NOSE_AT[1]) / 2)
    assert at(picture, neck, 2.56) == (0, 85, 255)
    assert at(picture, between, 2.56) == (153, 0, 0)


@pytest.mark.parametrize(
    ("draw", "width", "thick"), [(draw_openpose, 512, 9), (draw_wan_animate, 800, 7), (draw_whole_body, 1024, 9)]
)
def test_limbs_are_as_thick_as_in_training(draw: object, width: int, thick: int) -> None:
    assert callable(draw)
    picture = draw([person()], plan(width, width * 3 // 2))[0]
    row = picture[int(390.5 * width / 400)]  # half way down the thighs
    for name in ("left", "right"):
        x = (BODY[f"{name}_hip"][0] + BODY[f"{name}_knee"][0]) / 2
        around = row[int((x - 15) * width / 400) : int((x + 15) * width / 400)]
        assert abs(int((around > 0).any(-1).sum()) - thick) <= 1


@pytest.mark.parametrize(
    ("size", "expected"), [((480, 832), 1), ((720, 1280), 2), ((1280, 720), 2), ((1080, 1920), 4), ((64, 64), 1)]
)
def test_wan_animate_scales_its_sticks_with_the_shorter_side(size: tuple[int, int], expected: int) -> None:
    assert half_width(plan(*size)) == expected


def test_annotators_work_at_their_own_size_on_a_grid_of_64() -> None:
    assert working_size(plan(480, 832), 1024) == (1024, 1792)
    assert working_size(plan(832, 480), 512) == (896, 512)
    assert working_size(plan(512, 512), 512) == (512, 512)


@pytest.mark.parametrize("draw", [draw_openpose, draw_wan_animate, draw_whole_body, draw_face_map])
@pytest.mark.parametrize("size", [(64, 64), (480, 832), (832, 480)])
def test_pictures_have_the_film_s_size_on_black(draw: object, size: tuple[int, int]) -> None:
    assert callable(draw)
    pictures = draw([person(3)], plan(*size, frames=3))
    assert pictures.shape == (3, size[1], size[0], 3)
    corners = pictures[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.any()
    assert 0.001 < (pictures > 0).any(-1).mean() < 0.4
    assert not draw([], plan(*size)).any()


def test_guessed_bodies_are_shoulders_and_head_alone() -> None:
    picture = draw_wan_animate([person(seen=False)], plan(720, 1080))[0]
    found = {tuple(color) for color in picture.reshape(-1, 3).tolist()} & set(COLORS)
    assert found == {COLORS[joint] for joint in (0, 1, 2, 5, 14, 15, 16, 17)}
    assert not picture[int(200 * 1.8) :].any()


def test_an_unseen_joint_takes_its_limbs_along() -> None:
    whole = draw_wan_animate([person()], plan(720, 1080))[0]
    part = draw_wan_animate([without(person(), "left_elbow")], plan(720, 1080))[0]
    assert at(part, BODY["left_elbow"], 1.8) == (0, 0, 0)
    assert at(part, BODY["left_wrist"], 1.8) == JOINTS["left_wrist"]
    assert at(part, ((250 + 290) / 2, (190 + 260) / 2), 1.8) == (0, 0, 0)
    assert at(whole, ((250 + 290) / 2, (190 + 260) / 2), 1.8) != (0, 0, 0)


def test_what_leaves_the_frame_is_not_drawn() -> None:
    film = replace(plan(720, 720), crop=(0.0, 0.0, 400.0, 400.0))
    picture = draw_wan_animate([person()], film)[0]
    colors = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    assert COLORS[8] in colors
    assert COLORS[9] not in colors
    assert tuple(int(0.6 * c) for c in COLORS[7]) not in colors


@pytest.mark.parametrize(("yaw", "hidden"), [(0, set()), (50, {17}), (-50, {16}), (70, {15, 17}), (-70, {14, 16})])
def test_a_turned_head_hides_its_far_ear_and_eye(yaw: float, hidden: set[int]) -> None:
    picture = draw_wan_animate([person(yaw=yaw)], plan(720, 1080))[0]
    colors = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    assert {joint for joint in (14, 15, 16, 17) if COLORS[joint] not in colors} == hidden


def test_the_picture_follows_the_track_and_holds_its_end() -> None:
    pictures = draw_wan_animate([person(2, step=20)], plan(400, 600, frames=4))
    np.testing.assert_array_equal(pictures[0, :, :300], pictures[1, :, 20:320])
    np.testing.assert_array_equal(pictures[1], pictures[3])


def test_toes_are_wan_animate_s_alone() -> None:
    picture = draw_wan_animate([person()], plan(720, 1080))[0]
    assert at(picture, BODY["left_foot_index"], 1.8) == (200, 200, 0)
    assert at(picture, BODY["right_foot_index"], 1.8) == (100, 100, 0)
    middle = ((238 + 262) / 2, (540 + 560) / 2)
    assert at(picture, middle, 1.8) == (153, 0, 51)
    assert at(draw_openpose([person()], plan(512, 768))[0], middle, 1.28) == (0, 0, 0)


def test_face_dots() -> None:
    picture = draw_face_map([person()], plan(512, 768))[0]
    assert set(np.unique(picture)) == {0, 255}
    assert (picture == picture[..., :1]).all()
    for pupil in ((182, 95), (218, 95)):
        assert at(picture, pupil, 1.28) == (255, 255, 255)
    lone = replace(person(), landmarks=np.full((1, 478, 3), 200, np.float32))
    assert int((draw_face_map([lone], plan(512, 768))[0] > 0).all(-1).sum()) == 29  # one disc of radius 3
    assert at(draw_openpose([person()], plan(512, 768), face=False)[0], NOSE_AT, 1.28) == COLORS[0]


def test_hands_run_round_the_hue_circle_from_the_thumb() -> None:
    points = hands()
    picture = draw_openpose([without(person(), "left_wrist", "right_wrist")], plan(512, 768), hands=[points])[0]
    hues = {0: (255, 0, 0), 5: (128, 255, 0), 10: (0, 255, 255), 15: (128, 0, 255)}
    for bone, hue in hues.items():
        middle = points[0, list(FINGERS[bone]), :2].mean(0)
        assert at(picture, (middle[0], middle[1]), 1.28) == hue, bone
    assert FINGERS[:2] == ((0, 1), (1, 2))
    assert FINGERS[4] == (0, 5)
    missing = points.copy()
    missing[:, 21:] = np.nan
    left = draw_openpose([person()], plan(512, 768), hands=[missing])[0]
    none = draw_openpose([person()], plan(512, 768))[0]
    assert (left != none).any()
    np.testing.assert_array_equal(left[:, :256], none[:, :256])
