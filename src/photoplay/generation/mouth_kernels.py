"""Numba kernel that paints the inside of one mouth: cavity, tongue, lower and upper teeth, and the lips' inner rim."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np
from numba import njit

from photoplay.generation.eye_kernels import ramp, sample, store
from photoplay.types import Array

LIP, MOUTH, TEETH, TONGUE = 7, 8, 9, 10


class MouthPose(NamedTuple):
    """Where the mouth is in this frame (frame pixels).

    ``axes`` [4] origin and direction of the mouth's line; ``columns`` [c, 10] over it from ``start`` in steps of ``step``:
    y of upper and lower opening, y of the mesh's upper lip edge, its rest x and y, the same of the lower lip, then y of the
    outer borders of upper and lower lip. ``inverse`` [2, 3] and ``jaw_inverse`` map frame pixels to the rest frame, moved
    with skull and jaw. ``arches`` [2, c, 4] hold for the upper and the lower arch, over x from ``arch_start``: millimetres
    along the arch, height offset in pixels, how far the tooth faces the camera (below 0: no tooth). ``anchors`` [2, 2] are
    the middle of the incisal edges, ``upright`` [2] the direction of the teeth's row.
    """

    axes: Array
    columns: Array
    start: float
    step: float
    inverse: Array
    jaw_inverse: Array
    arches: Array
    arch_start: float
    arch_step: float
    anchors: Array
    upright: Array
    weight: float
    tongue_out: float


class MouthTextures(NamedTuple):
    """The mouth's pictures in rest coordinates; ``place`` [3] is left, top (their pixels) and factor over the film's size.

    ``upper`` and ``lower`` are the photo's own teeth with alpha. ``rest_axes`` [4] is the mouth's line at rest. ``colours``
    [4, 3]: teeth, gums, tongue, cavity. ``scale`` is pixels a millimetre, ``width`` the mouth's width in pixels.
    """

    photo: Array
    upper: Array
    lower: Array
    grain: Array
    place: Array
    rest_axes: Array
    colours: Array
    scale: float
    width: float
    soft: float
    has_upper: bool
    has_lower: bool


_WIDTHS = np.array([[8.6, 6.6, 7.6, 7.0, 6.8, 9.5], [5.4, 6.0, 6.9, 7.1, 7.3, 10.0]], np.float32)
_HEIGHTS = np.array([[10.3, 9.0, 10.0, 8.4, 7.6, 7.0], [8.8, 9.2, 10.0, 8.5, 8.0, 7.0]], np.float32)
_OFFSETS = np.array([[0.0, 0.8, 0.3, 1.3, 2.0, 2.6], [0.0, 0.1, -0.2, 0.9, 1.5, 2.0]], np.float32)
_ROUND = np.array([[0.7, 1.1, 1.9, 1.7, 1.3, 1.0], [0.5, 0.6, 1.5, 1.3, 1.0, 0.8]], np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def _fade(x: float) -> float:
    """About ``exp(-x)`` for x >= 0, at a fifth of its cost."""
    t = 1 / (1 + 0.125 * x)
    t *= t
    t *= t
    return t * t


@njit(cache=True, nogil=True, fastmath=True)
def _tooth(
    row: int, arc: float, depth: float, facing: float, px: float, soft: float, colours: Array, out: Array
) -> float:
    """Colour of the procedural teeth ``arc`` mm from the middle and ``depth`` px inside the incisal edge; returns cover.

    ``px`` is pixels a millimetre.
    """
    side = abs(arc)
    k = 0
    begin = 0.0
    while k < 5 and side > begin + _WIDTHS[row, k]:
        begin += _WIDTHS[row, k]
        k += 1
    t = (side - begin) / _WIDTHS[row, k]
    bow = (2 * t - 1) * (2 * t - 1)
    inside = depth - (_OFFSETS[row, k] + _ROUND[row, k] * bow * bow) * px
    cover = min(1.0, max(0.0, inside / soft + 0.5))
    if cover <= 0 or t > 1.0:
        return 0.0
    height = _HEIGHTS[row, k] * (1 - 0.14 * bow) * px
    gum = ramp(-0.6 * soft - 0.3 * px, 0.6 * soft + 0.3 * px, inside - height)
    near = min(t, 1 - t) * _WIDTHS[row, k]
    wide = 0.05 + (0.55 * soft / px) ** 2
    line = 0.0
    if near * near < 5 * wide:
        line = 0.36 * (0.05 / wide) ** 0.35 * exp(-near * near / wide)
    rise = min(1.0, max(0.0, inside / height))
    body = (1 - 0.10 * bow) * (0.90 + 0.10 * ramp(0.0, 0.28, rise) - 0.09 * ramp(0.5, 1.0, rise))
    light = (0.30 + 0.70 * facing) * (1 - line * (1 - gum)) * body
    out[0] = (colours[0, 0] + (colours[1, 0] - colours[0, 0]) * gum) * light
    out[1] = (colours[0, 1] + (colours[1, 1] - colours[0, 1]) * gum) * light
    ivory = colours[0, 2] + (colours[0, 1] - colours[0, 2]) * -0.25 * rise
    out[2] = (ivory + (colours[1, 2] - ivory) * gum) * light
    return float(cover)


@njit(cache=True, nogil=True, fastmath=True)
def _teeth(
    row: int,
    x: float,
    y: float,
    arch: Array,
    start: float,
    step: float,
    scale: float,
    soft: float,
    colours: Array,
    out: Array,
) -> float:
    """Colour and cover of the procedural row ``x`` pixels beside and ``y`` below the middle of its incisal edge."""
    at = (x - start) / step
    if at < 0 or at >= arch.shape[0] - 1:
        return 0.0
    i = int(at)
    if arch[i, 2] < 0 or arch[i + 1, 2] < 0:
        return 0.0
    f = np.float32(at - i)
    rise = arch[i, 1] + (arch[i + 1, 1] - arch[i, 1]) * f
    depth = rise - y if row == 0 else y - rise
    if depth < -0.3 * scale - soft:
        return 0.0
    arc = arch[i, 0] + (arch[i + 1, 0] - arch[i, 0]) * f
    facing = arch[i, 2] + (arch[i + 1, 2] - arch[i, 2]) * f
    return _tooth(row, arc, depth, facing, scale, soft, colours, out)


@njit(cache=True, nogil=True, fastmath=True)
def _patch(texture: Array, inverse: Array, place: Array, px: float, py: float, out: Array) -> float:
    """The photo's own teeth at frame pixel (px, py); returns alpha. ``place`` is left, top and factor of the texture."""
    qx = inverse[0, 0] * px + inverse[0, 1] * py + inverse[0, 2]
    qy = inverse[1, 0] * px + inverse[1, 1] * py + inverse[1, 2]
    x, y = (qx + 0.5) * place[2] - 0.5 - place[0], (qy + 0.5) * place[2] - 0.5 - place[1]
    if x < 0 or y < 0 or x > texture.shape[1] - 1 or y > texture.shape[0] - 1:
        return 0.0
    sample(texture, x, y, 0, 4, out)
    return float(out[3])


