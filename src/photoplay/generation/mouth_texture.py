"""Reads a mouth off the photo: lip line, colours, and the photo's own teeth as rigid textures."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64

from photoplay import topology
from photoplay.generation.buffers import Source
from photoplay.generation.contours import Axes, edge_columns
from photoplay.generation.mouth_kernels import MouthScale, MouthTextures
from photoplay.generation.mouth_teeth import TeethFit, fit_row
from photoplay.generation.photo_look import Look, grain_field, luma, white_in
from photoplay.types import Array, Landmarks

_UPPER, _LOWER = list(topology.LIPS_INNER_UPPER), list(topology.LIPS_INNER_LOWER)
_PARTED = 0.10
"""Lip gap, in mouth widths, from which on the mouth is open whatever colours it shows: shut lips are found within 0.045."""
_SHOWN = 0.12
"""Share of what is between the lips that looks like teeth, from which on the photo shows some."""
_BINS = 48
"""Columns over the mouth in which teeth are looked for."""
_BESIDE = [164, 18, 200, 199, 57, 287, 186, 410, 204, 424]
"""Landmarks on the skin around the lips."""
_UNSEEN, _HIDDEN = 0.95, 0.8
"""Light on teeth that shut lips hide, and that an open mouth hides in its dark, as shares of the face's."""
_MOST, _HUE = 1.9, 0.06
"""By what factor teeth out of their lips' shadow become lighter at most, and by what share each channel departs from it."""
_EYE_DISTANCE = 63.0
"""Millimetres between the eyes' centres."""


