"""Small moving previews: GIF and WebP."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from photoplay.errors import RequestError
from photoplay.finishing.atomic import replacing
from photoplay.types import Array, Frames, Progress, Rgb, StageEvent, silent

PREVIEW_FPS = 12.0


def encode_preview(
    frames: Iterable[Frames], path: Path, *, long_side: int = 480, quality: int = 80, progress: Progress = silent
) -> int:
    """Writes an endless GIF or WebP (by the name's ending) of about 12 frames a second and returns how many it holds.

    The long side is shrunk to ``long_side``; ``quality`` (0..100) is WebP's. All GIF frames share one palette, so that flat
    areas do not shimmer. Errors: RequestError ``unknown_preview`` for another ending, ``no_frames`` for an empty stream.
    """
    kind = path.suffix.lower()
    if kind not in (".gif", ".webp"):
        raise RequestError("unknown_preview", "A preview is a GIF or a WebP file.", "End its name in .gif or .webp.")
    pictures, times = _thin(frames, long_side, progress)
    if not pictures:
        raise RequestError("no_frames", "There are no frames to make a preview of.", "Ask for at least one frame.")
    durations = _durations(times, 10 if kind == ".gif" else 1)
    with replacing(path) as draft:
        if kind == ".gif":
            images = _with_one_palette(pictures)
            images[0].save(
                draft, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False
            )
        else:
            images = [Image.fromarray(picture) for picture in pictures]
            images[0].save(
                draft, "WEBP", save_all=True, append_images=images[1:], duration=durations, loop=0, quality=quality,
                method=2,
            )  # fmt: skip
    return len(pictures)


def _thin(frames: Iterable[Frames], long_side: int, progress: Progress) -> tuple[list[Rgb], list[float]]:
    """Every k-th picture, shrunk, and the start times in seconds with the film's end as the last."""
    pictures: list[Rgb] = []
    times: list[float] = []
    index, fps = 0, 1.0
    for window in frames:
        fps = window.fps
        step = max(1, round(fps / PREVIEW_FPS))
        for picture in window.rgb:
            if index % step == 0:
                pictures.append(_shrunk(picture, long_side))
                times.append(index / fps)
            index += 1
            progress(StageEvent("preview", index, 0))
    return pictures, [*times, index / fps]


def _shrunk(picture: Rgb, long_side: int) -> UInt8[Array, "_ _ 3"]:
    height, width = picture.shape[:2]
    share = min(1.0, long_side / max(height, width))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _durations(times: list[float], unit: int) -> list[int]:
    """Milliseconds for each picture in whole ``unit``\\ s, without drift."""
    marks = [round(time * 1000 / unit) * unit for time in times]
    return [after - before for before, after in pairwise(marks)]


def _with_one_palette(pictures: list[Rgb]) -> list[Image.Image]:
    chosen = pictures[:: max(1, len(pictures) // 8)]
    palette = Image.fromarray(np.concatenate(chosen)).quantize(255, method=Image.Quantize.MEDIANCUT)
    return [Image.fromarray(p).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]
