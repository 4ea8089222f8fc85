from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.generation.anchors import render
from photoplay.generation.stacking import changing_hands, near_faces, seam
from photoplay.types import Array, Label, Scene
from tests.generation.actors import REST, subject, track
from tests.generation.couple import HEIGHT, WIDTH, couple, duet, plan, tracks
from tests.generation.test_limbs import arm_track

AWAY = (900.0, 0.0)
STAYS = (0.0, 0.0)
NEAR = (80.0, 0.0)
"""Brings the first's face half behind or before the second's."""


def frames(scene: Scene, first: list, second: list, front: list[float]) -> tuple[Array, Array]:
    """Pictures and identities of the film in which both are carried so."""
    windows = list(render(scene, tracks(scene, first, second), plan(duet(front))))
    return np.concatenate([w.rgb for w in windows]), np.concatenate([w.identity for w in windows])


def hull(scene: Scene, who: int, shift: tuple[float, float]) -> Array:
    """Where the face is for certain: its soft edge lets through what is behind."""
    points = scene.subjects[who].face.landmarks[:468, :2] + np.array(shift, np.float32)
    outline = cv2.convexHull(np.rint(points).astype(np.int32))
    filled = cv2.fillConvexPoly(np.zeros((HEIGHT, WIDTH), np.uint8), outline, (1,))
    return cv2.erode(filled, np.ones((7, 7), np.uint8)) > 0


@pytest.fixture(scope="module")
def scene() -> Scene:
    return couple()


@pytest.mark.parametrize("front", [0, 1])
def test_at_rest_the_film_is_the_photo(front):
    scene = couple(front)
    shown, _ = frames(scene, [STAYS] * 2, [STAYS] * 2, [float(front)] * 2)
    assert (shown == scene.photo.pixels).all()


def test_an_order_that_is_not_the_photos_holds_from_the_first_frame_on(scene):
    shown, who = frames(scene, [STAYS, (2.0, 0.0)], [STAYS] * 2, [1.0, 1.0])
    both = (scene.subjects[0].matte > 250) & (scene.subjects[1].matte > 250)
    assert both.sum() > 500
    assert (who[:, both] == 2).all()
    assert np.abs(shown[0][both].astype(int) - scene.subjects[1].pixels[both]).mean() < 1


def test_a_face_before_another_is_drawn_whole(scene):
    """It must look as if the other one were not there."""
    for front, moves in ((0.0, (NEAR, STAYS)), (1.0, (NEAR, STAYS))):
        shown, who = frames(scene, [moves[0]], [moves[1]], [front])
        alone, _ = frames(scene, *(([moves[0]], [AWAY]) if front == 0 else ([AWAY], [moves[1]])), [front])
        face = hull(scene, int(front), moves[int(front)])
        assert (who[0][face] == 1 + int(front)).all()
        assert np.abs(shown[0][face].astype(int) - alone[0][face]).max() <= 1


def test_who_was_hidden_comes_back_unchanged(scene):
    shown, who = frames(scene, [(20.0, 0.0), (133.0, 0.0), (20.0, 0.0)], [(3.0, 0.0)] * 3, [0.0] * 3)
    face = hull(scene, 1, (3.0, 0.0))
    assert (who[1][face] == 2).mean() < 0.2
    assert (shown[0] == shown[2]).all()
    assert (who[0] == who[2]).all()


def test_where_somebody_left_stands_the_plate(scene):
    shown, who = frames(scene, [(-300.0, 0.0)], [STAYS], [0.0])
    left = (scene.subjects[0].matte > 0) & (scene.subjects[1].matte == 0)
    assert (who[0][left] == 0).mean() > 0.99
    bare = left & (cv2.dilate(scene.subjects[1].matte, np.ones((5, 5), np.uint8)) == 0)
    assert (shown[0][bare] == scene.plate[bare]).all()


