"""Numba kernel that paints one eye: eyeball, upper lid and lash line, pixel by pixel with analytic edges."""

from __future__ import annotations

from math import exp, floor, sin
from typing import NamedTuple

import numpy as np
from numba import njit

from photoplay.types import Array

LID, EYE, LASH = 4, 5, 6


class EyePose(NamedTuple):
    """Where one eye is in this frame.

    ``inverse`` [2, 3] maps frame pixels to the rest frame, ``axes`` holds origin and direction of the eye's local frame,
    ``columns`` [c, 8] the lid edges from ``start`` in steps of ``step``: upper y, its rest x and y, lower y, its rest x and
    y, the crease's y and its shift. ``gaze`` is the iris' way in pixels, ``shut`` how far the
    lids have closed since the photo (0..1), ``moved`` fades the lid in.
    """

    inverse: Array
    axes: Array
    columns: Array
    start: float
    step: float
    gaze_x: float
    gaze_y: float
    gaze_weight: float
    eye_weight: float
    moved: float
    shut: float


class EyeTextures(NamedTuple):
    """One eye's pictures at ``factor`` times the film's size, in rest coordinates from ``left``, ``top`` (their pixels)."""

    photo: Array
    lid: Array
    lash: Array
    sclera: Array
    iris: Array
    glint: Array
    left: float
    top: float
    factor: float
    width: float
    soft: float
    line: float
    lashes: float
    outer: float


@njit(cache=True, nogil=True)
def _ramp(low: float, high: float, value: float) -> float:
    """A smooth step from 0 at ``low`` to 1 at ``high``, which may lie below."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True)
def _sample(texture: Array, x: float, y: float, out: Array) -> None:
    height, width, depth = texture.shape
    x = min(max(x, 0.0), width - 1.001)
    y = min(max(y, 0.0), height - 1.001)
    i, j = int(x), int(y)
    fx, fy = x - i, y - j
    for k in range(depth):
        above = texture[j, i, k] * (1 - fx) + texture[j, i + 1, k] * fx
        below = texture[j + 1, i, k] * (1 - fx) + texture[j + 1, i + 1, k] * fx
        out[k] = above * (1 - fy) + below * fy


@njit(cache=True, nogil=True)
def _eyeball(pose: EyePose, tex: EyeTextures, x: float, y: float, own: float, out: Array, tmp: Array) -> None:
    """The eyeball's colour at texture point (x, y): the photo where ``own`` is 1, else put together anew."""
    _sample(tex.photo, x, y, out)
    if own >= 1.0:
        return
    _sample(tex.sclera, x, y, tmp)
    r, g, b = tmp[0], tmp[1], tmp[2]
    _sample(tex.iris, x - pose.gaze_x * tex.factor, y - pose.gaze_y * tex.factor, tmp)
    a = tmp[3]
    r, g, b = r + (tmp[0] - r) * a, g + (tmp[1] - g) * a, b + (tmp[2] - b) * a
    _sample(tex.glint, x, y, tmp)
    out[0] = out[0] * own + (r + tmp[0]) * (1 - own)
    out[1] = out[1] * own + (g + tmp[1]) * (1 - own)
    out[2] = out[2] * own + (b + tmp[2]) * (1 - own)


@njit(cache=True, nogil=True)
def _fringe(u: float) -> float:
    """Uneven lash length along the lid, 0..1: a few hints, no comb."""
    return 0.5 + 0.28 * sin(61.0 * u + 1.3) * sin(23.0 * u) + 0.22 * sin(97.0 * u + 2.0 * sin(11.0 * u))


