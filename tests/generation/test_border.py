from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.generation import border
from photoplay.generation.anchors import render, set_stage
from photoplay.generation.border import INNER, OUTER, FaceBorder
from photoplay.generation.mesh import Outline
from photoplay.generation.person import PersonMotion
from photoplay.generation.source import frame_scene
from photoplay.topology import FACE_OVAL
from photoplay.types import HeadPose, Photo, Scene
from tests.generation.actors import REST, astronaut, plan, track

GREEN = (0, 255, 0)
BELOW = (2, 3, 4)
"""Those of the outline's landmarks below the ears."""
TURN = HeadPose(18, 0, 0)


def greened(inset: float = 0.02) -> Scene:
    """The astronaut with a green wall that begins ``inset`` of the face's size inside the outline of her mesh."""
    scene = astronaut()
    oval = scene.subjects[0].face.landmarks[list(FACE_OVAL), :2]
    middle = oval.mean(0)
    inside = np.zeros(scene.matte.shape, np.uint8)
    cv2.fillPoly(inside, [np.rint(middle + (oval - middle) * (1 - 2 * inset)).astype(np.int32)], (1,))
    pixels = np.where(inside[..., None] > 0, scene.photo.pixels, np.uint8(GREEN)).astype(np.uint8)
    return replace(scene, photo=Photo(pixels, "0" * 64))


def motion(scene: Scene) -> PersonMotion:
    found = set_stage(scene, [track(scene, [REST, TURN])], plan(2)).people[0].body.motion
    assert isinstance(found, PersonMotion)
    return found


def wall_in_the_cheek(scene: Scene, turn: HeadPose, side: int) -> float:
    """Share of the turned cheek's border, below the ear, in which the wall shows."""
    moved = track(scene, [turn])
    (frames,) = render(scene, [moved], plan(1, size=512))
    ring = [OUTER[side][k] for k in BELOW] + [INNER[side][k] for k in BELOW[::-1]]
    strip = np.zeros((512, 512), np.uint8)
    cv2.fillPoly(strip, [np.rint(moved.landmarks[0, ring, :2]).astype(np.int32)], (1,))
    levels = frames.rgb[0].astype(int)
    green = levels[..., 1] - levels[..., [0, 2]].max(-1) > 60
    return float((green & (strip > 0)).sum() / strip.sum())


@pytest.mark.parametrize(("yaw", "side"), [(18, 0), (-18, 1)])
def test_a_wall_beside_a_cheek_does_not_grow_into_it_when_the_head_turns(yaw, side, monkeypatch):
    mended = wall_in_the_cheek(greened(), HeadPose(yaw, 0, 0), side)
    monkeypatch.setattr(border, "SHARE", np.zeros_like(border.SHARE))
    before = wall_in_the_cheek(greened(), HeadPose(yaw, 0, 0), side)
    assert before > 0.7
    assert mended < 0.3


def test_nothing_is_drawn_in_before_the_head_turns():
    person = motion(greened())
    assert not person.looked_up(person.pose(0)).any()
    assert person.looked_up(person.pose(1)).any()


def test_only_the_side_that_comes_into_view_is_drawn_in():
    person = motion(greened())
    shift = np.linalg.norm(person.border.shift(person.pose(1)[-478:]), axis=1)
    right, left = (shift[list(side)] for side in OUTER)
    assert min(right.max(), left.max()) == 0
    assert max(right.max(), left.max()) > 0.01 * person.head.height


def test_it_fades_inwards_and_the_middle_of_the_face_stays():
    person = motion(greened())
    shift = np.linalg.norm(person.border.shift(person.pose(1)[-478:]), axis=1)
    most = shift.max()
    assert all(shift[list(inner)].max() < most for inner in INNER)
    assert shift[[1, 4, 6, 13, 33, 263, 61, 291]].max() == 0


def test_where_the_cheek_goes_on_beyond_the_mesh_nothing_is_drawn_in():
    scene = astronaut()
    skin = replace(scene, photo=Photo(np.full_like(scene.photo.pixels, (200, 150, 130)), "0" * 64))
    solid = replace(skin.subjects[0], matte=np.full_like(scene.matte, 255))
    person = motion(replace(skin, subjects=(solid,), matte=solid.matte))
    assert not person.border.follow.any()


def test_a_cheek_that_the_photo_does_not_show_has_no_border_to_mend():
    scene = astronaut()
    framing = frame_scene(scene, plan(1, size=512))
    empty = np.zeros((*framing.texture.shape[:2], 4), np.uint8)
    for yaw, hidden in ((40, 1), (-40, 0)):
        rest = track(scene, [HeadPose(yaw, 0, 0)]).landmarks[0]
        drawn = FaceBorder.of(Outline.of(rest), rest, framing, empty).follow.max(axis=0).reshape(2, 8)[:, BELOW]
        assert not drawn[hidden].any()
        assert drawn[1 - hidden].all()
