"""Teeth that the photo shows and teeth that are drawn beside them make one row."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from photoplay import topology
from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.face_layers import FaceLayers
from photoplay.generation.mouth_teeth import TeethFit, dental_arches, fit_row
from photoplay.generation.photo_look import luma
from photoplay.generation.tooth_kernels import edge_line, tooth
from photoplay.types import Array, Label, Landmarks
from tests.generation.faces_at_rest import NEUTRAL, STILL, face, frame, jaw_opened, layers, painted

FRONTAL = np.eye(3, dtype=np.float32)
LINES = np.array([-22.8, -15.2, -8.6, 0.0, 8.6, 15.2, 22.8])


def between_lips(rgb: Array, rest: Landmarks, light: Array) -> Array:
    """The picture, twice the frame's size, with each column between the lips under its own ``light``."""
    shaded = rgb.copy()
    for x in range(rgb.shape[1]):
        u = (x + 0.5) / 2 - 0.5
        edges = [np.interp(u, rest[list(edge), 0], rest[list(edge), 1]) for edge in
                 (topology.LIPS_INNER_UPPER, topology.LIPS_INNER_LOWER)]  # fmt: skip
        top, bottom = (int(2 * edge + 0.5) for edge in edges)
        shaded[top:bottom, x] = (shaded[top:bottom, x] * light[x]).astype(np.uint8)
    return shaded


@cache
def shadowed() -> FaceLayers:
    """The astronaut with all teeth in the lips' shadow."""
    source, rest = face()
    rgb = between_lips(source.rgb, rest, np.full(source.rgb.shape[1], 0.68))
    return FaceLayers.build(Source(rgb, 2, source.matte, source.plan), rest, NEUTRAL)


@cache
def two_in_light() -> FaceLayers:
    """The astronaut with all but the two front teeth in the dark."""
    source, rest = face()
    mm = layers().mouth.textures.scale.px
    away = np.abs((np.arange(source.rgb.shape[1]) + 0.5) / 2 - 0.5 - rest[13, 0])
    rgb = between_lips(source.rgb, rest, np.where(away < 10 * mm, 1.0, 0.15))
    return FaceLayers.build(Source(rgb, 2, source.matte, source.plan), rest, NEUTRAL)


def lip_lifted(rest: Landmarks, lift: float, drop: float) -> Landmarks:
    """The upper lip ``lift`` pixels higher, the jaw ``drop`` lower."""
    landmarks = jaw_opened(rest, drop)
    bow = 1 - np.linspace(-1, 1, 11).astype(np.float32) ** 4
    for edge in (topology.LIPS_INNER_UPPER, topology.LIPS_OUTER_UPPER):
        landmarks[list(edge), 1] -= lift * bow
    return landmarks


def drawn(built: FaceLayers, landmarks: Landmarks) -> FrameBuffers:
    buffers = frame()
    built.paint(buffers, landmarks, NEUTRAL, STILL)
    return buffers


def upper_row(labels: Array, x: int) -> tuple[int, int]:
    """First and last row of the upper teeth at column ``x``."""
    rows = np.flatnonzero(labels[:, x] == Label.TEETH)
    ends = np.flatnonzero(np.diff(rows) > 1)
    return int(rows[0]), int(rows[ends[0]] if ends.size else rows[-1])


def front_teeth(rest: Landmarks) -> tuple[slice, slice]:
    x, y0, y1 = rest[13, 0], rest[13, 1], rest[14, 1]
    return slice(int(y0) + 4, int(y1) - 5), slice(int(x) - 14, int(x) + 15)


def lines(along: Array, middle: float, px: float) -> Array:
    """The light of a row whose lines between teeth are dark."""
    arc = 25.5 * np.arcsin(np.clip((along - middle) / (25.5 * px), -1, 1))
    return np.asarray(200 - 60 * np.exp(-((np.abs(arc[:, None] - LINES).min(1) / 0.5) ** 2)), np.float32)


@pytest.mark.parametrize(("middle", "px"), [(0.0, 3.0), (6.0, 3.0), (-4.5, 2.73), (3.0, 3.36)])
def test_the_fit_finds_the_middle_and_the_size_of_a_row(middle: float, px: float) -> None:
    along = np.arange(-50, 51, 0.5, dtype=np.float32)
    found = fit_row(along, lines(along, middle, px), np.zeros_like(along), FRONTAL, 3.0, 1.0)
    assert found.middle == pytest.approx(middle, abs=0.8)
    assert found.px == pytest.approx(px, rel=0.02)


def test_a_row_without_lines_stays_where_the_face_lets_expect_it() -> None:
    along = np.arange(-50, 51, 0.5, dtype=np.float32)
    light = np.random.default_rng(2).normal(200, 4, along.size).astype(np.float32)
    found = fit_row(along, light, np.zeros_like(along), FRONTAL, 3.0, 1.0)
    assert (found.middle, found.px) == (0.0, 3.0)