@njit(cache=True, nogil=True)
def paint_eye(
    rgb: Array, confidence: Array, labels: Array, flow: Array, box: Array, pose: EyePose, tex: EyeTextures
) -> None:
    """Paints the eye inside ``box`` (x0, y0, x1, y1) of the frame in place."""
    colour, lid, lash, tmp = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    row = np.empty(8, np.float32)
    w, soft = tex.width, tex.soft
    for py in range(box[1], box[3]):
        for px in range(box[0], box[2]):
            qx = pose.inverse[0, 0] * px + pose.inverse[0, 1] * py + pose.inverse[0, 2]
            qy = pose.inverse[1, 0] * px + pose.inverse[1, 1] * py + pose.inverse[1, 2]
            ax, ay = qx - pose.axes[0], qy - pose.axes[1]
            lx = ax * pose.axes[2] + ay * pose.axes[3]
            ly = ay * pose.axes[2] - ax * pose.axes[3]
            at = (lx - pose.start) / pose.step
            if at < 0 or at >= pose.columns.shape[0] - 1:
                continue
            i = int(floor(at))
            f = at - i
            for k in range(8):
                row[k] = pose.columns[i, k] * (1 - f) + pose.columns[i + 1, k] * f
            upper, upper_x, upper_rest, lower, crease, crease_shift = row[0], row[1], row[2], row[3], row[6], row[7]
            u = lx / w
            ends = _ramp(-0.3, -0.18, u) * (1 - _ramp(1.18, 1.3, u))
            if ends <= 0:
                continue
            below, above = ly - upper, lower - ly
            travel = upper - upper_rest
            shut = pose.shut
            tx = (qx + 0.5) * tex.factor - 0.5 - tex.left
            ty = (qy + 0.5) * tex.factor - 0.5 - tex.top
            for k in range(3):
                colour[k] = rgb[py, px, k]
            trust = float(confidence[py, px])
            label = -1
            # The eyeball between the lids.
            opening = min(1.0, max(0.0, below / soft + 0.5)) * min(1.0, max(0.0, above / soft + 0.5))
            if lower - upper < soft:
                opening *= max(0.0, (lower - upper) / soft)
            if not 0.0 <= u <= 1.0:
                opening = 0.0
            if opening > 0:
                raised = _ramp(0.0, 0.04 * w, -travel)
                fresh = raised * (1 - _ramp(0.07 * w, 0.15 * w, ly - upper_rest))
                fresh = max(fresh, _ramp(0.0, 0.03 * w, lower - row[5]) * _ramp(-0.07 * w, 0.0, ly - row[5]))
                fresh = max(fresh, pose.gaze_weight)
                _eyeball(pose, tex, tx, ty, 1 - fresh, lid, tmp)
                shade = 1 - 0.45 * max(_ramp(0.0, 0.1 * w, travel), raised, pose.gaze_weight) * exp(-max(below, 0.0) / (0.05 * w))
                cover = opening * pose.eye_weight
                for k in range(3):
                    colour[k] += (lid[k] * shade - colour[k]) * cover
                trust += ((255 - 150 * fresh) - trust) * cover
                if opening > 0.5:
                    label = EYE
                    if cover > 0.5:
                        flow[py, px, 0], flow[py, px, 1] = qx - px, qy - py
            # The upper lid that has come down over it.
            moved = pose.moved * ends
            if moved > 0:
                beyond = _ramp(0.04, -0.08, u) + _ramp(0.96, 1.08, u)
                cover = moved * (1 - opening) * _ramp(-soft, 0.0, upper - ly + soft * 0.5 + beyond * 0.3 * w)
                cover *= _ramp(crease - 0.22 * w, crease - 0.02 * w, ly)
                if cover > 0:
                    lift = crease_shift * (1 - _ramp(crease, upper_rest, ly)) if crease < upper_rest else 0.0
                    _sample(tex.lid, tx + lift * tex.factor * pose.axes[3], ty - lift * tex.factor * pose.axes[2], lid)
                    span = max(upper - crease, 1.0)
                    s = min(1.0, max(0.0, (upper - ly) / span))
                    shade = 1 + shut * (0.07 * sin(3.1416 * s) - 0.12 * exp(-s / 0.16) - 0.06 * exp((s - 1) / 0.2) - 0.05 * min(1.0, (2 * u - 1) ** 2)) * (1 - beyond)
                    # The photo's own lashes ride on the edge and fold away as the lid comes down.
                    d = (upper - ly) / max(1 - 0.75 * shut, 0.2)
                    ox, oy = upper_x, upper_rest - d
                    rx = pose.axes[0] + ox * pose.axes[2] - oy * pose.axes[3]
                    ry = pose.axes[1] + ox * pose.axes[3] + oy * pose.axes[2]
                    keep = (1 - _ramp(tex.lashes * 0.7, tex.lashes * 1.2, d)) * _ramp(-0.12, 0.02 + 0.1 * shut, min(u, 1 - u))
                    _sample(tex.lash, (rx + 0.5) * tex.factor - 0.5 - tex.left, (ry + 0.5) * tex.factor - 0.5 - tex.top, lash)
                    for k in range(3):
                        colour[k] += (lid[k] * shade * (1 - keep * (1 - lash[k])) - colour[k]) * cover
                    trust += (70 - trust) * cover
                    if cover > 0.5:
                        flow[py, px, 0], flow[py, px, 1] = qx - px, qy - py
                        if ly > crease:
                            label = LID
            # The lash line on the lid's edge.
            if moved > 0:
                out = abs(u - tex.outer)
                d = ly - upper
                fan = u + 0.5 * (u - 0.5) * max(d, 0.0) / w
                taper = _ramp(-0.03, 0.22, out) * (1 - _ramp(0.62, 1.02, out))
                length = tex.lashes * shut * (1.15 - 0.75 * out) * (0.3 + 0.7 * _fringe(fan)) * min(1.0, 3 * taper)
                thick = (0.010 + 0.007 * (1 - out)) * w + 0.35 * soft
                if d < 0:
                    profile = exp(-((d / thick) ** 2))
                else:
                    profile = 0.7 * exp(-((d / thick) ** 2)) + 0.3 * exp(-((d / (thick + 0.8 * length)) ** 2))
                profile *= 0.8 + 0.2 * _fringe(1.7 * u + 0.4)
                dark = 1 - tex.line * profile * (0.25 * _ramp(-0.05, 0.02, min(u, 1 - u)) + 0.75 * taper) * moved * (0.45 + 0.55 * shut)
                for k in range(3):
                    colour[k] *= dark
                if dark < 0.75:
                    label = LASH
                    trust += (90 - trust) * (1 - dark)
            for k in range(3):
                rgb[py, px, k] = np.uint8(min(255.0, max(0.0, colour[k] + 0.5)))
            confidence[py, px] = np.uint8(min(255.0, max(0.0, trust + 0.5)))
            if label >= 0:
                labels[py, px] = label
