from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.composition.cutouts import Cutout
from photoplay.composition.harmonise import Grade, Look, grades, look_of, meet_backdrop, skin_mask
from photoplay.composition.tones import from_oklab, to_linear, to_oklab, to_srgb
from photoplay.light import LUMA
from photoplay.types import Face, Rgb


@pytest.fixture(scope="module")
def person(hopper: Rgb, hopper_face: Face) -> Cutout:
    matte = np.zeros(hopper.shape[:2], np.uint8)
    matte[60:, 60:-60] = 255
    return Cutout(hopper, matte, hopper_face)


def _look(hue: float = 50, chroma: float = 0.06, lights: float = 0.5, eyes: float | None = 0.3) -> Look:
    angle = np.radians(hue)
    lab = np.float32([0.65, chroma * np.cos(angle), chroma * np.sin(angle)])
    return Look(from_oklab(lab).astype(np.float64), lights, eyes, False)


def _after(look: Look, grade: Grade) -> Look:
    """The look that the skin has once it is graded."""
    skin = to_linear(grade.apply(to_srgb(look.skin.astype(np.float32))[None, None]))[0, 0].astype(np.float64)
    return replace(look, skin=skin)


def test_a_look_reads_what_it_was_made_of() -> None:
    look = _look(62, 0.08)
    assert look.hue == pytest.approx(62, abs=0.5)
    assert look.chroma == pytest.approx(0.08, abs=1e-3)
    assert _look(50, 0.06).likely > 0.98 > 0.5 > _look(90, 0.06).likely


def test_equal_looks_stay() -> None:
    for grade in grades(_look(), _look()):
        assert grade.gain == pytest.approx((1, 1, 1), abs=1e-5)
        assert grade.saturation == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second"), [((40, 0.07), (62, 0.07)), ((50, 0.05), (50, 0.1)), ((45, 0.1), (60, 0.05))]
)
def test_skins_come_nearer_and_do_not_change_places(first: tuple[float, float], second: tuple[float, float]) -> None:
    a, b = _look(*first), _look(*second)
    to_a, to_b = grades(a, b)
    near_a, near_b = _after(a, to_a), _after(b, to_b)
    for value in ("hue", "chroma"):
        before, after = (getattr(pair[1], value) - getattr(pair[0], value) for pair in ((a, b), (near_a, near_b)))
        if abs(before) > 1e-3:
            assert 0.1 < after / before < 0.75, value


def test_the_unlikely_skin_gives_way() -> None:
    fine, yellow = _look(52, 0.055), _look(85, 0.11)
    to_fine, to_yellow = grades(fine, yellow)
    moved = [abs(_after(look, grade).hue - look.hue) for look, grade in ((fine, to_fine), (yellow, to_yellow))]
    assert moved[1] > 3 * moved[0]


def test_at_home_one_changes_less() -> None:
    a, b = _look(45, lights=0.6, eyes=0.4), _look(60, lights=0.3, eyes=0.2)
    home, guest = grades(a, b, 0.2)
    assert abs(home.stops) < 0.5 * abs(guest.stops)
    assert abs(np.log(home.gain[0] / home.gain[2])) < abs(np.log(guest.gain[0] / guest.gain[2]))


def test_dark_skin_in_the_same_light_is_hardly_lightened() -> None:
    """Eyes' whites as bright as the other's: the face is dark, not in the dark."""
    dark, light = _look(lights=0.18, eyes=0.28), _look(lights=0.6, eyes=0.3)
    assert abs(grades(dark, light)[0].stops) < 0.25
    assert grades(_look(lights=0.4, eyes=0.3), _look(lights=0.5, eyes=0.1))[0].stops == pytest.approx(0), (
        "they disagree"
    )
    in_the_dark = _look(lights=0.18, eyes=0.09)
    assert grades(in_the_dark, light)[0].stops > 1.3 * grades(dark, light)[0].stops


def test_changes_are_bounded() -> None:
    for grade in grades(_look(5, 0.15, 0.02, None), _look(95, 0.02, 0.9, None)):
        gains = np.array(grade.gain) / grade.gain[1]
        assert abs(np.log(gains)).max() <= 0.17
        assert abs(grade.stops) <= 0.36
        assert 0.8 <= grade.saturation <= 1.25


@pytest.mark.parametrize("stops", [-0.35, -0.2, 0.2, 0.35])
def test_white_stays_white_and_greys_keep_their_order(stops: float) -> None:
    gain = 2**stops
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    graded = Grade((gain, gain, gain)).apply(ramp)[0].astype(int)
    assert (np.diff(graded[:, 0]) >= 0).all()
    assert graded[0].max() == 0
    assert graded[255].min() == 255
    middle = to_linear(graded[90:91].astype(np.uint8))[0, 0] / to_linear(np.uint8([90]))[0]
    assert middle == pytest.approx(gain, rel=0.06)
    assert np.ptp(graded, axis=1).max() == 0


