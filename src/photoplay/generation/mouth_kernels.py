"""Numba kernel that paints the inside of one mouth: cavity, tongue, lower and upper teeth, and the lips' inner rim."""

from __future__ import annotations

from math import exp, floor, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from photoplay.generation.eye_kernels import _ramp, _sample
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
    rest_gap: float
    tongue_out: float


class MouthTextures(NamedTuple):
    """The mouth's pictures at ``factor`` times film size in rest coordinates from ``left``, ``top``; ``upper`` and ``lower``
    are the photo's own teeth with alpha. ``rest_axes`` [4] is the mouth's line at rest. ``colours`` [5, 3]: teeth, gums,
    tongue, cavity, lip line. ``scale`` is pixels a millimetre, ``width`` the mouth's width in pixels."""

    photo: Array
    upper: Array
    lower: Array
    grain: Array
    left: float
    top: float
    factor: float
    rest_axes: Array
    colours: Array
    scale: float
    width: float
    soft: float


_WIDTHS = np.array([[8.6, 6.6, 7.6, 7.0, 6.8, 9.5], [5.4, 6.0, 6.9, 7.1, 7.3, 10.0]], np.float32)
_HEIGHTS = np.array([[10.3, 9.0, 10.0, 8.4, 7.6, 7.0], [8.8, 9.2, 10.0, 8.5, 8.0, 7.0]], np.float32)
_OFFSETS = np.array([[0.0, 0.8, 0.3, 1.3, 2.0, 2.6], [0.0, 0.1, -0.2, 0.9, 1.5, 2.0]], np.float32)
_ROUND = np.array([[0.7, 1.1, 1.9, 1.7, 1.3, 1.0], [0.5, 0.6, 1.5, 1.3, 1.0, 0.8]], np.float32)


@njit(cache=True, nogil=True)
def _tooth(row: int, arc: float, depth: float, facing: float, tex: MouthTextures, out: Array) -> float:
    """Colour of the procedural teeth ``arc`` mm from the middle and ``depth`` px inside the incisal edge; returns cover."""
    side = abs(arc)
    k = 0
    begin = 0.0
    while k < 5 and side > begin + _WIDTHS[row, k]:
        begin += _WIDTHS[row, k]
        k += 1
    t = (side - begin) / _WIDTHS[row, k]
    if t > 1.0:
        return 0.0
    px = tex.scale
    bow = abs(2 * t - 1)
    edge = (_OFFSETS[row, k] + _ROUND[row, k] * bow**3.5) * px
    inside = depth - edge
    cover = min(1.0, max(0.0, inside / tex.soft + 0.5))
    if cover <= 0:
        return 0.0
    height = _HEIGHTS[row, k] * (1 - 0.14 * bow * bow) * px
    gum = _ramp(-0.6 * tex.soft - 0.3 * px, 0.6 * tex.soft + 0.3 * px, inside - height)
    near = min(t, 1 - t) * _WIDTHS[row, k]
    sigma = sqrt(0.22**2 + (0.55 * tex.soft / px) ** 2)
    line = 0.42 * (0.22 / sigma) ** 0.7 * exp(-((near / sigma) ** 2))
    body = 1 - 0.10 * bow * bow
    rise = min(1.0, max(0.0, inside / height))
    body *= 0.90 + 0.10 * _ramp(0.0, 0.28, rise) - 0.09 * _ramp(0.5, 1.0, rise)
    light = (0.30 + 0.70 * facing) * (1 - line * (1 - gum)) * body
    for c in range(3):
        yellow = 1.0 - 0.05 * rise * (c == 2)
        tooth = tex.colours[0, c] * yellow
        out[c] = (tooth + (tex.colours[1, c] - tooth) * gum) * light
    return cover


@njit(cache=True, nogil=True)
def _teeth(row: int, pose: MouthPose, tex: MouthTextures, px: float, py: float, out: Array) -> float:
    """Colour and cover of the procedural row at frame pixel (px, py)."""
    ax, ay = px - pose.anchors[row, 0], py - pose.anchors[row, 1]
    x = ax * pose.upright[0] + ay * pose.upright[1]
    y = ay * pose.upright[0] - ax * pose.upright[1]
    at = (x - pose.arch_start) / pose.arch_step
    if at < 0 or at >= pose.arches.shape[1] - 1:
        return 0.0
    i = int(floor(at))
    f = at - i
    if pose.arches[row, i, 2] < 0 or pose.arches[row, i + 1, 2] < 0:
        return 0.0
    arc = pose.arches[row, i, 0] * (1 - f) + pose.arches[row, i + 1, 0] * f
    rise = pose.arches[row, i, 1] * (1 - f) + pose.arches[row, i + 1, 1] * f
    facing = pose.arches[row, i, 2] * (1 - f) + pose.arches[row, i + 1, 2] * f
    depth = rise - y if row == 0 else y - rise
    return _tooth(row, arc, depth, facing, tex, out)