@njit(cache=True, nogil=True, fastmath=True)
def _tongue(
    x: float, y: float, lip: float, wide: float, out_by: float, k: float, soft: float, colours: Array, out: Array
) -> float:
    """The tongue ``x``, ``y`` mm from the lower incisors: a mound behind them, and over the lower lip when it is out.

    ``lip`` is the y of the lower lip's edge there, ``wide`` how far the mouth is open (0..1), ``k`` pixels a millimetre.
    """
    half = 19.0 - 3.5 * out_by
    if abs(x) >= half or y < -20:
        return 0.0
    bow = abs(x) / half
    top = 2.0 - (2.0 + 13.0 * wide + 4.0 * out_by * (1 - wide)) * (1 - bow * bow) + 0.9 * _fade(x * x / 6.8)
    cover = min(1.0, max(0.0, (y - top) * k / (1.5 * soft + 1.2 * k) + 0.5))
    if cover <= 0:
        return 0.0
    light = 0.26 + 0.48 * ramp(top, top + 10.0 + 6.0 * wide, y)
    if out_by > 0:
        tip = lip + 19.0 * out_by * (max(0.0, 1 - bow**3.2)) ** 0.42 - 3.0 * (1 - out_by)
        cover *= min(1.0, max(0.0, (tip - y) * k / soft + 0.5)) * min(1.0, max(0.0, (half - abs(x)) * k / soft))
        if cover <= 0:
            return 0.0
        edge = max(min(tip - y, (half - abs(x)) * 1.2), 0.0)
        light += out_by * (
            0.34 * ramp(-4.0, 1.0, y - lip) * (1 - 0.25 * ramp(0.0, 16.0, y - lip)) - 0.16 * exp(-edge / 1.4)
        )
        light += 0.16 * out_by * exp(-(((y - tip + 7.0) / 3.5) ** 2) - ((abs(x) - 5.5) / 3.2) ** 2)
    light *= (1 - 0.22 * bow * bow * bow) * (1 - 0.10 * _fade(x * x / 2.0) * (1 - 0.5 * out_by))
    out[0], out[1], out[2] = colours[2, 0] * light, colours[2, 1] * light, colours[2, 2] * light
    return cover


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _inside(
    pose: MouthPose, tex: MouthTextures, px: int, py: int, y: float, top: float, bottom: float, out: Array
) -> int:
    """Colour of the mouth's inside into ``out[:3]`` at a pixel ``y`` between the lips at ``top`` and ``bottom``."""
    colours, k, soft = tex.colours, tex.scale, tex.soft
    red, green, blue, left, label = 0.0, 0.0, 0.0, 1.0, MOUTH
    ux, uy = pose.upright[0], pose.upright[1]
    shade = 1 - 0.45 * _fade(max(y - top, 0.0) / (0.03 * tex.width))
    if tex.has_upper:
        cover = _patch(tex.upper, pose.inverse, tex.place, px, py, out)
        red, green, blue, left = out[0] * shade * cover, out[1] * shade * cover, out[2] * shade * cover, 1 - cover
    if left > 0.01:
        ax, ay = px - pose.anchors[0, 0], py - pose.anchors[0, 1]
        x, down = ax * ux + ay * uy, ay * ux - ax * uy
        cover = (
            left * shade * _teeth(0, x, down, pose.arches[0], pose.arch_start, pose.arch_step, k, soft, colours, out)
        )
        red, green, blue, left = (
            red + out[0] * cover,
            green + out[1] * cover,
            blue + out[2] * cover,
            left - cover / shade,
        )
    if left < 0.5:
        label = TEETH
    if tex.has_lower and left > 0.01:
        cover = left * _patch(tex.lower, pose.jaw_inverse, tex.place, px, py, out)
        red, green, blue, left = red + out[0] * cover, green + out[1] * cover, blue + out[2] * cover, left - cover
    ax, ay = px - pose.anchors[1, 0], py - pose.anchors[1, 1]
    x, down = ax * ux + ay * uy, ay * ux - ax * uy
    if left > 0.01:
        shade = 0.82 - 0.45 * _fade(((y - top) * 0.35 + max(bottom - y, 0.0)) / (0.03 * tex.width))
        cover = left * _teeth(1, x, down, pose.arches[1], pose.arch_start, pose.arch_step, k, soft, colours, out)
        red, green, blue = red + out[0] * shade * cover, green + out[1] * shade * cover, blue + out[2] * shade * cover
        left -= cover
    if left < 0.5:
        label = TEETH
    if left > 0.01:
        wide = min(1.0, (bottom - top) / (0.6 * tex.width))
        share = _tongue(x / k, down / k, 100.0, wide, 0.0, k, soft, colours, out)
        cover = left * share
        red, green, blue, left = red + out[0] * cover, green + out[1] * cover, blue + out[2] * cover, left - cover
        if share > 0.5 and label == MOUTH:
            label = TONGUE
    tint = left * (0.7 + 0.9 * (y - top) / max(bottom - top, 1.0))
    out[0], out[1], out[2] = red + colours[3, 0] * tint, green + colours[3, 1] * tint, blue + colours[3, 2] * tint
    return label


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _rim(tex: MouthTextures, y: float, row: Array, out: Array) -> bool:
    """The lip between the mesh's edge and the opening, moved with the edge without stretch."""
    if row[2] <= y < row[0]:
        rx, ry = row[3], row[4] + (y - row[2])
    elif row[1] < y <= row[5]:
        rx, ry = row[6], row[7] - (row[5] - y)
    else:
        return False
    axes, place = tex.rest_axes, tex.place
    fx = axes[0] + rx * axes[2] - ry * axes[3]
    fy = axes[1] + rx * axes[3] + ry * axes[2]
    sample(tex.photo, (fx + 0.5) * place[2] - 0.5 - place[0], (fy + 0.5) * place[2] - 0.5 - place[1], 0, 3, out)
    return True


