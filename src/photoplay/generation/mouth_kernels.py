"""Numba kernel that paints the inside of one mouth: cavity, tongue, lower and upper teeth, and the lips' inner rim."""

from __future__ import annotations

from math import exp
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from photoplay.generation.eye_kernels import fade, mix, mix_one, ramp, sample
from photoplay.generation.tooth_kernels import arch_at, tooth
from photoplay.types import Array

LIP, MOUTH, TEETH, TONGUE = 7, 8, 9, 10


class MouthState(NamedTuple):
    """Numbers of one mouth in one frame: where columns and arches start and how far they step, how much is painted
    (0 at rest), how far the inside leaves the photo's warped picture for its own layers (0..1), how far the tongue is out
    (0..1), how much of the lips' shadow on the photo's teeth is left (0..1)."""

    start: float
    step: float
    arch_start: float
    arch_step: float
    weight: float
    fresh: float
    tongue_out: float
    shaded: float


class MouthPose(NamedTuple):
    """Where the mouth is in this frame (frame pixels).

    ``axes`` [5] origin, direction and length of the mouth's line; ``columns`` [c, 10] over it: y of upper and lower
    opening, y of the mesh's upper lip edge, its rest x and y, the same of the lower lip, then y of the outer borders of
    upper and lower lip. ``inverse`` [2, 3] and ``jaw_inverse`` map frame pixels to the rest frame, moved with skull and
    jaw. ``upper_arch`` and ``lower_arch`` [c, 3]: millimetres along the arch, height offset in pixels, how far the tooth
    faces the camera (below 0: no tooth). ``anchors`` [2, 2] are the middle of the incisal edges, ``upright`` [2] the
    direction of the teeth's row. ``gain`` [3] is what the light that falls in makes of the colour of the photo's teeth.
    """

    axes: Array
    columns: Array
    inverse: Array
    jaw_inverse: Array
    upper_arch: Array
    lower_arch: Array
    anchors: Array
    upright: Array
    gain: Array
    state: MouthState


class MouthScale(NamedTuple):
    """Numbers of one mouth at rest: the textures lie ``left``, ``top`` at ``factor`` times the film's size; ``px`` pixels a
    millimetre, ``width`` of the mouth and ``soft`` width of an edge in pixels, whether the photo's mouth
    is open and shows teeth, and how much colour it has (0 grey .. 1)."""

    left: float
    top: float
    factor: float
    px: float
    width: float
    soft: float
    has_upper: bool
    has_lower: bool
    open: bool
    chroma: float


class MouthTextures(NamedTuple):
    """The mouth's pictures in rest coordinates: ``photo`` [h, w, 3], the photo's own teeth with alpha, ``upper``
    [h, w, 5] out of the lip's shadow and with where the photo shows them in it, ``lower`` [h, w, 4], and ``grain`` in
    levels. ``rest_axes`` [4] is the mouth's line at rest. ``colours`` [5, 3]: teeth, gums, tongue, cavity, and a white
    thing in the face's light. ``bend`` [4] is the upper row's own line (see :class:`TeethFit`)."""

    photo: Array
    upper: Array
    lower: Array
    grain: Array
    rest_axes: Array
    colours: Array
    bend: Array
    scale: MouthScale


@njit(cache=True, nogil=True, fastmath=True)
def _shaded(colour: tuple[float, float, float], light: float, chroma: float) -> tuple[float, float, float]:
    """A colour inside the mouth under ``light`` 0..1: shadows there are warm, lit by lips and gums."""
    warm = 0.20 * chroma * (1 - light)
    return colour[0] * light * (1 + warm), colour[1] * light * (1 - 0.3 * warm), colour[2] * light * (1 - warm)