def test_nobody_shines_through_the_edge_of_one_who_stands_still(scene):
    """The second stands still; its soft edge must show the plate once the first has gone, not the first."""
    shown, _ = frames(scene, [(-300.0, 0.0)], [STAYS], [1.0])
    second = scene.subjects[1]
    share = second.matte.astype(np.float32)[..., None] / 255
    wanted = scene.plate + (second.pixels.astype(np.float32) - scene.plate) * share
    edge = (second.matte > 0) & (second.matte < 255) & (scene.subjects[0].matte > 0)
    assert edge.sum() > 50
    assert np.abs(shown[0].astype(np.float32) - wanted)[edge].mean() < 4


def test_while_the_order_changes_every_pixel_is_one_persons(scene):
    moves = [NEAR] * 2, [STAYS] * 2
    (before, _), (after, _) = (frames(scene, *moves, [front] * 2) for front in (0.0, 1.0))
    for t in (0.25, 0.5, 0.75):
        shown, _ = frames(scene, *moves, [t, t])
        as_before, as_after = (shown[0] == before[0]).all(-1), (shown[0] == after[0]).all(-1)
        overlap = (before[0] != after[0]).any(-1)
        assert overlap.mean() > 0.05
        assert (as_before | as_after)[overlap].mean() > 0.93
        for which in (0, 1):
            face = hull(scene, which, moves[which][0])
            assert as_before[face].all() or as_after[face].all()


def test_the_seam_wanders_without_a_jump_outside_the_faces(scene):
    steps = list(np.linspace(0, 1, 17))
    _, who = frames(scene, [NEAR] * 17, [STAYS] * 17, steps)
    off = ~(
        near_faces([np.rint(scene.subjects[1].face.landmarks[:468, :2]).astype(np.int32)], [90.0], who[0].shape) > 0
    )
    off &= ~(hull(scene, 0, NEAR))
    off[:150] = False
    mine = [(one[off] == 2).mean() for one in who]
    assert mine[-1] - mine[0] > 0.1
    assert (np.diff(mine) >= 0).all()
    assert np.diff(mine).max() < 0.3 * (mine[-1] - mine[0])


def test_somebody_carried_far_is_not_stretched_and_brings_no_mirror_image(scene):
    shift = (170.0, 12.0)
    windows = list(render(scene, tracks(scene, [shift], [AWAY]), plan(duet([0.0]))))
    flow, who = windows[0].flow[0].astype(float), windows[0].identity[0]
    assert np.abs(flow[who == 1] + shift).max() < 0.3
    moved = cv2.warpAffine(
        scene.subjects[0].matte, np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32), (WIDTH, HEIGHT)
    )
    assert ((who == 1) & (cv2.dilate(moved, np.ones((9, 9), np.uint8)) == 0)).sum() == 0
    up = next(render(scene, tracks(scene, [(0.0, -20.0)], [AWAY]), plan(duet([0.0]))))
    below = np.s_[0, -9:, 80:140]
    assert (up.identity[below] == 1).all()
    assert up.confidence[below].max() < 150
    assert np.median(up.confidence[0, -60:-30, 80:140]) > 250


def test_whom_the_photos_side_cuts_goes_on_beside_it_but_does_not_come_twice(scene):
    first = scene.subjects[0]
    matte, pixels = first.matte.copy(), first.pixels.copy()
    sleeve = np.s_[190:250, :60]
    matte[sleeve], pixels[sleeve], pixels[190:250, 32:60] = 255, (0, 255, 0), (255, 0, 0)
    cut = replace(scene, subjects=(replace(first, matte=matte, pixels=pixels), scene.subjects[1]))
    shown, who = frames(cut, [(70.0, 0.0)], [AWAY], [0.0])
    beside = np.s_[0, 200:240, 5:66]
    assert (who[beside] == 1).all()
    assert (shown[beside][..., 1] > 200).all(), "the sleeve goes on"
    assert (shown[beside][..., 0] < 60).all(), "what is further inside does not come again"


def test_who_walks_out_of_the_frame_leaves_the_plate(scene):
    windows = list(render(scene, tracks(scene, [(-900.0, 0.0)], [AWAY]), plan(duet([0.0]))))
    assert (windows[0].rgb[0] == scene.plate).all()
    assert (windows[0].labels == Label.BACKGROUND).all()
    assert (windows[0].confidence == 255).all()


