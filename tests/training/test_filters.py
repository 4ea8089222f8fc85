from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.evaluation.identity import same_person
from photoplay.training.filters import shots, why_not
from photoplay.training.follow import face_of
from tests.generation.actors import astronaut


@pytest.fixture(scope="module")
def photo():
    return astronaut().photo.pixels


@pytest.fixture(scope="module")
def face():
    return face_of(astronaut().subjects[0].face.landmarks, 512, 512)


def test_one_sharp_whole_face_is_what_is_wanted(photo, face):
    assert why_not(photo, (face,)) is None
    far = replace(face, box=(400.0, 400.0, 420.0, 420.0))
    assert why_not(photo, (face, far)) is None  # somebody small in the background


def test_everything_else_has_a_reason(photo, face):
    assert why_not(photo, ()) == "no face"
    assert why_not(photo, (face, replace(face))) == "several faces"
    assert why_not(cv2.GaussianBlur(photo, (0, 0), 3.0), (face,)) == "not sharp"
    _, y0, x1, y1 = face.box
    assert why_not(photo, (replace(face, box=(-5.0, y0, x1, y1)),)) == "face not whole"
    assert why_not(photo, (replace(face, visibility=np.zeros(478, np.float32)),)) == "face not whole"
    half = cv2.resize(photo, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    small = face_of(face.landmarks * np.float32(0.4), *half.shape[1::-1])
    assert why_not(half, (small,)) == "small face"


def test_a_person_is_told_by_the_embedding_and_unknown_is_not_the_same(face):
    one, other = np.zeros(128, np.float32), np.zeros(128, np.float32)
    other[0] = 0.9
    assert same_person(replace(face, embedding=one), replace(face, embedding=one))
    assert not same_person(replace(face, embedding=one), replace(face, embedding=other))
    assert not same_person(face, replace(face, embedding=one))


def test_a_cut_parts_the_clip_and_motion_or_a_flash_of_light_does_not(photo):
    pans = [photo[40:340, 5 * k : 5 * k + 300] for k in range(8)]
    dimmed = [(frame * (1 - 0.05 * k)).astype(np.uint8) for k, frame in enumerate(pans)]
    sky = [np.ascontiguousarray(np.full_like(pans[0], (90, 140, 230)) - np.uint8(k)) for k in range(5)]
    assert shots(np.stack(pans)) == [slice(0, 8)]
    assert shots(np.stack(dimmed)) == [slice(0, 8)]
    assert shots(np.stack([*pans, *sky, *pans[:2]])) == [slice(0, 8), slice(8, 13), slice(13, 15)]