def test_two_changes_in_one() -> None:
    first, second = Grade((1.1, 1.0, 0.9), 0.9), Grade((0.95, 1.0, 1.02), 1.1)
    both = first.then(second)
    assert both.gain == pytest.approx((1.045, 1.0, 0.918))
    assert both.saturation == pytest.approx(0.99)
    picture = np.random.default_rng(0).integers(40, 200, (8, 8, 3), dtype=np.uint8)
    off = both.apply(picture).astype(int) - second.apply(first.apply(picture))
    assert np.abs(off).mean() < 3
    assert Grade().apply(picture) is picture


def test_a_cast_and_underexposure_come_back_together(person: Cutout) -> None:
    gains = np.float32([0.62, 0.55, 0.52])
    cast = replace(person, pixels=to_srgb(to_linear(person.pixels) * gains))
    looks = look_of(person), look_of(cast)
    changes = grades(*looks)
    after = [look_of(replace(c, pixels=g.apply(c.pixels))) for c, g in zip((person, cast), changes, strict=True)]

    def apart(pair: tuple[Look, Look] | list[Look]) -> tuple[float, float]:
        return abs(float(np.log2(pair[0].skin @ LUMA / (pair[1].skin @ LUMA)))), abs(pair[0].hue - pair[1].hue)

    assert apart(after)[0] < 0.7 * apart(looks)[0]
    assert changes[0].stops < 0 < changes[1].stops
    assert 20 < after[0].hue < 75


def test_skin_is_found_on_the_face_alone(person: Cutout) -> None:
    skin = skin_mask(person)
    eye = person.face.landmarks[[159, 145], :2].mean(0).round().astype(int)
    cheek = person.face.landmarks[50, :2].round().astype(int)
    assert skin[cheek[1], cheek[0]]
    assert not skin[eye[1], eye[0]]
    assert not skin[: round(person.face.box[1]) - 2].any()
    nothing = replace(person, matte=np.zeros_like(person.matte))
    assert not skin_mask(nothing).any()
    assert look_of(nothing).lights > 0, "somebody whose skin is not seen has a look all the same"


def _sepia(picture: Rgb) -> Rgb:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    return np.clip(grey * [1.05, 0.95, 0.75], 0, 255).astype(np.uint8)


def test_black_and_white_and_sepia_are_told_from_colour(person: Cutout) -> None:
    grey = np.repeat(cv2.cvtColor(person.pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    warm = to_srgb(to_linear(person.pixels) * np.float32([1.1, 0.9, 0.6]))
    told = [
        look_of(replace(person, pixels=pixels)).grey for pixels in (person.pixels, warm, grey, _sepia(person.pixels))
    ]
    assert told == [False, False, True, True]


def test_beside_a_grey_photo_colours_go_and_its_tone_comes(person: Cutout) -> None:
    sepia = replace(person, pixels=_sepia(person.pixels))
    looks = look_of(person), look_of(sepia)
    to_colour, to_sepia = grades(*looks)
    assert to_sepia == Grade()
    assert grades(looks[1], looks[0]) == (Grade(), to_colour)
    toned = replace(person, pixels=to_colour.apply(person.pixels))
    assert look_of(toned).grey
    assert look_of(toned).hue == pytest.approx(looks[1].hue, abs=6)
    assert look_of(toned).chroma == pytest.approx(looks[1].chroma, rel=0.3)


def _plate(colour: list[float]) -> Rgb:
    ramp = np.linspace(0.1, 1.0, 64, dtype=np.float32)[None, :, None]
    return to_srgb(np.repeat(ramp * np.float32(colour), 64, 0))


def test_a_neutral_backdrop_of_fitting_brightness_changes_nobody() -> None:
    for grade in meet_backdrop(_plate([0.9, 0.9, 0.9]), (_look(), _look())):
        assert grade.gain == pytest.approx((1, 1, 1), abs=0.01)


def test_people_take_a_little_of_the_backdrops_cast_and_darkness() -> None:
    people, plate = meet_backdrop(_plate([0.9, 0.7, 0.5]), (_look(), _look()))
    assert people.gain[0] > 1 > people.gain[2]
    assert plate.gain[0] < 1 < plate.gain[2]
    people, plate = meet_backdrop(_plate([0.06, 0.06, 0.06]), (_look(), _look()))
    assert people.stops < -0.2
    assert plate.stops > 0.2


def test_saturation_is_chroma_in_oklab() -> None:
    picture = to_srgb(from_oklab(np.float32([[[0.6, 0.05, 0.04], [0.6, -0.03, 0.02]]])))
    before, after = (to_oklab(to_linear(p))[0, :, 1:] for p in (picture, Grade(saturation=0.5).apply(picture)))
    assert np.linalg.norm(after, axis=1) == pytest.approx(0.5 * np.linalg.norm(before, axis=1), abs=3e-3)
    assert np.dot(LUMA, [1, 1, 1]) == pytest.approx(1)
