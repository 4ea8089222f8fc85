from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from photoplay import topology
from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.contours import skull_motion
from photoplay.generation.face_layers import FaceLayers
from photoplay.generation.mouth import MouthLayer, _blunt
from photoplay.generation.photo_look import luma, read_look
from photoplay.types import Array, Label
from tests.generation.faces_at_rest import (
    NEUTRAL,
    STILL,
    face,
    frame,
    jaw_opened,
    layers,
    lips_closed,
    painted,
)


def teeth_window(rest: Array) -> tuple[slice, slice]:
    """The middle of the astronaut's upper teeth."""
    x, y0, y1 = rest[13, 0], rest[13, 1], rest[14, 1]
    return slice(int(y0) + 3, int(y1) - 4), slice(int(x) - 18, int(x) + 19)


def without_mouth() -> tuple[Source, Array]:
    """The astronaut with lips painted shut, so that the photo shows no teeth."""
    source, rest = face()
    rgb = source.rgb.copy()
    for x in range(rgb.shape[1]):
        u = (x + 0.5) / 2 - 0.5
        edges = [np.interp(u, rest[list(edge), 0], rest[list(edge), 1]) for edge in
                 (topology.LIPS_INNER_UPPER, topology.LIPS_INNER_LOWER)]  # fmt: skip
        if rest[78, 0] < u < rest[308, 0]:
            top, bottom = (int(2 * edge + 0.5) for edge in edges)
            rgb[top - 2 : bottom + 3, x] = (176, 112, 104)
            rgb[(top + bottom) // 2 - 1 : (top + bottom) // 2 + 2, x] = (96, 52, 50)
    return Source(rgb, 2, source.matte, source.plan), lips_closed(rest)


def test_the_astronaut_shows_teeth_and_painted_lips_do_not() -> None:
    assert layers().mouth.textures.scale.has_upper
    source, rest = without_mouth()
    mouth = MouthLayer.build(source, rest, read_look(source, rest))
    assert not mouth.textures.scale.has_upper


def test_upper_teeth_stay_when_only_the_jaw_opens() -> None:
    """Rigid to the skull, not stretched: the same pixels stand in the same place, as in the photo."""
    _, rest = face()
    window = teeth_window(rest)
    photo = frame().rgb[window].astype(float).mean(-1)
    views = [painted(jaw_opened(rest, pixels)).rgb[window].astype(float).mean(-1) for pixels in (8, 16, 30)]
    for view in views:
        assert np.corrcoef(view.ravel(), photo.ravel())[0, 1] > 0.85
        assert np.abs(view - views[0]).mean() < 1.0


def test_photo_teeth_keep_the_photo_s_colour() -> None:
    """Within three grey levels in every channel, however far the jaw drops."""
    _, rest = face()
    window = teeth_window(rest)
    photo = frame().rgb[window].astype(float).mean((0, 1))
    for pixels in (8, 16, 30):
        assert np.abs(painted(jaw_opened(rest, pixels)).rgb[window].astype(float).mean((0, 1)) - photo).max() < 3


def test_an_open_mouth_that_keeps_its_shape_is_left_to_the_photo() -> None:
    """The head moves, turns and comes closer, the jaw by a hundredth of the mouth's width: not a pixel is repainted."""
    _, rest = face()
    turn = np.array([[0.99, -0.05, 0.1], [0.05, 0.99, 0.0], [-0.1, 0.0, 0.99]], np.float32)
    moved = (rest - rest.mean(0)) @ turn.T * np.float32(1.04) + rest.mean(0) + np.float32([4, -3, 0])
    for landmarks in (moved, jaw_opened(moved, 0.8)):
        buffers = frame()
        layers().mouth.paint(buffers, landmarks, skull_motion(rest, landmarks), NEUTRAL, 1.0)
        assert np.array_equal(buffers.rgb, frame().rgb)
        assert (buffers.confidence == 255).all()


def test_repainting_sets_in_without_a_jump() -> None:
    """From the photo to open in steps of a quarter pixel the picture changes by little at each."""
    _, rest = face()
    x, y = int(rest[13, 0]), int(rest[13, 1])
    views = [
        painted(jaw_opened(rest, pixels)).rgb[y - 8 : y + 36, x - 40 : x + 41].astype(float)
        for pixels in np.arange(0, 14, 0.25)
    ]
    steps = np.array([np.abs(b - a).mean() for a, b in pairwise(views)])
    assert steps[:4].max() == 0
    assert 0 < steps.max() < 2.5


def test_a_little_opening_shows_no_dark_below_the_teeth() -> None:
    """At a twentieth of the mouth's width lip still stands below the teeth, as light as half the lip at least."""
    _, rest = face()
    x, y = int(rest[14, 0]), int(rest[14, 1])
    width = float(rest[308, 0] - rest[78, 0])
    rows = slice(y - 3, y + 6), slice(x - 12, x + 13)
    photo = frame().rgb[rows].astype(float).mean((1, 2))
    view = painted(jaw_opened(rest, 0.05 * width)).rgb[rows].astype(float).mean((1, 2))
    assert view.min() > 0.5 * photo.min()


@pytest.mark.parametrize("grey", [False, True])
def test_the_cavity_is_a_soft_dark_red_never_black(grey: bool) -> None:
    buffers = painted(jaw_opened(face()[1], 30), grey=grey)
    cavity = buffers.rgb[buffers.labels == Label.MOUTH].astype(float)
    red, green, blue = np.median(cavity, axis=0)
    assert np.percentile(cavity.max(-1), 5) > 20
    assert (abs(red - green) <= 2 and abs(red - blue) <= 2) if grey else (red > 1.5 * green and red < 80)


def test_drawn_teeth_stand_in_the_face_s_light() -> None:
    """Under a light of a third less blue, drawn teeth have clearly less blue too, and they stay brighter than the skin's
    middle and paler than skin."""
    source, rest = without_mouth()
    evening = Source((source.rgb * [1.0, 0.9, 0.66]).astype(np.uint8), 2, source.matte, source.plan)
    ratio = []
    for photo in (source, evening):
        look = read_look(photo, rest)
        teeth = MouthLayer.build(photo, rest, look).textures.colours[0]
        assert 0.85 < teeth.mean() / look.skin.mean() < 1.25
        assert np.ptp(teeth) / teeth.max() < np.ptp(look.skin) / look.skin.max()
        ratio.append(teeth[2] / teeth[0])
    assert ratio[1] < 0.85 * ratio[0]


def test_drawn_teeth_keep_their_spacing() -> None:
    """The lines between drawn teeth stand at the same places however far the mouth opens."""
    source, rest = without_mouth()
    built = FaceLayers.build(source, rest, NEUTRAL)
    upper = list(topology.LIPS_INNER_UPPER) + list(topology.LIPS_OUTER_UPPER)
    rows = []
    for pixels in (12, 24, 36):
        landmarks = jaw_opened(rest, pixels)
        landmarks[upper, 1] -= 9 * np.tile(1 - np.linspace(-1, 1, 11) ** 2, 2).astype(np.float32)
        buffers = frame()
        built.paint(buffers, landmarks, NEUTRAL, STILL)
        y = int(rest[13, 1]) - 2
        line = buffers.rgb[y - 1 : y + 2, int(rest[13, 0]) - 22 : int(rest[13, 0]) + 23].astype(float).mean((0, 2))
        assert (buffers.labels[y, int(rest[13, 0]) - 22 : int(rest[13, 0]) + 23] == Label.TEETH).mean() > 0.9
        rows.append(line)
    assert rows[0].std() > 1.0
    for row in rows[1:]:
        assert np.corrcoef(row, rows[0])[0, 1] > 0.97


def test_an_open_mouth_shows_teeth_tongue_and_dark() -> None:
    labels = painted(jaw_opened(face()[1], 40)).labels
    for label in (Label.TEETH, Label.MOUTH, Label.TONGUE):
        assert (labels == label).sum() > 30


def test_closing_lips_hide_teeth_and_cavity() -> None:
    labels = painted(lips_closed(face()[1])).labels
    for label in (Label.TEETH, Label.MOUTH, Label.TONGUE):
        assert (labels == label).sum() == 0
    assert (labels == Label.LIP).sum() > 100


def test_the_lower_teeth_go_with_the_jaw() -> None:
    _, rest = face()

    def lowest(pixels: float) -> float:
        buffers = painted(jaw_opened(rest, pixels), mouthLowerDownLeft=1.0, mouthLowerDownRight=1.0)
        x = int(rest[14, 0])
        rows = np.flatnonzero((buffers.labels[:, x - 4 : x + 5] == Label.TEETH).any(1))
        return float(rows.max())

    assert lowest(34) - lowest(20) == pytest.approx(14, abs=2.5)


def test_teeth_are_not_pure_white_and_the_cavity_is_dark() -> None:
    source, rest = without_mouth()
    built = FaceLayers.build(source, rest, NEUTRAL)
    landmarks = jaw_opened(rest, 30)
    landmarks[list(topology.LIPS_INNER_UPPER[2:9]), 1] -= 8
    buffers = frame()
    built.paint(buffers, landmarks, NEUTRAL, STILL)
    teeth = buffers.rgb[buffers.labels == Label.TEETH].astype(float)
    cavity = buffers.rgb[buffers.labels == Label.MOUTH].astype(float)
    skin = read_look(source, rest).skin.mean()
    assert 0.5 * skin < teeth.mean() < 1.15 * skin
    assert teeth.mean(0)[0] > teeth.mean(0)[2]
    assert cavity.mean() < 0.3 * skin
    assert np.median(buffers.confidence[buffers.labels == Label.TEETH]) < 60


def test_a_tongue_that_is_out_lies_on_the_lower_lip() -> None:
    _, rest = face()
    opened = jaw_opened(rest, 20)
    out, kept = painted(opened, tongueOut=1.0), painted(opened)
    below = int(opened[14, 1]) + 6
    x = int(opened[14, 0])
    assert out.labels[below, x] == Label.TONGUE
    assert kept.labels[below, x] != Label.TONGUE


def test_the_tongue_shows_above_a_lip_that_stands_high() -> None:
    """A lower lip that hides the mouth's floor leaves no empty hole: the tongue lies behind it and fades upwards."""
    _, rest = face()
    opened = jaw_opened(rest, 44)
    for edge in (topology.LIPS_INNER_LOWER, topology.LIPS_OUTER_LOWER):
        opened[list(edge)[1:-1], 1] -= 14
    buffers = painted(opened)
    x, y = int(opened[14, 0]), int(opened[14, 1])
    columns = slice(x - 6, x + 7)
    assert (buffers.labels[y - 5 : y - 2, columns] == Label.TONGUE).mean() > 0.8
    light = luma(buffers.rgb.astype(np.float32))[y - 16 : y - 2, columns].mean(1)
    assert (np.diff(light) > -1).all()
    assert light[-1] > 1.4 * light[0]


def test_the_lip_line_is_found_where_the_photo_has_it() -> None:
    """Landmarks that stand beside the painted lip line are brought to it."""
    source, rest = without_mouth()
    shifted = rest.copy()
    inner = list(topology.LIPS_INNER_UPPER[1:-1] + topology.LIPS_INNER_LOWER[1:-1])
    shifted[inner, 1] += 2
    mouth = MouthLayer.build(source, shifted, read_look(source, shifted))
    assert mouth.contact[0, 3:8].mean() == pytest.approx(-2, abs=0.8)


def test_a_photo_that_shows_two_rows_keeps_each_on_its_own_bone() -> None:
    """Upper teeth of such a photo stay with the skull, lower teeth go with the jaw, both unstretched."""
    source, rest = face()
    opened = jaw_opened(rest, 12)
    rgb = painted(opened).rgb.copy()
    x, bottom = int(rest[14, 0]), int(opened[14, 1])
    shades = np.random.default_rng(4).uniform(0.85, 1.1, (9, 41, 1))
    rgb[bottom - 9 : bottom, x - 20 : x + 21] = (np.array([222, 210, 190]) * shades).clip(0, 255)
    rgb[bottom - 12 : bottom - 9, x - 24 : x + 25] = (30, 18, 18)
    photo = Source(np.repeat(np.repeat(rgb, 2, 0), 2, 1), 2, source.matte, source.plan)
    built = FaceLayers.build(photo, opened, NEUTRAL)
    assert built.mouth.textures.scale.has_upper
    assert built.mouth.textures.scale.has_lower
    further = FrameBuffers.empty(256, 256)
    further.rgb[:] = rgb
    built.paint(further, jaw_opened(rest, 26), NEUTRAL, STILL)
    row, columns = slice(bottom - 6, bottom - 2), slice(x - 12, x + 13)
    moved = further.rgb[bottom + 8 : bottom + 12, columns]
    assert np.corrcoef(rgb[row, columns].ravel(), moved.ravel())[0, 1] > 0.8
    assert further.rgb[bottom - 4, columns].mean() < 100
    top = slice(int(rest[13, 1]) + 3, int(rest[14, 1]) - 4)
    assert np.corrcoef(rgb[top, columns].ravel(), further.rgb[top, columns].ravel())[0, 1] > 0.9


def test_lips_that_are_apart_shut_whatever_shows_between_them() -> None:
    """The astronaut's mouth filled with the colour of lips: no teeth are found, and still it is open."""
    source, rest = face()
    rgb = source.rgb.copy()
    for x in range(rgb.shape[1]):
        u = (x + 0.5) / 2 - 0.5
        if rest[78, 0] < u < rest[308, 0]:
            top, bottom = (
                int(2 * np.interp(u, rest[list(edge), 0], rest[list(edge), 1]) + 0.5)
                for edge in (topology.LIPS_INNER_UPPER, topology.LIPS_INNER_LOWER)
            )
            rgb[top - 1 : bottom + 2, x] = (250, 120, 110)
    photo = Source(rgb, 2, source.matte, source.plan)
    built = FaceLayers.build(photo, rest, NEUTRAL)
    assert built.mouth.textures.scale.open
    assert not built.mouth.textures.scale.has_upper
    assert not built.mouth.contact.any()


def test_drawn_teeth_darken_towards_the_corners() -> None:
    source, rest = without_mouth()
    built = FaceLayers.build(source, rest, NEUTRAL)
    landmarks = jaw_opened(rest, 10)
    bow = 8 * (1 - np.linspace(-1, 1, 11).astype(np.float32) ** 4)
    for edge in (topology.LIPS_INNER_UPPER, topology.LIPS_OUTER_UPPER):
        landmarks[list(edge), 1] -= bow
    buffers = frame()
    built.paint(buffers, landmarks, NEUTRAL, STILL)
    light, teeth = luma(buffers.rgb.astype(np.float32)), buffers.labels == Label.TEETH
    at = (np.arange(light.shape[1]) - rest[78, 0]) / (rest[308, 0] - rest[78, 0])

    def seen(low: float, high: float) -> float:
        columns = (at > low) & (at < high)
        return float(np.percentile(light[:, columns][teeth[:, columns]], 70))

    for corner in (seen(0.14, 0.20), seen(0.80, 0.86)):
        assert 0.4 < corner / seen(0.4, 0.6) < 0.66


def test_lips_that_were_apart_meet_on_a_line() -> None:
    """The open photo has no line to bring along where its lips touch; it is faint, and the lips keep their light."""
    _, rest = face()
    shut = lips_closed(rest)
    x, y = int(shut[13, 0]), int(shut[13, 1] + 0.5)
    rows = luma(painted(shut).rgb.astype(np.float32))[y - 7 : y + 8, x - 8 : x + 9].mean(1)
    lips = min(rows[:4].max(), rows[-4:].max())
    assert 0.5 * lips < rows[4:11].min() < 0.92 * lips


def test_the_lower_lip_of_a_turned_mouth_stays_round_at_its_far_corner() -> None:
    """Only the upper lip gives way to where the far corner is seen from the side."""
    mouth = layers().mouth
    _, rest = face()
    wide = jaw_opened(rest, 14)
    wide[list(topology.LIPS_INNER_LOWER[1:-1]), 1] = wide[14, 1]
    wide[list(topology.LIPS_INNER_UPPER[1:-1]), 1] = rest[13, 1] - 6
    turned = mouth.turn.copy()
    turned[2, 0] = 0.5
    grid = np.linspace(0, mouth.axes.length, 101, dtype=np.float32)
    frontal, aside = (replace(mouth, turn=turn)._columns(wide, mouth.axes, grid, 1.0) for turn in (mouth.turn, turned))
    assert (aside[:, 0] - frontal[:, 0]).max() > 0.5
    assert aside[:, 1] == pytest.approx(frontal[:, 1], abs=1e-3)


def test_only_blunt_ends_of_an_opening_are_rounded() -> None:
    along = np.linspace(0.0, 1.0, 101).astype(np.float32)
    for round_one in (2.0 * np.sqrt(along * (1 - along)), 4.0 * along * (1 - along)):
        assert not _blunt(along, (20 * round_one).astype(np.float32), 0.0).any()
    square = np.full(101, 20.0, np.float32)
    frontal, aside = _blunt(along, square, 0.0), _blunt(along, square, 0.5)
    assert not frontal[40:61].any()
    assert frontal[[0, -1]] == pytest.approx(20.0)
    assert (np.diff(frontal[:36]) <= 0).all()
    assert aside[5] > frontal[5] + 3.0
