from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photoplay.errors import CancelledError, RefusedError, RequestError
from photoplay.media import load_photo, read_video
from photoplay.pipeline.line import produce
from photoplay.safety.content import ContentGate
from photoplay.safety.guard import Guard
from photoplay.safety.verify import verify
from photoplay.safety.watermark import detect
from photoplay.types import Array, Request


def _request(portrait_file: Path, **changes: object) -> Request:
    fields: dict[str, object] = {"seconds": 3.0, "fps": 12.0, "size": "480x480", "backend": "anchor"}
    return Request((load_photo(portrait_file),), ("historical",), "nod", **{**fields, **changes})  # type: ignore[arg-type]


def test_a_cover_and_previews_are_sealed_marked_pictures_of_the_film(portrait_file: Path, tmp_path: Path) -> None:
    seen: list[bytes] = []
    clip = produce(_request(portrait_file), tmp_path / "film.mp4", cover=tmp_path / "cover.png", preview=seen.append)
    number = int(verify(clip.path).number, 16)
    (tmp_path / "preview.png").write_bytes(seen[0])
    assert len(seen) == 2  # windows of 24 frames
    for name, width in (("cover.png", 480), ("preview.png", 320)):
        verified = verify(tmp_path / name)
        assert (verified.state, verified.number) == ("trusted", f"{number:016x}")
        picture = np.asarray(Image.open(tmp_path / name))
        found = detect(picture[None])
        assert picture.shape == (width, width, 3)
        assert found is not None
        assert found.payload == number
    cover = np.asarray(Image.open(tmp_path / "cover.png")).astype(int)
    frames = read_video(clip.path).rgb
    apart = [np.abs(frame - cover).mean() for frame in frames.astype(int)]
    assert int(np.argmin(apart)) == len(frames) // 2
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_previews_are_shown_while_the_film_is_made_and_can_end_it(portrait_file: Path, tmp_path: Path) -> None:
    def stop(data: bytes) -> None:
        assert Image.open(io.BytesIO(data)).format == "PNG"
        raise CancelledError

    with pytest.raises(CancelledError):
        produce(_request(portrait_file), tmp_path / "film.mp4", cover=tmp_path / "cover.png", preview=stop)
    assert not list(tmp_path.iterdir())


class Turning:
    """A classifier that finds the inputs harmless and what is made of them not."""

    name = "turning"

    def __init__(self) -> None:
        self.asked = 0

    def unsafe(self, pictures: object) -> Array:
        self.asked += 1
        return np.full(len(pictures), 0.0 if self.asked == 1 else 1.0, np.float32)  # type: ignore[arg-type]


def test_no_preview_leaves_that_the_filter_refuses(portrait_file: Path, tmp_path: Path) -> None:
    local = Guard.local()
    guard = Guard(ContentGate(Turning()), local.records, local.blocklist, local.audit, local.ledger)
    seen: list[bytes] = []
    with pytest.raises(RefusedError) as caught:
        produce(_request(portrait_file), tmp_path / "film.mp4", guard=guard, preview=seen.append)
    assert caught.value.code == "content_refused"
    assert not seen
    assert not list(tmp_path.iterdir())


def test_a_cover_is_a_png(portrait_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        produce(_request(portrait_file), tmp_path / "film.mp4", cover=tmp_path / "cover.jpg")
    assert caught.value.code == "cover_not_png"
