from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from photoplay import topology
from photoplay.generation.buffers import FrameBuffers
from photoplay.generation.face_layers import FaceLayers
from photoplay.types import Array, Label
from tests.generation.faces_at_rest import NEUTRAL, STILL, blinked, face, frame, painted

RIGHT, LEFT = (33, 133), (263, 362)


def around(landmarks: Array, corners: tuple[int, int], pad: float = 0.1) -> tuple[slice, slice]:
    a, b = landmarks[corners[0], :2], landmarks[corners[1], :2]
    width = float(np.hypot(*(a - b)))
    (x0, y0), (x1, y1) = np.minimum(a, b) - pad * width, np.maximum(a, b) + pad * width
    return slice(int(y0 - 0.3 * width), int(y1 + 0.3 * width)), slice(int(x0), int(x1) + 1)


def painted_on(rgb: Array, landmarks: Array) -> FrameBuffers:
    """The frame of another picture of the same face, twice the film's size, with its own layers painted."""
    source, rest = face()
    buffers = frame()
    buffers.rgb[:] = cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_AREA)
    layers = FaceLayers.build(replace(source, rgb=rgb), rest, NEUTRAL)
    layers.paint(buffers, landmarks, NEUTRAL, STILL)
    return buffers


def test_a_blink_closes_the_eye_wholly() -> None:
    labels = painted(blinked(face()[1], 1.0)).labels
    assert (labels == Label.EYE).sum() == 0
    assert (labels == Label.LID).sum() > 100
    assert (labels == Label.LASH).sum() > 20


def test_the_eye_closes_monotonously() -> None:
    _, rest = face()
    areas = [int((painted(blinked(rest, shut)).labels == Label.EYE).sum()) for shut in np.linspace(0, 1, 9)]
    assert areas[0] > 200
    assert all(later <= earlier for earlier, later in pairwise(areas))


@pytest.mark.parametrize("corners", [RIGHT, LEFT])
def test_a_closed_lid_has_the_colour_of_the_skin_around(corners: tuple[int, int]) -> None:
    _, rest = face()
    buffers = painted(blinked(rest, 1.0))
    window = around(rest, corners)
    lid = buffers.rgb[window][buffers.labels[window] == Label.LID].astype(float)
    width = float(np.hypot(*(rest[corners[0], :2] - rest[corners[1], :2])))
    middle = rest[list(corners), :2].mean(0)
    photo = frame().rgb.astype(float)
    x, ys = int(middle[0]), [int(middle[1] + 0.45 * width), int(middle[1] - 0.38 * width)]
    cheek = np.mean([photo[y - 2 : y + 3, x - 8 : x + 9].mean((0, 1)) for y in ys], axis=0)
    assert np.abs(lid.mean(0) - cheek).max() < 32
    hue, skin = lid.mean(0) / lid.mean(), cheek / cheek.mean()
    assert np.abs(hue - skin).max() < 0.10


def test_no_lash_curtain() -> None:
    """The closed lid above the lash line is smooth: lashes are not drawn out over it."""
    _, rest = face()
    buffers = painted(blinked(rest, 1.0))
    grey = buffers.rgb.astype(float).mean(-1)
    for upper, lower in (
        (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER),
        (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER),
    ):
        x, top = rest[upper[4], 0], rest[upper[4], 1]
        bottom = rest[lower[4], 1]
        column = grey[int(top) : int(top + 0.7 * (bottom - top)), int(x)]
        assert column.min() > 0.8 * column.max()


def test_a_closed_eye_shows_one_dark_line() -> None:
    _, rest = face()
    grey = painted(blinked(rest, 1.0)).rgb.astype(float).mean(-1)
    x = int(rest[topology.RIGHT_EYE_UPPER[4], 0])
    top, bottom = rest[topology.RIGHT_EYE_UPPER[4], 1], rest[topology.RIGHT_EYE_LOWER[4], 1]
    column = grey[int(top) - 2 : int(bottom) + 8, x]
    dark = column < 0.7 * np.median(column)
    assert 1 <= dark.sum() <= 6
    assert np.diff(np.flatnonzero(dark)).max(initial=1) == 1


def test_a_wink_leaves_the_other_eye_alone() -> None:
    _, rest = face()
    landmarks = rest.copy()
    both = blinked(rest, 1.0)
    for index in topology.RIGHT_EYE_UPPER + topology.RIGHT_EYE_LOWER:
        landmarks[index] = both[index]
    labels = painted(landmarks).labels
    assert (labels[around(rest, RIGHT)] == Label.EYE).sum() == 0
    assert (labels[around(rest, LEFT)] == Label.EYE).sum() > 100


