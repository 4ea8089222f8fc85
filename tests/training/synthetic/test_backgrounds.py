from __future__ import annotations

import numpy as np
import pytest

from photoplay.training.synthetic.backgrounds import draw_background


@pytest.mark.parametrize("size", [(64, 64), (120, 68), (50, 200)])
def test_backgrounds_are_light(size):
    for seed in range(12):
        picture = draw_background(np.random.default_rng(seed), *size)
        assert picture.shape == (*size, 3)
        assert np.isfinite(picture).all()
        assert 0 <= picture.min() <= picture.max() <= 1


def test_backgrounds_differ_and_repeat():
    pictures = [draw_background(np.random.default_rng(seed), 48, 48) for seed in range(20)]
    assert np.array_equal(pictures[5], draw_background(np.random.default_rng(5), 48, 48))
    assert np.std([picture.mean() for picture in pictures]) > 0.03
    detail = [np.abs(np.diff(picture, axis=1)).mean() for picture in pictures]
    assert max(detail) > 5 * min(detail), "some are sharp, some are blurred"