@njit(cache=True, nogil=True, fastmath=True)
def _drawn(
    tex: MouthTextures, row: int, arc: float, depth: float, facing: float, light: float
) -> tuple[float, float, float, float]:
    """Colour and cover of the drawn teeth (see :func:`tooth`) under ``light``; they fade where the arch turns away."""
    colours, scale = tex.colours, tex.scale
    cover, body, gum, rise = tooth(row, arc, depth, scale.px, scale.soft, tex.bend)
    ivory = colours[0, 2] - (colours[0, 1] - colours[0, 2]) * 0.25 * rise
    ivory_or_gum = (
        colours[0, 0] + (colours[1, 0] - colours[0, 0]) * gum,
        colours[0, 1] + (colours[1, 1] - colours[0, 1]) * gum,
        ivory + (colours[1, 2] - ivory) * gum,
    )
    r, g, b = _shaded(ivory_or_gum, light * body, scale.chroma)
    seen = 0.3 + 0.7 * facing
    return r * seen, g * seen, b * seen, cover * ramp(0.2, 0.5, facing)


@njit(cache=True, nogil=True, fastmath=True)
def _photo_tooth(
    tex: MouthTextures, tx: float, ty: float, own: float, light: float, gain: Array
) -> tuple[float, float, float]:
    """The photo's upper teeth at a texture point: ``own`` of it as they are there, the rest out of the lip's shadow.

    ``gain`` lightens them, but to no more than a white thing's light.
    """
    r, g, b = sample(tex.upper, tx, ty, 0)
    if own > 0:
        red, green, blue = sample(tex.photo, tx, ty, 0)
        r, g, b = r + (red - r) * own, g + (green - g) * own, b + (blue - b) * own
    white = tex.colours[4]
    r = max(r, min(r * gain[0], white[0]))
    g = max(g, min(g * gain[1], white[1]))
    b = max(b, min(b * gain[2], white[2]))
    return _shaded((r, g, b), light, tex.scale.chroma)


@njit(cache=True, nogil=True, fastmath=True)
def _placed(m: Array, px: float, py: float, scale: MouthScale) -> tuple[float, float]:
    """The texture point of a frame pixel."""
    x, y = m[0, 0] * px + m[0, 1] * py + m[0, 2], m[1, 0] * px + m[1, 1] * py + m[1, 2]
    return (x + 0.5) * scale.factor - 0.5 - scale.left, (y + 0.5) * scale.factor - 0.5 - scale.top


@njit(cache=True, nogil=True, fastmath=True)
def _tongue(x: float, y: float, lip: float, wide: float, out_by: float, k: float, soft: float) -> tuple[float, float]:
    """The tongue ``x``, ``y`` mm from the lower incisors: a mound behind them, and over the lower lip when it is out.

    ``lip`` is the y of the lower lip's edge there, ``wide`` how far the mouth is open (0..1), ``k`` pixels a millimetre.
    Returns cover and light.
    """
    half = 19.0 - 3.5 * out_by
    if abs(x) >= half or y < -20:
        return 0.0, 0.0
    bow = abs(x) / half
    top = 2.0 - (2.0 + 11.0 * wide + 4.0 * out_by * (1 - wide)) * (1 - bow * bow * bow) + 0.9 * fade(x * x / 6.8)
    # Its back lies ever deeper in the dark: no edge shows there.
    cover = ramp(-0.5 * soft / k - 1.0, 0.5 * soft / k + 1.0 + 3.0 * (1 - out_by), y - top)
    if cover <= 0:
        return 0.0, 0.0
    light = 0.33 + 0.43 * ramp(top, top + 9.0 + 4.0 * wide, y)
    if out_by > 0:
        tip = lip + 19.0 * out_by * (max(0.0, 1 - bow**3.2)) ** 0.42 - 3.0 * (1 - out_by)
        cover *= min(1.0, max(0.0, (tip - y) * k / soft + 0.5)) * min(1.0, max(0.0, (half - abs(x)) * k / soft))
        edge = max(min(tip - y, (half - abs(x)) * 1.2), 0.0)
        light += out_by * (
            0.34 * ramp(-4.0, 1.0, y - lip) * (1 - 0.25 * ramp(0.0, 16.0, y - lip)) - 0.16 * exp(-edge / 1.4)
        )
        light += 0.16 * out_by * exp(-(((y - tip + 7.0) / 3.5) ** 2) - ((abs(x) - 5.5) / 3.2) ** 2)
    return cover, light * (1 - 0.22 * bow * bow * bow) * (1 - (0.04 + 0.04 * out_by) * fade(x * x / 3.0))


