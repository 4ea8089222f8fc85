from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from photoplay.errors import CancelledError, RequestError
from photoplay.finishing.preview import encode_preview
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


def test_refusals_and_cancel_leave_nothing(tmp_path):
    with pytest.raises(RequestError, match=r"\.gif or \.webp"):
        encode_preview(windows(moving(3, 40, 60)), tmp_path / "clip.avi")
    with pytest.raises(RequestError, match="no frames"):
        encode_preview(iter(()), tmp_path / "clip.gif")

    def stop(event):
        raise CancelledError()

    with pytest.raises(CancelledError):
        encode_preview(windows(moving(3, 40, 60)), tmp_path / "clip.gif", progress=stop)
    assert not list(tmp_path.iterdir())
