"""Numba kernel that paints one eye: eyeball, upper lid and lash line, pixel by pixel with analytic edges."""

from __future__ import annotations

from math import exp, sin
from typing import NamedTuple

import numpy as np
from numba import njit

from photoplay.types import Array

LID, EYE, LASH = 4, 5, 6


class EyePose(NamedTuple):
    """Where one eye is in this frame.

    ``inverse`` [2, 3] maps frame pixels to the rest frame, ``axes`` holds origin and direction of the eye's local frame.
    ``columns`` [c, 9] over its x from ``start`` in steps of ``step``: y of the upper lid's edge, the rest x and y of that
    spot, y of the lower lid's edge and its rest y, the fold's y and how far it moved, how much of the lid is painted there,
    how far the column lies beyond the corners. ``gaze_x``, ``gaze_y`` is the iris' way in pixels and ``turned`` fades it in;
    ``shut`` is how far the lids have closed since the photo (0..1) and ``moved`` fades the lid in; ``weight`` is 0 at rest.
    """

    inverse: Array
    axes: Array
    columns: Array
    start: float
    step: float
    gaze_x: float
    gaze_y: float
    turned: float
    shut: float
    moved: float
    weight: float


class EyeTextures(NamedTuple):
    """One eye's pictures at ``factor`` times the film's size, in rest coordinates from ``left``, ``top`` (their pixels).

    ``ball`` [h, w, 6] is the photo and the white without iris; ``iris`` [h, w, 7] is the iris with alpha and the catchlight;
    ``lid`` [h, w, 6] is the closed lid and the lashes as a share of its light. ``width`` of the eye, ``soft`` width of an
    edge, ``lashes`` their length in frame pixels, ``line`` how dark the lash line is, ``outer`` 0 or 1: where the outer
    corner lies.
    """

    ball: Array
    iris: Array
    lid: Array
    left: float
    top: float
    factor: float
    width: float
    soft: float
    line: float
    lashes: float
    outer: float


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def ramp(low: float, high: float, value: float) -> float:
    """A smooth step from 0 at ``low`` to 1 at ``high``, which may lie below."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True, fastmath=True)
def sample(texture: Array, x: float, y: float, first: int, count: int, out: Array) -> None:
    """Bilinear look-up of ``count`` channels from ``first``; the border repeats."""
    x = min(max(x, 0.0), texture.shape[1] - 1.001)
    y = min(max(y, 0.0), texture.shape[0] - 1.001)
    i, j = int(x), int(y)
    fx, fy = np.float32(x - i), np.float32(y - j)
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    for k in range(first, first + count):
        out[k - first] = (
            texture[j, i, k] * a + texture[j, i + 1, k] * b + texture[j + 1, i, k] * c + texture[j + 1, i + 1, k] * d
        )


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def store(rgb: Array, px: int, py: int, red: float, green: float, blue: float) -> None:
    """Writes one pixel, rounded and clipped."""
    rgb[py, px, 0] = np.uint8(min(255.0, max(0.0, red + 0.5)))
    rgb[py, px, 1] = np.uint8(min(255.0, max(0.0, green + 0.5)))
    rgb[py, px, 2] = np.uint8(min(255.0, max(0.0, blue + 0.5)))


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _opening(u: float, ly: float, upper: float, lower: float, soft: float) -> float:
    """How much of a pixel lies between the lids."""
    if u < 0.0 or u > 1.0:
        return 0.0
    above = min(1.0, max(0.0, (ly - upper) / soft + 0.5))
    return above * min(1.0, max(0.0, (lower - ly) / soft + 0.5)) * min(1.0, max(0.0, (lower - upper) / soft))


@njit(cache=True, nogil=True, fastmath=True)
def _fringe(u: float) -> float:
    """Uneven lash length along the lid, 0..1: a few hints, no comb."""
    return 0.5 + 0.28 * sin(61.0 * u + 1.3) * sin(23.0 * u) + 0.22 * sin(97.0 * u + 2.0 * sin(11.0 * u))


@njit(cache=True, nogil=True, fastmath=True)
def _eyeball(
    ball: Array, iris: Array, x: float, y: float, shift_x: float, shift_y: float, fresh: float, out: Array
) -> None:
    """The eyeball at texture point (x, y) into ``out[:3]``: the photo where ``fresh`` is 0, else put together anew."""
    if fresh <= 0:
        sample(ball, x, y, 0, 3, out)
        return
    sample(ball, x, y, 0, 6, out)
    r, g, b, white_r, white_g, white_b = out[0], out[1], out[2], out[3], out[4], out[5]
    # The cornea's centre lies halfway to the iris: its mirror image of the light goes half the way.
    sample(iris, x - 0.5 * shift_x, y - 0.5 * shift_y, 4, 3, out)
    glint_r, glint_g, glint_b = out[0], out[1], out[2]
    sample(iris, x - shift_x, y - shift_y, 0, 4, out)
    alpha = out[3]
    out[0] = r + (white_r + (out[0] - white_r) * alpha + glint_r - r) * fresh
    out[1] = g + (white_g + (out[1] - white_g) * alpha + glint_g - g) * fresh
    out[2] = b + (white_b + (out[2] - white_b) * alpha + glint_b - b) * fresh


@njit(cache=True, nogil=True, fastmath=True)
def _lid_shade(shut: float, s: float, u: float) -> float:
    """A closed lid is a sphere: light in its middle, darker at the lashes, at the fold and towards the corners."""
    side = min(1.0, (2 * u - 1) * (2 * u - 1))
    return 1 + shut * (0.07 * sin(3.1416 * s) - 0.12 * exp(-s / 0.16) - 0.06 * exp((s - 1) / 0.2) - 0.05 * side)


@njit(cache=True, nogil=True, fastmath=True)
def _lash_line(u: float, d: float, w: float, soft: float, lashes: float, outer: float, shut: float) -> float:
    """Darkness 0..1 of the lid's lash line ``d`` pixels below its edge."""
    out = abs(u - outer)
    taper = ramp(-0.03, 0.22, out) * (1 - ramp(0.62, 1.02, out))
    thick = (0.010 + 0.007 * (1 - out)) * w + 0.35 * soft
    if d < -2.5 * thick or d > 3 * thick + 2.2 * lashes:
        return 0.0
    near = exp(-((d / thick) ** 2))
    profile = near
    if d > 0 and shut > 0:
        fan = u + 0.5 * (u - 0.5) * d / w
        length = lashes * shut * (1.15 - 0.75 * out) * (0.3 + 0.7 * _fringe(fan)) * min(1.0, 3 * taper)
        profile = 0.7 * near + 0.3 * exp(-((d / (thick + 0.8 * length)) ** 2))
    profile *= 0.8 + 0.2 * _fringe(1.7 * u + 0.4)
    return profile * (0.25 * ramp(-0.05, 0.02, min(u, 1 - u)) + 0.75 * taper) * (0.45 + 0.55 * shut)


