from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.composition.cutouts import Cutout, Placement, cut_person, main_subject, place
from photoplay.topology import inter_ocular
from tests.composition.people import BACK, FRONT, drawn


def over(plate: np.ndarray, pixels: np.ndarray, matte: np.ndarray) -> np.ndarray:
    alpha = matte[..., None] / 255.0
    return plate * (1 - alpha) + pixels * alpha


@pytest.mark.parametrize("wall", [(20, 20, 24), (235, 235, 230), (40, 160, 60)])
def test_no_halo_of_the_old_background_is_left(wall):
    scene, alpha = drawn()
    cut = cut_person(scene.photo.pixels, scene.subjects[0], scene.matte)
    edge = (alpha > 0.02) & (alpha < 0.98)
    truth = np.array(wall) * (1 - alpha[..., None]) + np.array(FRONT) * alpha[..., None]
    made = over(np.array(wall), cut.pixels.astype(float), cut.matte)
    naive = over(np.array(wall), scene.photo.pixels.astype(float), scene.matte)
    error = np.abs(made - truth)[edge].mean()
    assert error < 14
    assert error < 0.6 * np.abs(naive - truth)[edge].mean()


def test_colours_at_the_edge_are_the_persons():
    scene, alpha = drawn()
    cut = cut_person(scene.photo.pixels, scene.subjects[0], scene.matte)
    edge = (alpha > 0.05) & (alpha < 0.95)
    way = np.array(BACK, float) - FRONT
    towards = ((cut.pixels[edge] - np.array(FRONT)) @ way) / (way @ way)
    before = ((scene.photo.pixels[edge] - np.array(FRONT)) @ way) / (way @ way)
    assert np.abs(towards).mean() < 0.06 < 0.3 < before.mean()


def test_inside_the_person_nothing_changes():
    scene, alpha = drawn()
    cut = cut_person(scene.photo.pixels, scene.subjects[0], scene.matte)
    deep = cv2.erode((alpha > 0.999).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert (cut.matte[deep] == 255).all()
    np.testing.assert_array_equal(cut.pixels[deep], scene.photo.pixels[deep])


def test_islands_and_spurs_of_the_matte_go():
    scene, _ = drawn()
    matte = scene.matte.copy()
    matte[10:22, 200:212] = 255
    matte[150:156, 185:222] = 255
    subject = replace(scene.subjects[0], matte=matte)
    cut = cut_person(scene.photo.pixels, subject, matte)
    assert cut.matte[8:24, 198:214].max() == 0
    assert cut.matte[148:158, 200:224].max() == 0
    assert cut.matte[200, 120] == 255


def test_a_hole_in_the_matte_is_filled_and_a_gap_beside_the_neck_is_not():
    scene, alpha = drawn()
    matte = scene.matte.copy()
    matte[190:194, 110:114] = 0
    cut = cut_person(scene.photo.pixels, replace(scene.subjects[0], matte=matte), matte)
    assert cut.matte[188:196, 108:116].min() > 200
    beside = (alpha < 0.01)[100:120]
    assert cut.matte[100:120][beside].mean() < 3


def test_points_go_where_pixels_go():
    scene, _ = drawn()
    cut = cut_person(scene.photo.pixels, scene.subjects[0], scene.matte)
    marked = np.zeros_like(cut.matte)
    x, y = 70, 140
    marked[y, x] = 255
    for placement in (Placement(1.7, 13.3, -20.6), Placement(0.6, 30.0, 12.5)):
        canvas = place(Cutout(cut.pixels, marked, cut.face), placement, 300, 260).matte.astype(float)
        rows, columns = np.mgrid[0:260, 0:300]
        found = (canvas * columns).sum() / canvas.sum(), (canvas * rows).sum() / canvas.sum()
        (point,) = placement.points(np.array([[x, y, 1.0]], np.float32))
        np.testing.assert_allclose(found, point[:2], atol=0.15)
        assert point[2] == pytest.approx(placement.scale)


def test_the_face_moves_along_and_what_leaves_the_canvas_is_not_seen():
    scene, _ = drawn()
    subject = scene.subjects[0]
    cut = cut_person(scene.photo.pixels, subject, scene.matte)
    placed = place(cut, Placement(2.0, -240.0, 0.0), 240, 200)
    assert inter_ocular(placed.face.landmarks) == pytest.approx(2 * inter_ocular(subject.face.landmarks), rel=1e-4)
    outside = placed.face.landmarks[:, 0] < -0.5
    assert 0 < outside.sum() < 478
    assert (placed.face.visibility[outside] == 0).all()
    x, y = placed.face.landmarks[:, 0], placed.face.landmarks[:, 1]
    assert (placed.face.visibility[(x > 0) & (y > 0) & (y < 199)] == 1).all()
    assert placed.face.light == subject.face.light
    assert placed.face.head_pose == subject.face.head_pose
    assert placed.body is not None


def test_below_its_photo_a_person_goes_on_and_beside_it_nobody_is():
    scene, _ = drawn(x=60.0)
    cut = cut_person(scene.photo.pixels, scene.subjects[0], scene.matte)
    placed = place(cut, Placement(1.0, 40.0, 0.0), 400, 300)
    assert placed.matte[200, 100] == 255
    assert placed.matte[290, 100] == 255
    assert placed.matte[:, :40].max() == 0
    assert placed.matte[:, 281:].max() == 0


def test_the_main_subject_is_the_largest_face():
    one, _ = drawn(unit=14.0)
    two, _ = drawn(unit=22.0)
    scene = replace(one, subjects=(one.subjects[0], two.subjects[0], one.subjects[0]))
    assert main_subject(scene) == 1
