from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photoplay.composition.cutouts import cut_person
from photoplay.composition.layout import ASPECT, MOST_BELOW, Figure, Layout, Size, lay_out
from photoplay.types import Staging
from tests.composition.people import drawn

SMALL = Size(360, 540)


def figure(**kind: float) -> Figure:
    scene, _ = drawn(**kind)
    return Figure.of(cut_person(scene.photo.pixels, scene.subjects[0], scene.matte))


@pytest.fixture(scope="module")
def plain() -> Figure:
    return figure()


def eyes(layout: Layout, figures: tuple[Figure, Figure], k: int) -> tuple[float, float]:
    place = layout.placements[k]
    x, y = figures[k].eyes
    return place.scale * (x + 0.5) + place.x, place.scale * (y + 0.5) + place.y


def ends(layout: Layout, figures: tuple[Figure, Figure], k: int) -> float:
    one = figures[k]
    return eyes(layout, figures, k)[1] + layout.placements[k].scale * one.reach * one.unit


def test_a_drawn_person_is_measured(plain):
    assert plain.unit == pytest.approx(20, rel=1e-4)
    assert plain.eyes == pytest.approx((120, 80), abs=1e-3)
    assert plain.crown == pytest.approx(2.0 / 1.4, abs=0.15)
    assert plain.reach == pytest.approx(8.0, abs=0.05)
    assert plain.roof == inf
    assert plain.cut_left is None
    assert plain.cut_right is None
    assert plain.ankles == pytest.approx(23.9, abs=0.05)


def test_a_side_that_cuts_an_arm_is_found():
    cut = figure(width=170)
    assert cut.cut_left is None
    assert cut.cut_right is not None
    assert 2.4 < cut.cut_right[0] < 4.0
    assert cut.edge_right == pytest.approx(2.5)
    assert figure(y=20.0).roof == pytest.approx(1.0)


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.4])
def test_heads_stand_in_the_ratio_that_is_asked_for(plain, ratio):
    figures = (plain, figure(unit=31.0, width=300, height=300, x=150.0, y=100.0))
    layout = lay_out(figures, (1.0, ratio), Staging(), SMALL)
    heads = [place.scale * one.unit for place, one in zip(layout.placements, figures, strict=True)]
    assert heads[1] / heads[0] == pytest.approx(ratio, rel=1e-4)


def test_a_turned_head_is_as_large_as_a_frontal_one(plain):
    turned = figure(yaw=40.0)
    assert turned.unit == pytest.approx(plain.unit, rel=0.02)


def test_equal_people_look_at_each_other_on_one_level(plain):
    figures = (plain, plain)
    layout = lay_out(figures, (1.0, 1.0), Staging(), SMALL)
    assert eyes(layout, figures, 0)[1] == pytest.approx(eyes(layout, figures, 1)[1], abs=0.01)


def test_whoever_is_seen_to_be_shorter_stands_lower():
    figures = (figure(ankles=24.0), figure(ankles=23.0))
    layout = lay_out(figures, (1.0, 1.0), Staging(), SMALL)
    drop = (eyes(layout, figures, 1)[1] - eyes(layout, figures, 0)[1]) / layout.unit
    assert drop == pytest.approx(1.0, abs=0.01)


def test_the_smaller_one_stands_lower_but_stays_in_reach(plain):
    figures = (plain, plain)
    layout = lay_out(figures, (1.0, 0.9), Staging(), SMALL)
    drop = (eyes(layout, figures, 1)[1] - eyes(layout, figures, 0)[1]) / layout.unit
    assert 0 < drop <= MOST_BELOW + 1e-6
    assert drop == pytest.approx(min(MOST_BELOW, 0.1 * 23.9), abs=0.02)


def test_whose_inner_arm_is_cut_stands_behind(plain):
    cut = figure(width=170)
    assert lay_out((cut, plain), (1.0, 1.0), Staging(), SMALL).front == 1
    mirrored = replace(
        cut, left=cut.right, right=cut.left, cut_left=cut.cut_right, cut_right=None, edge_left=cut.edge_right
    )
    assert lay_out((plain, mirrored), (1.0, 1.0), Staging(), SMALL).front == 0


