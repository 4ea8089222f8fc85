from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image
from skimage.data import astronaut

from photoplay.errors import ConsentError
from photoplay.perception.faces import FaceReader
from photoplay.safety.bystanders import hide, hide_all_but
from photoplay.safety.consent.binding import SAME_PERSON, Binding
from photoplay.types import Face, Photo, Rgb


@pytest.fixture(scope="module")
def two() -> tuple[Rgb, tuple[Face, ...], FaceReader]:
    """Two people side by side, and who they are."""
    with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as image:
        hopper = np.array(image.convert("RGB"))[60:460, 60:460]
    left = cv2.resize(astronaut()[20:320, 70:370], (400, 400), interpolation=cv2.INTER_AREA)
    rgb = np.ascontiguousarray(np.hstack([left, hopper]))
    reader = FaceReader()
    faces = reader.read(rgb, identity=True)
    assert len(faces) == 2
    return rgb, faces, reader


def test_a_hidden_face_is_found_by_nobody_and_the_other_stays(two: tuple[Rgb, tuple[Face, ...], FaceReader]) -> None:
    rgb, faces, reader = two
    made = hide_all_but(Photo(rgb, "a" * 64), faces, (True, False), reader)
    left = reader.read(made.pixels, identity=True)
    assert len(left) == 1
    assert Binding.of(faces[0].embedding).distance(left[0].embedding) < 40
    assert [notice.code for notice in made.notices] == ["bystanders_blurred"]
    assert made.sha256 == "a" * 64
    x0, y0, x1, y1 = (round(edge) for edge in faces[0].box)
    assert np.array_equal(made.pixels[y0:y1, x0:x1], rgb[y0:y1, x0:x1])


def test_what_is_left_of_a_face_is_not_its_owner(two: tuple[Rgb, tuple[Face, ...], FaceReader]) -> None:
    """Forced to read a face where it was, the network sees nobody, or somebody else."""
    rgb, faces, reader = two
    made = hide(rgb, [face.box for face in faces])
    for face in faces:
        for seen in reader.read(made, near=face.box, identity=True):
            if seen.embedding is not None:
                assert Binding.of(face.embedding).distance(seen.embedding) > SAME_PERSON


def test_little_is_left_to_compute_a_face_from(two: tuple[Rgb, tuple[Face, ...], FaceReader]) -> None:
    rgb, faces, _ = two
    made = hide(rgb, [faces[1].box])
    x0, y0, x1, y1 = (round(edge) for edge in faces[1].box)
    before, after = rgb[y0:y1, x0:x1].astype(float).mean(2), made[y0:y1, x0:x1].astype(float).mean(2)
    fine = [np.abs(np.diff(one, axis=0)).mean() + np.abs(np.diff(one, axis=1)).mean() for one in (before, after)]
    assert fine[1] < 0.2 * fine[0]


def test_where_nobody_is_hidden_nothing_changes(two: tuple[Rgb, tuple[Face, ...], FaceReader]) -> None:
    rgb, faces, reader = two
    photo = Photo(rgb, "a" * 64)
    assert hide_all_but(photo, faces, (True, True), reader) is photo
    assert np.array_equal(hide(rgb, []), rgb)


def test_a_face_at_the_edge_and_one_as_small_as_a_pixel(two: tuple[Rgb, tuple[Face, ...], FaceReader]) -> None:
    rgb = two[0]
    made = hide(rgb, [(-20.0, -20.0, 30.0, 30.0), (400.0, 200.0, 401.0, 201.0)])
    assert made.shape == rgb.shape
    assert not np.array_equal(made[:30, :30], rgb[:30, :30])


def test_who_can_still_be_seen_is_refused(two: tuple[Rgb, tuple[Face, ...], FaceReader]) -> None:
    rgb, faces, _ = two

    class Stubborn:
        def read(self, rgb: Rgb, near: object = None, identity: bool = False) -> tuple[Face, ...]:
            return tuple(replace(face, embedding=None) for face in faces)

    with pytest.raises(ConsentError) as caught:
        hide_all_but(Photo(rgb, "a" * 64), faces, (True, False), Stubborn())  # type: ignore[arg-type]
    assert caught.value.code == "bystander_seen"