@njit(cache=True, nogil=True)
def _patch(texture: Array, inverse: Array, tex: MouthTextures, px: float, py: float, out: Array) -> float:
    """The photo's own teeth at frame pixel (px, py); returns alpha."""
    qx = inverse[0, 0] * px + inverse[0, 1] * py + inverse[0, 2]
    qy = inverse[1, 0] * px + inverse[1, 1] * py + inverse[1, 2]
    x, y = (qx + 0.5) * tex.factor - 0.5 - tex.left, (qy + 0.5) * tex.factor - 0.5 - tex.top
    if x < 0 or y < 0 or x > texture.shape[1] - 1 or y > texture.shape[0] - 1:
        return 0.0
    _sample(texture, x, y, out)
    return out[3]


@njit(cache=True, nogil=True)
def _tongue(pose: MouthPose, tex: MouthTextures, px: float, py: float, lower: float, gap: float, out: Array) -> float:
    """The tongue: a mound behind the lower teeth, and over the lower lip when it is out."""
    k = tex.scale
    ax, ay = px - pose.anchors[1, 0], py - pose.anchors[1, 1]
    x = (ax * pose.upright[0] + ay * pose.upright[1]) / k
    y = (ay * pose.upright[0] - ax * pose.upright[1]) / k
    out_by = pose.tongue_out
    half = 19.0 - 3.5 * out_by
    if abs(x) >= half:
        return 0.0
    bow = x / half
    wide = min(1.0, gap / (0.6 * tex.width))
    top = 2.0 - (2.0 + 13.0 * wide + 4.0 * out_by * (1 - wide)) * (1 - bow * bow) + 0.9 * exp(-((x / 2.6) ** 2))
    cover = min(1.0, max(0.0, (y - top) * k / (1.5 * tex.soft + 1.2 * k) + 0.5))
    light = 0.26 + 0.48 * _ramp(top, top + 10.0 + 6.0 * wide, y)
    if out_by > 0:
        tip = lower + 19.0 * out_by * (max(0.0, 1 - abs(bow) ** 3.2)) ** 0.42 - 3.0 * (1 - out_by)
        cover *= min(1.0, max(0.0, (tip - y) * k / tex.soft + 0.5)) * min(1.0, max(0.0, (half - abs(x)) * k / tex.soft))
        edge = min(tip - y, (half - abs(x)) * 1.2)
        light += out_by * (0.34 * _ramp(-4.0, 1.0, y - lower) * (1 - 0.25 * _ramp(0.0, 16.0, y - lower)) - 0.16 * exp(-max(edge, 0.0) / 1.4))
        light += 0.16 * out_by * exp(-(((y - tip + 7.0) / 3.5) ** 2)) * exp(-(((abs(x) - 5.5) / 3.2) ** 2))
    if cover <= 0:
        return 0.0
    light *= (1 - 0.22 * abs(bow) ** 3) * (1 - 0.10 * exp(-((x / 1.4) ** 2)) * (1 - 0.5 * out_by))
    for c in range(3):
        out[c] = tex.colours[2, c] * light
    return cover


@njit(cache=True, nogil=True)
def _inside(pose: MouthPose, tex: MouthTextures, px: float, py: float, row: Array, y: float, out: Array, tmp: Array) -> int:
    """Colour of the mouth's inside at a pixel; returns its label."""
    gap = row[1] - row[0]
    down = (y - row[0]) / max(gap, 1.0)
    label = MOUTH
    for c in range(3):
        out[c] = tex.colours[3, c] * (0.7 + 0.9 * down)
    cover = _tongue(pose, tex, px, py, 100.0, gap, tmp)
    for c in range(3):
        out[c] += (tmp[c] - out[c]) * cover
    if cover > 0.5:
        label = TONGUE
    for arch in range(1, -1, -1):
        own = _patch(tex.lower if arch == 1 else tex.upper, pose.jaw_inverse if arch == 1 else pose.inverse, tex, px, py, tmp)
        r, g, b = tmp[0], tmp[1], tmp[2]
        cover = _teeth(arch, pose, tex, px, py, tmp)
        reach = 0.0
        if max(cover, own) > 0:
            reach = (y - row[0]) if arch == 0 else (y - row[0]) * 0.35 + (row[1] - y)
            shade = 1 - 0.45 * exp(-max(reach, 0.0) / (0.03 * tex.width))
            dim = shade - (0.18 if arch == 1 else 0.0)
            for c in range(3):
                out[c] += (tmp[c] * dim - out[c]) * cover
            out[0] += (r * shade - out[0]) * own
            out[1] += (g * shade - out[1]) * own
            out[2] += (b * shade - out[2]) * own
        if max(own, cover) > 0.5:
            label = TEETH
    return label


