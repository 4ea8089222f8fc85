from __future__ import annotations

from dataclasses import replace

import pytest

from photoplay.composition.advice import advise
from photoplay.composition.cutouts import cut_person
from photoplay.composition.layout import Figure, Size, lay_out
from photoplay.types import Face, HeadPose, Staging
from tests.composition.people import drawn, face

FRONTAL = face(120.0, 80.0, 20.0)


@pytest.fixture(scope="module")
def plain() -> Figure:
    scene, _ = drawn()
    return Figure.of(cut_person(scene.photo.pixels, scene.subjects[0], scene.matte))


def told(
    figures: tuple[Figure, Figure],
    sizes: tuple[float, float] = (1.0, 1.0),
    height: int = 300,
    framing: str = "auto",
    faces: tuple[Face, Face] = (FRONTAL, FRONTAL),
) -> set[tuple[str, int | None]]:
    layout = lay_out(figures, sizes, Staging(framing=framing), Size(height, height))
    return {(notice.code, notice.subject) for notice in advise(faces, figures, sizes, layout)}


def turned(yaw: float) -> Face:
    return replace(FRONTAL, head_pose=HeadPose(yaw, 0.0, 0.0))


def test_two_good_photos_need_no_advice(plain):
    assert told((plain, plain)) == set()


def test_a_small_photo_is_named(plain):
    small = replace(plain, unit=8.0)
    assert told((plain, small)) == {("photo_upscaled", 1)}
    assert told((small, plain)) == {("photo_upscaled", 0)}


def test_a_cut_arm_is_named_only_where_it_is_in_the_picture(plain):
    cut = replace(plain, cut_left=(3.0, 8.0), edge_left=3.5)
    low = replace(plain, cut_left=(7.5, 8.0), edge_left=3.5)
    assert ("cut_at_side", 0) in told((cut, plain), framing="close")
    assert ("cut_at_side", 0) not in told((low, plain), framing="close")


def test_a_photo_that_ends_early_is_named_where_more_was_asked_for(plain):
    short = replace(plain, reach=5.0)
    assert ("photo_ends_early", 1) in told((plain, short), framing="medium")
    assert ("photo_ends_early", 1) not in told((plain, short))


@pytest.mark.parametrize(("ratio", "differ"), [(0.5, True), (0.7, False), (1.5, False), (1.8, True)])
def test_sizes_that_cannot_meet_are_named(plain, ratio, differ):
    assert (("sizes_differ", None) in told((plain, plain), (1.0, ratio))) == differ


def test_a_ground_that_is_given_up_is_named(plain):
    assert ("ground_not_shared", None) not in told((plain, plain), (1.0, 0.95))
    assert ("ground_not_shared", None) in told((plain, plain), (1.0, 0.7))


def test_whoever_looks_away_is_named_and_two_who_look_at_each_other_are_not(plain):
    pair = (plain, plain)
    assert ("looks_away", 0) in told(pair, faces=(turned(-40), turned(0)))
    assert ("looks_away", 1) in told(pair, faces=(turned(0), turned(40)))
    assert told(pair, faces=(turned(40), turned(-40))) == set()
