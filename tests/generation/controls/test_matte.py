from __future__ import annotations

from dataclasses import replace

import numpy as np

from photoplay.generation.controls.matte import draw_matte, regions
from photoplay.types import Label
from tests.generation.controls.people import person, plan
from tests.generation.controls.test_depth import anchor


def test_everything_but_the_background_is_white() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    picture = draw_matte(replace(anchor(np.zeros((1, 3, 4))), labels=labels))
    assert picture.shape == (1, 3, 4, 3)
    np.testing.assert_array_equal(picture == 255, np.repeat((labels != Label.BACKGROUND)[..., None], 3, axis=-1))
    assert set(np.unique(picture)) == {0, 255}


def test_every_pixel_belongs_to_one_person() -> None:
    people = [person(2, x=-90, step=30), person(2, x=90, step=30)]
    masks = regions(people, plan(320, 480, frames=2))
    assert masks.shape == (2, 2, 480, 320)
    assert (masks.astype(int).sum(0) == 255).all()
    for who, x in ((0, 110), (1, 290)):
        for frame in (0, 1):
            for y in (110, 190, 400, 590):
                assert masks[who, frame, int(y * 0.8), int((x + 30 * frame) * 0.8)] == 255
    border = (masks[0] > 0).sum(-1)[:, 60:]
    np.testing.assert_allclose(border[0], 160, atol=16)
    np.testing.assert_allclose(border[1], 184, atol=16)


def test_one_person_has_the_whole_frame() -> None:
    assert (regions([person()], plan(320, 480)) == 255).all()


def test_a_child_s_region_is_smaller_than_a_grown_up_s() -> None:
    small = person(x=90)
    middle = small.joints[:, [11, 12]].mean(1, keepdims=True)
    small = replace(small, joints=(middle + 0.5 * (small.joints - middle)).astype(np.float32))
    masks = regions([person(x=-90), small], plan(320, 480))
    assert (masks[0] > 0).mean() > 0.55
