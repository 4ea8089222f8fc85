from __future__ import annotations

import numpy as np

from photoplay.finishing.correspond import Grid, OpticalFlow, through_photo
from tests.finishing.clips import moving, texture


def test_a_field_that_slides_through_the_photo():
    grid = Grid(320, 200)
    still = np.zeros((grid.rows, grid.columns, 2), np.float32)
    before, now = still - np.float32((3, 1)), still - np.float32((5, 4))
    assert np.allclose(through_photo(grid, now, before), (-2, -3))


def test_a_field_that_turns_through_the_photo():
    grid = Grid(320, 200)
    middle = np.float32((160, 100))

    def turned(degrees):
        """Flow to the photo of a frame that shows it turned."""
        a = np.radians(degrees)
        back = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        points = np.dstack([grid.x, grid.y])
        return ((points - middle) @ back.T + middle - points).astype(np.float32)

    shift = through_photo(grid, turned(7), turned(5))
    inside = np.s_[4:-4, 6:-6]
    assert np.abs(shift - turned(2))[inside].max() < 0.08
    assert np.abs(turned(7) - turned(5) - turned(2))[inside].max() > 0.2  # the first guess would not do


def test_optical_flow_sees_a_slide():
    big = texture(300, 420, seed=3)
    grid, eye = Grid(400, 280), OpticalFlow(Grid(400, 280))
    before, now = big[10:290, 10:410], big[12:292, 5:405]
    shift = eye.shift(eye.small(now), eye.small(before))
    assert np.abs(np.median(shift, axis=(0, 1)) - (-5, 2)).max() < 0.3
    assert shift.shape == (grid.rows, grid.columns, 2)


def test_sampling_follows_the_shift():
    stack = moving(2, 120, 160)
    grid = Grid(160, 120)
    one_right = np.broadcast_to(np.float32((1, 0)), (grid.rows, grid.columns, 2)).copy()
    assert (grid.sample(stack[0], one_right) == grid.at(np.roll(stack[0], -1, axis=1))).all()
