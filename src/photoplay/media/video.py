"""Driving clips: a video in, upright RGB frames at a constant rate out, decoded in a confined child process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import Any

import numpy as np

from photoplay.media.child import Child, decoder, open_source
from photoplay.media.refusals import refusal
from photoplay.media.sniff import HEAD, video_format
from photoplay.types import Array, Frames, Rgb

MAX_BYTES = 500_000_000
MAX_PIXEL_FRAMES = 500_000_000
"""Pixels of all frames that :func:`read_video` holds at once: 1.5 GB."""


@dataclass(frozen=True)
class VideoInfo:
    """A video: upright size in square pixels, frames a second, length as declared (0: not told), codec, sound or not."""

    width: int
    height: int
    fps: float
    seconds: float
    codec: str
    has_sound: bool


def probe_video(source: Path | bytes, *, seconds: float = 5.0) -> VideoInfo:
    """Reads a video's header and first frame; also checks that the container is whole.

    Raises MediaError with the codes of :func:`read_video`.
    """
    with _clip(source, "probe", {}, seconds) as clip:
        return clip.info


def read_video(
    source: Path | bytes,
    *,
    max_seconds: float = 60.0,
    max_side: int = 1280,
    max_pixel_frames: int = MAX_PIXEL_FRAMES,
    fps: float | None = None,
    seconds: float = 120.0,
) -> Frames:
    """All frames of a video, as :func:`stream_video` gives them, with their rate.

    ``max_pixel_frames`` caps output pixels x frames (three bytes each). Raises MediaError (``file_*`` and ``video_*`` of
    :mod:`photoplay.media.refusals`).
    """
    with _clip(source, "frames", _settings(max_seconds, max_side, fps), seconds) as clip:
        info = clip.info
        allowed = max_pixel_frames // (info.width * info.height)
        expected = ceil(info.seconds * info.fps)
        if expected > allowed + 1:
            raise refusal("video_too_many_pixels")
        stack = np.empty((min(expected + 2, allowed), info.height, info.width, 3), np.uint8)
        count = 0
        for times, rgb in clip.frames():
            if count + times > allowed:
                raise refusal("video_too_many_pixels")
            if count + times > len(stack):
                more = np.empty((min(len(stack) + times, allowed - len(stack)), *stack.shape[1:]), np.uint8)
                stack = np.concatenate([stack, more])
            stack[count : count + times] = rgb
            count += times
    return Frames(stack[:count], info.fps)


def stream_video(
    source: Path | bytes,
    *,
    max_seconds: float = 60.0,
    max_side: int = 1280,
    fps: float | None = None,
    seconds: float = 120.0,
) -> Iterator[Rgb]:
    """Yields a video's frames ``uint8 [h, w, 3]``: upright, longer side at most ``max_side``, one every 1/rate seconds.

    mp4, mov, webm, mkv and animated GIF (transparency is white). The rate is ``fps``, or the clip's average rate within
    1..60: at every output instant stands the frame that is nearest in time, so variable rates come out constant.
    Rotation, mirroring and oblong pixels of the file are applied. ``seconds`` limits the time spent waiting for the
    decoder, not the time that the caller takes between frames.

    A file whose container is cut short is refused before the first frame; damage inside is refused when it is met.
    Raises MediaError (``file_*`` and ``video_*`` of :mod:`photoplay.media.refusals`).
    """
    with _clip(source, "frames", _settings(max_seconds, max_side, fps), seconds) as clip:
        for times, rgb in clip.frames():
            yield rgb
            for _ in range(times - 1):
                yield rgb.copy()


def _settings(max_seconds: float, max_side: int, fps: float | None) -> dict[str, Any]:
    if max_side < 1 or max_seconds <= 0 or not (fps is None or 1 <= fps <= 240):
        raise ValueError("max_side must be at least 1, max_seconds above 0, fps in 1..240")
    return {"max_seconds": float(max_seconds), "max_side": int(max_side), "fps": fps and float(fps)}


@contextmanager
def _clip(source: Path | bytes, job: str, settings: dict[str, Any], seconds: float) -> Iterator[_Clip]:
    with open_source(source, MAX_BYTES, "video") as file:
        kind = video_format(file.read(HEAD))
        if kind is None:
            raise refusal("video_format_unknown")
        arguments = [job, kind, str(2 * ceil(seconds)), json.dumps(settings)]
        with decoder("decode_stream", arguments, file, "video", seconds) as child:
            yield _Clip(child)


_TURNS = [[a, 0, 0, d] for a in (1, -1) for d in (1, -1)] + [[0, b, c, 0] for b in (1, -1) for c in (1, -1)]


class _Clip:
    """A child's answers about one video, checked."""

    def __init__(self, child: Child) -> None:
        fields = child.header()
        width, height, turn = fields.get("width"), fields.get("height"), fields.get("turn")
        fps, seconds, codec = fields.get("fps"), fields.get("seconds"), fields.get("codec")
        if not (isinstance(width, int) and isinstance(height, int) and 0 < width < 1 << 16 and 0 < height < 1 << 16):
            raise refusal("video_broken")
        if not (isinstance(fps, float) and isinstance(seconds, float) and 1 <= fps <= 240 and 0 <= seconds < inf):
            raise refusal("video_broken")
        if not isinstance(codec, str) or turn not in _TURNS:
            raise refusal("video_broken")
        self._child = child
        self._turn: list[int] = turn
        self._stored = height, width, 3
        if turn[1]:
            width, height = height, width
        self.info = VideoInfo(width, height, fps, seconds, codec[:32], bool(fields.get("sound")))

    def frames(self) -> Iterator[tuple[int, Rgb]]:
        """Upright pictures, each with the number of output instants that it stands for."""
        while "end" not in (fields := self._child.header()):
            times = fields.get("times")
            if not (isinstance(times, int) and 0 < times < 100_000):
                raise refusal("video_broken")
            rgb = np.empty(self._stored, np.uint8)
            self._child.body_into(rgb.data.cast("B"))
            yield times, _turned(rgb, self._turn)


def _turned(rgb: Array, turn: list[int]) -> Rgb:
    """The picture upright: x' = a x + c y, y' = b x + d y with signs ``turn`` = (a, b, c, d)."""
    a, b, c, d = turn
    if b:
        rgb, a, d = rgb.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(rgb[::d, ::a])
