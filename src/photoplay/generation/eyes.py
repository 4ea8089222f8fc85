"""One eye of a photo as layers: eyeball, iris, upper lid and lash line, repainted wherever the lids or the gaze go."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, sin
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay import topology
from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.contours import Axes, Motion, Plane, edge_columns
from photoplay.generation.eye_kernels import EyePose, EyeScale, EyeState, EyeTextures, paint_eye
from photoplay.generation.photo_look import Look, grain_field, luma, smooth_fill
from photoplay.types import Array, Landmarks

Side = Literal["left", "right"]
_CREASE = {"right": (247, 30, 29, 27, 28, 56, 190), "left": (467, 260, 259, 257, 258, 286, 414)}
_BROW = {"right": (46, 53, 52, 65, 55), "left": (285, 295, 282, 283, 276)}
"""Lower edge of the brow, from the image's left to its right."""
_COLUMNS = 160
_EYEBALL = 2.03
"""Radius of the eyeball over that of the iris (12.0 mm over 5.9 mm)."""


def _edges(side: Side) -> tuple[list[int], list[int], list[int], list[int]]:
    """Indices of upper lid, lower lid, crease and iris, each from the image's left to its right."""
    if side == "right":
        return (
            list(topology.RIGHT_EYE_UPPER),
            list(topology.RIGHT_EYE_LOWER),
            list(_CREASE[side]),
            list(topology.RIGHT_IRIS),
        )
    return (
        list(topology.LEFT_EYE_UPPER[::-1]),
        list(topology.LEFT_EYE_LOWER[::-1]),
        list(_CREASE[side][::-1]),
        list(topology.LEFT_IRIS),
    )