@njit(cache=True, nogil=True, fastmath=True)
def paint_mouth(
    rgb: Array, confidence: Array, labels: Array, depth: Array, box: Array, pose: MouthPose, tex: MouthTextures
) -> None:
    """Paints the mouth inside ``box`` (x0, y0, x1, y1) of the frame in place."""
    axes, columns = pose.axes, pose.columns
    row, out = np.empty(10, np.float32), np.empty(4, np.float32)
    last = columns.shape[0] - 1
    tongue = 20.0 * tex.scale * pose.tongue_out
    for py in range(box[1], box[3]):
        for px in range(box[0], box[2]):
            ax, ay = px - axes[0], py - axes[1]
            at = (ax * axes[2] + ay * axes[3] - pose.start) / pose.step
            if at < 0 or at >= last:
                continue
            y = ay * axes[2] - ax * axes[3]
            i = int(at)
            if y < columns[i, 8] - 1 or y > max(columns[i, 9], columns[i, 1]) + 1 + tongue:
                continue
            f = np.float32(at - i)
            for k in range(10):
                row[k] = columns[i, k] + (columns[i + 1, k] - columns[i, k]) * f
            if row[8] <= y <= row[9]:
                labels[py, px] = LIP
            if pose.weight > 0:
                _paint_pixel(rgb, confidence, labels, depth, px, py, y, row, out, pose, tex)


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _paint_pixel(
    rgb: Array, confidence: Array, labels: Array, depth: Array, px: int, py: int, y: float, row: Array, out: Array,
    pose: MouthPose, tex: MouthTextures,
) -> None:  # fmt: skip
    """One pixel ``y`` below the mouth's line."""
    top, bottom, soft, weight = row[0], row[1], tex.soft, pose.weight
    gap = bottom - top
    red, green, blue = float(rgb[py, px, 0]), float(rgb[py, px, 1]), float(rgb[py, px, 2])
    touched = 0.0
    if _rim(tex, y, row, out):
        touched = weight
        red, green, blue = (
            red + (out[0] - red) * weight,
            green + (out[1] - green) * weight,
            blue + (out[2] - blue) * weight,
        )
    opening = min(1.0, max(0.0, (y - top) / soft + 0.5)) * min(1.0, max(0.0, (bottom - y) / soft + 0.5))
    opening *= min(1.0, max(0.0, gap / soft))
    away = max(top - y, y - bottom, 0.0) / (0.012 * tex.width + 0.4)
    if opening < 1 and away < 6:
        # The lips turn inwards at the opening.
        dark = 0.38 * ramp(0.0, 0.10 * tex.width, gap) * exp(-away) * weight
        red, green, blue = red * (1 - dark), green * (1 - dark), blue * (1 - dark)
        touched = max(touched, dark)
    if opening > 0:
        label = _inside(pose, tex, px, py, y, top, bottom, out)
        cover = opening * weight
        grain_x, grain_y = int(pose.anchors[0, 0] + 0.5), int(pose.anchors[0, 1] + 0.5)
        level = 0.3 * out[0] + 0.6 * out[1] + 0.1 * out[2]
        speck = tex.grain[(py - grain_y) % tex.grain.shape[0], (px - grain_x) % tex.grain.shape[1]] * min(
            1.0, level / 110.0
        )
        red += (out[0] + speck - red) * cover
        green += (out[1] + speck - green) * cover
        blue += (out[2] + speck - blue) * cover
        touched = max(touched, cover)
        confidence[py, px] = np.uint8(confidence[py, px] + (40 - float(confidence[py, px])) * cover)
        if opening > 0.5:
            labels[py, px] = label
            depth[py, px] += 0.06 * tex.width * opening
    if pose.tongue_out > 0:
        ax, ay = px - pose.anchors[1, 0], py - pose.anchors[1, 1]
        x, down = ax * pose.upright[0] + ay * pose.upright[1], ay * pose.upright[0] - ax * pose.upright[1]
        k, wide = tex.scale, min(1.0, gap / (0.6 * tex.width))
        cover = _tongue(x / k, down / k, (down + bottom - y) / k, wide, pose.tongue_out, k, soft, tex.colours, out)
        cover *= min(1.0, max(0.0, (y - top) / soft + 0.5)) * ramp(0.0, 0.15, pose.tongue_out) * weight
        if cover > 0:
            touched = max(touched, cover)
            red, green, blue = (
                red + (out[0] - red) * cover,
                green + (out[1] - green) * cover,
                blue + (out[2] - blue) * cover,
            )
            if cover > 0.5:
                labels[py, px] = TONGUE
                confidence[py, px] = 40
    if touched > 0:
        store(rgb, px, py, red, green, blue)
