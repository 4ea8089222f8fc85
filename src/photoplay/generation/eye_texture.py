"""The pictures of one eye, baked out of the photo: eyeball, iris, the closed lid's skin and the lashes."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay import topology
from photoplay.generation.buffers import Source
from photoplay.generation.contours import Axes, edge_columns
from photoplay.generation.eye_kernels import EyeScale, EyeTextures
from photoplay.generation.mesh import smoothstep
from photoplay.generation.photo_look import Look, luma, smooth_fill
from photoplay.types import Array, Landmarks

Side = Literal["left", "right"]
_CREASE = {"right": (247, 30, 29, 27, 28, 56, 190), "left": (467, 260, 259, 257, 258, 286, 414)}
_BROW = {"right": (46, 53, 52, 65, 55), "left": (285, 295, 282, 283, 276)}
"""Lower edge of the brow, from the image's left to its right."""


def eye_edges(side: Side) -> tuple[list[int], list[int], list[int], list[int]]:
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


class EyeTexture:
    """Bakes one eye's textures out of the photo, in a crop of the source around the eye."""

    def __init__(self, source: Source, rest: Landmarks, side: Side, axes: Axes, radius: float, look: Look) -> None:
        upper, lower, crease, iris = eye_edges(side)
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
        return (
            float(np.clip(red, 0.8, 1.0)),
            float(np.clip(green, 0.95, 1.0)),
            float(np.clip(blue, 1 + 0.05 * self.look.chroma, 1.25)),
        )

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
        # At the outer corner the upper lashes hang below it.
        bottom += 0.1 * w * smoothstep(0.22 * w, -0.02 * w, outer)
        grey, pale = luma(self.photo), float(luma(self.look.skin))
        # Rims of glasses and brows above the lashes lie over the lid and stay; lashes and folds are thinner.
        lit = np.maximum(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, self._spot(0.4)), 1.0)
        dark = smoothstep(0.45, 0.25, grey / lit) * smoothstep(0.0, -0.06 * w, self.y - top)
        kept = cv2.morphologyEx(dark.astype(np.float32), cv2.MORPH_OPEN, self._spot(0.08))
        kept = cv2.GaussianBlur(kept, (0, 0), max(0.5, 0.015 * w * self.factor))
        sides = smoothstep(-0.42 * w, -0.16 * w, outer) * smoothstep(-0.16 * w, 0.04 * w, inner) * (1 - kept)
        sides *= np.maximum(self._on_face(), smoothstep(-0.2 * w, -0.04 * w, outer))
        low = smoothstep(bottom + 0.06 * w, bottom - 0.04 * w, self.y)
        hole = sides * low * smoothstep(top - 0.12 * w, top + 0.01 * w, self.y)
        fold = sides * low * smoothstep(0.5 * (self.fold + self.brow), self.fold + 0.04 * w, self.y)
        hidden = np.maximum(hole, fold)
        ring = (hole < 0.1) & (fold > 0.02) & (grey > 0.3 * pale)
        skin = float(np.percentile(grey[ring], 60)) if ring.sum() > 20 else pale
        # Brows, lashes and frames are too dark for skin, reflections too bright, folds darker than both their sides.
        # What is dark all around is shade, and the lid lies in it.
        level = np.clip(cv2.GaussianBlur(lit, (0, 0), 0.1 * w * self.factor), 0.55 * skin, skin)
        odd = np.clip((1 - grey / level - 0.15) / 0.2, 0, 1) + np.clip((grey / skin - 1.45) / 0.3, 0, 1)
        line = 1 - grey / np.maximum(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, self._spot(0.14)), 1.0)
        odd += np.clip((line - 0.05) / 0.1, 0, 1)
        far = np.clip((np.abs(self.y - self.upper) / w - 0.35) / 0.2, 0, 1)
        seen = smoothstep(0.75, 0.45, hole) * (1 - 0.97 * np.minimum(odd, 1)) * (1 - 0.9 * far)
        seen *= np.where(self.y > self.lower, 0.5, 1.0)
        smooth = smooth_fill(self.photo, seen.astype(np.float32))
        smooth = cv2.GaussianBlur(smooth, (0, 0), 0.05 * w * self.factor)
        smooth = smooth + (self._shade() - smooth) * smoothstep(0.0, -0.16 * w, outer)[..., None]
        return np.dstack([np.clip(smooth + self._grain(), 0, 255), hole, hidden]).astype(np.float32)

    def _shade(self) -> Float32[Array, "h w 3"]:
        """The photo without lashes: what is broad past the outer corner is shade, and stays."""
        across = self.axes.length * self.factor
        scale = min(1.0, 50.0 / across)
        height, width = self.photo.shape[:2]
        small = (max(2, round(width * scale)), max(2, round(height * scale)))
        soft = cv2.GaussianBlur(
            cv2.resize(self.photo, small, interpolation=cv2.INTER_AREA), (0, 0), 0.04 * across * scale
        )
        bare = cv2.morphologyEx(soft, cv2.MORPH_CLOSE, self._spot(0.4 * scale))
        bare = cv2.GaussianBlur(bare, (0, 0), 0.06 * across * scale)
        # Lashes are bluer than skin in shade: spread out, they would look like a bruise.
        light, skin = luma(bare), self.look.skin / max(float(luma(self.look.skin)), 1.0)
        bare[..., 0] = np.maximum(bare[..., 0], light * min(1.0, skin[0]) + 0.6 * light * max(0.0, skin[0] - 1))
        bare[..., 2] = np.minimum(bare[..., 2], light * max(skin[2], 0.5))
        return np.asarray(cv2.resize(bare, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    def _grain(self) -> Float32[Array, "h w 3"]:
        """The finest detail of the cheek, spread over the whole crop without its pattern.

        White noise filtered by a patch of it has its strength, its colour and its coarseness (Galerne et al. 2011).
        """
        w = self.axes.length
        rough = self.photo - cv2.GaussianBlur(self.photo, (0, 0), 0.035 * w * self.factor)
        patches: list[tuple[float, int, Array]] = []
        for x in (0.2, 0.35, 0.5, 0.65, 0.8):
            for below in (0.28, 0.4, 0.52):
                there = (np.abs(self.x - x * w) < 0.2 * w) & (np.abs(self.y - self.lower - below * w) < 0.12 * w)
                rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
                if len(rows) > 3 and len(columns) > 3:
                    patch = rough[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                    patches.append((float(np.abs(luma(patch)).mean()), len(patches), patch))
        if not patches:
            return np.zeros_like(self.photo)
        # Spots, wrinkles and rims of glasses are no grain: neither the roughest patches nor the roughest of their pixels.
        patches.sort()
        size, random = self.photo.shape[:2], np.random.default_rng(self.seed)
        chosen = patches[1:4] or patches
        total = np.zeros((3, size[0], size[1] // 2 + 1), np.complex128)
        for _, _, patch in chosen:
            limit = 3.0 * float(np.median(np.abs(luma(patch)))) + 0.2
            window = np.outer(np.hanning(patch.shape[0] + 2)[1:-1], np.hanning(patch.shape[1] + 2)[1:-1])
            dot = np.clip(patch, -limit, limit) * (window / np.sqrt(len(chosen) * (window**2).sum()))[..., None]
            noise = np.fft.rfft2(random.standard_normal(size))
            for k in range(3):
                total[k] += noise * np.fft.rfft2(dot[: size[0], : size[1], k], s=size)
        return np.stack([np.fft.irfft2(one, s=size) for one in total], axis=-1).astype(np.float32)

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
        # The rings of the iris lie around the pupil inside and around the limbus outside.
        px, py = self._pupil(grey, valid)
        around = np.clip(1 - rho, 0, 1)
        about = np.hypot(dx - px * around, dy - py * around)
        rings = np.minimum((about * 12).astype(int), 15)
        profile = np.zeros((16, 3), np.float32)
        for k in range(16):
            here = (rings == k) & (valid > 0.5)
            lit = here & (self.y > self.upper + 0.12 * self.axes.length)
            here = lit if k > 5 and lit.sum() >= 3 else here
            profile[k] = np.median(self.photo[here], axis=0) if here.sum() >= 3 else np.nan
        known = ~np.isnan(profile[:, 0])
        if not known.any():
            profile[:], known[:] = self.look.skin * 0.25, True
        for k in range(3):
            profile[:, k] = np.interp(np.arange(16), np.flatnonzero(known), profile[known, k])
        at = np.clip(about * 12 - 0.5, 0, 15)
        radial = np.stack([np.interp(at, np.arange(16), profile[:, k]) for k in range(3)], axis=-1).astype(np.float32)
        excess = grey - luma(radial)
        bright = ((excess > np.maximum(18, 0.3 * luma(radial))) & (rho < 0.95) & (valid > 0.3)).astype(np.float32)
        spot = cv2.GaussianBlur(cv2.dilate(bright, np.ones((3, 3), np.uint8)), (0, 0), 0.5 * self.factor)
        # Near a lid its shadow lies on the iris: what is carried on behind it comes from farther away, and sets in softly.
        w = self.axes.length
        clear = smoothstep(0.04 * w, 0.16 * w, self.y - self.upper) * smoothstep(0.0, 0.1 * w, self.lower - self.y)
        weight = (valid * clear * (1 - np.clip(spot * 2, 0, 1))).astype(np.float32)
        total, mass = 2.0 * radial, np.full_like(weight, 2.0)
        for sx, sy in ((-1, 1), (1, -1), (-1, -1)):
            flipped, share = self._mirrored(dx * sx, dy * sy, weight)
            share = share * smoothstep(0.35, 0.65, about)
            total, mass = total + flipped * share[..., None], mass + share
        disc = total / mass[..., None]
        disc += (self.photo - disc) * weight[..., None]
        rim = max(0.17, 1.5 / self.radius, min(0.6, 1.8 * self.look.blur / self.radius))
        alpha = 1 - np.clip((rho - 0.95) / rim, 0, 1)
        alpha = alpha * alpha * (3 - 2 * alpha)
        made = sclera + (disc - sclera) * alpha[..., None]
        glint = np.clip(self.photo - made, 0, None) * np.clip(spot * 2, 0, 1)[..., None]
        return np.dstack([disc, alpha]).astype(np.float32), glint.astype(np.float32)

    def _pupil(self, grey: Float32[Array, "h w"], valid: Array) -> tuple[float, float]:
        """How far the pupil lies from the middle of the iris, in iris radii: its darkest part, (0, 0) where none shows."""
        dx, dy, rho = self._disc()
        near = (rho < 0.6) & (valid > 0.5) & (self.y > self.upper + 0.07 * self.axes.length)
        if near.sum() < 12:
            return 0.0, 0.0
        low, middle = np.percentile(grey[near], (2, 60))
        dark = near * np.clip((low + 0.5 * (middle - low) - grey) / max(float(middle - low), 1.0), 0, 1)
        mass = float(dark.sum())
        if mass < 1.0 or middle - low < 0.15 * middle:
            return 0.0, 0.0
        x, y = float((dark * dx).sum()) / mass, float((dark * dy).sum()) / mass
        return float(np.clip(x, -0.25, 0.25)), float(np.clip(y, -0.25, 0.25))

    def _mirrored(self, dx: Array, dy: Array, weight: Array) -> tuple[Array, Array]:
        """Photo and weight at the mirrored spot of the iris."""
        x = ((self.iris_centre[0] + dx * self.radius + 0.5) * self.factor - 0.5 - self.left).astype(np.float32)
        y = ((self.iris_centre[1] + dy * self.radius + 0.5) * self.factor - 0.5 - self.top).astype(np.float32)
        flipped = cv2.remap(self.photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.remap(weight.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return flipped, share