def test_a_photo_of_two_needs_no_pictures_of_its_own(scene):
    plain = replace(scene, plate=None, subjects=tuple(replace(s, pixels=None) for s in scene.subjects))
    apart = tuple(
        replace(s, matte=np.where(o.matte > 127, 0, s.matte).astype(np.uint8)) if k == 1 else s
        for k, (s, o) in enumerate(zip(plain.subjects, plain.subjects[::-1], strict=True))
    )
    plain = replace(plain, subjects=apart)
    shown, who = frames(plain, [STAYS, (10.0, 0.0)], [STAYS, (-4.0, 0.0)], [0.0, 0.0])
    assert (shown[0] == plain.photo.pixels).all()
    assert set(np.unique(who)) == {0, 1, 2}


def test_windows_do_not_change_a_duet(scene):
    both = duet([0.0, 0.3, 0.6, 1.0])
    moved = tracks(scene, [NEAR] * 4, [STAYS] * 4)
    one = np.concatenate([w.rgb for w in render(scene, moved, plan(both))])
    two = np.concatenate([w.rgb for w in render(scene, moved, replace(plan(both), window=3))])
    assert (one == two).all()


def test_faces_change_hands_where_they_overlap_least():
    front = np.array([0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1], np.float32)
    overlap = np.array([0, 0, 0.1, 0.5, 0.9, 0.9, 0, 0], np.float32)
    assert changing_hands(front, overlap).tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    assert changing_hands(front, np.zeros(8, np.float32)).tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    back_again = np.array([0, 0.4, 0.7, 0.4, 0], np.float32)
    assert changing_hands(back_again, np.zeros(5, np.float32)).tolist() == [0] * 5


def test_the_seam_goes_from_one_outline_to_the_other():
    first, second = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint8)
    first[:, :40], first[:, 40:] = 1, 2
    second[:, :20], second[:, 20:] = 1, 2
    shares = [seam(first, second, np.full((40, 60), t, np.float32))[20] for t in (0.0, 0.5, 1.0)]
    assert (shares[0][:40] == 0).all()
    assert (shares[2][20:40] == 1).all()
    middle = np.flatnonzero(shares[1][20:40] > 0.5)[0] + 20
    assert abs(middle - 30) <= 1


def reaching(before: float) -> tuple[Array, Array]:
    """The first holds an arm behind the second, who stands before both, and lowers it: the second frame of it."""
    alone, moving = arm_track([0.0, 25.0])
    mine = alone.subjects[0].matte
    put = np.array([[1, 0, 180], [0, 1, 0]], np.float32)
    body = mine.copy()
    body[:, 170:] = 0
    matte = cv2.warpAffine(body, put, (400, 320))
    pixels = cv2.warpAffine(alone.photo.pixels, put, (400, 320))[..., ::-1].copy()
    face = alone.subjects[0].face.landmarks + np.array([180, 0, 0], np.float32)
    second = replace(subject(face.astype(np.float32), matte), pixels=pixels)
    first = replace(alone.subjects[0], pixels=alone.photo.pixels)
    plate = np.full_like(pixels, 90)
    scene = Scene(alone.photo, (first, second), np.maximum(mine, matte), plate=plate)
    both = duet([1.0, 1.0], [[before, 0.0]] * 2)
    moved = [moving, track(scene, [REST] * 2, who=1)]
    frame = replace(plan(both, 400, 320), crop=(0.0, 0.0, 400.0, 320.0))
    anchor = next(render(scene, moved, frame))
    assert (anchor.labels[1] == Label.ARM).any()
    return anchor.identity[1], anchor.rgb[1]


def test_an_arm_reaches_before_or_behind_the_one_who_stands_before_its_body():
    behind, before, between = (reaching(v)[0] for v in (0.0, 1.0, 0.5))
    over = np.s_[197:203, 263:273]
    assert (behind[over] == 2).all()
    assert (before[over] == 1).all()
    assert set(np.unique(between[190:230, 255:345])) == {1, 2}
    assert (between[125:150, 290:310] == 2).all()
