"""Contact sheets: a film at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from photoplay.types import Array, Frames, Rgb

Picture: TypeAlias = UInt8[Array, "_ _ 3"]
"""sRGB pixels; the pictures of one sheet may differ in size."""

BACKDROP, INK, FAINT = (24, 25, 28), (235, 236, 238), (150, 153, 160)
GAP = 10


def spread(total: int, count: int) -> tuple[int, ...]:
    """``count`` indexes spread evenly over 0 .. ``total`` - 1, first and last among them (fewer where there are fewer)."""
    if total <= 0 or count <= 0:
        return ()
    return tuple(sorted({int(index) for index in np.linspace(0, total - 1, min(count, total)).round()}))


class Picks:
    """A tap on a stream of windows: keeps ``count`` pictures spread evenly over ``total`` frames, and lets the rest go."""

    def __init__(self, total: int, count: int) -> None:
        self._wanted = set(spread(total, count))
        self._kept: dict[int, Rgb] = {}

    def see(self, frames: Frames) -> None:
        for offset, picture in enumerate(frames.rgb):
            if frames.start + offset in self._wanted:
                self._kept[frames.start + offset] = picture.copy()

    @property
    def pictures(self) -> list[Rgb]:
        return [self._kept[index] for index in sorted(self._kept)]


def evenly(frames: Iterable[Frames], count: int, total: int) -> list[Rgb]:
    """``count`` pictures spread evenly over a stream of ``total`` frames."""
    picks = Picks(total, count)
    for window in frames:
        picks.see(window)
    return picks.pictures


def contact_sheet(
    pictures: Sequence[Picture],
    *,
    columns: int = 6,
    labels: Sequence[str] = (),
    title: str = "",
    cell: int = 256,
) -> Picture:
    """Pictures in rows from left to right on a dark sheet, each no larger than ``cell`` pixels, with its label below.

    Pictures may differ in size; each row is as high as its highest picture. Errors: ValueError where there is no picture.
    """
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    small = [_fitted(picture, cell) for picture in pictures]
    columns = max(1, min(columns, len(small)))
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    cell_width = max(picture.shape[1] for picture in small)
    text, heading = max(12, cell // 17), max(16, cell // 10)
    below = text + 10 if any(labels) else 0
    top = heading + 2 * GAP if title else 0
    width = columns * (cell_width + GAP) + GAP
    height = top + sum(max(p.shape[0] for p in row) + below + GAP for row in rows) + GAP
    sheet = Image.new("RGB", (width, height), BACKDROP)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((GAP, GAP), title, fill=INK, font=ImageFont.load_default(size=heading))
    font = ImageFont.load_default(size=text)
    y, index = top + GAP, 0
    for row in rows:
        row_height = max(p.shape[0] for p in row)
        for column, picture in enumerate(row):
            x = GAP + column * (cell_width + GAP) + (cell_width - picture.shape[1]) // 2
            sheet.paste(Image.fromarray(picture), (x, y))
            if index < len(labels):
                told = _clipped(labels[index], font, picture.shape[1])
                draw.text((x + 1, y + row_height + 3), told, fill=FAINT, font=font)
            index += 1
        y += row_height + below + GAP
    return np.asarray(sheet, np.uint8)


def side_by_side(pictures: Sequence[Picture], *, labels: Sequence[str] = (), cell: int = 512) -> Picture:
    """One row of pictures for comparison."""
    return contact_sheet(pictures, columns=len(pictures), labels=labels, cell=cell)


def _clipped(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """As much of the label as fits below its picture."""
    while len(label) > 1 and font.getlength(label) > width:
        label = label[:-2] + "…"
    return label


def _fitted(picture: Picture, cell: int) -> Picture:
    height, width = picture.shape[:2]
    share = cell / max(height, width)
    if share >= 1:
        return picture
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def film_sheet(path: Path, *, title: str = "", shots: int = 12, columns: int = 6, cell: int = 320) -> Picture:
    """A contact sheet of a finished film, each picture with its time."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 1)
        wanted = set(spread(stream.frames, shots))
        chosen = [(index, frame) for index, frame in enumerate(container.decode(stream)) if index in wanted]
    pictures = [
        frame.reformat(
            format="rgb24",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        for _, frame in chosen
    ]
    labels = [f"{index / rate:.2f} s" for index, _ in chosen]
    return contact_sheet(pictures, columns=columns, labels=labels, title=title, cell=cell)