@njit(cache=True, nogil=True, fastmath=True)
def _column(t: Array, i: int, f: Any) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """The ten numbers of :class:`MouthPose`'s columns between columns ``i`` and ``i`` + 1."""
    return (
        t[i, 0] + (t[i + 1, 0] - t[i, 0]) * f, t[i, 1] + (t[i + 1, 1] - t[i, 1]) * f, t[i, 2] + (t[i + 1, 2] - t[i, 2]) * f,
        t[i, 3] + (t[i + 1, 3] - t[i, 3]) * f, t[i, 4] + (t[i + 1, 4] - t[i, 4]) * f, t[i, 5] + (t[i + 1, 5] - t[i, 5]) * f,
        t[i, 6] + (t[i + 1, 6] - t[i, 6]) * f, t[i, 7] + (t[i + 1, 7] - t[i, 7]) * f, t[i, 8] + (t[i + 1, 8] - t[i, 8]) * f,
        t[i, 9] + (t[i + 1, 9] - t[i, 9]) * f,
    )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=True)
def paint_mouth(
    rgb: Array, confidence: Array, labels: Array, depth: Array, box: Array, pose: MouthPose, tex: MouthTextures
) -> None:
    """Paints the mouth inside ``box`` (x0, y0, x1, y1) of the frame in place."""
    inner = np.empty((box[2] - box[0], 4), np.float32)
    lips = np.empty((box[2] - box[0], 7), np.float32)
    for py in range(box[1], box[3]):
        _lip_row(
            rgb, labels, lips, py, box[0], pose.axes, pose.columns, pose.state, tex.photo, tex.rest_axes, tex.scale
        )
        if pose.state.weight <= 0:
            continue
        _inner_row(inner, lips, py, box[0], pose.axes, pose.inverse, pose.jaw_inverse, pose.upper_arch, pose.lower_arch,
                   pose.anchors, pose.upright, pose.gain, pose.state, tex)  # fmt: skip
        if pose.state.fresh < 1:
            _photo_row(inner, lips, py, box[0], pose.inverse, pose.state, tex.photo, tex.scale)
        _blend_row(rgb, confidence, labels, depth, inner, lips, py, box[0], pose.anchors, pose.upright, pose.state,
                   tex.grain, tex.colours, tex.scale)  # fmt: skip