@dataclass(frozen=True)
class EyeLayer:
    """One eye at rest, ready to be painted in any pose."""

    side: Side
    axes: Axes
    plane: Plane
    rest: Landmarks
    iris_radius: float
    textures: EyeTextures

    @classmethod
    def build(cls, source: Source, rest: Landmarks, side: Side, look: Look) -> EyeLayer:
        """Takes the eye's textures from the framed photo; ``rest`` is in frame space."""
        upper, lower, crease, iris = _edges(side)
        axes = Axes.between(rest[upper[0], :2], rest[upper[-1], :2])
        plane = Plane.fit(rest[upper + lower + crease])
        rim = rest[iris[1:], :2] - rest[iris[0], :2]
        radius = max(float(np.median(np.hypot(rim[:, 0], rim[:, 1]))), 0.12 * axes.length)
        textures = _EyeTexture(source, rest, side, axes, radius, look).bake()
        return cls(side, axes, plane, rest, radius, textures)

    def paint(
        self, buffers: FrameBuffers, landmarks: Landmarks, motion: Motion, gaze: Float32[Array, 2], weight: float
    ) -> None:
        """Paints the eye where ``landmarks`` (frame space) put it; ``gaze`` in degrees; ``weight`` 0 keeps the frame."""
        upper = _edges(self.side)[0]
        linear, shift = self.plane.moved(motion)
        corners, now = self.rest[[upper[0], upper[-1]], :2], landmarks[[upper[0], upper[-1]], :2]
        if abs(float(np.linalg.det(linear.astype(np.float64)))) < 1e-5:
            return
        shift = shift + (now - (corners @ linear.T + shift)).mean(0)
        back = np.linalg.inv(linear.astype(np.float64)).astype(np.float32)
        inverse = np.empty((2, 3), np.float32)
        inverse[:, :2], inverse[:, 2] = back, -(back @ shift)
        length = self.axes.length
        grid = np.linspace(-0.35 * length, 1.35 * length, _COLUMNS, dtype=np.float32)
        columns = self._columns(landmarks, inverse, grid)
        middle = columns[(grid > 0.3 * length) & (grid < 0.7 * length)]
        travel = float((middle[:, 0] - middle[:, 2]).mean())
        gap = max(float((middle[:, 4] - middle[:, 2]).mean()), 0.02 * length)
        way = self._iris_way(landmarks, motion, gaze, back)
        turned = _ramp(0.0, 1.0, float(np.hypot(*way)))
        pose = EyePose(
            inverse,
            np.array([*self.axes.origin, *self.axes.along], np.float32),
            columns,
            EyeState(
                float(grid[0]),
                float(grid[1] - grid[0]),
                *way,
                turned,
                min(1.0, max(0.0, 1 - float((middle[:, 3] - middle[:, 0]).mean()) / gap)),
                _ramp(0.01 * length, 0.10 * length, travel),
                max(weight, turned),
            ),
        )
        box = self._box(buffers, linear, shift)
        if box[2] > box[0] and box[3] > box[1]:
            paint_eye(buffers.rgb, buffers.confidence, buffers.labels, buffers.flow, box, pose, self.textures)

    def _columns(
        self, landmarks: Landmarks, inverse: Float32[Array, "2 3"], grid: Float32[Array, c]
    ) -> Float32[Array, "c 9"]:
        """The lid's edges and fold, as :class:`EyePose` has them, with the head's motion taken out."""
        upper, lower, crease, _ = _edges(self.side)
        top, bottom, fold = (
            edge_columns(
                self.axes.local(landmarks[edge, :2] @ inverse[:, :2].T + inverse[:, 2]),
                self.axes.local(self.rest[edge, :2]),
                grid,
            )
            for edge in (upper, lower, crease)
        )
        u = grid / self.axes.length
        ends = _between(-0.3, -0.18, u) * _between(1.3, 1.18, u)
        beyond = _between(0.04, -0.08, u) + _between(0.96, 1.08, u)
        columns = np.empty((len(grid), 9), np.float32)
        columns[:, :3], columns[:, 3], columns[:, 4] = top, bottom[:, 0], bottom[:, 2]
        columns[:, 5], columns[:, 6] = fold[:, 0], fold[:, 0] - fold[:, 2]
        columns[:, 7], columns[:, 8] = ends, beyond
        return columns

    def _iris_way(
        self, landmarks: Landmarks, motion: Motion, gaze: Float32[Array, 2], back: Float32[Array, "2 2"]
    ) -> tuple[float, float]:
        """The iris' way in rest pixels: what the landmarks show or what the gaze says, whichever is more."""
        iris = _edges(self.side)[3]
        seen = back @ (landmarks[iris] - motion.apply(self.rest[iris])).mean(0)[:2]
        ball = _EYEBALL * self.iris_radius
        said = np.array([ball * sin(radians(float(gaze[0]))), -ball * sin(radians(float(gaze[1])))])
        x, y = seen if np.hypot(*seen) > np.hypot(*said) else said
        return float(x), float(y)

    def _box(self, buffers: FrameBuffers, linear: Array, shift: Array) -> Array:
        side = self.axes.along * self.axes.length
        down = np.array([-side[1], side[0]])
        corners = [self.axes.origin + side * a + down * b for a in (-0.2, 1.2) for b in (-0.75, 0.5)]
        moved = np.array(corners) @ linear.T + shift
        low, high = np.floor(moved.min(0)).astype(int), np.ceil(moved.max(0)).astype(int) + 1
        height, width = buffers.rgb.shape[:2]
        return np.array([max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)])


def _ramp(low: float, high: float, value: float) -> float:
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)


def _between(low: Array | float, high: Array | float, value: Array) -> Array:
    """A smooth step from 0 at ``low`` to 1 at ``high``, which may lie below."""
    t = np.clip((value - low) / (np.asarray(high) - low), 0, 1)
    eased: Array = t * t * (3 - 2 * t)
    return eased


