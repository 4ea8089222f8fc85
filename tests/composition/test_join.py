from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import pytest
import skimage.data

from photoplay.composition.cutouts import Cutout
from photoplay.composition.detail import grain_of
from photoplay.composition.join import join_light
from photoplay.composition.relight import light_difference
from photoplay.evaluation.identity import distance
from photoplay.perception.faces import FaceReader
from photoplay.perception.identity import embed
from photoplay.perception.light import estimate_light
from photoplay.types import Face, Light, Rgb

HEIGHT, WIDTH = 420, 640


def _framed(photo: Rgb, reader: FaceReader, scale: float, left: int) -> Cutout:
    """A photo's person on the canvas; the matte is a head and shoulders drawn by hand."""
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)[:HEIGHT, :WIDTH]
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    pixels[: small.shape[0], left : left + small.shape[1]] = small
    (face,) = reader.read(pixels, identity=True)
    x0, y0, x1, y1 = face.box
    matte = np.zeros((HEIGHT, WIDTH), np.uint8)
    middle, width = round((x0 + x1) / 2), x1 - x0
    cv2.ellipse(
        matte, (middle, round((y0 + y1) / 2)), (round(0.7 * width), round(0.8 * (y1 - y0))), 0, 0, 360, (255,), -1
    )
    cv2.rectangle(matte, (round(middle - width), round(y1 + 0.1 * width)), (round(middle + width), HEIGHT), (255,), -1)
    return Cutout(pixels, cv2.GaussianBlur(matte, (0, 0), 1.0), replace(face, light=estimate_light(pixels, face)))


@pytest.fixture(scope="module")
def pair(reader: FaceReader, hopper: Rgb) -> tuple[Cutout, Cutout]:
    """Two photos lit from different sides; the second one is mirrored."""
    astronaut = np.ascontiguousarray(skimage.data.astronaut()[:, ::-1])
    return _framed(hopper, reader, 0.6, 0), _framed(astronaut, reader, 0.9, 175)


@pytest.fixture(scope="module")
def plate() -> Rgb:
    ramp = np.linspace(110, 140, WIDTH)[None, :, None] + np.zeros((HEIGHT, 1, 3))
    return ramp.astype(np.uint8)


def _light(cutout: Cutout) -> Light:
    return estimate_light(cutout.pixels, cutout.face)


def _far(before: Face, cutout: Cutout) -> float:
    after = embed(cutout.pixels, before.landmarks, before.head_pose)
    assert after is not None
    assert before.embedding is not None
    return distance(before.embedding, after)


def test_two_photos_come_into_one_light_and_stay_themselves(pair: tuple[Cutout, Cutout], plate: Rgb) -> None:
    joined = join_light(*pair, plate, "studio", front=1)
    before = light_difference(_light(pair[0]), _light(pair[1])).shading
    assert joined.metrics["light_before"] == pytest.approx(before)
    assert light_difference(_light(joined.a), _light(joined.b)).shading < 0.6 * before
    assert max(_far(person.face, now) for person, now in zip(pair, (joined.a, joined.b), strict=True)) < 0.25
    assert joined.a.face.light == joined.b.face.light == joined.light
    for person, now in zip(pair, (joined.a, joined.b), strict=True):
        assert now.matte is person.matte
        assert np.array_equal(now.face.landmarks, person.face.landmarks)


def test_grain_is_everywhere_and_the_same_call_gives_the_same_bits(pair: tuple[Cutout, Cutout], plate: Rgb) -> None:
    noise = np.random.default_rng(0).normal(0, 4, pair[0].pixels.shape[:2])[..., None]
    grainy = replace(pair[0], pixels=np.clip(pair[0].pixels + noise, 0, 255).astype(np.uint8))
    joined, again = (join_light(grainy, pair[1], plate, "studio", front=0) for _ in range(2))
    assert grain_of(joined.plate)[0] > 1.5 > grain_of(plate)[0]
    assert grain_of(joined.b.pixels, joined.b.matte)[0] > grain_of(pair[1].pixels, pair[1].matte)[0]
    for first, second in ((joined.a.pixels, again.a.pixels), (joined.b.pixels, again.b.pixels)):
        assert np.array_equal(first, second)
    assert np.array_equal(joined.plate, again.plate)


@pytest.mark.parametrize("home", [0, 1])
def test_at_home_light_and_colours_stay_nearer(pair: tuple[Cutout, Cutout], plate: Rgb, home: Literal[0, 1]) -> None:
    joined = join_light(*pair, plate, "a" if home == 0 else "b")
    own, guest = pair[home].face.light, pair[1 - home].face.light
    assert own is not None
    assert guest is not None
    assert light_difference(joined.light, own).shading < light_difference(joined.light, guest).shading
    stops = joined.metrics["exposure_a"], joined.metrics["exposure_b"]
    assert abs(stops[home]) <= abs(stops[1 - home]) + 1e-6


def test_the_plate_of_nobody_moves_with_both_and_a_studio_stays(pair: tuple[Cutout, Cutout], plate: Rgb) -> None:
    warm = (plate * [1.4, 1.0, 0.6]).clip(0, 255).astype(np.uint8)
    outdoors, studio = (join_light(*pair, warm, setting).plate.astype(float) for setting in ("photo", "studio"))
    tint = [picture[..., 0].mean() / picture[..., 2].mean() for picture in (outdoors, studio, warm)]
    assert tint[0] < 0.97 * tint[2]
    assert tint[1] == pytest.approx(tint[2], rel=0.02)


def test_who_is_behind_gets_the_shadow(pair: tuple[Cutout, Cutout], plate: Rgb) -> None:
    near = replace(pair[0], matte=np.roll(pair[0].matte, 90, 1))
    alone, shaded = (join_light(near, pair[1], plate, "studio", front=front) for front in (None, 0))
    assert np.array_equal(alone.a.pixels, shaded.a.pixels)
    lost = alone.b.pixels.astype(int) - shaded.b.pixels
    assert lost.min() >= 0
    assert lost.max() > 10


def test_beside_a_grey_photo_all_is_grey(pair: tuple[Cutout, Cutout], plate: Rgb) -> None:
    grey = replace(pair[0], pixels=np.repeat(cv2.cvtColor(pair[0].pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2))
    for setting in ("studio", "photo", "a"):
        joined = join_light(grey, pair[1], (plate * [1.2, 1, 0.8]).clip(0, 255).astype(np.uint8), setting)
        assert joined.metrics["grey"] == 1
        inside = joined.b.matte > 200
        assert np.ptp(joined.b.pixels[inside].astype(float).mean(0)) < 2
        if setting != "a":
            assert np.ptp(joined.plate.reshape(-1, 3).astype(float).mean(0)) < 2