def test_the_drawn_edge_follows_the_photo_s() -> None:
    """A row that hangs 2 mm lower at its sides than teeth usually do is drawn so, where it is seen and beyond."""
    along = np.arange(-45, 45.5, 0.5, dtype=np.float32)
    arc = 25.5 * np.arcsin(along / (25.5 * 3.0))
    usual = np.array([edge_line(0, float(at), 1.0 / 3.0, np.zeros(4, np.float32)) for at in arc])
    seen = (3.0 * (0.0125 * arc**2 - usual) + 7).astype(np.float32)
    found = fit_row(along, lines(along, 0.0, 3.0), seen, FRONTAL, 3.0, 1.0)
    row = 3.0 * np.array([edge_line(0, float(at), 1.0 / 3.0, found.bend) for at in arc])
    inner = np.abs(arc) < 14
    assert np.abs(found.edge - row - seen)[inner].max() < 1.0
    held = [edge_line(0, at, 0.3, found.bend) - edge_line(0, at, 0.3, np.zeros(4, np.float32)) for at in (24.0, 28.0)]
    assert held[0] == pytest.approx(held[1], abs=1e-4)


def test_only_teeth_that_are_mostly_seen_are_taken_from_the_photo() -> None:
    along = np.arange(-24, 16, 0.5, dtype=np.float32)
    found = fit_row(along, lines(along, 0.0, 3.0), np.zeros_like(along), FRONTAL, 3.0, 1.0)
    assert found.whole == pytest.approx([-8.6, 8.6])
    spot = np.arange(20, 32, 0.5, dtype=np.float32)
    nothing = fit_row(spot, np.full(spot.size, 200, np.float32), np.zeros_like(spot), FRONTAL, 3.0, 1.0)
    assert nothing.whole[0] == nothing.whole[1]


@pytest.mark.parametrize(("px", "soft", "yaw"), [(0.02, 17.0, 0), (0.3, 1.0, 30), (3.0, 1.0, 89), (3.0, 1.0, 120)])
def test_any_mouth_gets_a_row(px: float, soft: float, yaw: float) -> None:
    """Tiny, soft and turned away ones too."""
    c, s = np.cos(np.deg2rad(yaw)), np.sin(np.deg2rad(yaw))
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
    along = np.linspace(-20 * px, 20 * px, 90).astype(np.float32)
    found = fit_row(along, lines(along, 0.0, px), np.zeros_like(along), turn, px, soft)
    assert np.isfinite([found.middle, found.edge, found.px, *found.bend, *found.whole]).all()


def test_the_arch_turns_with_the_head() -> None:
    yaw = np.deg2rad(25)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]], np.float32)
    for matrix, even in ((FRONTAL, True), (turn, False)):
        arches, _, _ = dental_arches(matrix, 3.0)
        assert np.allclose(arches[0, :, 2], arches[0, ::-1, 2], atol=0.01) == even


def test_teeth_in_shadow_grow_lighter_with_the_opening() -> None:
    """Steadily and without a jump, by a fifth at least, from the photo's own colour."""
    _, rest = face()
    window, levels = front_teeth(rest), []
    for pixels in np.arange(0, 28):
        levels.append(float(luma(drawn(shadowed(), jaw_opened(rest, pixels)).rgb[window].astype(np.float32)).mean()))
    fresh = levels[4:]
    steps = np.array([b - a for a, b in pairwise(fresh)])
    assert (steps > -0.5).all()
    assert steps.max() < 8
    assert levels[-1] > 1.2 * fresh[0]


def test_a_still_mouth_s_teeth_keep_their_shadow() -> None:
    _, rest = face()
    assert np.array_equal(drawn(shadowed(), rest).rgb, frame().rgb)


def test_no_tooth_becomes_lighter_than_a_white_thing_in_the_face_s_light() -> None:
    _, rest = face()
    white = shadowed().mouth.textures.colours[4]
    for landmarks in (jaw_opened(rest, 40), lip_lifted(rest, 6, 30)):
        buffers = drawn(shadowed(), landmarks)
        teeth = buffers.rgb[buffers.labels == Label.TEETH].astype(np.float32)
        assert (np.percentile(teeth, 99, axis=0) <= white + 2).all()


def test_bright_teeth_are_as_bright_in_a_wide_mouth() -> None:
    assert layers().mouth.lift == pytest.approx(1.0)
    assert (shadowed().mouth.lift > 1.15).all()


def test_no_line_crosses_teeth_that_a_lifted_lip_uncovers() -> None:
    """Down the middle of each front tooth the light stays even, from what the photo shows to what goes on."""
    _, rest = face()
    mm = layers().mouth.textures.scale.px
    buffers = painted(lip_lifted(rest, 7, 24))
    for side in (-4.3, 4.3):
        x = round(float(rest[13, 0]) + side * mm)
        column = luma(buffers.rgb[:, x - 1 : x + 2].astype(np.float32)).mean(1)
        first, last = upper_row(buffers.labels, x)
        inner = column[max(first + 4, round(last - 9 * mm)) : last - 3]
        assert inner.size > 6
        assert inner.min() > 0.93 * np.median(inner)


