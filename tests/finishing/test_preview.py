from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from photoplay.errors import CancelledError, RequestError
from photoplay.finishing.preview import encode_preview, write_png_frames
from tests.finishing.clips import moving, windows


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_preview_is_small_and_lasts_as_long(tmp_path, ending):
    stack = moving(48, 180, 320)
    path = tmp_path / f"clip.{ending}"
    count = encode_preview(windows(stack, 10), path, long_side=160)
    with Image.open(path) as image:
        assert image.size == (160, 90)
        assert image.n_frames == count == 24
        assert image.info.get("loop") == 0
        length = 0
        for index in range(count):
            image.seek(index)
            image.load()
            length += image.info["duration"]
            if index == 10:
                shown = np.asarray(image.convert("RGB").resize((320, 180)), float)
    assert length == pytest.approx(2000, abs=10)
    assert np.abs(shown - stack[20]).mean() < 14 < np.abs(shown - stack[0]).mean()


def test_png_frames_are_exact(tmp_path):
    stack = moving(5, 40, 60)
    assert write_png_frames(windows(stack, 2), tmp_path / "frames") == 5
    files = sorted((tmp_path / "frames").iterdir())
    assert [f.name for f in files] == [f"frame_{n:05d}.png" for n in range(5)]
    for file, picture in zip(files, stack, strict=True):
        with Image.open(file) as image:
            assert (np.asarray(image) == picture).all()


def test_refusals_and_cancel_leave_nothing(tmp_path):
    with pytest.raises(RequestError, match=r"\.gif or \.webp"):
        encode_preview(windows(moving(3, 40, 60)), tmp_path / "clip.avi")
    with pytest.raises(RequestError, match="no frames"):
        encode_preview(iter(()), tmp_path / "clip.gif")

    def stop(event):
        raise CancelledError()

    with pytest.raises(CancelledError):
        write_png_frames(windows(moving(3, 40, 60)), tmp_path / "frames", progress=stop)
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(RequestError, match="not empty"):
        write_png_frames(windows(moving(3, 40, 60)), tmp_path / "mine")
