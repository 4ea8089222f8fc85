"""What a model made, laid over the film-size anchor: the photo's own pixels stand wherever the anchor trusts them.

Models re-synthesise what they are told to keep, softer and in slightly other colours; so their frame is used only where
the photo knows nothing: uncovered background, stretched skin, lids, the inside of the mouth. There it is brought to the
colours around it, first by one affine map of RGB for the frame, then by a smooth light map for the background and one for
people, both measured where the anchor is sure and carried over into the holes (as in Poisson cloning, Pérez et al. 2003,
but of the low frequencies alone). Its fine detail, which a smaller model lacks, is strengthened to that of the photo. Where
nothing moved the film is the photo, byte for byte.

The same way what a model made anew of a video is laid into it.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float16, Float32, UInt8

from photoplay.generation.backends.open_weights import composite_kernels
from photoplay.generation.backends.open_weights.colour import colour_map
from photoplay.generation.mesh import smoothstep
from photoplay.generation.plate import fill_smooth
from photoplay.generation.source import frame_photo
from photoplay.types import Anchor, Array, Label, Mask, RenderPlan, Rgb, Scene

UNSURE = (0.35, 0.62)
"""Lack of confidence (0..1) at which what was made begins to show, and from which it stands alone."""
EYE_UNSURE = (0.2, 0.45)
"""The same for eyeballs and lashes: an eye is not half drawn and half made."""
INSIDE = (Label.MOUTH, Label.TEETH, Label.TONGUE)
EYES = (Label.EYE, Label.LASH)
GROW, SOFT = 0.003, 0.002
"""How far holes reach over their border and how softly they end, in longer sides."""
STILL, MOVED = 0.6, 1.5
"""Pixels of motion under which a pixel stays the photo's, and from which it need not."""
UNLIKE = (1.0, 6.0)
"""The same for the difference between anchor and photo in grey levels."""
NEAR = 0.05
"""How far from what moves a hole may lie, in longer sides."""
INWARDS = (0.2, 0.9)
"""Share of a pixel's surroundings that must be free with it, for nothing and for all of it."""
INSET = (0.5, 0.98)
"""Share of a repaired pixel's surroundings that is repaired with it, at which it begins to show, and is shown alone."""
SURE = 200
"""Confidence over which the anchor is sure of its colours (0..255)."""
SIDE = 192
"""Longer side of the grid of the light map."""
REACH = 0.02
"""Standard deviation of what the light map takes for low frequencies, in longer sides."""
FINE = 0.0012
"""Standard deviation of what counts as fine detail, in longer sides (at least a pixel)."""
EDGES = 0.97
"""Share of all pixels that have weaker detail than an edge."""
MOST_DETAIL = 1.8
"""Factor by which fine detail is strengthened at most."""
LIGHT_LIMIT = 32.0
"""Grey levels that the light map adds at most."""
APART = 24.0
"""Grey levels by which anchor and made frame may differ, after the colour map, where the light is measured: more is another
content."""