def test_no_step_where_drawn_teeth_begin() -> None:
    """Beside the two front teeth that the photo shows the row's edge goes on as from any tooth to the next."""
    _, rest = face()
    built = two_in_light()
    mm, whole = built.mouth.textures.scale.px, 8.6
    labels = drawn(built, jaw_opened(rest, 24)).labels
    x0 = float(built.mouth.incisors[0, 0])
    edge = [upper_row(labels, x)[1] for x in range(int(x0 - 14 * mm), int(x0 + 14 * mm))]
    assert np.abs(np.diff(edge)).max() <= 1
    ends = [upper_row(labels, round(x0 + side * whole * mm))[1] for side in (-0.5, 0.5, -1.3, 1.3)]
    assert max(ends) - min(ends) < 1.5 * mm


def test_the_cavity_is_darkest_away_from_its_rim() -> None:
    labels = painted(jaw_opened(face()[1], 40)).labels
    light = luma(painted(jaw_opened(face()[1], 40)).rgb.astype(np.float32))
    inside = np.isin(labels, (Label.MOUTH, Label.TEETH, Label.TONGUE))
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    cavity = labels == Label.MOUTH
    rim, middle = light[cavity & (depth > 2) & (depth < 4)], light[cavity & (depth > 8)]
    assert middle.mean() < 0.85 * rim.mean()
    assert middle.min() > 8


def test_teeth_that_a_dark_open_mouth_hid_come_out_of_its_dark() -> None:
    """They begin in shadow and grow lighter, in a mouth that the photo shows open and black inside."""
    source, rest = face()
    rgb = between_lips(source.rgb, rest, np.full(source.rgb.shape[1], 0.08))
    mouth = FaceLayers.build(Source(rgb, 2, source.matte, source.plan), rest, NEUTRAL).mouth
    assert mouth.textures.scale.open
    assert not mouth.textures.scale.has_upper
    assert luma(mouth.textures.colours[0]) < 0.85 * luma(mouth.textures.colours[4])
    assert (mouth.lift > 1.1).all()


def test_a_beard_is_no_shadow_on_hidden_teeth() -> None:
    """Dark skin around an open, dark mouth: its teeth come to the face's light all the same."""
    source, rest = face()
    rgb = between_lips(source.rgb, rest, np.full(source.rgb.shape[1], 0.08))
    y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    away = np.hypot((x + 0.5) / 2 - 0.5 - rest[14, 0], (y + 0.5) / 2 - 0.5 - rest[14, 1])
    lips = np.zeros(rgb.shape[:2], np.uint8)
    outline = [*topology.LIPS_OUTER_UPPER, *topology.LIPS_OUTER_LOWER[::-1]]
    cv2.fillPoly(lips, [(rest[outline, :2] * 2 + 0.5).astype(np.int32)], 1)
    beard = (lips == 0) & (away < 1.2 * float(rest[308, 0] - rest[78, 0]))
    rgb = np.where(beard[..., None], 0.45 * rgb, rgb).astype(np.uint8)
    mouth = FaceLayers.build(Source(rgb, 2, source.matte, source.plan), rest, NEUTRAL).mouth
    assert mouth.textures.scale.open
    assert not mouth.textures.scale.has_upper
    assert luma(mouth.lift * mouth.textures.colours[0]) > 0.85 * luma(mouth.textures.colours[4])


def test_lines_between_drawn_teeth_are_faint() -> None:
    """A line between sharp teeth takes a quarter of the light at most, and still some."""
    bend = np.zeros(4, np.float32)
    line, middle = (tooth(0, arc, 18.0, 3.0, 1.0, bend)[1] for arc in (8.6, 4.3))
    assert 0.72 < line / middle < 0.9


def test_a_fit_knows_its_own_shape() -> None:
    """Inside the row there is tooth, below its edge nothing, above the gums' line no tooth."""
    fit = TeethFit(0.0, 10.0, 3.0, np.zeros(4, np.float32), np.array([-8.6, 8.6], np.float32))
    along = np.full((1, 3), 12.0, np.float32)
    shape = fit.shape(along, np.array([[0.0, 14.0, -40.0]], np.float32), FRONTAL, 1.0)
    assert shape[0, :, 1] == pytest.approx([1, 0, 1])
    assert shape[0, ::2, 2] == pytest.approx([1, 0], abs=0.01)


def test_teeth_as_red_as_skin_are_teeth():
    source, rest = face()
    rgb = source.rgb.copy()
    for x in range(rgb.shape[1]):  # a camera that smears colours
        u = (x + 0.5) / 2 - 0.5
        edges = [np.interp(u, rest[list(edge), 0], rest[list(edge), 1]) for edge in
                 (topology.LIPS_INNER_UPPER, topology.LIPS_INNER_LOWER)]  # fmt: skip
        top, bottom = (int(2 * edge + 0.5) for edge in edges)
        top, bottom = top - 3, bottom + 3
        light = np.clip(luma(rgb[top:bottom, x].astype(np.float32)), 150, 200)[:, None]
        rgb[top:bottom, x] = np.clip(light * np.float32([1.23, 0.92, 0.84]), 0, 255).astype(np.uint8)
    smeared = FaceLayers.build(Source(rgb, 2, source.matte, source.plan), rest, NEUTRAL).mouth.textures
    assert smeared.scale.has_upper
