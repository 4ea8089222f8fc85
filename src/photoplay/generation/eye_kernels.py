"""Numba kernel that paints one eye: eyeball, upper lid and lash line, pixel by pixel with analytic edges."""

from __future__ import annotations

from math import exp, sin
from typing import NamedTuple

import numpy as np
from numba import njit

from photoplay.types import Array

LID, EYE, LASH = 4, 5, 6


class EyeState(NamedTuple):
    """Numbers of one eye in one frame.

    The columns of :class:`EyePose` go from ``start`` in steps of ``step``. ``gaze_x``, ``gaze_y`` is the iris' way in
    pixels and ``turned`` fades it in; ``shut`` is the part of the photo's opening that is gone (0..1) and ``moved`` fades
    the lid in; ``weight`` is 0 at rest.
    """

    start: float
    step: float
    gaze_x: float
    gaze_y: float
    turned: float
    shut: float
    moved: float
    weight: float


class EyePose(NamedTuple):
    """Where one eye is in this frame.

    ``inverse`` [2, 3] maps frame pixels to the rest frame, ``axes`` holds origin and direction of the eye's local frame.
    ``columns`` [c, 9] over its x: y of the upper lid's edge, the rest x and y of that spot, y of the lower lid's edge and
    its rest y, the fold's y and how far it moved, how much of the lid is painted there, how far the column lies beyond
    the corners.
    """

    inverse: Array
    axes: Array
    columns: Array
    state: EyeState


class EyeScale(NamedTuple):
    """Numbers of one eye at rest: the textures lie ``left``, ``top`` at ``factor`` times the film's size; ``width`` of the
    eye, ``soft`` width of an edge and ``lashes`` their length in frame pixels, ``line`` how dark the lash line is and
    ``red``, ``green``, ``blue`` how much more of each it takes, ``outer`` 0 or 1: where the outer corner lies."""

    left: float
    top: float
    factor: float
    width: float
    soft: float
    line: float
    red: float
    green: float
    blue: float
    lashes: float
    outer: float


