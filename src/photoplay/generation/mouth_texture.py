"""Reads a mouth off the photo: lip line, colours, and the photo's own teeth as rigid textures."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from photoplay import topology
from photoplay.generation.buffers import Source
from photoplay.generation.contours import Axes, edge_columns
from photoplay.generation.mouth_kernels import MouthScale, MouthTextures
from photoplay.generation.photo_look import Look, grain_field, luma
from photoplay.types import Array, Landmarks

_UPPER, _LOWER = list(topology.LIPS_INNER_UPPER), list(topology.LIPS_INNER_LOWER)
_EYES = [
    (list(topology.RIGHT_EYE_UPPER), list(topology.RIGHT_EYE_LOWER), topology.RIGHT_IRIS[0]),
    (list(topology.LEFT_EYE_UPPER), list(topology.LEFT_EYE_LOWER), topology.LEFT_IRIS[0]),
]
_SKIN = np.array([1.18, 0.95, 0.80], np.float32)
"""The usual hue of skin in white light, as a share of its luma."""
_PARTED = 0.10
"""Lip gap, in mouth widths, from which on the mouth is open whatever colours it shows: shut lips are found within 0.045."""
_BINS = 48
"""Columns over the mouth in which teeth are looked for."""
_EYE_DISTANCE = 63.0
"""Millimetres between the eyes' centres."""


