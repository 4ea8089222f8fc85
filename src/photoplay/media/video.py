"""Driving clips: a video in, upright RGB frames at a constant rate out, decoded in a confined child process."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from photoplay.media.child import decoder, open_source
from photoplay.media.refusals import refusal
from photoplay.media.sniff import HEAD, video_format
from photoplay.types import Array, Frames, Rgb

MAX_BYTES = 500_000_000
MAX_PIXEL_FRAMES = 500_000_000
"""Pixels of all frames that :func:`read_video` holds at once: 1.5 GB."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video says about itself: upright size in square pixels, average rate, length (0: not told), codec, sound."""

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
    settings: dict[str, Any] = {}
    with _opened(source, "probe", settings, seconds) as messages:
        fields, _ = next(messages)
    codec, fps, length = fields.get("codec"), fields.get("fps"), fields.get("seconds")
    width, height = _size(fields)
    if not (isinstance(codec, str) and isinstance(fps, float) and isinstance(length, float)):
        raise refusal("video_broken")
    if fields["turn"][1]:
        width, height = height, width
    return VideoInfo(width, height, fps, length, codec, bool(fields.get("sound")))


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
    settings = _settings(max_seconds, max_side, fps)
    with _opened(source, "frames", settings, seconds) as messages:
        opening, _ = next(messages)
        width, height = _size(opening)
        rate, length = float(opening["fps"]), float(opening["seconds"])
        allowed = max_pixel_frames // (width * height)
        if length * rate > allowed + 1:
            raise refusal("video_too_many_pixels")
        stack = np.empty((min(ceil(length * rate) + 2, allowed) or 1, *_turned_shape(opening)), np.uint8)
        count = 0
        for times, rgb in messages:
            if count + times["times"] > allowed:
                raise refusal("video_too_many_pixels")
            if count + times["times"] > len(stack):
                stack = np.concatenate([stack, np.empty_like(stack[: max(len(stack), times["times"])])])
            stack[count : count + times["times"]] = rgb
            count += times["times"]
    return Frames(stack[:count], rate)


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
    settings = _settings(max_seconds, max_side, fps)
    with _opened(source, "frames", settings, seconds) as messages:
        next(messages)
        for fields, rgb in messages:
            yield rgb
            for _ in range(fields["times"] - 1):
                yield rgb.copy()


def _settings(max_seconds: float, max_side: int, fps: float | None) -> dict[str, Any]:
    if max_side < 1 or max_seconds <= 0 or not (fps is None or 1 <= fps <= 240):
        raise ValueError("max_side must be at least 1, max_seconds above 0, fps in 1..240")
    return {"max_seconds": float(max_seconds), "max_side": int(max_side), "fps": fps and float(fps)}


_Messages: TypeAlias = Generator[tuple[dict[str, Any], Rgb], None, None]


def _opened(source: Path | bytes, job: str, settings: dict[str, Any], seconds: float) -> closing[_Messages]:
    return closing(_messages(source, job, settings, seconds))


def _messages(source: Path | bytes, job: str, settings: dict[str, Any], seconds: float) -> _Messages:
    """The child's answers, checked: first the opening with an empty picture, then ``{"times": n}`` and a picture each."""
    with open_source(source, MAX_BYTES, "video") as file:
        kind = video_format(file.read(HEAD))
        if kind is None:
            raise refusal("video_format_unknown")
        arguments = [job, kind, str(2 * ceil(seconds)), json.dumps(settings)]
        with decoder("decode_stream", arguments, file, "video", seconds) as child:
            opening = child.header()
            width, height = _size(opening)
            turn = opening.get("turn")
            if turn not in _TURNS:
                raise refusal("video_broken")
            yield opening, np.empty((0, 0, 3), np.uint8)
            while "end" not in (fields := child.header()):
                times = fields.get("times")
                if not (isinstance(times, int) and 0 < times < 100_000):
                    raise refusal("video_broken")
                rgb = np.empty((height, width, 3), np.uint8)
                child.body_into(rgb.data.cast("B"))
                yield fields, _turned(rgb, turn)


_TURNS = [[a, 0, 0, d] for a in (1, -1) for d in (1, -1)] + [[0, b, c, 0] for b in (1, -1) for c in (1, -1)]


def _size(fields: dict[str, Any]) -> tuple[int, int]:
    width, height = fields.get("width"), fields.get("height")
    rate = fields.get("fps")
    if not (isinstance(width, int) and isinstance(height, int) and 0 < width < 1 << 16 and 0 < height < 1 << 16):
        raise refusal("video_broken")
    if not (isinstance(rate, float) and isfinite(rate) and rate > 0):
        raise refusal("video_broken")
    return width, height


def _turned_shape(opening: dict[str, Any]) -> tuple[int, int, int]:
    width, height = _size(opening)
    return (width, height, 3) if opening["turn"][1] else (height, width, 3)


def _turned(rgb: Array, turn: list[int]) -> Rgb:
    """The picture upright: x' = a x + c y, y' = b x + d y with signs ``turn`` = (a, b, c, d)."""
    a, b, c, d = turn
    if b:
        rgb, a, d = rgb.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(rgb[::d, ::a])