@pytest.mark.parametrize(
    ("gaze", "axis", "sign"), [((15, 0), 1, 1), ((-15, 0), 1, -1), ((0, 12), 0, -1), ((0, -12), 0, 1)]
)
def test_gaze_moves_the_iris(gaze: tuple[float, float], axis: int, sign: int) -> None:
    """The dark iris goes right for yaw > 0 and up for pitch > 0, inside the lids."""
    _, rest = face()
    window = around(rest, LEFT)

    def centre(buffers_rgb: Array, inside: Array) -> Array:
        dark = np.clip(130 - buffers_rgb[window].astype(float).mean(-1), 0, None) * inside
        y, x = np.mgrid[: dark.shape[0], : dark.shape[1]]
        middle: Array = np.array([(y * dark).sum(), (x * dark).sum()]) / dark.sum()
        return middle

    still = painted(rest)
    inside = still.labels[window] == Label.EYE
    turned = painted(rest, np.array(gaze, np.float32))
    assert sign * (centre(turned.rgb, inside) - centre(still.rgb, inside))[axis] > 0.5
    changed = (turned.rgb != still.rgb).any(-1)
    eyes = np.zeros_like(changed)
    for corners in (RIGHT, LEFT):
        eyes[around(rest, corners)] = True
    assert not changed[~eyes].any()


def test_wide_eyes_show_white_above_the_old_lid() -> None:
    _, rest = face()
    landmarks = rest.copy()
    lift = 0.15 * float(np.hypot(*(rest[263, :2] - rest[362, :2])))
    for edge in (topology.LEFT_EYE_UPPER, topology.RIGHT_EYE_UPPER):
        landmarks[list(edge[1:-1]), 1] -= lift * np.sin(np.linspace(0, np.pi, 9))[1:-1].astype(np.float32)
    wide, still = painted(landmarks), painted(rest)
    fresh = (wide.labels == Label.EYE) & (still.labels != Label.EYE)
    assert fresh.sum() > 40
    assert wide.confidence[fresh].mean() < 200
    assert wide.rgb[fresh].astype(float).mean() > still.rgb[fresh].astype(float).mean()


def test_confidence_says_what_was_invented() -> None:
    closed = painted(blinked(face()[1], 1.0))
    assert closed.confidence[closed.labels == Label.LID].mean() < 120
    assert closed.confidence[:20].min() == 255


@pytest.mark.parametrize("corners", [RIGHT, LEFT])
@pytest.mark.parametrize("shut", [0.3, 0.7, 1.0])
def test_nothing_dark_is_drawn_beyond_the_outer_corner(corners: tuple[int, int], shut: float) -> None:
    """Lashes and shadow there stay as they are or fade into the skin."""
    _, rest = face()
    outer, inner = rest[corners[0], :2], rest[corners[1], :2]
    along, width = (outer - inner) / np.hypot(*(outer - inner)), float(np.hypot(*(outer - inner)))
    y, x = np.mgrid[:256, :256]
    out, side = (x - outer[0]) * along[0] + (y - outer[1]) * along[1], (y - outer[1]) * abs(along[0])
    there = (out > 0.06 * width) & (out < 0.5 * width) & (np.abs(side) < 0.35 * width)
    before, after = (b.rgb.astype(float).mean(-1) for b in (frame(), painted(blinked(rest, shut))))
    assert there.sum() > 100
    assert (before - after)[there].max() < 8


@pytest.mark.parametrize(
    ("upper", "fold"),
    [
        (topology.RIGHT_EYE_UPPER, (247, 30, 29, 27, 28, 56, 190)),
        (topology.LEFT_EYE_UPPER, (467, 260, 259, 257, 258, 286, 414)),
    ],
)
def test_the_fold_fades_as_the_eye_closes(upper: tuple[int, ...], fold: tuple[int, ...]) -> None:
    """On a bare lid a dark line drawn along the fold is gone from the closed eye, and all there in the open one."""
    source, rest = face()
    rgb = source.rgb.copy()
    high, low = 2 * rest[list(fold), :2] + 0.5, 2 * rest[list(upper), :2] + (0.5, -3.5)
    skin = np.median(rgb[source.rgb.mean(-1) > 120], axis=0).tolist()
    cv2.fillPoly(rgb, [np.concatenate([high - (0, 6), low[::-1]]).round().astype(np.int32)], skin)
    cv2.polylines(rgb, [high.round().astype(np.int32)], False, [0.6 * c for c in skin], 3)
    x, y = (round(float(v)) for v in rest[fold[3], :2])
    window = slice(y - 4, y + 4), slice(x - 3, x + 4)

    def line(landmarks: Array) -> float:
        rows = painted_on(rgb, landmarks).rgb[window].astype(float).mean((1, 2))
        return float(1 - rows.min() / np.median(rows))

    assert line(rest) > 0.2
    assert line(blinked(rest, 1.0)) < 0.45 * line(rest)


