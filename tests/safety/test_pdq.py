from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from photoplay.safety.pdq import NEAR, from_hex, pdq, to_hex
from photoplay.safety.pdq_kernels import nearest

REFERENCE = {
    "astronaut": "6a94d19a4ab7875d38e39c5647a9e39e316b887654096ecd06de2827dc59f3a0",
    "coffee": "5231271337b38dacde43c636f0131c1ce8731e5387dbf87c19cd29f28e40d6f0",
}
"""Hashes that pdqhash 0.2.8 (the authors' C++) computes of the first 400 rows and 500 columns; quality 100 for both."""


def _picture(name: str) -> np.ndarray:
    return np.ascontiguousarray(getattr(data, name)()[:400, :500])


def _apart(one: np.ndarray, other: np.ndarray) -> int:
    return nearest(one[None], other[None])


@pytest.mark.parametrize("name", REFERENCE)
def test_bits_are_those_of_the_reference(name: str) -> None:
    hashed = pdq(_picture(name))
    assert (hashed.hex, hashed.quality) == (REFERENCE[name], 100)


@pytest.mark.parametrize("name", REFERENCE)
def test_copies_are_near(name: str) -> None:
    picture = _picture(name)
    hashed = pdq(picture).turned[0]
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])
    small = cv2.resize(picture, (210, 168), interpolation=cv2.INTER_AREA)
    brighter = np.clip(picture.astype(np.float32) * 1.15 + 8, 0, 255).astype(np.uint8)
    for copy in (cv2.imdecode(jpeg, cv2.IMREAD_COLOR), small, brighter):
        assert _apart(pdq(copy).turned[0], hashed) <= NEAR


def test_mirror_images_and_rotations_are_near() -> None:
    listed = pdq(_picture("astronaut")).turned[:1]
    for turned in (np.fliplr, np.flipud, np.rot90, lambda p: np.rot90(p, 2), lambda p: np.rot90(np.fliplr(p))):
        copy = np.ascontiguousarray(turned(_picture("astronaut")))
        assert nearest(listed, pdq(copy).turned) <= NEAR


def test_other_pictures_are_far() -> None:
    assert nearest(pdq(_picture("astronaut")).turned, pdq(_picture("coffee")).turned) > 80


def test_large_pictures_hash_like_small_ones() -> None:
    large = cv2.resize(_picture("coffee"), (3000, 2400), interpolation=cv2.INTER_CUBIC)
    assert _apart(pdq(large).turned[0], pdq(_picture("coffee")).turned[0]) <= 12


def test_hex_goes_round() -> None:
    hashed = pdq(_picture("coffee"))
    assert to_hex(from_hex(hashed.hex)) == hashed.hex
    with pytest.raises(ValueError, match="64"):
        from_hex("ab")


def test_an_empty_wall_has_no_quality() -> None:
    assert pdq(np.full((300, 200, 3), 90, np.uint8)).quality == 0
