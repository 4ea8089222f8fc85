from __future__ import annotations

import numpy as np
import pytest

from photoplay.generation.controls.depth import draw_depth, focal_length
from photoplay.types import Anchor, Array, Photo
from tests.generation.controls.people import plan


def anchor(depth: Array) -> Anchor:
    shape = depth.shape
    empty = np.zeros(shape, np.uint8)
    return Anchor(
        np.zeros((*shape, 3), np.uint8), empty, empty, np.zeros((*shape, 2), np.float16), depth.astype(np.float16)
    )


PHOTO = Photo(np.zeros((600, 400, 3), np.uint8), "0" * 64)


def test_the_camera_sees_45_degrees_along_the_longer_side() -> None:
    assert focal_length(PHOTO, plan(400, 600)) == pytest.approx(300 / np.tan(np.radians(22.5)))
    assert focal_length(PHOTO, plan(200, 300)) == pytest.approx(150 / np.tan(np.radians(22.5)))


def test_near_is_white_far_is_dark_and_behind_is_black() -> None:
    depth = np.full((2, 4, 6), np.inf)
    depth[0, 1, 1:5] = (-40, 0, 40, 400)
    depth[1, 1, 1] = 0
    picture = draw_depth(anchor(depth), PHOTO, plan(400, 600))
    focal = focal_length(PHOTO, plan(400, 600))
    near = focal - 40
    assert picture[0, 1, 1:5, 0].tolist() == [255, *(round(255 * near / (focal + z)) for z in (0, 40, 400))]
    assert picture[1, 1, 1, 0] == picture[0, 1, 2, 0]
    assert (picture == picture[..., :1]).all()
    assert picture[~np.isfinite(depth)].max() == 0


def test_an_empty_frame_is_black() -> None:
    assert not draw_depth(anchor(np.full((1, 4, 6), np.inf)), PHOTO, plan()).any()