@njit(cache=True, nogil=True, fastmath=True)
def _lip_row(
    rgb: Array, labels: Array, lips: Array, py: int, left: int, axes: Array, columns: Array, state: MouthState, photo: Array,
    rest: Array, scale: MouthScale,
) -> None:  # fmt: skip
    """Labels the lips in one row and mends their inner rim, moved with its edge without stretch.

    Writes what the row's other passes need into ``lips`` [w, 7]: y, y of the opening's upper and lower end, the texture
    point that the mesh brings here, rest y of the upper lip's edge, how far the nearer corner is in mouth widths.
    """
    last = columns.shape[0] - 1
    for k in range(lips.shape[0]):
        px = left + k
        ax, ay = px - axes[0], py - axes[1]
        across = ax * axes[2] + ay * axes[3]
        at = (across - state.start) / state.step
        y = ay * axes[2] - ax * axes[3]
        lips[k, 0], lips[k, 1], lips[k, 2] = y, 1e9, 1e9
        if at < 0 or at >= last:
            continue
        i = int(at)
        top, bottom, up, up_x, up_y, low, low_x, low_y, first, end = _column(columns, i, np.float32(at - i))
        lips[k, 1], lips[k, 2] = top, bottom
        if first <= y <= end:
            labels[py, px] = LIP
        if state.weight <= 0:
            continue
        t = min(1.0, max(0.0, (y - up) / max(low - up, 0.5)))
        rx, ry = up_x + (low_x - up_x) * t, up_y + (low_y - up_y) * t
        fx, fy = rest[0] + rx * rest[2] - ry * rest[3], rest[1] + rx * rest[3] + ry * rest[2]
        lips[k, 3] = (fx + 0.5) * scale.factor - 0.5 - scale.left
        lips[k, 4] = (fy + 0.5) * scale.factor - 0.5 - scale.top
        lips[k, 5], lips[k, 6] = up_y, min(across, axes[4] - across) / axes[4]
        if not (up <= y < top or bottom < y <= low):
            continue
        # Between the lips an open photo shows teeth: a lip goes on there as its own mirror image.
        beyond = y - up if y < top else y - low
        beyond = -beyond if scale.open else beyond
        rx, ry = (up_x, up_y + beyond) if y < top else (low_x, low_y + beyond)
        fx, fy = rest[0] + rx * rest[2] - ry * rest[3], rest[1] + rx * rest[3] + ry * rest[2]
        r, g, b = sample(
            photo, (fx + 0.5) * scale.factor - 0.5 - scale.left, (fy + 0.5) * scale.factor - 0.5 - scale.top, 0
        )
        mix(rgb, px, py, r, g, b, state.weight)