def test_rims_of_glasses_stay_over_the_closed_lid() -> None:
    source, rest = face()
    rgb = source.rgb.copy()
    lid = rest[list(topology.RIGHT_EYE_UPPER[3:6]), :2].mean(0)
    width = float(np.hypot(*(rest[33, :2] - rest[133, :2])))
    x = slice(round(float(lid[0]) - 0.1 * width), round(float(lid[0]) + 0.1 * width))
    rgb[round(2 * float(lid[1]) - 0.8 * width) : round(2 * float(lid[1]) - 0.32 * width)] = 20
    shut = painted_on(rgb, blinked(rest, 1.0)).rgb
    rim = shut[round(float(lid[1]) - 0.36 * width) : round(float(lid[1]) - 0.19 * width), x]
    assert len(rim) >= 3
    assert rim.max() < 45


@pytest.mark.parametrize(("strength", "coarse"), [(0.0, 1.0), (6.0, 0.7), (8.0, 1.5)])
def test_a_closed_lid_is_as_rough_as_the_cheek_below_it(strength: float, coarse: float) -> None:
    """Smooth skin gets a smooth lid; fine grain and coarse grain are carried on over it."""
    source, rest = face()
    noise = cv2.GaussianBlur(np.random.default_rng(5).standard_normal(source.rgb.shape[:2]), (0, 0), coarse)
    smooth = cv2.GaussianBlur(source.rgb.astype(np.float32), (0, 0), 2.0) + (strength / noise.std() * noise)[..., None]
    shut = painted_on(np.clip(smooth, 0, 255).astype(np.uint8), blinked(rest, 1.0))
    grey = shut.rgb.astype(np.float32).mean(-1)
    rough = grey - cv2.GaussianBlur(grey, (0, 0), 1.5)
    lid = cv2.erode((shut.labels == Label.LID).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    x, y = (round(float(v)) for v in rest[topology.RIGHT_EYE_LOWER[4], :2])
    width = float(np.hypot(*(rest[33, :2] - rest[133, :2])))
    cheek = rough[y + round(0.4 * width) : y + round(0.8 * width), x - round(0.4 * width) : x + round(0.4 * width)]
    assert lid.sum() > 60
    assert 0.67 < float(rough[lid].std()) / float(cheek.std()) < 1.5


@pytest.mark.parametrize("corners", [RIGHT, LEFT])
def test_lashes_beyond_the_outer_corner_go_as_the_eye_closes(corners: tuple[int, int]) -> None:
    """Those of the open eye point up and out; under the closed lid's skin none is left, nor a hole in its place."""
    source, rest = face()
    outer, inner = rest[corners[0], :2], rest[corners[1], :2]
    along, width = (outer - inner) / np.hypot(*(outer - inner)), float(np.hypot(*(outer - inner)))
    rgb = source.rgb.copy()
    for rise in (-0.05, 0.02):
        ends = [outer + along * width * out + (0, rise * width * out * 4) for out in (0.04, 0.2)]
        a, b = (tuple(int(v) for v in np.round(2 * end + 0.5)) for end in ends)
        cv2.line(rgb, a, b, (30, 20, 20), 2)
    y, x = np.mgrid[:256, :256]
    out, side = (x - outer[0]) * along[0] + (y - outer[1]) * along[1], np.abs(y - outer[1])
    there = (out > 0.09 * width) & (out < 0.2 * width) & (side < 0.1 * width)
    bare = painted_on(source.rgb, blinked(rest, 1.0)).rgb[there].astype(float).mean(-1)
    photo = cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_AREA)[there].astype(float).mean(-1)
    shut = painted_on(rgb, blinked(rest, 1.0)).rgb[there].astype(float).mean(-1)
    assert np.percentile(photo, 10) < 0.75 * np.percentile(bare, 10)
    assert np.percentile(shut, 10) > 0.9 * np.percentile(bare, 10)


