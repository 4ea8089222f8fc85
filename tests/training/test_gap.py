from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.training.gap import gap, shift, table, trusted_skin
from photoplay.training.shards import Example
from photoplay.types import Label
from tests.generation.actors import astronaut
from tests.training import toys


@pytest.mark.parametrize(("dx", "dy"), [(0.4, -0.3), (0.0, 0.5), (-0.7, 0.2)])
def test_a_known_shift_of_less_than_a_pixel_is_found(dx, dy):
    picture = cv2.GaussianBlur(astronaut().photo.pixels[40:160, 150:290], (0, 0), 1.2)
    moved = cv2.warpAffine(picture, np.float32([[1, 0, dx], [0, 1, dy]]), picture.shape[1::-1], flags=cv2.INTER_CUBIC)
    inside = np.zeros(picture.shape[:2], bool)
    inside[10:-10, 10:-10] = True
    assert shift(picture, moved, inside) == pytest.approx((dx, dy), abs=0.08)
    assert shift(picture, np.clip(moved + 6.0, 0, 255).astype(np.uint8), inside) == pytest.approx((dx, dy), abs=0.1)


def test_an_anchor_that_is_right_leaves_no_gap_and_one_that_is_off_by_five_levels_one_of_five():
    window = toys.example(0).window
    sure = replace(
        window,
        anchor=np.minimum(window.anchor, 240),
        confidence=np.full_like(window.confidence, 255),
        labels=np.full_like(window.labels, Label.SKIN),
    )
    right = gap(Example(sure, sure.anchor, {}))
    assert (right["psnr_face"], right["skin_error"]) == (100, 0)
    off = gap(Example(sure, sure.anchor + np.uint8(5), {}))
    assert off["skin_error"] == 5
    assert off["psnr_mouth"] == pytest.approx(10 * np.log10(255**2 / 25), abs=1e-3)


def test_only_skin_of_the_face_that_the_anchor_is_sure_of_is_trusted():
    window = toys.example(0).window
    sure = replace(
        window, confidence=np.full_like(window.confidence, 255), labels=np.full_like(window.labels, Label.SKIN)
    )
    everything = trusted_skin(sure, 0)
    assert everything.any()
    assert not everything[0].any()  # the crop's border is not the face
    for changed in (
        replace(sure, confidence=np.full_like(window.confidence, 200)),
        replace(sure, labels=np.full_like(window.labels, Label.HAIR)),
    ):
        assert not trusted_skin(changed, 0).any()


def test_the_table_has_a_row_for_each_source():
    rows = table([{"source": "still", "psnr_face": 30.0}, {"source": "clip", "psnr_face": 20.0, "skin_error": 1.0}])
    assert "| still: 1 |" in rows
    assert "30.00" in rows
    assert rows.count("\n") == 3