@njit(cache=True, nogil=True, fastmath=True)
def _inner_row(
    inner: Array, lips: Array, py: int, left: int, axes: Array, inverse: Array, jaw_inverse: Array, upper_arch: Array,
    lower_arch: Array, anchors: Array, upright: Array, gain: Array, state: MouthState, tex: MouthTextures,
) -> None:  # fmt: skip
    """The mouth's inside in one row, from front to back: colour and label into ``inner`` [w, 4]."""
    lower, colours, rest_axes, scale = tex.lower, tex.colours, tex.rest_axes, tex.scale
    k, soft, ux, uy = scale.px, scale.soft, upright[0], upright[1]
    lip_shadow = max(0.03 * scale.width, 0.5 * soft)
    for n in range(inner.shape[0]):
        px, y, top, bottom = left + n, lips[n, 0], lips[n, 1], lips[n, 2]
        if y < top - soft or y > bottom + soft or top > 1e8:
            continue
        red, green, blue, rest, label = 0.0, 0.0, 0.0, 1.0, MOUTH
        shadow = 0.45 * fade(max(y - top, 0.0) / lip_shadow)
        # Teeth darken towards the corners, and where they stand close behind the lower lip.
        corner = 0.4 + 0.6 * ramp(0.0, 0.30, lips[n, 6])
        corner *= 1 - 0.25 * ramp(0.0, 0.15 * scale.width, bottom - top) * fade(max(bottom - y, 0.0) / lip_shadow)
        if scale.has_upper:
            tx, ty = _placed(inverse, px, py, scale)
            # The photo's teeth keep its light; a lip that lifts takes its shadow along.
            fx, fy = (tx + scale.left + 0.5) / scale.factor - 0.5, (ty + scale.top + 0.5) / scale.factor - 0.5
            stands = (fy - rest_axes[1]) * rest_axes[2] - (fx - rest_axes[0]) * rest_axes[3]
            lifted = min(1.0, max(0.0, (lips[n, 5] + y - top - stands) / lip_shadow))
            tx, ty = lips[n, 3] + (tx - lips[n, 3]) * state.fresh, lips[n, 4] + (ty - lips[n, 4]) * state.fresh
            _, cover, own = sample(tex.upper, tx, ty, 2)
            if cover > 0:
                red, green, blue = _photo_tooth(
                    tex,
                    tx,
                    ty,
                    own * state.shaded * (1 - lifted),
                    (1 - shadow * lifted) * (1 - state.fresh * (1 - corner)),
                    gain,
                )
                red, green, blue, rest = red * cover, green * cover, blue * cover, 1 - cover
        if rest > 0.01:
            ax, ay = px - anchors[0, 0], py - anchors[0, 1]
            arc, rise, facing = arch_at(upper_arch, (ax * ux + ay * uy - state.arch_start) / state.arch_step)
            if facing >= 0:
                light = (1 - shadow) * corner
                r, g, b, cover = _drawn(tex, 0, arc, rise - (ay * ux - ax * uy), facing, light)
                cover *= rest
                red, green, blue, rest = red + r * cover, green + g * cover, blue + b * cover, rest - cover
        ax, ay = px - anchors[1, 0], py - anchors[1, 1]
        x, down = ax * ux + ay * uy, ay * ux - ax * uy
        if scale.has_lower and rest > 0.01:
            tx, ty = _placed(jaw_inverse, px, py, scale)
            cover = rest * sample(lower, tx, ty, 1)[2]
            r, g, b = sample(lower, tx, ty, 0)
            red, green, blue, rest = red + r * cover, green + g * cover, blue + b * cover, rest - cover
        if rest > 0.01:
            arc, rise, facing = arch_at(lower_arch, (x - state.arch_start) / state.arch_step)
            if facing >= 0 and down > rise - k - soft:
                shade = 0.82 - 0.45 * fade(((y - top) * 0.35 + max(bottom - y, 0.0)) / (0.03 * scale.width))
                r, g, b, cover = _drawn(tex, 1, arc, down - rise, facing, shade * corner)
                cover *= rest
                red, green, blue, rest = red + r * cover, green + g * cover, blue + b * cover, rest - cover
        if rest < 0.5:
            label = TEETH
        if rest > 0.01:
            wide = min(1.0, (bottom - top) / (0.6 * scale.width))
            # However far the jaw drops, the tongue lies on the mouth's floor and shows above the lip.
            floor = max(down, y - bottom + 1.5 * wide * k)
            share, light = _tongue(x / k, floor / k, 100.0, wide, 0.0, k, soft)
            cover = rest * share
            r, g, b = colours[2, 0] * light, colours[2, 1] * light, colours[2, 2] * light
            red, green, blue, rest = red + r * cover, green + g * cover, blue + b * cover, rest - cover
            if share > 0.5 and label == MOUTH:
                label = TONGUE
        # The cavity goes dark towards the throat; lips and cheeks light its rim.
        rim = fade(max(min(y - top, bottom - y, 0.4 * axes[4] * lips[n, 6]), 0.0) / (0.05 * scale.width))
        tint = rest * (0.62 + 0.26 * (y - top) / max(bottom - top, 1.0) + 0.45 * rim)
        rosy = rest * 0.10 * rim
        inner[n, 0], inner[n, 1] = (
            red + colours[3, 0] * tint + colours[1, 0] * rosy,
            green + colours[3, 1] * tint + colours[1, 1] * rosy,
        )
        inner[n, 2], inner[n, 3] = blue + colours[3, 2] * tint + colours[1, 2] * rosy, label


@njit(cache=True, nogil=True, fastmath=True)
def _photo_row(
    inner: Array, lips: Array, py: int, left: int, inverse: Array, state: MouthState, photo: Array, scale: MouthScale
) -> None:
    """Fades one row of the mouth's inside from the photo's own picture, as the mesh brings it, to the painted layers.

    On the way the picture slides from the mesh's stretch to the skull's rigid motion, so that teeth never show twice.
    """
    rigid = state.fresh if scale.has_upper else 0.0
    for n in range(inner.shape[0]):
        y, top, bottom = lips[n, 0], lips[n, 1], lips[n, 2]
        if y < top - scale.soft or y > bottom + scale.soft or top > 1e8:
            continue
        tx, ty = _placed(inverse, left + n, py, scale)
        r, g, b = sample(photo, lips[n, 3] + (tx - lips[n, 3]) * rigid, lips[n, 4] + (ty - lips[n, 4]) * rigid, 0)
        inner[n, 0] = r + (inner[n, 0] - r) * state.fresh
        inner[n, 1] = g + (inner[n, 1] - g) * state.fresh
        inner[n, 2] = b + (inner[n, 2] - b) * state.fresh