@pytest.mark.parametrize("upper", [topology.RIGHT_EYE_UPPER, topology.LEFT_EYE_UPPER])
def test_the_lash_line_runs_from_corner_to_corner_and_ends_in_nothing(upper: tuple[int, ...]) -> None:
    """From the outer corner on it is dark without a gap, most so in the outer half, and is gone at the inner corner."""
    _, rest = face()
    shut = painted(blinked(rest, 1.0)).rgb.astype(float).mean(-1)
    start, end = rest[upper[0], :2], rest[upper[-1], :2]

    def darkness(along: float) -> float:
        x, y = (start + (end - start) * along).astype(float)
        column = shut[round(y) - 8 : round(y) + 14, round(x)]
        return float(1 - column.min() / np.median(column))

    line = [darkness(along) for along in np.linspace(0.1, 0.8, 15)]
    assert min(line) > 0.3
    assert line[0] > 0.75 * max(line)
    assert max(line[:8]) == max(line)
    assert darkness(1.0) < 0.3 * max(line)


@pytest.mark.parametrize(
    ("upper", "iris"),
    [(topology.RIGHT_EYE_UPPER, topology.RIGHT_IRIS), (topology.LEFT_EYE_UPPER, topology.LEFT_IRIS)],
)
def test_the_iris_behind_a_raised_lid_has_no_step(upper: tuple[int, ...], iris: tuple[int, ...]) -> None:
    """The shadow that the photo's lid casts on the iris stays behind the lid when it goes up."""
    source, rest = face()
    width = float(np.hypot(*(rest[upper[0], :2] - rest[upper[-1], :2])))
    centre, radius = rest[iris[0], :2], float(np.median(np.hypot(*(rest[list(iris[1:]), :2] - rest[iris[0], :2]).T)))
    flat = np.full_like(source.rgb, (150, 120, 90))
    points = (2 * rest[list(upper), :2] + 0.5).round().astype(np.int32)
    down = np.array([0, 1], np.int32)
    cv2.polylines(flat, [points + round(0.08 * width) * down], False, (82, 66, 50), round(0.2 * width))
    spot = tuple(int(v) for v in np.round(2 * centre + 0.5))
    inside = cv2.circle(np.zeros(flat.shape[:2], np.uint8), spot, round(2 * radius), 255, -1) > 0
    below = cv2.fillPoly(np.zeros(flat.shape[:2], np.uint8), [np.concatenate([points, points[::-1] + 200 * down])], 255)
    rgb = np.where((inside & (below > 0))[..., None], flat, source.rgb)
    landmarks = rest.copy()
    landmarks[list(upper[1:-1]), 1] -= 0.16 * width * np.sin(np.linspace(0, np.pi, 9))[1:-1].astype(np.float32)
    grey = painted_on(rgb, landmarks).rgb.astype(float).mean(-1)
    x, y = round(float(centre[0])), round(float(centre[1]))
    column = grey[y - round(0.7 * radius) : y + round(0.3 * radius), x - 1 : x + 2].mean(1)
    assert column.min() > 0.75 * column.max()


@pytest.mark.parametrize("edges", [(topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER)])
def test_the_white_of_a_half_shut_eye_is_in_shade_towards_both_corners(edges: tuple[tuple[int, ...], ...]) -> None:
    source, rest = face()
    rgb = source.rgb.copy()
    contour = np.concatenate([rest[list(edges[0]), :2], rest[list(edges[1][::-1]), :2]])
    cv2.fillPoly(rgb, [(2 * contour + 0.5).round().astype(np.int32)], (200, 200, 200))
    start, end = rest[edges[0][0], :2], rest[edges[0][-1], :2]

    def light(shut: float, along: float) -> float:
        shown = painted_on(rgb, blinked(rest, shut))
        x = round(float(start[0] + (end[0] - start[0]) * along))
        return float(shown.rgb[:, x].astype(float).mean(-1)[shown.labels[:, x] == Label.EYE].max())

    for along in (0.15, 0.85):
        assert light(0.5, along) / light(0.5, 0.5) < 0.89 * light(0.1, along) / light(0.1, 0.5)


def test_no_bruise_is_left_where_blue_black_lashes_were() -> None:
    """Past the outer corner the shade that stays has the skin's hue, however many lashes made it."""
    source, rest = face()
    outer, inner = rest[33, :2], rest[133, :2]
    along, width = (outer - inner) / np.hypot(*(outer - inner)), float(np.hypot(*(outer - inner)))
    rgb = source.rgb.copy()
    spot = tuple(int(v) for v in np.round(2 * (outer + 0.2 * width * along) + 0.5))
    cv2.circle(rgb, spot, round(0.6 * width), (70, 60, 100), -1)
    x, y = (round(float(v)) for v in outer + 0.2 * width * along)
    window = slice(y - 2, y + 3), slice(x - 2, x + 3)
    red, _, blue = painted_on(rgb, blinked(rest, 1.0)).rgb[window].astype(float).mean((0, 1))
    assert red > blue