class _EyeTexture:
    """Bakes one eye's textures out of the photo, in a crop of the source around the eye."""

    def __init__(self, source: Source, rest: Landmarks, side: Side, axes: Axes, radius: float, look: Look) -> None:
        upper, lower, crease, iris = _edges(side)
        self.factor, self.axes, self.look, self.radius = source.factor, axes, look, radius
        self.iris_centre = rest[iris[0], :2]
        self.seed = 1 if side == "right" else 2
        pad = 0.9 * axes.length
        contour = rest[upper + lower, :2]
        low = np.floor((contour.min(0) - pad + 0.5) * self.factor).astype(int)
        high = np.ceil((contour.max(0) + pad + 0.5) * self.factor).astype(int)
        limit = np.array(source.rgb.shape[1::-1])
        low, high = low + source.corner, high + source.corner
        low, high = np.clip(low, 0, np.maximum(limit - 4, 0)), np.clip(high, np.minimum(4, limit), limit)
        high = np.maximum(high, np.minimum(low + 4, limit))
        self.photo = source.rgb[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        low, high = low - source.corner, high - source.corner
        self.left, self.top = int(low[0]), int(low[1])
        ys, xs = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        self.pixels = np.stack([(xs + 0.5) / self.factor - 0.5, (ys + 0.5) / self.factor - 0.5], axis=-1)
        local = axes.local(self.pixels)
        self.x, self.y = local[..., 0], local[..., 1]
        grid = np.linspace(-0.9 * axes.length, 1.9 * axes.length, 512, dtype=np.float32)
        self.oval = (rest[list(topology.FACE_OVAL), :2] + 0.5) * self.factor - 0.5 - low
        self.upper = self._edge(rest[upper, :2], grid)
        self.lower = self._edge(rest[lower, :2], grid)
        self.fold = self._edge(rest[crease, :2], grid)
        self.brow = self._edge(rest[list(_BROW[side]), :2], grid)

    def _edge(self, points: Float32[Array, "n 2"], grid: Float32[Array, c]) -> Float32[Array, "h w"]:
        local = self.axes.local(points)
        return np.interp(self.x, grid, edge_columns(local, local, grid)[:, 0]).astype(np.float32)

    def bake(self) -> EyeTextures:
        w = self.axes.length
        lashes = self._lash_length()
        lid = self._lid(lashes)
        lash = np.clip((self.photo + 4) / (lid[..., :3] + 4), 0.2, 1.0)
        sclera = self._sclera()
        iris, glint = self._iris(sclera)
        near = (np.abs(self.upper - 0.01 * w - self.y) < 0.02 * w) & (self.x > 0.2 * w) & (self.x < 0.8 * w)
        line = 1 - float(np.percentile(luma(lash)[near], 15)) if near.any() else 0.5
        return EyeTextures(
            np.dstack([self.photo, sclera]).astype(np.float32),
            np.dstack([iris, glint]).astype(np.float32),
            np.dstack([lid, lash]).astype(np.float32),
            EyeScale(
                float(self.left),
                float(self.top),
                float(self.factor),
                w,
                float(max(1.0, 2.2 * self.look.blur)),
                float(np.clip(line, 0.35, 0.62)),
                *self._lash_tint(lash, near),
                lashes,
                0.0 if self.seed == 1 else 1.0,
            ),
        )

    def _lash_tint(self, lash: Float32[Array, "h w 3"], near: Array) -> tuple[float, float, float]:
        """How much more or less of each colour lashes take than of all light: mostly brown, never bluer than the skin."""
        dark = near & (luma(lash) <= np.percentile(luma(lash)[near], 25)) if near.any() else near
        if not dark.any():
            return 1.0, 1.0, 1.0
        taken = 1 - lash[dark].mean(0)
        red, green, blue = taken / max(float(luma(taken)), 0.05)
        return float(np.clip(red, 0.8, 1.0)), float(np.clip(green, 0.95, 1.05)), float(np.clip(blue, 1.0, 1.25))

    def _lash_length(self) -> float:
        """How far above the lid's edge the photo is darkened by lashes or liner, in frame pixels."""
        w = self.axes.length
        grey = luma(self.photo)
        middle = (self.x > 0.2 * w) & (self.x < 0.8 * w)
        above = (self.upper - self.y) / w
        steps = np.arange(0.0, 0.26, 0.02)
        levels = [grey[middle & (above >= s) & (above < s + 0.03)] for s in steps]
        profile = np.array([np.median(level) if level.size else np.nan for level in levels])
        if np.isnan(profile).any():
            return 0.08 * w
        bright = profile >= profile.min() + 0.8 * (profile.max() - profile.min())
        return float(np.clip(steps[int(np.argmax(bright))] + 0.02, 0.06, 0.17)) * w

    def _lid(self, lashes: float) -> Float32[Array, "h w 5"]:
        """The closed lid's skin, how much of it hides the open eye with its lashes, and how much the fold above them.

        The skin is filled from around the eye, so that it has the colour of what lies above and below it.
        """
        w = self.axes.length
        outer, inner = (self.x, w - self.x) if self.seed == 1 else (w - self.x, self.x)
        reach = np.clip(np.minimum(outer + 0.1 * w, inner) / (0.2 * w), 0, 1)
        top, bottom = self.upper - (0.5 + 0.5 * reach) * lashes, self.lower + 0.06 * w
        grey, pale = luma(self.photo), float(luma(self.look.skin))
        # Rims of glasses and brows above the lashes lie over the lid and stay; lashes and folds are thinner.
        lit = np.maximum(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, self._spot(0.4)), 1.0)
        dark = _between(0.45, 0.25, grey / lit) * _between(0.0, -0.06 * w, self.y - top)
        kept = cv2.morphologyEx(dark.astype(np.float32), cv2.MORPH_OPEN, self._spot(0.08))
        kept = cv2.GaussianBlur(kept, (0, 0), max(0.5, 0.015 * w * self.factor))
        sides = _between(-0.36 * w, 0.04 * w, outer) * _between(-0.14 * w, 0.04 * w, inner) * (1 - kept)
        sides *= np.maximum(self._on_face(), _between(-0.08 * w, 0.04 * w, outer))
        low = _between(bottom + 0.06 * w, bottom - 0.04 * w, self.y)
        hole = sides * low * _between(top - 0.12 * w, top + 0.01 * w, self.y)
        fold = sides * low * _between(0.5 * (self.fold + self.brow), self.fold + 0.04 * w, self.y)
        hidden = np.maximum(hole, fold)
        ring = (hole < 0.1) & (fold > 0.02) & (grey > 0.3 * pale)
        skin = float(np.percentile(grey[ring], 60)) if ring.sum() > 20 else pale
        # Brows, lashes and frames are too dark for skin, reflections too bright, folds darker than both their sides.
        odd = np.clip((1 - grey / skin - 0.15) / 0.2, 0, 1) + np.clip((grey / skin - 1.45) / 0.3, 0, 1)
        line = 1 - grey / np.maximum(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, self._spot(0.14)), 1.0)
        odd += np.clip((line - 0.05) / 0.1, 0, 1)
        far = np.clip((np.abs(self.y - self.upper) / w - 0.35) / 0.2, 0, 1)
        seen = _between(0.75, 0.45, hole) * (1 - 0.97 * np.minimum(odd, 1)) * (1 - 0.9 * far)
        seen *= np.where(self.y > self.lower, 0.5, 1.0)
        smooth = smooth_fill(self.photo, seen.astype(np.float32))
        smooth = cv2.GaussianBlur(smooth, (0, 0), 0.05 * w * self.factor)
        height, width = hole.shape
        grain = grain_field((height, width), self.look, self.factor, self.seed)[..., None]
        return np.dstack([np.clip(smooth + grain, 0, 255), hole, hidden]).astype(np.float32)

    def _spot(self, size: float) -> Array:
        """A round kernel ``size`` eye widths across."""
        across = 2 * round(0.5 * size * self.axes.length * self.factor) + 1
        return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, across)))

    def _on_face(self) -> Float32[Array, "h w"]:
        """1 inside the face's oval, softly 0 at its border."""
        mask = np.zeros(self.x.shape, np.float32)
        cv2.fillPoly(mask, [np.round(self.oval).astype(np.int32)], (1.0,))
        soft = 0.06 * self.axes.length * self.factor
        return np.clip(2 * cv2.GaussianBlur(mask, (0, 0), max(soft, 0.5)) - 1, 0, 1).astype(np.float32)

    def _disc(self) -> tuple[Array, Array, Array]:
        away = (self.pixels - self.iris_centre) / self.radius
        return away[..., 0], away[..., 1], np.hypot(away[..., 0], away[..., 1])

    def _inside(self, top: float, bottom: float) -> Float32[Array, "h w"]:
        """1 where the photo shows the eyeball, ``top`` and ``bottom`` (eye widths) away from the lids."""
        w = self.axes.length
        soft = max(0.02 * w, 0.5)
        inner = np.clip((self.y - self.upper - top * w) / soft, 0, 1) * np.clip(
            (self.lower - self.y - bottom * w) / soft, 0, 1
        )
        return np.asarray((inner * ((self.x > 0.04 * w) & (self.x < 0.96 * w))), np.float32)

    def _sclera(self) -> Float32[Array, "h w 3"]:
        """The white of the eye without the iris, carried on behind it and behind the lids."""
        _, _, rho = self._disc()
        inside = self._inside(0.05, 0.03) * np.clip((rho - 1.12) / 0.1, 0, 1)
        grey = luma(self.photo)
        seen = inside > 0.5
        pale = float(luma(self.look.skin))
        level = float(np.percentile(grey[seen], 70)) if seen.sum() >= 6 else 0.9 * pale
        weight = inside * np.clip((grey - 0.55 * level) / (0.2 * level + 1e-3), 0, 1)
        flat = np.full_like(self.photo, 0.85 * pale)
        flat += (self.look.skin - pale) * 0.25
        if float(weight.sum()) < 6:
            return flat.astype(np.float32)
        white = smooth_fill(self.photo, weight.astype(np.float32))
        white = cv2.GaussianBlur(white, (0, 0), 0.02 * self.axes.length * self.factor)
        # Behind tinted glass or beside a lid the white takes on too much of their colour.
        mean = luma(white)[..., None]
        skin = float(np.abs(self.look.skin - pale).max()) / max(pale, 1.0)
        vivid = np.abs(white - mean).max(-1, keepdims=True) / np.maximum(mean, 1.0)
        # Nor is it darker than skin in the same shade.
        lift = np.maximum(1.0, 0.65 * float(np.median(grey)) / np.maximum(mean, 1.0))
        pure = mean + (white - mean) * np.minimum(1.0, 0.8 * skin / np.maximum(vivid, 1e-3))
        return np.asarray(lift * pure, np.float32)

    def _iris(self, sclera: Array) -> tuple[Float32[Array, "h w 4"], Float32[Array, "h w 3"]]:
        """The whole iris disc with its alpha, and the catchlight on it as light to add."""
        dx, dy, rho = self._disc()
        grey = luma(self.photo)
        valid = self._inside(0.05, 0.02) * (rho < 1.3)
        rings = np.minimum((rho * 12).astype(int), 15)
        profile = np.zeros((16, 3), np.float32)
        for k in range(16):
            here = (rings == k) & (valid > 0.5)
            profile[k] = np.median(self.photo[here], axis=0) if here.sum() >= 3 else np.nan
        known = ~np.isnan(profile[:, 0])
        if not known.any():
            profile[:], known[:] = self.look.skin * 0.25, True
        for k in range(3):
            profile[:, k] = np.interp(np.arange(16), np.flatnonzero(known), profile[known, k])
        at = np.clip(rho * 12 - 0.5, 0, 15)
        radial = np.stack([np.interp(at, np.arange(16), profile[:, k]) for k in range(3)], axis=-1).astype(np.float32)
        excess = grey - luma(radial)
        bright = ((excess > np.maximum(18, 0.3 * luma(radial))) & (rho < 0.95) & (valid > 0.3)).astype(np.float32)
        spot = cv2.GaussianBlur(cv2.dilate(bright, np.ones((3, 3), np.uint8)), (0, 0), 0.5 * self.factor)
        weight = valid * (1 - np.clip(spot * 2, 0, 1))
        total, mass = self.photo * weight[..., None] * 50, weight * 50
        for sx, sy in ((-1, 1), (1, -1), (-1, -1)):
            flipped, share = self._mirrored(dx * sx, dy * sy, weight)
            total, mass = total + flipped * share[..., None], mass + share
        disc = (total + radial * 0.05) / (mass + 0.05)[..., None]
        rim = max(0.17, 1.5 / self.radius, min(0.6, 1.8 * self.look.blur / self.radius))
        alpha = 1 - np.clip((rho - 0.95) / rim, 0, 1)
        alpha = alpha * alpha * (3 - 2 * alpha)
        made = sclera + (disc - sclera) * alpha[..., None]
        glint = np.clip(self.photo - made, 0, None) * np.clip(spot * 2, 0, 1)[..., None]
        return np.dstack([disc, alpha]).astype(np.float32), glint.astype(np.float32)

    def _mirrored(self, dx: Array, dy: Array, weight: Array) -> tuple[Array, Array]:
        """Photo and weight at the mirrored spot of the iris."""
        x = ((self.iris_centre[0] + dx * self.radius + 0.5) * self.factor - 0.5 - self.left).astype(np.float32)
        y = ((self.iris_centre[1] + dy * self.radius + 0.5) * self.factor - 0.5 - self.top).astype(np.float32)
        flipped = cv2.remap(self.photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.remap(weight.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return flipped, share