@njit(cache=True, nogil=True, fastmath=True)
def _blend_row(
    rgb: Array, confidence: Array, labels: Array, depth: Array, inner: Array, lips: Array, py: int, left: int,
    anchors: Array, upright: Array, state: MouthState, grain: Array, colours: Array, scale: MouthScale,
) -> None:  # fmt: skip
    """Puts the inside between the lips of one row, darkens the lips where they turn in, and lays the tongue over them."""
    soft, weight, k = scale.soft, state.weight, scale.px
    grain_x, grain_y = int(anchors[0, 0] + 0.5), int(anchors[0, 1] + 0.5)
    for n in range(inner.shape[0]):
        px, y, top, bottom = left + n, lips[n, 0], lips[n, 1], lips[n, 2]
        # A corner is a soft dark pocket: light neither falls into it nor stands at its edge.
        near = state.fresh * (1 - ramp(0.0, 0.16, lips[n, 6])) if top < 1e8 else 0.0
        away = max(top - y, y - bottom, 0.0) / ((0.012 * scale.width + 0.4 * soft) * (1 + near))
        if top > 1e8 or (away > 8 and state.tongue_out <= 0):
            continue
        gap, edge = bottom - top, soft * (1 + 0.8 * near)
        opening = min(1.0, max(0.0, (y - top) / edge + 0.5)) * min(1.0, max(0.0, (bottom - y) / edge + 0.5))
        opening *= min(1.0, max(0.0, gap / edge))
        if opening < 1 and gap > 0:
            mix(
                rgb,
                px,
                py,
                colours[3, 0],
                colours[3, 1],
                colours[3, 2],
                (0.38 + 0.17 * near) * state.fresh * ramp(0.0, 0.10 * scale.width, gap) * fade(away) * weight,
            )
        if scale.open and gap < soft:
            # Lips that were apart in the photo bring no line along where they meet.
            off = (y - 0.5 * (top + bottom)) / (0.012 * scale.width + 0.4 * soft)
            shut = 0.36 * state.fresh * (1 - max(gap, 0.0) / soft) * fade(off * off) * ramp(0.0, 0.14, lips[n, 6])
            mix(rgb, px, py, colours[3, 0], colours[3, 1], colours[3, 2], shut * weight)
        if opening > 0:
            level = 0.3 * inner[n, 0] + 0.6 * inner[n, 1] + 0.1 * inner[n, 2]
            speck = grain[(py - grain_y) % grain.shape[0], (px - grain_x) % grain.shape[1]] * min(1.0, level / 110.0)
            mix(rgb, px, py, inner[n, 0] + speck, inner[n, 1] + speck, inner[n, 2] + speck, opening * weight)
            mix_one(confidence, px, py, 40.0, opening * weight)
            if opening > 0.5:
                labels[py, px] = np.uint8(inner[n, 3])
                depth[py, px] += 0.06 * scale.width * opening
        if state.tongue_out > 0:
            ax, ay = px - anchors[1, 0], py - anchors[1, 1]
            x, down = ax * upright[0] + ay * upright[1], ay * upright[0] - ax * upright[1]
            wide = min(1.0, gap / (0.6 * scale.width))
            cover, light = _tongue(x / k, down / k, (down + bottom - y) / k, wide, state.tongue_out, k, soft)
            cover *= min(1.0, max(0.0, (y - top) / soft + 0.5)) * ramp(0.0, 0.15, state.tongue_out) * weight
            if cover > 0:
                mix(rgb, px, py, colours[2, 0] * light, colours[2, 1] * light, colours[2, 2] * light, cover)
                if cover > 0.5:
                    labels[py, px], confidence[py, px] = TONGUE, 40