def test_the_close_framing_shows_larger_heads_nearer_to_each_other(plain):
    close, medium = (
        lay_out((plain, plain), (1.0, 1.0), Staging(framing=framing), SMALL) for framing in ("close", "medium")
    )
    assert (close.framing, medium.framing) == ("close", "medium")
    assert close.unit > 1.2 * medium.unit
    apart = [(one.placements[1].x - one.placements[0].x) / one.unit for one in (close, medium)]
    assert apart[0] < apart[1]


def test_the_framing_is_chosen_by_what_the_photos_show(plain):
    short = replace(plain, reach=4.0)
    assert lay_out((plain, plain), (1.0, 1.0), Staging(), SMALL).framing == "medium"
    assert lay_out((plain, short), (1.0, 1.0), Staging(), SMALL).framing == "close"


def test_a_margin_moves_the_frame_and_nothing_else(plain):
    bare = lay_out((plain, plain), (1.0, 1.0), Staging(), SMALL)
    wide = lay_out((plain, plain), (1.0, 1.0), Staging(), replace(SMALL, margin=0.1))
    assert bare.frame == (0, 0, bare.width, bare.height)
    left, top, right, bottom = wide.frame
    assert (right - left, bottom - top) == (bare.width, bare.height)
    assert (wide.width - bare.width, wide.height - bare.height) == (2 * left, 2 * top)
    assert left == top == round(0.1 * bare.width)
    for one, other in zip(bare.placements, wide.placements, strict=True):
        assert (other.scale, other.x - left, other.y - top) == pytest.approx((one.scale, one.x, one.y))


def test_the_picture_is_as_high_as_the_smaller_photo_carries(plain):
    sizes = [
        lay_out((plain, plain), (1.0, 1.0), Staging(), Size(*limits)).height for limits in ((90, 500), (720, 1080))
    ]
    assert sizes[1] == 720
    assert 90 < sizes[0] < 500
    native = lay_out((plain, plain), (1.0, 1.0), Staging(), Size(90, 500))
    assert native.placements[0].scale == pytest.approx(1.0, abs=0.01)


FIGURES = [figure()]


@st.composite
def anybody(draw: st.DrawFn) -> Figure:
    plain = FIGURES[0]
    reach = draw(st.one_of(st.just(inf), st.floats(2.4, 14.0)))
    roof = draw(st.one_of(st.just(inf), st.floats(1.2, 2.0)))
    cuts = [draw(st.one_of(st.none(), st.floats(2.0, 4.0))) for _ in range(2)]
    return replace(
        plain,
        unit=draw(st.floats(12, 150)),
        reach=reach,
        roof=roof,
        crown=min(plain.crown, roof),
        cut_left=None if cuts[0] is None else (cuts[0], 9.0),
        cut_right=None if cuts[1] is None else (cuts[1], 9.0),
        edge_left=draw(st.floats(2.0, 5.0)),
        edge_right=draw(st.floats(2.0, 5.0)),
        ankles=draw(st.floats(22.0, 24.5)),
    )


@settings(max_examples=150, deadline=None)
@given(anybody(), anybody(), st.floats(0.6, 1.6), st.sampled_from(["auto", "medium", "close"]))
def test_whoever_comes_is_shown_whole_and_no_lower_edge_is_seen(one, other, ratio, framing):
    figures = (one, other)
    layout = lay_out(figures, (1.0, ratio), Staging(framing=framing), SMALL)
    assert (
        ASPECT[0] - 0.02
        <= layout.width / layout.height
        <= (ASPECT[2] + 0.05 if min(one.roof, other.roof) == inf else 3.0)
    )
    assert SMALL.least <= layout.height <= SMALL.tallest
    assert layout.width % 2 == layout.height % 2 == 0
    for k, size in enumerate((1.0, ratio)):
        x, y = eyes(layout, figures, k)
        unit = layout.unit * size
        assert ends(layout, figures, k) >= layout.height - 0.01
        assert 1.7 * unit < x < layout.width - 1.7 * unit
        assert 1.15 * unit < y < layout.height - 1.5 * unit
    assert eyes(layout, figures, 1)[0] - eyes(layout, figures, 0)[0] > 1.4 * layout.unit * (1 + ratio)
    assert np.isfinite([layout.placements[0].x, layout.placements[1].y]).all()