class MouthPicture:
    """A crop of the source around the mouth with everything measured in it."""

    def __init__(self, source: Source, rest: Landmarks, axes: Axes, look: Look) -> None:
        self.factor, self.axes, self.look, self.rest = source.factor, axes, look, rest
        self.source = source
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
        self.lip = self._lip_colour()
        self.gap = float(np.max(self._line(_LOWER) - self._line(_UPPER)))
        self.teeth = self._teeth_mask()
        middle = (self.x > 0.2 * axes.length) & (self.x < 0.8 * axes.length) & self._opening(0.0)
        self.share = float(self.teeth[middle].mean()) if middle.any() else 0.0
        self.shows_teeth = self.gap > max(1.5, 0.04 * axes.length) and self.share > 0.12
        dark = luma(self.photo)[middle]
        self.hollow = bool(dark.size) and float(np.median(dark)) < 0.5 * float(luma(self.lip))
        parted = self.gap > max(2.0, _PARTED * axes.length)
        self.open = self.shows_teeth or parted or (self.gap > max(2.0, 0.06 * axes.length) and self.hollow)
        self.contact = self._contact()

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
        """How much each pixel inside the lips looks like a tooth: bright and paler than the lips."""
        light = luma(self.photo)
        reference = max(float(luma(self.look.skin)), float(luma(self.lip)))
        bright = np.clip((light / max(reference, 1.0) - 0.5) / 0.25, 0, 1)
        spread = (self.photo.max(-1) - self.photo.min(-1)) / np.maximum(self.photo.max(-1), 8.0)
        lip = float(self.lip.max() - self.lip.min()) / max(float(self.lip.max()), 8.0)
        pale = np.clip((0.85 * lip - spread) / max(0.25 * lip, 0.02), 0, 1) if lip > 0.08 else np.ones_like(light)
        return (bright * pale * self._opening(0.0)).astype(np.float32)

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
            return upper + (0.5 if self.hollow else 2.2) * self.scale, lower - 0.3 * self.scale
        line = upper + float(self.contact[0][5])
        return line + 3.0 * self.scale, line + 0.4 * self.scale

    @cached_property
    def _ends(self) -> tuple[Float32[Array, "h w"], Float32[Array, "h w"], bool]:
        """Local y where the photo's upper teeth end and where all its teeth end over every pixel's column; and whether the
        photo shows two rows: then a dark seam lies between them."""
        w = self.axes.length
        bins = np.clip((self.x / w * _BINS).astype(int), 0, _BINS - 1)
        light, inside = luma(self.photo), self._opening(0.0)
        ends, seams = np.full(_BINS, np.nan), np.full(_BINS, np.nan)
        for k in range(_BINS):
            column = inside & (bins == k)
            lit = column & (self.teeth > 0.4)
            if lit.sum() < 3:
                continue
            start, ends[k] = np.percentile(self.y[lit], (3, 97))
            at = np.linspace(start, ends[k], 12)
            rows = np.clip(np.searchsorted(at, self.y[column]), 1, 11)
            level = np.bincount(rows, light[column], minlength=12) / np.maximum(np.bincount(rows, minlength=12), 1)
            darkest = 3 + int(np.argmin(level[3:10]))
            sides = min(level[1:darkest].max(), level[darkest + 1 :].max())
            if ends[k] - start > 5 * self.scale and level[darkest] < 0.72 * sides:
                seams[k] = at[darkest]
        known = ~np.isnan(ends)
        if not known.any():
            return self.lower.copy(), self.lower.copy(), False
        # A spot of light on the lip is no tooth: no column reaches far below the row's even line.
        at, degree = np.flatnonzero(known), min(2, int(known.sum()) - 1)
        even = np.polyval(np.polyfit(at, ends[at], degree), at)
        ends[at] = np.minimum(ends[at], even + 0.4 * self.scale)
        two = float(np.isfinite(seams[known]).mean()) > 0.5
        upper = seams if two else ends
        return self._over_columns(upper), self._over_columns(ends), two

    def _over_columns(self, values: Float64[Array, b]) -> Float32[Array, "h w"]:
        """Values of the mouth's columns, smoothed and carried over gaps, for every pixel."""
        known = np.flatnonzero(~np.isnan(values))
        filled = np.interp(np.arange(_BINS), known, values[known])
        filled = np.convolve(np.pad(filled, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        centres = (np.arange(_BINS) + 0.5) / _BINS * self.axes.length
        return np.interp(self.x, centres, filled).astype(np.float32)

    def _rows(self) -> tuple[Float32[Array, "h w 4"], Float32[Array, "h w 4"]]:
        """The photo's own upper and lower teeth with alpha; empty where it shows none."""
        empty = np.zeros((*self.x.shape, 4), np.float32)
        if not self.shows_teeth:
            return empty, empty
        w, soft = self.axes.length, max(0.6, 0.8 * self.look.blur)
        margin = 0.012 * w + 0.5 * soft
        split, end, two = self._ends
        split = np.minimum(split, self.lower)
        top = self.upper + margin
        sound = top + 0.55 * np.maximum(split - top, 0)
        drop = np.maximum(sound - self.y, 0)
        ys = np.arange(self.x.shape[0], dtype=np.float32)[:, None] + drop * self.factor * self.axes.along[0]
        xs = np.arange(self.x.shape[1], dtype=np.float32)[None, :] - drop * self.factor * self.axes.along[1]
        onward = cv2.remap(
            self.photo, xs.astype(np.float32), ys.astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        # Behind the lip the teeth go on as they are below its shadow.
        own = np.clip((self.y - top) / np.maximum(0.2 * (sound - top), 0.5), 0, 1)[..., None]
        picture = onward + (self.photo - onward) * own
        alpha = np.clip((split - self.y) / soft + 0.5, 0, 1)
        alpha *= np.clip((self.y - np.minimum(split - 9.5 * self.scale, top)) / (0.8 * self.scale + soft) + 1.0, 0, 1)
        sides = (
            self._toothed()
            * np.clip((self.x - 0.03 * w) / (0.05 * w), 0, 1)
            * np.clip((0.97 * w - self.x) / (0.05 * w), 0, 1)
        )
        upper = np.dstack([picture, alpha * sides]).astype(np.float32)
        if not two:
            return upper, empty
        # The lower row stands on the jaw; below the photo's lip its last line goes on.
        low = np.clip((self.y - split) / soft - 0.5, 0, 1) * np.clip((end + 6 * self.scale - self.y) / soft, 0, 1)
        drop = np.minimum(end - margin - self.y, 0)
        ys = np.arange(self.x.shape[0], dtype=np.float32)[:, None] + drop * self.factor * self.axes.along[0]
        xs = np.arange(self.x.shape[1], dtype=np.float32)[None, :] - drop * self.factor * self.axes.along[1]
        row = cv2.remap(
            self.photo, xs.astype(np.float32), ys.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return upper, np.dstack([row, low * sides]).astype(np.float32)

    def _toothed(self) -> Float32[Array, "h w"]:
        """1 over the columns in which the photo shows teeth, falling softly to 0 beside them."""
        w = self.axes.length
        bins = np.clip((self.x / w * _BINS).astype(int), 0, _BINS - 1)
        inside = self._opening(0.0) & (self.y < self._ends[1])
        count = np.bincount(bins[inside], minlength=_BINS)
        share = np.bincount(bins[inside], self.teeth[inside], minlength=_BINS) / np.maximum(count, 1)
        level = np.clip((share - 0.25) / 0.3, 0, 1)
        lit = np.flatnonzero(level > 0.5)
        if lit.size:
            level[lit[0] : lit[-1] + 1] = np.maximum(level[lit[0] : lit[-1] + 1], 0.999)
        level = np.convolve(np.pad(level, 3, mode="edge"), np.ones(7) / 7, mode="valid")
        return np.interp(self.x, (np.arange(_BINS) + 0.5) / _BINS * w, level).astype(np.float32)

    def _white(self) -> Float32[Array, 3]:
        """A white thing in the face's light: told from the skin's hue and, where they are seen, the whites of the eyes."""
        skin, level, chroma = self.look.skin, max(float(luma(self.look.skin)), 1.0), self.look.chroma
        usual = 1 + chroma * (_SKIN / float(luma(_SKIN)) - 1)
        tint = 1 + 0.6 * (skin / level / usual - 1) + 0.25 * (skin / level - 1)
        whites = []
        for upper, lower, iris in _EYES:
            width = float(np.hypot(*(self.rest[upper[0], :2] - self.rest[upper[-1], :2])))
            middle = 0.45 * self.rest[upper, :2] + 0.55 * self.rest[lower, :2]
            for spot in (middle[3], middle[5]):
                colour = self._photo_at(spot)
                light = float(luma(colour))
                pale = float(np.ptp(colour)) / max(light, 1.0) <= 0.8 * float(np.ptp(skin)) / level + 0.02
                beside = float(np.hypot(*(spot - self.rest[iris, :2]))) > 0.1 * width
                if beside and pale and light > 0.7 * level:
                    whites.append(colour / light)
        if whites:
            tint = 0.5 * tint + 0.5 * np.mean(whites, axis=0)
        tint[1] = min(tint[1], tint[0] * (1 - 0.06 * chroma))
        white = tint * 1.24 * level / max(float(luma(tint.astype(np.float32))), 0.1)
        return (white * min(1.0, 248.0 / float(white.max()))).astype(np.float32)

    def _photo_at(self, spot: Float32[Array, 2]) -> Float32[Array, 3]:
        x, y = ((spot + 0.5) * self.factor - 0.5).astype(int) + self.source.corner
        height, width = self.source.rgb.shape[:2]
        x, y = int(np.clip(x, 1, width - 2)), int(np.clip(y, 1, height - 2))
        return np.asarray(self.source.rgb[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(0), np.float32)

    def _colours(self) -> Float32[Array, "4 3"]:
        """Teeth, gums, tongue and cavity in this photo's light; grey in a grey photo."""
        chroma = self.look.chroma
        ivory = 1 + chroma * (np.array([1.0, 0.965, 0.86]) - 1)
        red = 1 + chroma * (np.array([1.10, 0.86, 0.86]) - 1)
        lip = self.lip
        teeth = self._white() * ivory * 0.92
        if self.shows_teeth:
            lit = self.teeth > 0.6
            if lit.sum() > 12:
                own = self.photo[lit]
                teeth = own[luma(own) >= np.percentile(luma(own), 50)].mean(0)
        skin = self.look.skin
        rosy = 0.5 * lip + 0.5 * skin * (float(luma(lip)) / max(float(luma(skin)), 1.0)) * red
        cavity = float(luma(lip)) * 0.20 * (1 + chroma * (np.array([1.62, 0.74, 0.72]) - 1))
        return np.asarray(np.stack([teeth, rosy * red * 0.85, lip * red**2 * 0.85, cavity]).clip(0, 255), np.float32)

    def bake(self) -> MouthTextures:
        upper, lower = self._rows()
        side = (128, 128)
        grain = grain_field(side, self.look, 1, 3)
        return MouthTextures(
            self.photo,
            upper,
            lower,
            grain,
            np.array([*self.axes.origin, *self.axes.along], np.float32),
            self._colours(),
            MouthScale(
                float(self.left),
                float(self.top),
                float(self.factor),
                self.scale,
                self.axes.length,
                float(max(1.0, 2.2 * self.look.blur)),
                bool(upper[..., 3].any()),
                bool(lower[..., 3].any()),
                self.open,
                self.look.chroma,
            ),
        )
