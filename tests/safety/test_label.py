from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from skimage.data import astronaut, chelsea

from photoplay.safety.label import CONTRAST, FADE_SECONDS, MARGIN, SIZE, _luminance, _shade, label
from photoplay.types import Corner, Frames, Rgb, RgbStack

CORNERS: tuple[Corner, ...] = ("bottom-right", "bottom-left", "top-right", "top-left")
H, W, LAST = 240, 426, 14


def noise(seed: int = 0) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (H, W, 3), np.uint8)


def photo(picture: Rgb) -> Rgb:
    return cv2.resize(picture, (W, H), interpolation=cv2.INTER_AREA)


PICTURES: dict[str, Rgb] = {
    "white": np.full((H, W, 3), 250, np.uint8),
    "black": np.full((H, W, 3), 5, np.uint8),
    "grey": np.full((H, W, 3), 128, np.uint8),
    "noise": noise(),
    "stripes": np.repeat(((np.indices((H, W)).sum(0) // 7 % 2) * 255).astype(np.uint8)[..., None], 3, 2),
    "a portrait": photo(astronaut()),
    "fur": photo(chelsea()),
}


def film(frames: RgbStack, cut: int = 0) -> Iterator[Frames]:
    """The frames as windows of ``cut``, at 24 a second."""
    step = cut or len(frames)
    for start in range(0, len(frames), step):
        yield Frames(frames[start : start + step], 24.0, start)


def labelled(frames: RgbStack, corner: Corner = "bottom-right", cut: int = 0) -> RgbStack:
    return np.concatenate([window.rgb for window in label(film(frames, cut), corner)])


def still(picture: Rgb) -> RgbStack:
    return np.repeat(picture[None], LAST, 0)


def grey(picture: Rgb) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)


@pytest.mark.parametrize("name", PICTURES)
def test_letters_stand_out_on_every_picture(name: str) -> None:
    """Oracle: letters are the pixels that are nearly the ink; around them nothing may come near it."""
    done = grey(labelled(still(PICTURES[name]))[-1])
    size = round(H * SIZE)
    band = done[H - round(H * MARGIN) - 2 * size : H - round(H * MARGIN) + size // 2, W - 120 : W - round(W * MARGIN)]
    words = band[size // 2 : -size // 2, 12:-12]
    light = float(np.median(words)) < 118
    ink = words.max() if light else words.min()
    behind = np.percentile(words, 50)
    bright, dark = sorted((_luminance(float(ink)), _luminance(float(behind))), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) > 4.5


@pytest.mark.parametrize("corner", CORNERS)
def test_it_stands_in_its_corner_and_nowhere_else(corner: Corner) -> None:
    before, after = still(PICTURES["a portrait"]), labelled(still(PICTURES["a portrait"]), corner)
    rows, columns = np.nonzero((before[-1] != after[-1]).any(2))
    assert (rows.mean() > H / 2) == corner.startswith("bottom")
    assert (columns.mean() > W / 2) == corner.endswith("right")
    assert np.ptp(rows) < 0.12 * H
    assert np.ptp(columns) < 0.5 * W
    nearest = min(rows.min(), H - 1 - rows.max(), columns.min(), W - 1 - columns.max())
    assert nearest >= 0
    assert len(rows) < 0.04 * H * W


def test_it_fades_in_and_then_stays() -> None:
    before = still(PICTURES["grey"])
    change = np.abs(labelled(before).astype(int) - before).sum((1, 2, 3))
    full = round(FADE_SECONDS * 24)
    assert change[0] == 0
    assert (np.diff(change[: full + 1]) > 0).all()
    assert (change[full:] == change[full]).all()


def test_windows_make_no_difference_and_are_left_as_they_were() -> None:
    frames = np.stack([noise(index) for index in range(LAST)])
    kept = frames.copy()
    assert (labelled(frames) == labelled(frames, cut=5)).all()
    assert (frames == kept).all()


def test_it_follows_a_picture_that_gets_brighter_without_a_jump() -> None:
    frames = np.stack([np.full((H, W, 3), shade, np.uint8) for shade in [20] * 20 + [235] * 60])
    done = labelled(frames).astype(int)
    plate = done[:, H - round(H * MARGIN) - 4, W - 90 : W - 30].min((1, 2))
    steps = np.abs(np.diff(plate[21:]))
    assert steps.max() < 40
    assert plate[-1] < 125  # light letters keep a dark plate


def test_a_tiny_frame_has_it_too_and_odd_sizes_do() -> None:
    for shape in ((64, 96), (51, 77), (40, 24), (9, 9)):
        frames = np.full((LAST, *shape, 3), 90, np.uint8)
        done = labelled(frames)
        assert done.shape == frames.shape
        assert (done[-1] != frames[-1]).any()


def test_the_words_can_be_others_and_nothing_stays_nothing() -> None:
    frames = still(PICTURES["white"])
    other = np.concatenate([window.rgb for window in label(film(frames), "bottom-right", "AI")])
    assert (other != frames).sum() < (labelled(frames) != frames).sum()
    assert list(label(iter(()), "top-left")) == []


@pytest.mark.parametrize("ink", [255.0, 16.0])
def test_the_grey_of_a_contrast_has_that_contrast(ink: float) -> None:
    ratio = 1 / CONTRAST if ink > 128 else CONTRAST
    there = _luminance(_shade(ink, ratio)) + 0.05
    assert there / (_luminance(ink) + 0.05) == pytest.approx(ratio, rel=1e-6)
