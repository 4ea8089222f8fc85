"""What leaves the door again: scaled photos and clean stills."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import MediaError
from photoplay.media import load_photo, resize_photo, save_image
from photoplay.types import Photo
from tests.media.test_photo import FOUR


def test_stills_round_trip_and_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")
    save_image(FOUR, path)
    assert np.array_equal(load_photo(path).pixels, FOUR)
    assert os.listdir(tmp_path) == ["a.png"]
    for name, code in (("a.gif", "image_format_unknown"), ("none/a.png", "image_not_written")):
        with pytest.raises(MediaError) as caught:
            save_image(FOUR, tmp_path / name)
        assert caught.value.code == code
        assert str(tmp_path) not in str(caught.value)


def test_resizing_keeps_the_mean_and_the_identity() -> None:
    rows, columns = np.mgrid[:200, :300]
    checker = np.repeat(((rows + columns) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    photo = Photo(checker, "0" * 64, "png")
    small = resize_photo(photo, 60)
    assert small.pixels.shape == (40, 60, 3)
    assert np.abs(small.pixels.astype(float) - 127.5).max() < 3  # a sampler that skips pixels shows 0 or 255
    assert (small.sha256, small.format) == (photo.sha256, photo.format)
    assert resize_photo(photo, 300) is photo
