from __future__ import annotations

from dataclasses import replace

import cv2
import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image

from photoplay.composition.compose import Composition, compose, over
from photoplay.composition.cutouts import Cutout, Placement, place
from photoplay.composition.layout import Size
from photoplay.errors import SceneError
from photoplay.perception import FaceReader, perceive
from photoplay.topology import inter_ocular
from photoplay.types import Notice, Photo, Scene, Staging

SMALL = Size(270, 270)


@pytest.fixture(scope="module")
def reader() -> FaceReader:
    return FaceReader()


@pytest.fixture(scope="module")
def scenes(reader: FaceReader) -> tuple[Scene, Scene]:
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        hopper = np.asarray(Image.open(stream).convert("RGB").resize((384, 450))).copy()
    first = perceive(Photo(hopper, "1" * 64), reader=reader)
    second = perceive(Photo(np.ascontiguousarray(skimage.data.astronaut()), "2" * 64), reader=reader)
    return first, second


@pytest.fixture(scope="module")
def made(scenes: tuple[Scene, Scene]) -> Composition:
    return compose(scenes, Staging(), None, SMALL)


def test_the_picture_shows_the_two_people_where_the_scene_says(made, scenes, reader):
    found = reader.read(made.scene.photo.pixels, identity=True)
    assert len(found) == 2
    for seen, subject, origin in zip(found, made.scene.subjects, scenes, strict=True):
        unit = inter_ocular(subject.face.landmarks)
        off = np.linalg.norm(seen.landmarks[:468, :2] - subject.face.landmarks[:468, :2], axis=1)
        assert np.median(off) < 0.05 * unit
        before = origin.subjects[0].face
        assert seen.embedding is not None
        assert np.linalg.norm(seen.embedding - before.embedding) < 0.45
        np.testing.assert_array_equal(subject.face.embedding, before.embedding)
        assert subject.face.head_pose == before.head_pose
        assert subject.origin == origin.photo.sha256


def test_heads_are_equally_large_unless_asked_otherwise(made, scenes):
    units = [inter_ocular(subject.face.landmarks) for subject in made.scene.subjects]
    assert units[0] == pytest.approx(units[1], rel=1e-3)
    smaller = compose(scenes, Staging(size_ratio=0.7), None, SMALL)
    units = [inter_ocular(subject.face.landmarks) for subject in smaller.scene.subjects]
    assert units[1] / units[0] == pytest.approx(0.7, rel=1e-3)
    assert smaller.metrics["size_ratio"] == pytest.approx(0.7)


def test_the_picture_is_its_parts_laid_over_each_other(made):
    scene, front = made.scene, round(made.metrics["front"])
    back, fore = scene.subjects[1 - front], scene.subjects[front]
    picture = over(over(scene.plate, back.pixels, back.matte), fore.pixels, fore.matte)
    np.testing.assert_array_equal(picture, scene.photo.pixels)
    union = np.maximum(back.matte, fore.matte)
    assert (scene.matte >= union).all()
    assert (scene.matte[union == 0] == 0).all()
    np.testing.assert_array_equal(scene.photo.pixels[scene.matte == 0], scene.plate[scene.matte == 0])


def test_who_stands_before_the_other_can_be_chosen(made, scenes):
    chosen = round(made.metrics["front"])
    other = compose(scenes, Staging(), None, SMALL, front=1 - chosen)
    assert other.metrics["front"] == 1 - chosen
    both = (made.scene.subjects[0].matte == 255) & (made.scene.subjects[1].matte == 255)
    assert both.any()
    fore = other.scene.subjects[1 - chosen]
    np.testing.assert_array_equal(other.scene.photo.pixels[both], fore.pixels[both])


def test_a_photo_without_colours_takes_the_others_and_says_so(scenes):
    first, second = scenes
    grey = np.repeat(first.photo.pixels.mean(-1, keepdims=True).astype(np.uint8), 3, axis=2)
    plain = replace(first, photo=replace(first.photo, pixels=grey))
    composed = compose((plain, second), Staging(), None, SMALL)
    assert "colours_taken" in {notice.code for notice in composed.notices}
    right = composed.scene.subjects[1]
    spread = np.ptp(right.pixels[right.matte > 250].astype(int), axis=1)
    assert np.percentile(spread, 95) < 12


def test_far_from_a_person_their_own_picture_is_the_plate(made):
    for subject in made.scene.subjects:
        unit = inter_ocular(subject.face.landmarks)
        near = cv2.dilate(subject.matte, np.ones((round(5 * unit) | 1,) * 2, np.uint8)) > 0
        assert (~near).any()
        np.testing.assert_array_equal(subject.pixels[~near], made.scene.plate[~near])


def test_no_lower_edge_of_a_photo_is_seen(made):
    for subject in made.scene.subjects:
        assert (subject.matte[-1] > 127).sum() > inter_ocular(subject.face.landmarks)
        np.testing.assert_allclose(subject.matte[-1].astype(int), subject.matte[-3].astype(int), atol=90)