class Tone:
    """The difference in colour between made frames of ``width`` x ``height`` pixels and what stands around them."""

    def __init__(self, width: int, height: int) -> None:
        shrink = max(1.0, max(width, height) / SIDE)
        self.grid = (max(2, round(width / shrink)), max(2, round(height / shrink)))
        self._fine = max(1.0, FINE * max(width, height))

    def measure(
        self, made: Rgb, rgb: Rgb, sure: Mask, person: Mask
    ) -> tuple[Float32[Array, "3 4"], Float32[Array, "2 r c 3"]]:
        """The colour map of the frame and the light maps of background and people, from where ``sure``."""
        small = [cv2.resize(part, self.grid, interpolation=cv2.INTER_AREA) for part in (made, rgb, sure)]
        found = colour_map(small[0][None], small[1][None], small[2][None] > SURE)
        matrix = np.hstack([np.eye(3), np.zeros((3, 1))]).astype(np.float32) if found is None else found.matrix
        layers = (cv2.bitwise_and(sure, cv2.bitwise_not(person)), cv2.bitwise_and(sure, person))
        return matrix, np.stack([self._light(made, rgb, layer, matrix) for layer in layers])

    def sharp(self, made: Rgb, rgb: Rgb, sure: Mask, contrast: float = 1.0) -> Rgb:
        """``made`` with fine detail as strong as that of ``rgb`` where both are ``sure``; never softer.

        ``contrast`` is what its colours will be multiplied by.
        """
        soft = _soft(made, self._fine)
        theirs, ours = self._strength(made, soft, sure), self._strength(rgb, _soft(rgb, self._fine), sure)
        gain = min(max(ours / max(theirs * contrast, 1.0), 1.0), MOST_DETAIL)
        return made if gain == 1 else np.asarray(cv2.addWeighted(made, gain, soft, 1 - gain, 0), np.uint8)

    def _strength(self, picture: Rgb, soft: Rgb, sure: Mask) -> float:
        """How strong the edges among the fine detail are, in grey levels: grain, which is everywhere, does not count."""
        detail = cv2.absdiff(picture, soft)[..., 1]
        counts = cv2.calcHist([detail], [0], sure, [256], [0, 256]).ravel()
        if not counts.any():
            return 0.0
        return float(np.interp(EDGES, np.cumsum(counts) / counts.sum(), np.arange(256)))

    def _light(self, made: Rgb, rgb: Rgb, layer: Mask, matrix: Float32[Array, "3 4"]) -> Float32[Array, "r c 3"]:
        """What the colour map leaves over, in its low frequencies, where ``layer`` is sure; carried on where it is not."""
        weight = self._mean(layer) / 255
        seen, known = (self._mean(cv2.bitwise_and(part, part, mask=layer)) for part in (made, rgb))
        apart = known - cv2.transform(seen, matrix[:, :3]) - weight[..., None] * matrix[:, 3]
        weight[np.abs(apart).max(axis=2) > APART * weight] = 0
        if not weight.any():
            return np.zeros_like(apart)
        apart[weight == 0] = 0
        reach = REACH * max(self.grid)
        share = _soft(weight, reach)
        light = _soft(apart, reach) / np.maximum(share, 1e-4)[..., None]
        light[share < 1e-3] = 0
        return np.clip(fill_smooth(light, smoothstep(0.02, 0.3, share)), -LIGHT_LIMIT, LIGHT_LIMIT)

    def _mean(self, picture: Array) -> Array:
        """Means over the cells of the grid, float32."""
        return np.asarray(cv2.resize(picture.astype(np.float32), self.grid, interpolation=cv2.INTER_AREA))