class EyeTextures(NamedTuple):
    """One eye's pictures in rest coordinates.

    ``ball`` [h, w, 6] is the photo and the white without iris; ``iris`` [h, w, 7] is the iris with alpha and the catchlight;
    ``lid`` [h, w, 8] is the closed lid's skin, its share where the photo shows the open eye and its share once the eye is
    shut, and the lashes as a share of its light.
    """

    ball: Array
    iris: Array
    lid: Array
    scale: EyeScale


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def ramp(low: float, high: float, value: float) -> float:
    """A smooth step from 0 at ``low`` to 1 at ``high``, which may lie below."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def fade(x: float) -> float:
    """About ``exp(-x)`` for x >= 0, at a fifth of its cost."""
    t = 1 / (1 + 0.125 * x)
    t *= t
    t *= t
    return t * t


@njit(cache=True, nogil=True, fastmath=True)
def sample(texture: Array, x: float, y: float, k: int) -> tuple[float, float, float]:
    """Bilinear look-up of the three channels from ``k``; the border repeats.

    Straight code without an output array: numba then drops its reference counting.
    """
    x = min(max(x, 0.0), texture.shape[1] - 1.001)
    y = min(max(y, 0.0), texture.shape[0] - 1.001)
    i, j = np.uint32(x), np.uint32(y)
    fx, fy = np.float32(x - i), np.float32(y - j)
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    a, b, c, d = gx * gy, fx * gy, gx * fy, fx * fy
    t = texture
    return (
        t[j, i, k] * a + t[j, i + 1, k] * b + t[j + 1, i, k] * c + t[j + 1, i + 1, k] * d,
        t[j, i, k + 1] * a + t[j, i + 1, k + 1] * b + t[j + 1, i, k + 1] * c + t[j + 1, i + 1, k + 1] * d,
        t[j, i, k + 2] * a + t[j, i + 1, k + 2] * b + t[j + 1, i, k + 2] * c + t[j + 1, i + 1, k + 2] * d,
    )


@njit(cache=True, nogil=True, fastmath=True)
def mix(rgb: Array, px: int, py: int, red: float, green: float, blue: float, cover: float) -> None:
    """Lays a colour over a pixel."""
    r, g, b = float(rgb[py, px, 0]), float(rgb[py, px, 1]), float(rgb[py, px, 2])
    rgb[py, px, 0] = np.uint8(min(255.0, max(0.0, r + (red - r) * cover + 0.5)))
    rgb[py, px, 1] = np.uint8(min(255.0, max(0.0, g + (green - g) * cover + 0.5)))
    rgb[py, px, 2] = np.uint8(min(255.0, max(0.0, b + (blue - b) * cover + 0.5)))


@njit(cache=True, nogil=True, fastmath=True)
def mix_one(plane: Array, px: int, py: int, value: float, cover: float) -> None:
    """Lays a value over one pixel of a single plane."""
    old = float(plane[py, px])
    plane[py, px] = np.uint8(min(255.0, max(0.0, old + (value - old) * cover + 0.5)))


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _opening(u: float, ly: float, upper: float, lower: float, soft: float) -> float:
    """How much of a pixel lies between the lids."""
    if u < 0.0 or u > 1.0:
        return 0.0
    above = min(1.0, max(0.0, (ly - upper) / soft + 0.5))
    return above * min(1.0, max(0.0, (lower - ly) / soft + 0.5)) * min(1.0, max(0.0, (lower - upper) / soft))


@njit(cache=True, nogil=True, fastmath=True)
def _near(ly: float, upper: float, lower: float, fold: float, moved: float, w: float, lashes: float) -> bool:
    """Whether anything of the eye can be at that height."""
    top, bottom = upper - 0.1 * w, lower + 0.1 * w
    if moved > 0:
        top = min(top, fold - 0.3 * w)
        bottom += 2.2 * lashes
    return top <= ly <= bottom


@njit(cache=True, nogil=True, fastmath=True)
def _lift(ly: float, fold: float, fold_shift: float, upper_rest: float) -> float:
    """How far the skin at that height has moved with the fold since the photo."""
    if fold >= upper_rest:
        return 0.0
    return fold_shift * (1 - ramp(fold, upper_rest, ly))


@njit(cache=True, nogil=True, fastmath=True)
def _fringe(root: float, fine: float) -> float:
    """How much of a lash grows at ``root`` on the lid, 0..1: uneven ones, and an even share where ``fine`` is 0."""
    comb = 0.5 + 0.5 * sin(131.0 * root + 2.2 * sin(17.0 * root) + 1.1 * sin(41.0 * root + 1.0))
    return 0.45 + fine * (comb * comb * (0.75 + 0.45 * sin(29.0 * root + 0.7)) - 0.4)


@njit(cache=True, nogil=True, fastmath=True)
def _lid_shade(shut: float, height: float, u: float) -> float:
    """A closed lid is a sphere: light in its middle, darker at the lashes and towards the corners, with a soft crease."""
    s = min(1.6, max(0.0, height))
    side = min(1.0, (2 * u - 1) * (2 * u - 1))
    over = s - 0.98
    crease = exp(-over * over * (130.0 if over < 0 else 22.0)) * (1 - side)
    dome = max(s * (1 - s), 0.0)
    return 1 + shut * (dome * (0.22 - 0.34 * side) - 0.10 * fade(s / 0.2) - 0.07 * crease - 0.04 * side)


@njit(cache=True, nogil=True, fastmath=True)
def _lash_line(u: float, d: float, w: float, soft: float, lashes: float, outer: float, shut: float) -> float:
    """Darkness 0..1 of the lid's lash line ``d`` pixels below its edge.

    It runs from corner to corner, thickest in the outer half, and ends in nothing.
    """
    out = u + outer * (1 - 2 * u)
    ends = ramp(-0.06, 0.14, out) * ramp(1.04, 0.76, out)
    thick = (0.006 + 0.015 * ramp(0.0, 0.3, out) * ramp(1.0, 0.3, out)) * w + 0.32 * soft
    if ends <= 0 or d < -2.5 * thick or d > 3 * thick + 2.2 * lashes:
        return 0.0
    strength = ends * (0.55 + 0.45 * ramp(0.9, 0.4, out))
    line = exp(-((d / thick) ** 2)) * strength
    if d <= 0 or shut <= 0:
        return line * (0.45 + 0.7 * shut)
    # Short lashes point down, the outer ones outwards as well; a small face shows no single one.
    fine = 1 / (1 + (soft / (0.03 * w)) ** 2)
    root = out + (0.9 - 1.1 * out) * d / w
    length = 0.55 * lashes * shut * (1.2 - 0.7 * out) * (0.55 + 0.45 * sin(53.0 * root)) + 0.5 * thick
    hair = 0.55 * _fringe(root, fine) * strength * exp(-((d / (thick + length)) ** 2))
    return max(line, hair * shut + line * (1 - hair)) * (0.45 + 0.7 * shut)


@njit(cache=True, nogil=True, fastmath=True)
def _fresh(ly: float, w: float, upper_rest: float, lower: float, lower_rest: float, raised: float) -> float:
    """How far the eyeball must be put together anew, because the photo shows a lid there."""
    above = raised * (1 - ramp(0.08 * w, 0.26 * w, ly - upper_rest))
    return max(above, ramp(0.0, 0.03 * w, lower - lower_rest) * ramp(-0.07 * w, 0.0, ly - lower_rest))


@njit(cache=True, nogil=True, fastmath=True)
def paint_eye(
    rgb: Array, confidence: Array, labels: Array, flow: Array, box: Array, pose: EyePose, tex: EyeTextures
) -> None:
    """Paints the eye inside ``box`` (x0, y0, x1, y1) of the frame in place."""
    place = np.empty((box[2] - box[0], 14), np.float32)
    for py in range(box[1], box[3]):
        if not _place_row(place, py, box[0], pose.inverse, pose.axes, pose.columns, pose.state, tex.scale):
            continue
        _ball_row(rgb, confidence, labels, flow, place, py, box[0], tex.ball, tex.iris, pose.state, tex.scale)
        if pose.state.moved > 0:
            _lid_row(rgb, confidence, labels, flow, place, py, box[0], tex.lid, pose.axes, pose.state, tex.scale)


@njit(cache=True, nogil=True, fastmath=True)
def _place_row(
    place: Array, py: int, left: int, m: Array, axes: Array, columns: Array, state: EyeState, scale: EyeScale
) -> bool:
    """Where the pixels of one row lie, and whether any is near the eye.

    ``place`` [w, 14]: 1 near the eye, rest point, eye widths along the eye, pixels below its line, then the column.
    """
    last, found = columns.shape[0] - 1, False
    for n in range(place.shape[0]):
        px = left + n
        place[n, 0] = 0.0
        qx, qy = m[0, 0] * px + m[0, 1] * py + m[0, 2], m[1, 0] * px + m[1, 1] * py + m[1, 2]
        lx = (qx - axes[0]) * axes[2] + (qy - axes[1]) * axes[3]
        ly = (qy - axes[1]) * axes[2] - (qx - axes[0]) * axes[3]
        at = (lx - state.start) / state.step
        if at < 0 or at >= last:
            continue
        i = int(at)
        if not _near(ly, columns[i, 0], columns[i, 3], columns[i, 5], state.moved, scale.width, scale.lashes):
            continue
        found = True
        f = np.float32(at - i)
        place[n, 0], place[n, 1], place[n, 2], place[n, 3], place[n, 4] = 1.0, qx, qy, lx / scale.width, ly
        for k in range(9):
            place[n, 5 + k] = columns[i, k] + (columns[i + 1, k] - columns[i, k]) * f
        # Lids that have all but met have met: the two curves never quite agree, and a little white lies below the lower.
        over = 0.035 * scale.width * min(1.0, 8 * max(0.0, min(place[n, 3], 1 - place[n, 3])))
        place[n, 5] += max(place[n, 8] + over - place[n, 5], 0.0) * ramp(0.6, 0.97, state.shut)
    return found


@njit(cache=True, nogil=True, fastmath=True)
def _ball_row(
    rgb: Array, confidence: Array, labels: Array, flow: Array, place: Array, py: int, left: int, ball: Array, iris: Array,
    state: EyeState, scale: EyeScale,
) -> None:  # fmt: skip
    """The eyeball between the lids in one row."""
    w = scale.width
    shift_x, shift_y = state.gaze_x * scale.factor, state.gaze_y * scale.factor
    for n in range(place.shape[0]):
        if place[n, 0] == 0:
            continue
        px, qx, qy, ly, upper, lower = left + n, place[n, 1], place[n, 2], place[n, 4], place[n, 5], place[n, 8]
        opening = _opening(place[n, 3], ly, upper, lower, scale.soft)
        if opening > 0.5:
            labels[py, px] = EYE
        cover = opening * state.weight
        if cover <= 0:
            continue
        tx, ty = (qx + 0.5) * scale.factor - 0.5 - scale.left, (qy + 0.5) * scale.factor - 0.5 - scale.top
        raised = ramp(0.0, 0.04 * w, place[n, 7] - upper)
        fresh = max(_fresh(ly, w, place[n, 7], lower, place[n, 9], raised), state.turned)
        r, g, b = sample(ball, tx, ty, 0)
        if fresh > 0:
            white = sample(ball, tx, ty, 3)
            # The cornea's centre lies halfway to the iris: its mirror image of the light goes half the way.
            glint = sample(iris, tx - 0.5 * shift_x, ty - 0.5 * shift_y, 4)
            disc = sample(iris, tx - shift_x, ty - shift_y, 0)
            alpha = sample(iris, tx - shift_x, ty - shift_y, 1)[2]
            r += (white[0] + (disc[0] - white[0]) * alpha + glint[0] - r) * fresh
            g += (white[1] + (disc[1] - white[1]) * alpha + glint[1] - g) * fresh
            b += (white[2] + (disc[2] - white[2]) * alpha + glint[2] - b) * fresh
        # The lid's shadow on the ball goes with the lid.
        shade = max(ramp(0.0, 0.1 * w, upper - place[n, 7]), raised, state.turned)
        shade = 1 - 0.45 * shade * fade(max(ly - upper, 0.0) / (0.05 * w))
        # A ball that two lids all but cover turns away from the light towards both corners.
        shade *= 1 - 0.3 * ramp(0.15, 0.6, state.shut) * ramp(0.3, 0.0, min(place[n, 3], 1 - place[n, 3]))
        mix(rgb, px, py, r * shade, g * shade, b * shade, cover)
        mix_one(confidence, px, py, 255 - 150 * fresh, cover)
        if cover > 0.5:
            flow[py, px, 0], flow[py, px, 1] = qx - px, qy - py


@njit(cache=True, nogil=True, fastmath=True)
def _lid_row(
    rgb: Array, confidence: Array, labels: Array, flow: Array, place: Array, py: int, left: int, lid: Array, axes: Array,
    state: EyeState, scale: EyeScale,
) -> None:  # fmt: skip
    """The upper lid that has come down and the lash line on its edge, in one row."""
    w, soft, shut, factor = scale.width, scale.soft, state.shut, scale.factor
    ox, oy, ex, ey = axes[0], axes[1], axes[2], axes[3]
    for n in range(place.shape[0]):
        if place[n, 0] == 0:
            continue
        px, qx, qy, u, ly = left + n, place[n, 1], place[n, 2], place[n, 3], place[n, 4]
        upper, upper_x, upper_rest, lower = place[n, 5], place[n, 6], place[n, 7], place[n, 8]
        fold, beyond, moved = place[n, 10], place[n, 13], state.moved * place[n, 12]
        # Lids that meet leave no sliver between them.
        upper += 0.7 * soft * ramp(0.6, 0.97, shut)
        cover = ramp(-soft, 0.0, upper - ly + soft * 0.5)
        # Skin under the line hides what the photo shows there of the open eye: its wet rim, roots of lashes.
        near_outer = ramp(0.25, 0.0, u + scale.outer * (1 - 2 * u))
        under = (ly - upper) / (1 + near_outer)
        cover = max(cover, ramp(0.12 * w, 0.02 * w, under) * ramp(0.6, 0.97, shut))
        cover += (ramp(0.1, 0.7, shut) - cover) * beyond
        cover *= moved * (1 - _opening(u, ly, place[n, 5], lower, soft))
        if cover > 0:
            lift = _lift(ly, fold, place[n, 11], upper_rest)
            tx, ty = (
                (qx + 0.5 + lift * ey) * factor - 0.5 - scale.left,
                (qy + 0.5 - lift * ex) * factor - 0.5 - scale.top,
            )
            hole, hidden, _ = sample(lid, tx, ty, 3)
            cover *= hole + (hidden - hole) * 0.9 * ramp(0.2, 0.9, shut)
        if cover > 0:
            r, g, b = sample(lid, tx, ty, 0)
            up = max(upper - ly, 0.0) / max(1 - 0.75 * shut, 0.2)
            below = 1 - (ly - upper) / (0.012 * w + 0.3)
            if up < 1.2 * scale.lashes and below > 0:
                # The photo's own lashes ride on the edge and fold away as the lid comes down.
                tail = (1 - ramp(scale.lashes * 0.7, scale.lashes * 1.2, up)) * min(1.0, below)
                tail *= ramp(-0.06, 0.06 + 0.16 * shut, min(u, 1 - u)) * (1 - 0.85 * ramp(0.5, 0.95, shut))
                y = upper_rest - up
                tx, ty = ox + upper_x * ex - y * ey + 0.5, oy + upper_x * ey + y * ex + 0.5
                lash = sample(lid, tx * factor - 0.5 - scale.left, ty * factor - 0.5 - scale.top, 5)
                r, g, b = r * (1 - tail * (1 - lash[0])), g * (1 - tail * (1 - lash[1])), b * (1 - tail * (1 - lash[2]))
            shade = _lid_shade(shut, (upper - ly) / max(upper - fold, 1.0), u) - 1
            shade = 1 + shade * (1 - beyond) * ramp(0.5 * soft, -0.5 * soft, ly - upper)
            mix(rgb, px, py, r * shade, g * shade, b * shade, cover)
            mix_one(confidence, px, py, 70.0, cover)
            if cover > 0.5:
                flow[py, px, 0], flow[py, px, 1] = qx - px, qy - py
                if ly > fold:
                    labels[py, px] = LID
        dark = scale.line * moved * _lash_line(u, ly - upper, w, soft, scale.lashes, scale.outer, shut)
        if dark > 0:
            r, g, b = float(rgb[py, px, 0]), float(rgb[py, px, 1]), float(rgb[py, px, 2])
            mix(rgb, px, py, r - r * scale.red, g - g * scale.green, b - b * scale.blue, dark)
            mix_one(confidence, px, py, 90.0, dark)
            if dark > 0.25:
                labels[py, px] = LASH