def test_sides_can_be_chosen(made, scenes):
    swapped = compose(scenes, Staging(left=1), None, SMALL)
    assert [subject.origin[0] for subject in made.scene.subjects] == ["1", "2"]
    assert [subject.origin[0] for subject in swapped.scene.subjects] == ["2", "1"]
    boxes = [subject.face.box for subject in swapped.scene.subjects]
    assert boxes[0][2] < boxes[1][0]


def test_the_same_in_gives_the_same_out_and_a_digest_of_its_own(made, scenes):
    again = compose(scenes, Staging(), None, SMALL)
    np.testing.assert_array_equal(again.scene.photo.pixels, made.scene.photo.pixels)
    assert again.scene.photo.sha256 == made.scene.photo.sha256
    digests = {made.scene.photo.sha256}
    backdrop = np.full((90, 160, 3), 120, np.uint8)
    for plate in (backdrop, backdrop + 1):
        digests.add(compose(scenes, Staging(backdrop="photo"), plate, SMALL).scene.photo.sha256)
    assert len(digests) == 3
    assert all(len(digest) == 64 for digest in digests)


def test_backdrops(scenes):
    red = np.full((90, 160, 3), (180, 40, 40), np.uint8)
    given = compose(scenes, Staging(), red, SMALL).scene.plate
    assert np.median(given[..., 0]) > np.median(given[..., 2]) + 60
    own = compose(scenes, Staging(backdrop="first"), None, SMALL).scene.plate
    blue = own[15:90, -110:-15].astype(int)
    assert np.median(blue[..., 2] - blue[..., 0]) > 60  # the wall behind the first person is blue
    with pytest.raises(SceneError) as missing:
        compose(scenes, Staging(backdrop="photo"), None, SMALL)
    assert missing.value.code == "backdrop_missing"


def test_a_margin_lies_around_the_frame(made, scenes):
    wide = compose(scenes, Staging(), None, replace(SMALL, margin=0.1))
    x0, y0, x1, y1 = (round(edge) for edge in wide.frame)
    assert wide.scene.photo.pixels.shape[:2] == (y1 + y0, x1 + x0)
    inner = wide.scene.matte[y0:y1, x0:x1].astype(int)
    assert np.abs(inner - made.scene.matte).mean() < 2
    assert made.frame == (0, 0, made.scene.photo.width, made.scene.photo.height)


def test_what_perception_said_comes_along_with_the_new_places(scenes):
    first, second = scenes
    told = replace(second, notices=(Notice("dark", "m", "h", "warning", 0), Notice("busy_background", "m", "h")))
    scene = compose((first, told), Staging(), None, SMALL).scene
    assert ("dark", 1) in {(notice.code, notice.subject) for notice in scene.notices}
    left = compose((first, told), Staging(left=1), None, SMALL).scene
    assert ("dark", 0) in {(notice.code, notice.subject) for notice in left.notices}


def test_a_photo_far_larger_than_the_picture_gives_the_same_picture(made, scenes):
    first, second = scenes
    size = (3 * first.photo.width, 3 * first.photo.height)
    (subject,) = first.subjects
    to_size = Placement(3.0, 0.0, 0.0)
    large = place(Cutout(first.photo.pixels, first.matte, subject.face, subject.body), to_size, *size)
    scene = replace(
        first,
        photo=replace(first.photo, pixels=large.pixels),
        subjects=(replace(subject, face=large.face, body=large.body, matte=large.matte),),
        matte=large.matte,
    )
    again = compose((scene, second), Staging(), None, SMALL)
    assert again.metrics["scale_left"] * 3 == pytest.approx(made.metrics["scale_left"], rel=0.05)
    off = again.scene.photo.pixels.astype(int) - made.scene.photo.pixels
    assert np.abs(off).mean() < 4
    assert "largest_taken" not in {notice.code for notice in again.scene.notices}
    crowd = replace(first, subjects=(subject, replace(subject, matte=None)))
    told = compose((second, crowd), Staging(), None, SMALL).scene.notices
    assert ("largest_taken", 1) in {(notice.code, notice.subject) for notice in told}


def test_advice_is_given_where_it_applies(made, scenes):
    assert {(notice.code, notice.subject) for notice in made.notices} >= {("cut_at_side", 0)}
    unlike = compose(scenes, Staging(size_ratio=0.5), None, SMALL).notices
    assert {"sizes_differ", "ground_not_shared"} <= {notice.code for notice in unlike}


def test_what_cannot_be_composed_is_refused(scenes):
    first, second = scenes
    with pytest.raises(SceneError) as nobody:
        compose((first, replace(second, subjects=())), Staging(), None, SMALL)
    assert nobody.value.code == "no_face"
    with pytest.raises(SceneError) as giant:
        compose(scenes, Staging(size_ratio=4.0), None, SMALL)
    assert giant.value.code == "size_ratio_out_of_range"