class Compositor:
    """Lays made frames over the anchors of one film. Shares and masks are bytes: 255 is all of a pixel."""

    def __init__(self, scene: Scene, plan: RenderPlan) -> None:
        self._photo = frame_photo(scene.photo.pixels, plan)
        self._side = max(plan.width, plan.height)
        self._tone = Tone(plan.width, plan.height)
        lack = 1 - np.arange(256, dtype=np.float32) / 255
        self._holes, self._eye_holes = _table(smoothstep(*UNSURE, lack)), _table(smoothstep(*EYE_UNSURE, lack))
        byte = np.arange(256, dtype=np.float32) / 255
        self._moved = _table(smoothstep(STILL / MOVED, 1.0, byte))
        self._unlike = _table(smoothstep(UNLIKE[0] / UNLIKE[1] / 2, 0.5, byte))
        self._inwards = _table(smoothstep(*INWARDS, byte))

    def frame(self, made: Rgb, anchor: Anchor, index: int) -> Rgb:
        """Frame ``index`` of the film: the anchor, and ``made`` (both at the film's size) in its holes."""
        rgb: Rgb = anchor.rgb[index]
        share = self.share(anchor, index)
        if not share.any():
            return rgb
        person = np.where(anchor.depth[index] < np.inf, np.uint8(255), np.uint8(0))
        sure = np.where((share == 0) & (anchor.confidence[index] > SURE), np.uint8(255), np.uint8(0))
        matrix, light = self._tone.measure(made, rgb, sure, person)
        made = self._tone.sharp(made, rgb, sure, float(matrix[1, :3].sum()))
        out: Rgb = np.empty_like(rgb)
        composite_kernels.lay(rgb, made, share, _soft(person, SOFT * self._side), matrix, light, out)
        return out

    def share(self, anchor: Anchor, index: int) -> Mask:
        """How far each pixel of the film is the model's: 0 (the photo's own) to 255."""
        labels, confidence = anchor.labels[index], anchor.confidence[index]
        hole = cv2.LUT(confidence, self._holes)
        hole = np.maximum(hole, cv2.bitwise_and(cv2.LUT(confidence, self._eye_holes), cv2.LUT(labels, _EYES)))
        hole = np.maximum(hole, cv2.LUT(labels, _INSIDE))
        reach = max(1, round(GROW * self._side))
        grown = _soft(cv2.dilate(hole, _disc(reach)), SOFT * self._side)
        free = self._free(anchor.rgb[index], anchor.flow[index])
        return np.asarray(cv2.multiply(grown, free, scale=1 / 255), np.uint8)

    def _free(self, rgb: Rgb, flow: Float16[Array, "h w 2"]) -> Mask:
        """How far a pixel may change: 0 where the photo stands still; it falls off inwards, to what moves.

        What moves by pixels is free, and what is unlike the photo is, as far as something near it moves.
        """
        way = flow.astype(np.float32)
        travel = cv2.magnitude(way[..., 0], way[..., 1])
        reach = max(1.0, SOFT * self._side)
        apart = cv2.absdiff(rgb, self._photo)
        most = np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])
        unlike = cv2.LUT(_soft(cv2.convertScaleAbs(most, alpha=127.5 / UNLIKE[1]), reach), self._unlike)
        near = cv2.multiply(self._speed(self._near(travel)), unlike, scale=1 / 255)
        free = np.maximum(self._speed(travel), near)
        return np.asarray(cv2.multiply(free, cv2.LUT(_soft(free, reach), self._inwards), scale=1 / 255), np.uint8)

    def _speed(self, travel: Float32[Array, "h w"]) -> Mask:
        return np.asarray(cv2.LUT(cv2.convertScaleAbs(travel, alpha=255 / MOVED), self._moved), np.uint8)

    def _near(self, travel: Float32[Array, "h w"]) -> Float32[Array, "h w"]:
        """The farthest travel around each pixel, smooth."""
        small = cv2.resize(travel, self._tone.grid, interpolation=cv2.INTER_AREA)
        reach = max(1, round(NEAR * max(self._tone.grid)))
        widest = _soft(cv2.dilate(small, _disc(reach)), reach / 2)
        return np.asarray(cv2.resize(widest, travel.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


class Inlay:
    """Lays what was made anew of a video into it: the video stands wherever the mask says so, byte for byte."""

    def __init__(self, width: int, height: int) -> None:
        self._soft = SOFT * max(width, height)
        self._tone = Tone(width, height)
        self._inwards = _table(smoothstep(*INSET, np.arange(256, dtype=np.float32) / 255))

    def frame(self, made: Rgb, standing: Rgb, make: Mask) -> Rgb:
        """``standing`` with ``made`` where ``make`` is not 0, in the colours around it, fading in from the mask's border."""
        hole = np.where(make > 0, np.uint8(255), np.uint8(0))
        if not hole.any():
            return standing
        sure, nobody = cv2.bitwise_not(hole), np.zeros_like(hole)
        matrix, light = self._tone.measure(made, standing, sure, nobody)
        made = self._tone.sharp(made, standing, sure, float(matrix[1, :3].sum()))
        share = cv2.bitwise_and(cv2.LUT(_soft(hole, self._soft), self._inwards), hole)
        out: Rgb = np.empty_like(standing)
        composite_kernels.lay(standing, made, share, nobody, matrix, light, out)
        return out


def _of(labels: tuple[Label, ...]) -> UInt8[Array, 256]:
    table: Array = np.zeros(256, np.uint8)
    table[list(labels)] = 255
    return table


_EYES, _INSIDE = _of(EYES), _of(INSIDE)


def _table(curve: Float32[Array, 256]) -> UInt8[Array, 256]:
    table: Array = np.rint(curve * 255).astype(np.uint8)
    return table


def _disc(reach: int) -> UInt8[Array, "d d"]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)), np.uint8)


def _soft(image: Array, sigma: float) -> Array:
    blurred: Array = cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE)
    return blurred