@njit(cache=True, nogil=True, fastmath=True)
def _lid_colour(
    lid: Array, rest: Array, upper_x: float, upper_rest: float, up: float, tail: float, shade: float, out: Array
) -> None:
    """The lid's skin at texture point ``rest[4:6]``, under the photo's own lashes ``up`` pixels above the lid's edge.

    ``rest`` is origin and direction of the local frame, that point, then left, top and factor of the texture.
    """
    sample(lid, rest[4], rest[5], 0, 3, out)
    r, g, b = out[0] * shade, out[1] * shade, out[2] * shade
    if tail > 0:
        y = upper_rest - up
        x = rest[0] + upper_x * rest[2] - y * rest[3]
        y = rest[1] + upper_x * rest[3] + y * rest[2]
        sample(lid, (x + 0.5) * rest[8] - 0.5 - rest[6], (y + 0.5) * rest[8] - 0.5 - rest[7], 3, 3, out)
        r, g, b = r * (1 - tail * (1 - out[0])), g * (1 - tail * (1 - out[1])), b * (1 - tail * (1 - out[2]))
    out[0], out[1], out[2] = r, g, b


@njit(cache=True, nogil=True, fastmath=True)
def paint_eye(
    rgb: Array, confidence: Array, labels: Array, flow: Array, box: Array, pose: EyePose, tex: EyeTextures
) -> None:
    """Paints the eye inside ``box`` (x0, y0, x1, y1) of the frame in place."""
    m, axes, columns = pose.inverse, pose.axes, pose.columns
    row, out = np.empty(9, np.float32), np.empty(9, np.float32)
    rest = np.empty(9, np.float32)
    rest[:4], rest[6], rest[7], rest[8] = axes, tex.left, tex.top, tex.factor
    last = columns.shape[0] - 1
    for py in range(box[1], box[3]):
        for px in range(box[0], box[2]):
            qx, qy = m[0, 0] * px + m[0, 1] * py + m[0, 2], m[1, 0] * px + m[1, 1] * py + m[1, 2]
            lx = (qx - axes[0]) * axes[2] + (qy - axes[1]) * axes[3]
            at = (lx - pose.start) / pose.step
            if at < 0 or at >= last:
                continue
            ly = (qy - axes[1]) * axes[2] - (qx - axes[0]) * axes[3]
            i = int(at)
            f = np.float32(at - i)
            upper, lower = columns[i, 0], columns[i, 3]
            if pose.moved <= 0 and (ly < upper - tex.width * 0.1 or ly > lower + tex.width * 0.1):
                continue
            for k in range(9):
                row[k] = columns[i, k] + (columns[i + 1, k] - columns[i, k]) * f
            rest[4] = (qx + 0.5) * tex.factor - 0.5 - tex.left
            rest[5] = (qy + 0.5) * tex.factor - 0.5 - tex.top
            _paint_pixel(rgb, confidence, labels, flow, px, py, qx, qy, lx / tex.width, ly, row, rest, out, pose, tex)


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _paint_pixel(
    rgb: Array, confidence: Array, labels: Array, flow: Array, px: int, py: int, qx: float, qy: float, u: float, ly: float,
    row: Array, rest: Array, out: Array, pose: EyePose, tex: EyeTextures,
) -> None:  # fmt: skip
    """One pixel at rest point (qx, qy): ``u`` eye widths along the eye, ``ly`` pixels below its line."""
    w, soft, shut = tex.width, tex.soft, pose.shut
    upper, upper_rest, lower, fold, ends, beyond = row[0], row[2], row[3], row[5], row[7], row[8]
    travel, cover = upper - upper_rest, 0.0
    red, green, blue = float(rgb[py, px, 0]), float(rgb[py, px, 1]), float(rgb[py, px, 2])
    trust = float(confidence[py, px])
    opening = _opening(u, ly, upper, lower, soft)
    if opening > 0.5:
        labels[py, px] = EYE
    cover = opening * pose.weight
    if cover > 0:
        raised = ramp(0.0, 0.04 * w, -travel)
        fresh = raised * (1 - ramp(0.07 * w, 0.15 * w, ly - upper_rest))
        fresh = max(fresh, ramp(0.0, 0.03 * w, lower - row[4]) * ramp(-0.07 * w, 0.0, ly - row[4]), pose.turned)
        _eyeball(tex.ball, tex.iris, rest[4], rest[5], pose.gaze_x * tex.factor, pose.gaze_y * tex.factor, fresh, out)
        shade = max(ramp(0.0, 0.1 * w, travel), raised, pose.turned)
        if shade > 0:
            shade *= 0.45 * exp(-max(ly - upper, 0.0) / (0.05 * w))
        red += (out[0] * (1 - shade) - red) * cover
        green += (out[1] * (1 - shade) - green) * cover
        blue += (out[2] * (1 - shade) - blue) * cover
        trust += ((255 - 150 * fresh) - trust) * cover
        if cover > 0.5:
            flow[py, px, 0], flow[py, px, 1] = qx - px, qy - py
    if pose.moved > 0:
        lid = pose.moved * ends * (1 - opening) * ramp(-soft, 0.0, upper - ly + soft * 0.5 + beyond * 0.3 * w)
        lid *= ramp(fold - 0.22 * w, fold - 0.02 * w, ly)
        if lid > 0:
            if fold < upper_rest and abs(row[6]) > 0.05:
                lift = row[6] * (1 - ramp(fold, upper_rest, ly)) * tex.factor
                rest[4] += lift * rest[3]
                rest[5] -= lift * rest[2]
            s = min(1.0, max(0.0, (upper - ly) / max(upper - fold, 1.0)))
            up = (upper - ly) / max(1 - 0.75 * shut, 0.2)
            tail = 0.0
            if up < 1.2 * tex.lashes:
                tail = (1 - ramp(tex.lashes * 0.7, tex.lashes * 1.2, up)) * ramp(
                    -0.12, 0.02 + 0.1 * shut, min(u, 1 - u)
                )
            shade = 1 + (_lid_shade(shut, s, u) - 1) * (1 - beyond)
            _lid_colour(tex.lid, rest, row[1], upper_rest, up, tail, shade, out)
            red, green, blue = red + (out[0] - red) * lid, green + (out[1] - green) * lid, blue + (out[2] - blue) * lid
            trust += (70 - trust) * lid
            if lid > 0.5:
                flow[py, px, 0], flow[py, px, 1] = qx - px, qy - py
                if ly > fold:
                    labels[py, px] = LID
        dark = tex.line * pose.moved * ends * _lash_line(u, ly - upper, w, soft, tex.lashes, tex.outer, shut)
        if dark > 0:
            red, green, blue = red * (1 - dark), green * (1 - dark), blue * (1 - dark)
            trust += (90 - trust) * dark
            if dark > 0.25:
                labels[py, px] = LASH
        cover = max(cover, lid, dark)
    if cover > 0:
        store(rgb, px, py, red, green, blue)
        confidence[py, px] = np.uint8(min(255.0, max(0.0, trust + 0.5)))