class MouthPicture:
    """A crop of the source around the mouth with everything measured in it."""

    def __init__(self, source: Source, rest: Landmarks, axes: Axes, look: Look, turn: Float32[Array, "3 3"]) -> None:
        self.factor, self.axes, self.look, self.rest = source.factor, axes, look, rest
        self.source, self.turn = source, turn
        self.scale = max(topology.inter_ocular(rest) / _EYE_DISTANCE, 0.02)
        points = rest[list(topology.LIPS_OUTER_UPPER + topology.LIPS_OUTER_LOWER), :2]
        pad = 0.25 * axes.length
        low = np.floor((points.min(0) - pad + 0.5) * self.factor).astype(int)
        high = np.ceil((points.max(0) + pad + 0.5) * self.factor).astype(int)
        limit = np.array(source.rgb.shape[1::-1])
        low, high = low + source.corner, high + source.corner
        low = np.clip(low, 0, np.maximum(limit - 4, 0))
        high = np.maximum(np.clip(high, 0, limit), np.minimum(low + 4, limit))
        self.photo = source.rgb[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        low, high = low - source.corner, high - source.corner
        self.left, self.top = int(low[0]), int(low[1])
        ys, xs = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        local = axes.local(np.stack([(xs + 0.5) / self.factor - 0.5, (ys + 0.5) / self.factor - 0.5], axis=-1))
        self.x, self.y = local[..., 0], local[..., 1]
        self.grid = np.linspace(-0.5 * axes.length, 1.5 * axes.length, 512, dtype=np.float32)
        self.upper, self.lower = self._edge(_UPPER), self._edge(_LOWER)
        self.lip, self.white = self._lip_colour(), white_in(source, rest, look)
        self.gap = float(np.max(self._line(_LOWER) - self._line(_UPPER)))
        self.teeth = self._teeth_mask()
        middle = (self.x > 0.2 * axes.length) & (self.x < 0.8 * axes.length) & self._opening(0.0)
        self.share = float(self.teeth[middle].mean()) if middle.any() else 0.0
        self.shows_teeth = self.gap > max(1.5, 0.04 * axes.length) and self.share > _SHOWN
        dark = luma(self.photo)[middle]
        self.hollow = bool(dark.size) and float(np.median(dark)) < 0.5 * float(luma(self.lip))
        parted = self.gap > max(2.0, _PARTED * axes.length)
        self.open = self.shows_teeth or parted or (self.gap > max(2.0, 0.06 * axes.length) and self.hollow)
        self.contact = self._contact()
        self.soft = float(max(1.0, 2.2 * look.blur))
        self.row = self._fit()
        if self.row is not None:
            self.scale = self.row.px
        self.rows = self._rows()
        self.own = self._own_teeth()
        self.colours = self._colours()
        self.lift = self._lift()

    def _line(self, edge: list[int]) -> Float32[Array, 11]:
        return self.axes.local(self.rest[edge, :2])[:, 1]

    def _edge(self, edge: list[int]) -> Float32[Array, "h w"]:
        local = self.axes.local(self.rest[edge, :2])
        return np.interp(self.x, self.grid, edge_columns(local, local, self.grid)[:, 0]).astype(np.float32)

    def _opening(self, margin: float) -> Array:
        inside: Array = (self.y > self.upper + margin) & (self.y < self.lower - margin)
        return inside & (self.x > 0) & (self.x < self.axes.length)

    def _at(self, points: Float32[Array, "n 2"]) -> Float32[Array, "n 3"]:
        """Photo colours at frame-space points."""
        x = (points[:, 0] + 0.5) * self.factor - 0.5 - self.left
        y = (points[:, 1] + 0.5) * self.factor - 0.5 - self.top
        picked = cv2.remap(
            cv2.GaussianBlur(self.photo, (0, 0), 0.5 * self.factor),
            x.astype(np.float32)[None], y.astype(np.float32)[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(picked[0], np.float32)

    def _lip_colour(self) -> Float32[Array, 3]:
        outer = self.rest[list(topology.LIPS_OUTER_LOWER)[2:9], :2]
        inner = self.rest[_LOWER[2:9], :2]
        return np.asarray(np.median(self._at((outer + inner) / 2), axis=0), np.float32)

    def _teeth_mask(self) -> Float32[Array, "h w"]:
        """How much each pixel inside the lips looks like a tooth: bright, and paler than the lips.

        Cameras that smear colours leave teeth as red as skin. Where the lips stand wide apart, and what is between them is
        as bright as they are and no redder, it is teeth all the same.
        """
        light, opening = luma(self.photo), self._opening(0.0)
        reference = max(float(luma(self.look.skin)), float(luma(self.lip)))
        bright = np.clip((light / max(reference, 1.0) - 0.5) / 0.25, 0, 1)
        spread = (self.photo.max(-1) - self.photo.min(-1)) / np.maximum(self.photo.max(-1), 8.0)
        lip = float(self.lip.max() - self.lip.min()) / max(float(self.lip.max()), 8.0)
        pale = np.clip((0.85 * lip - spread) / max(0.25 * lip, 0.02), 0, 1) if lip > 0.08 else np.ones_like(light)
        found = bright * pale * opening
        if self.gap > _PARTED * self.axes.length and opening.any() and float(found[opening].mean()) < _SHOWN:
            as_bright = float(np.median(light[opening])) > 0.85 * float(luma(self.lip))
            if as_bright and float(np.median(spread[opening])) <= lip:
                found = bright * opening
        return found.astype(np.float32)

    def _contact(self) -> Float32[Array, "2 11"]:
        """From the mesh's inner lip edges to the line where the photo's closed lips meet, [upper, lower] in pixels."""
        if self.open:
            return np.zeros((2, 11), np.float32)
        local = [self.axes.local(self.rest[edge, :2]) for edge in (_UPPER, _LOWER)]
        middle = (local[0] + local[1]) / 2
        reach = max(0.05 * self.axes.length, 1.0)
        steps = np.linspace(-reach, reach, 25)
        down = np.array([-self.axes.along[1], self.axes.along[0]])
        points = self.axes.origin + middle[:, :1] * self.axes.along + middle[:, 1:] * down
        probes = points[:, None] + steps[None, :, None] * down
        light = luma(self._at(probes.reshape(-1, 2).astype(np.float32)).reshape(11, 25, 3))
        score = light + 0.10 * light.mean() * (steps / reach) ** 2
        best = steps[np.argmin(score, axis=1)]
        best[[0, -1]] = 0.0
        line = middle[:, 1] + np.convolve(np.pad(best, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
        return np.asarray(np.stack([line - local[0][:, 1], line - local[1][:, 1]]), np.float32)

    def incisal_edges(self) -> tuple[float, float]:
        """Local y at the middle of the mouth of the upper and the lower incisal edge at rest."""
        upper, lower = float(self._line(_UPPER)[5]), float(self._line(_LOWER)[5])
        if self.shows_teeth:
            split, _, two = self._ends
            middle = np.abs(self.x - 0.5 * self.axes.length) < 0.05 * self.axes.length
            edge = float(np.median(split[middle])) if middle.any() else lower
            below = (
                float(np.median(split[middle])) + 0.6 * self.scale if two and middle.any() else lower - 0.3 * self.scale
            )
            return edge, max(below, edge)
        if self.open:
            return upper + (2.0 if self.hollow else 2.2) * self.scale, lower - 0.3 * self.scale
        line = upper + float(self.contact[0][5])
        return line + 3.0 * self.scale, line + 0.4 * self.scale

    @cached_property
    def _bands(self) -> tuple[Float64[Array, b], Float64[Array, b], Float64[Array, b], bool]:
        """Local y where teeth begin, where the upper ones end and where all end in each column of the mouth, NaN where none
        is seen; and whether the photo shows two rows: then a dark seam lies between them."""
        bins = self._columns
        light, inside = luma(self.photo), self._opening(0.0)
        starts, ends, seams = np.full((3, _BINS), np.nan)
        for k in range(_BINS):
            column = inside & (bins == k)
            lit = column & (self.teeth > 0.4)
            if lit.sum() < 3:
                continue
            starts[k], ends[k] = np.percentile(self.y[lit], (3, 97))
            at = np.linspace(starts[k], ends[k], 12)
            rows = np.clip(np.searchsorted(at, self.y[column]), 1, 11)
            level = np.bincount(rows, light[column], minlength=12) / np.maximum(np.bincount(rows, minlength=12), 1)
            darkest = 3 + int(np.argmin(level[3:10]))
            sides = min(level[1:darkest].max(), level[darkest + 1 :].max())
            if ends[k] - starts[k] > 5 * self.scale and level[darkest] < 0.72 * sides:
                seams[k] = at[darkest]
        known = ~np.isnan(ends)
        if not known.any():
            return starts, ends, ends, False
        # A spot of light on the lip is no tooth: no column reaches far below the row's even line.
        at, degree = np.flatnonzero(known), min(2, int(known.sum()) - 1)
        even = np.polyval(np.polyfit(at, ends[at], degree), at)
        ends[at] = np.minimum(ends[at], even + 0.4 * self.scale)
        two = float(np.isfinite(seams[known]).mean()) > 0.5
        return starts, seams if two else ends, ends, two

    @cached_property
    def _columns(self) -> Int64[Array, "h w"]:
        """The column of the mouth that each pixel lies in."""
        return np.clip((self.x / self.axes.length * _BINS).astype(np.int64), 0, _BINS - 1)

    @cached_property
    def _ends(self) -> tuple[Float32[Array, "h w"], Float32[Array, "h w"], bool]:
        """Local y where upper teeth and where all teeth end over every pixel; and whether the photo shows two rows."""
        _, upper, ends, two = self._bands
        if np.isnan(ends).all():
            return self.lower.copy(), self.lower.copy(), False
        return self._over_columns(upper), self._over_columns(ends), two

    def on_row(self, along: float, down: float) -> Float64[Array, 2]:
        """The frame point that many pixels along and down the teeth's row from the mouth's middle."""
        ux, uy = self._upright
        middle = (self.rest[_UPPER[5], :2] + self.rest[_LOWER[5], :2]) / 2
        return np.asarray(middle + along * np.array([ux, uy]) + down * np.array([-uy, ux]), np.float64)

    @property
    def _upright(self) -> tuple[float, float]:
        across = self.turn[:2, 0].astype(np.float64) / max(float(np.hypot(*self.turn[:2, 0])), 1e-6)
        return float(across[0]), float(across[1])

    def _along_row(self, points: Float32[Array, "... 2"]) -> tuple[Float32[Array, ...], Float32[Array, ...]]:
        """How far frame points lie along and down the teeth's row from the mouth's middle (see :meth:`on_row`)."""
        (ux, uy), middle = self._upright, self.on_row(0.0, 0.0)
        x, y = points[..., 0] - middle[0], points[..., 1] - middle[1]
        return (x * ux + y * uy).astype(np.float32), (y * ux - x * uy).astype(np.float32)

    def _from_local(self, x: Array, y: Array) -> Float32[Array, "n 2"]:
        """Frame points of the mouth's local coordinates."""
        (c, s), origin = self.axes.along, self.axes.origin
        return np.asarray(np.stack([origin[0] + x * c - y * s, origin[1] + x * s + y * c], axis=-1), np.float32)

    def _fit(self) -> TeethFit | None:
        """The row of upper teeth that the photo's own are part of; none where it shows none."""
        if not self.shows_teeth:
            return None
        starts, upper, _, _ = self._bands
        known = np.flatnonzero(~np.isnan(upper) & (self._toothed() > 0.5))
        if known.size < 5:
            return None
        columns = np.arange(known[0], known[-1] + 1, 0.25)
        top, end = np.interp(columns, known, starts[known]), np.interp(columns, known, upper[known])
        x = (columns + 0.5) / _BINS * self.axes.length
        rows = [luma(self._at(self._from_local(x, top + share * (end - top)))) for share in (0.4, 0.5, 0.6, 0.7, 0.8)]
        along, down = self._along_row(self._from_local(x, end))
        row = fit_row(along, np.mean(rows, axis=0), down, self.turn, self.scale, self.soft)
        return row if row.whole[1] > row.whole[0] else None

    def _lift(self) -> Float32[Array, 3]:
        """What the light that falls into a wide open mouth makes of the colour of teeth that stand in the lips' shadow."""
        # A beard around the mouth is no shadow: it says nothing of teeth that have not been seen in one.
        own, lit = np.maximum(self.own, 8.0), self._ivory() * (self._shade() if self.row is not None else 1.0)
        more = float(np.clip(luma(lit) / luma(own), 1.0, _MOST))
        hue = np.clip(lit / luma(lit) / (own / luma(own)), 1 - _HUE, 1 + _HUE)
        return np.maximum(1.0, 1 + (more * hue - 1) * min(1.0, (more - 1) / 0.2)).astype(np.float32)

    def _shade(self) -> float:
        """How much of the face's light there is around the mouth."""
        beside = float(np.median(luma(self._at(self.rest[_BESIDE, :2]))))
        return float(np.clip(beside / max(float(luma(self.look.skin)), 1.0), 0.5, 1.0) ** 0.5)

    def _over_columns(self, values: Float64[Array, b]) -> Float32[Array, "h w"]:
        """Values of the mouth's columns, smoothed and carried over gaps, for every pixel."""
        known = np.flatnonzero(~np.isnan(values))
        filled = np.interp(np.arange(_BINS), known, values[known])
        filled = np.convolve(np.pad(filled, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        centres = (np.arange(_BINS) + 0.5) / _BINS * self.axes.length
        return np.interp(self.x, centres, filled).astype(np.float32)

    def _rows(self) -> tuple[Float32[Array, "h w 5"], Float32[Array, "h w 4"]]:
        """The photo's own upper and lower teeth with alpha (see :class:`MouthTextures`); empty where it shows none."""
        shape = self.x.shape
        if self.row is None:
            return np.zeros((*shape, 5), np.float32), np.zeros((*shape, 4), np.float32)
        split, end, two = self._ends
        split = np.minimum(split, self.lower)
        upper = self._upper_row(self.row, split)
        if not two:
            return upper, np.zeros((*shape, 4), np.float32)
        # The lower row stands on the jaw; below the photo's lip its last line goes on.
        w, soft = self.axes.length, max(0.6, 0.8 * self.look.blur)
        level = self._toothed()
        level = np.convolve(np.pad(level, 3, mode="edge"), np.ones(7) / 7, mode="valid")
        sides = np.interp(self.x, (np.arange(_BINS) + 0.5) / _BINS * w, level)
        sides *= np.clip(np.minimum(self.x - 0.03 * w, 0.97 * w - self.x) / (0.05 * w), 0, 1)
        low = np.clip((self.y - split) / soft - 0.5, 0, 1) * np.clip((end + 6 * self.scale - self.y) / soft, 0, 1)
        row = self._moved_up(np.minimum(end - 0.012 * w - 0.5 * soft - self.y, 0))
        return upper, np.dstack([row, low * sides]).astype(np.float32)

    def _upper_row(self, row: TeethFit, split: Float32[Array, "h w"]) -> Float32[Array, "h w 5"]:
        """The upper teeth: their outline is that of the drawn row, their colours are the photo's, taken from where neither
        lip touches them."""
        starts = self._bands[0]
        rim = 0.5 * self.look.blur
        top = np.maximum(self._over_columns(starts), self.upper) + rim
        foot = np.maximum(split - rim - 0.4 * self.scale, top)
        sound = top + 0.55 * (foot - top)
        ys, xs = np.mgrid[: self.x.shape[0], : self.x.shape[1]].astype(np.float32)
        points = np.stack(
            [(xs + self.left + 0.5) / self.factor - 0.5, (ys + self.top + 0.5) / self.factor - 0.5], axis=-1
        )
        shape = row.shape(*self._along_row(points), self.turn, self.soft)
        arc, cover, tooth = shape[..., 0], shape[..., 1], shape[..., 2]
        left, right = 0.5 * self.soft / self.scale + 0.08 * np.abs(row.whole)
        sides = np.clip((arc - row.whole[0]) / left + 0.5, 0, 1) * np.clip((row.whole[1] - arc) / right + 0.5, 0, 1)
        own = np.clip((foot - self.y) / max(0.6, self.look.blur) + 0.5, 0, 1)
        picture = self._moved_up(np.clip(self.y, sound, foot) - self.y)
        alpha = cover * sides * np.maximum(tooth, np.clip((self.y - self.upper) / self.soft + 0.5, 0, 1))
        return np.dstack([picture, alpha, own]).astype(np.float32)

    def _moved_up(self, by: Float32[Array, "h w"]) -> Float32[Array, "h w 3"]:
        """The photo with what lies ``by`` frame pixels further down the mouth's frame at each pixel."""
        ys, xs = np.mgrid[: self.x.shape[0], : self.x.shape[1]].astype(np.float32)
        xs = xs - by * np.float32(self.factor * self.axes.along[1])
        ys = ys + by * np.float32(self.factor * self.axes.along[0])
        moved = cv2.remap(
            self.photo, xs.astype(np.float32), ys.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(moved, np.float32)

    def _toothed(self) -> Float64[Array, b]:
        """1 in the columns in which the photo shows teeth, less where it shows less of them."""
        bins, inside = self._columns, self._opening(0.0) & (self.y < self._ends[1])
        count = np.bincount(bins[inside], minlength=_BINS)
        share = np.bincount(bins[inside], self.teeth[inside], minlength=_BINS) / np.maximum(count, 1)
        level = np.clip((share - 0.25) / 0.3, 0, 1)
        lit = np.flatnonzero(level > 0.5)
        if lit.size:
            level[lit[0] : lit[-1] + 1] = np.maximum(level[lit[0] : lit[-1] + 1], 0.999)
        return np.asarray(level, np.float64)

    def _dark(self) -> float:
        """Luma of the mouth's inside: of the photo's own where that is open and dark."""
        usual = 0.20 * float(luma(self.lip))
        if not (self.open and self.hollow):
            return usual
        own = float(np.percentile(luma(self.photo)[self._opening(0.0)], 25))
        return float(np.clip(own, 0.65 * usual, usual))

    def _ivory(self) -> Float32[Array, 3]:
        """Teeth in the face's light."""
        ivory = 1 + self.look.chroma * (np.array([1.02, 0.96, 0.84]) - 1)
        return np.asarray(self.white * ivory * 0.92, np.float32)

    def _own_teeth(self) -> Float32[Array, 3]:
        """The colour of the photo's teeth, or of teeth in the face's light where it shows none."""
        if self.row is None:
            return self._ivory() * np.float32(_HIDDEN if self.open and self.hollow else _UNSEEN)
        upper = self.rows[0]
        lit = (upper[..., 3] > 0.9) & (upper[..., 4] > 0.9)
        own = upper[lit if lit.any() else upper[..., 3] >= upper[..., 3].max(), :3]
        # Lines between teeth are no tooth.
        return np.asarray(own[luma(own) >= np.percentile(luma(own), 30)].mean(0), np.float32)

    def _colours(self) -> Float32[Array, "5 3"]:
        """Teeth, gums, tongue, cavity and white in this photo's light; grey in a grey photo."""
        chroma = self.look.chroma
        red = 1 + chroma * (np.array([1.10, 0.86, 0.86]) - 1)
        lip = self.lip
        white, teeth = self.white, self.own
        if self.row is not None or self.open:
            # Drawn front teeth turn a little of the light away: so shaded they are as light as the photo's beside them.
            most = float((np.maximum(teeth, white) / np.maximum(teeth, 1.0)).min())
            teeth = teeth * min(most, 1 / (0.93 * (0.3 + 0.7 * max(float(self.turn[2, 2]), 0.5))))
        skin = self.look.skin
        rosy = 0.5 * lip + 0.5 * skin * (float(luma(lip)) / max(float(luma(skin)), 1.0)) * red
        cavity = self._dark() * (1 + chroma * (np.array([1.62, 0.74, 0.72]) - 1))
        return np.asarray(
            np.stack([teeth, rosy * red * 0.85, lip * red**2 * 0.85, cavity, white]).clip(0, 255), np.float32
        )

    def bake(self) -> MouthTextures:
        upper, lower = self.rows
        side = (128, 128)
        grain = grain_field(side, self.look, 1, 3)
        return MouthTextures(
            self.photo,
            upper,
            lower,
            grain,
            np.array([*self.axes.origin, *self.axes.along], np.float32),
            self.colours,
            np.zeros(4, np.float32) if self.row is None else self.row.bend,
            MouthScale(
                float(self.left),
                float(self.top),
                float(self.factor),
                self.scale,
                self.axes.length,
                self.soft,
                bool(upper[..., 3].any()),
                bool(lower[..., 3].any()),
                self.open,
                self.look.chroma,
            ),
        )
