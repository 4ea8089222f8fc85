"""A label that people can see: small words in a corner of every frame that say that the film was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.types import Array, Corner, Frames, Rgb

TEXT = "made with photoplay · AI"
SIZE, MARGIN = 0.033, 0.032
"""Height of the letters' font, and distance from the frame's edges, as shares of the frame's shorter side."""
SMALLEST = 6
WIDEST = 0.9
"""Share of the frame's width that the words may take; they get smaller where they would take more."""
FADE_SECONDS = 0.5
CONTRAST = 5.5
"""Between letters and what is behind them: 4.5 is what WCAG 2.2 asks of small text, and codecs blur."""
FAINTEST, STRONGEST = 0.22, 0.9
"""Opacity of the soft plate behind the letters: no more than the picture asks for."""
EASE_FRAMES = 6.0
"""Frames in which the plate gets stronger where the picture behind it changes."""
FROST = 0.3
"""Blur of the picture behind the letters, as a share of the font's size."""
LIGHT, DARK = 255.0, 16.0
RgbF: TypeAlias = Float32[Array, "a b 3"]
BUSY = 0.08
"""Share of the pixels behind the letters that is looked at for the worst contrast."""


def label(windows: Iterator[Frames], corner: Corner, text: str = TEXT) -> Iterator[Frames]:
    """Writes ``text`` into a corner of a film's frames; it fades in within the first half second.

    The letters are light or dark, whichever suits the first frame, on a soft plate that is just strong enough for a
    contrast of :data:`CONTRAST` in every frame. The windows' own arrays stay as they are. Same frames, same bits, however
    they are cut into windows.
    """
    sign: _Sign | None = None
    for window in windows:
        if len(window.rgb):
            sign = sign or _Sign.make(window.rgb[0], corner, text)
            marked = window.rgb.copy()
            for index, picture in enumerate(marked):
                sign.draw(picture, min(1.0, (window.start + index) / (FADE_SECONDS * window.fps)))
            window = replace(window, rgb=marked)
        yield window


@dataclass
class _Sign:
    """Letters and plate, opacities 0..1 [a, b], and where they go. ``strength`` is the plate's in the frame before."""

    letters: Float32[Array, "a b"]
    plate: Float32[Array, "a b"]
    place: tuple[slice, slice]
    frost: float
    ink: float = LIGHT
    strength: float | None = None

    @classmethod
    def make(cls, picture: Rgb, corner: Corner, text: str) -> _Sign:
        height, width = picture.shape[:2]
        size, letters, plate, around = _drawn(text, max(SMALLEST, round(min(height, width) * SIZE)), width * WIDEST)
        margin = max(0, round(min(height, width) * MARGIN) - around)
        top = margin if corner.startswith("top") else max(0, height - margin - letters.shape[0])
        left = margin if corner.endswith("left") else max(0, width - margin - letters.shape[1])
        place = (slice(top, min(height, top + letters.shape[0])), slice(left, min(width, left + letters.shape[1])))
        shown = (slice(0, place[0].stop - top), slice(0, place[1].stop - left))
        frost = size * FROST
        sign = cls(np.ascontiguousarray(letters[shown]), np.ascontiguousarray(plate[shown]), place, frost)
        behind = sign.blurred(picture)
        sign.ink = DARK if sign.need(behind, DARK) < sign.need(behind, LIGHT) else LIGHT
        return sign

    def blurred(self, picture: Rgb) -> RgbF:
        """What is behind the letters, out of focus."""
        patch = picture[self.place].astype(np.float32)
        return cv2.GaussianBlur(patch, (0, 0), self.frost, borderType=cv2.BORDER_REFLECT_101)

    def need(self, behind: RgbF, ink: float) -> float:
        """How strong the plate has to be behind letters of this shade."""
        greys = cv2.cvtColor(behind, cv2.COLOR_RGB2GRAY)[self.plate > 0.5]
        worst = max(1, round(len(greys) * BUSY))
        if ink == LIGHT:
            allowed, there = _shade(LIGHT, 1 / CONTRAST), float(np.partition(greys, -worst)[-worst:].mean())
            asked = (there - allowed) / max(there - DARK, 1.0)
        else:
            allowed, there = _shade(DARK, CONTRAST), float(np.partition(greys, worst - 1)[:worst].mean())
            asked = (allowed - there) / max(LIGHT - there, 1.0)
        return min(STRONGEST, max(FAINTEST, asked))

    def draw(self, picture: Rgb, shown: float) -> None:
        """Draws onto ``picture`` itself, ``shown`` 0..1 of it: the picture out of focus, the plate, the letters."""
        behind = self.blurred(picture)
        wanted = self.need(behind, self.ink)
        before = wanted if self.strength is None else self.strength
        self.strength = before + (wanted - before) / EASE_FRAMES
        plate = self.plate * np.float32(shown)
        drawn = _mix(picture[self.place].astype(np.float32), behind, plate)
        drawn = _mix(drawn, LIGHT + DARK - self.ink, plate * np.float32(self.strength))
        drawn = _mix(drawn, self.ink, self.letters * np.float32(shown))
        picture[self.place] = cv2.convertScaleAbs(drawn)


def _mix(below: RgbF, above: RgbF | float, opacity: Float32[Array, "a b"]) -> RgbF:
    """Lays a picture or a grey upon another picture."""
    three = cv2.merge([opacity] * 3)
    mixed: RgbF = below + (above - below) * three
    return mixed


def _drawn(text: str, size: int, widest: float) -> tuple[int, Float32[Array, "h w"], Float32[Array, "h w"], int]:
    """The font's size, opacities of words and plate, and how far the plate's soft edge reaches beyond the plate.

    The words stand in Pillow's own font, no larger than ``size`` and, where that can be, no wider than ``widest``.
    """
    from PIL import Image, ImageDraw, ImageFont

    while True:
        font = ImageFont.load_default(size)
        left, _, right, _ = font.getbbox(text)
        if right - left + size <= widest or size <= SMALLEST:
            break
        size -= 1
    soft = max(0.8, size / 6)
    around = round(3 * soft)
    wide, high = round(right - left) + round(1.3 * size), round(1.7 * size)
    shape = (wide + 2 * around, high + 2 * around)
    words, pill = Image.new("L", shape, 0), Image.new("L", shape, 0)
    ImageDraw.Draw(words).text((shape[0] / 2, shape[1] / 2), text, fill=255, font=font, anchor="mm")
    edges = (around, around, around + wide - 1, around + high - 1)
    ImageDraw.Draw(pill).rounded_rectangle(edges, high / 2, fill=255)
    plate = cv2.GaussianBlur(np.asarray(pill, np.float32) / 255, (0, 0), soft)
    return size, np.asarray(words, np.float32) / 255, plate, around


def _luminance(shade: float) -> float:
    """Relative luminance of a grey (IEC 61966-2-1)."""
    value = shade / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _shade(other: float, ratio: float) -> float:
    """The grey whose contrast to another grey is ``ratio`` (WCAG 2.2: of their luminances + 0.05; below 1: darker)."""
    value = max(0.0, (_luminance(other) + 0.05) * ratio - 0.05)
    return 255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055)
