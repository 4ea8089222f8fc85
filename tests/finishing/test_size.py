from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoplay.errors import RequestError
from photoplay.finishing.size import plan_size


@pytest.mark.parametrize(
    ("photo", "size", "film"),
    [
        ((1920, 1080), "720p", (1280, 720)),
        ((4000, 3000), "720p", (960, 720)),
        ((3000, 4000), "1080p", (1080, 1440)),
        ((512, 512), "480p", (480, 480)),
        ((1080, 1920), "480p", (480, 854)),
        ((4000, 1000), "720p", (1280, 320)),
        ((300, 200), "720p", (1080, 720)),
        ((4000, 3000), "641x361", (640, 360)),
        ((4000, 3000), " 640X360 ", (640, 360)),
    ],
)
def test_known_sizes(photo, size, film):
    assert plan_size(*photo, size)[:2] == film


@given(st.integers(200, 6000), st.integers(200, 6000), st.sampled_from(["480p", "720p", "1080p"]))
def test_whole_photo_in_its_own_shape(width, height, size):
    try:
        film_width, film_height, crop = plan_size(width, height, size)
    except RequestError:
        assert max(width, height) / min(width, height) > 13
        return
    assert film_width % 2 == film_height % 2 == 0
    scale = film_width / (crop[2] - crop[0])
    assert film_height / (crop[3] - crop[1]) == pytest.approx(scale)
    lost = (width - (crop[2] - crop[0])) * scale, (height - (crop[3] - crop[1])) * scale
    assert min(lost) == pytest.approx(0, abs=1e-6)
    assert max(lost) <= 2 * max(width, height) / min(width, height)


@given(
    st.integers(64, 5000), st.integers(64, 5000), st.integers(64, 4096), st.integers(64, 4096),
    st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_cover_crop_lies_inside_and_keeps_the_focus(width, height, film_width, film_height, x, y):
    focus = (x * width - 5, y * height - 5, x * width + 5, y * height + 5)
    w, h, (x0, y0, x1, y1) = plan_size(width, height, f"{film_width}x{film_height}", focus)
    assert -1e-6 <= x0 < x1 <= width + 1e-6
    assert -1e-6 <= y0 < y1 <= height + 1e-6
    assert (x1 - x0) / (y1 - y0) == pytest.approx(w / h)
    assert x0 - 1e-6 <= x * width <= x1 + 1e-6
    assert y0 - 1e-6 <= y * height <= y1 + 1e-6


@pytest.mark.parametrize(
    ("photo", "size", "code"),
    [
        ((800, 600), "63x640", "size_out_of_range"),
        ((800, 600), "640x4098", "size_out_of_range"),
        ((9000, 200), "480p", "size_out_of_range"),
        ((800, 600), "big", "bad_size"),
        ((800, 600), "-640x480", "bad_size"),
        ((800, 600), "0x0", "size_out_of_range"),
    ],
)
def test_silly_sizes(photo, size, code):
    with pytest.raises(RequestError) as refused:
        plan_size(*photo, size)
    assert refused.value.code == code