@njit(cache=True, nogil=True)
def _rim(pose: MouthPose, tex: MouthTextures, x: float, y: float, row: Array, out: Array) -> bool:
    """The lip between the mesh's edge and the opening, moved with the edge without stretch."""
    if row[2] <= y < row[0]:
        rx, ry = row[3], row[4] + (y - row[2])
    elif row[1] < y <= row[5]:
        rx, ry = row[6], row[7] - (row[5] - y)
    else:
        return False
    fx = tex.rest_axes[0] + rx * tex.rest_axes[2] - ry * tex.rest_axes[3]
    fy = tex.rest_axes[1] + rx * tex.rest_axes[3] + ry * tex.rest_axes[2]
    _sample(tex.photo, (fx + 0.5) * tex.factor - 0.5 - tex.left, (fy + 0.5) * tex.factor - 0.5 - tex.top, out)
    return True


@njit(cache=True, nogil=True)
def paint_mouth(
    rgb: Array, confidence: Array, labels: Array, depth: Array, box: Array, pose: MouthPose, tex: MouthTextures
) -> None:
    """Paints the mouth inside ``box`` (x0, y0, x1, y1) of the frame in place."""
    colour, inner, tmp = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    row = np.empty(10, np.float32)
    grain_height, grain_width = tex.grain.shape
    for py in range(box[1], box[3]):
        for px in range(box[0], box[2]):
            ax, ay = px - pose.axes[0], py - pose.axes[1]
            x = ax * pose.axes[2] + ay * pose.axes[3]
            y = ay * pose.axes[2] - ax * pose.axes[3]
            at = (x - pose.start) / pose.step
            if at < 0 or at >= pose.columns.shape[0] - 1:
                continue
            i = int(floor(at))
            f = at - i
            for k in range(10):
                row[k] = pose.columns[i, k] * (1 - f) + pose.columns[i + 1, k] * f
            if labels[py, px] != LIP and row[8] <= y <= row[9]:
                labels[py, px] = LIP
            if pose.weight <= 0:
                continue
            gap = row[1] - row[0]
            for k in range(3):
                colour[k] = rgb[py, px, k]
            touched = False
            if _rim(pose, tex, x, y, row, inner):
                touched = True
                for k in range(3):
                    colour[k] += (inner[k] - colour[k]) * pose.weight
            opening = min(1.0, max(0.0, (y - row[0]) / tex.soft + 0.5)) * min(1.0, max(0.0, (row[1] - y) / tex.soft + 0.5))
            opening *= min(1.0, max(0.0, gap / tex.soft))
            wide = _ramp(0.0, 0.10 * tex.width, gap)
            if opening < 1:
                away = max(row[0] - y, y - row[1], 0.0)
                dark = 0.38 * wide * exp(-away / (0.012 * tex.width + 0.4)) * pose.weight
                if dark > 0.004:
                    touched = True
                    for k in range(3):
                        colour[k] *= 1 - dark
            if opening > 0:
                touched = True
                label = _inside(pose, tex, float(px), float(py), row, y, inner, tmp)
                cover = opening * pose.weight
                level = 0.3 * inner[0] + 0.6 * inner[1] + 0.1 * inner[2]
                speck = tex.grain[py % grain_height, px % grain_width] * min(1.0, level / 110.0)
                for k in range(3):
                    colour[k] += (inner[k] + speck - colour[k]) * cover
                confidence[py, px] = np.uint8(confidence[py, px] + (40 - float(confidence[py, px])) * cover)
                if opening > 0.5:
                    labels[py, px] = label
                    depth[py, px] += 0.06 * tex.width * opening
            if pose.tongue_out > 0:
                lower = (row[1] + (ax * pose.axes[2] + ay * pose.axes[3]) * 0.0 - y) / tex.scale
                ty = (py - pose.anchors[1, 1]) * pose.upright[0] - (px - pose.anchors[1, 0]) * pose.upright[1]
                cover = _tongue(pose, tex, float(px), float(py), ty / tex.scale + lower, gap, tmp)
                cover *= min(1.0, max(0.0, (y - row[0]) / tex.soft + 0.5)) * _ramp(0.0, 0.15, pose.tongue_out) * pose.weight
                if cover > 0:
                    touched = True
                    for k in range(3):
                        colour[k] += (tmp[k] - colour[k]) * cover
                    if cover > 0.5:
                        labels[py, px] = TONGUE
                        confidence[py, px] = 40
            if touched:
                for k in range(3):
                    rgb[py, px, k] = np.uint8(min(255.0, max(0.0, colour[k] + 0.5)))
