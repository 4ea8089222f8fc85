"""What a model made, laid over the film-size anchor: the photo's own pixels stand wherever the anchor trusts them.

Models re-synthesise what they are told to keep, softer and in slightly other colours; so their frame is used only where
the photo knows nothing: uncovered background, stretched skin, lids, the inside of the mouth. There it is brought to the
colours around it, first by one affine map of RGB for the frame, then by a smooth light map for the background and one for
people, both measured where the anchor is sure and carried over into the holes (as in Poisson cloning, Pérez et al. 2003,
but of the low frequencies alone). Where nothing moved the film is the photo, byte for byte.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float16, Float32

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
SIDE = 192
"""Longer side of the grid of the light map."""
REACH = 0.02
"""Standard deviation of what the light map takes for low frequencies, in longer sides."""
LIGHT_LIMIT = 32.0
"""Grey levels that the light map adds at most."""
APART = 24.0
"""Grey levels by which anchor and made frame may differ, after the colour map, where the light is measured: more is another
content."""


class Compositor:
    """Lays made frames over the anchors of one film."""

    def __init__(self, scene: Scene, plan: RenderPlan) -> None:
        self._photo = frame_photo(scene.photo.pixels, plan)
        self._side = max(plan.width, plan.height)
        shrink = max(1.0, self._side / SIDE)
        self._grid = (max(2, round(plan.width / shrink)), max(2, round(plan.height / shrink)))

    def frame(self, made: Rgb, anchor: Anchor, index: int) -> Rgb:
        """Frame ``index`` of the film: the anchor, and ``made`` (both at the film's size) in its holes."""
        rgb: Rgb = anchor.rgb[index]
        share = self.share(anchor, index)
        if not share.any():
            return rgb
        person = np.where(np.isfinite(anchor.depth[index]), 255, 0).astype(np.uint8)
        matrix, light = self._tone(made, rgb, share, person, anchor.confidence[index])
        out: Rgb = np.empty_like(rgb)
        composite_kernels.lay(rgb, made, share, _soft(person, SOFT * self._side), matrix, light, out)
        return out

    def share(self, anchor: Anchor, index: int) -> Mask:
        """How far each pixel of the film is the model's: 0 (the photo's own) to 255."""
        labels, lack = anchor.labels[index], 1 - anchor.confidence[index].astype(np.float32) / 255
        hole = smoothstep(*UNSURE, lack)
        eyes = np.isin(labels, EYES)
        hole[eyes] = smoothstep(*EYE_UNSURE, lack[eyes])
        hole[np.isin(labels, INSIDE)] = 1
        reach = max(1, round(GROW * self._side))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        grown = _soft(cv2.dilate(hole.astype(np.float32), kernel), SOFT * self._side)
        free = self._free(anchor.rgb[index], anchor.flow[index])
        return np.asarray(np.rint(grown * free * 255), np.uint8)

    def _free(self, rgb: Rgb, flow: Float16[Array, "h w 2"]) -> Float32[Array, "h w"]:
        """How far a pixel may change, 0..1: 0 where the photo stands still; it falls off inwards, to what moves.

        What moves by pixels is free, and what is unlike the photo is, as far as something near it moves.
        """
        way = flow.astype(np.float32)
        travel = cv2.magnitude(way[..., 0], way[..., 1])
        unlike = _soft(cv2.absdiff(rgb, self._photo).max(axis=2).astype(np.float32), max(1.0, SOFT * self._side))
        near = smoothstep(STILL, MOVED, self._near(travel))
        free = np.maximum(smoothstep(STILL, MOVED, travel), near * smoothstep(*UNLIKE, unlike))
        return np.asarray(free * smoothstep(*INWARDS, _soft(free, max(1.0, SOFT * self._side))), np.float32)

    def _near(self, travel: Float32[Array, "h w"]) -> Float32[Array, "h w"]:
        """The farthest travel around each pixel, smooth."""
        small = cv2.resize(travel, self._grid, interpolation=cv2.INTER_AREA)
        reach = max(1, round(NEAR * max(self._grid)))
        widest = cv2.dilate(small, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
        return np.asarray(cv2.resize(_soft(widest, reach / 2), travel.shape[::-1], interpolation=cv2.INTER_LINEAR))

    def _tone(
        self, made: Rgb, rgb: Rgb, share: Mask, person: Mask, confidence: Mask
    ) -> tuple[Float32[Array, "3 4"], Float32[Array, "2 r c 3"]]:
        """The colour map of the frame and the light maps of background and people, from where the anchor is sure."""
        sure = (share == 0) & (confidence > 200)
        found = colour_map(made[None], rgb[None], sure[None])
        matrix = np.hstack([np.eye(3), np.zeros((3, 1))]).astype(np.float32) if found is None else found.matrix
        apart = rgb.astype(np.float32) - cv2.transform(made.astype(np.float32), matrix)
        alike = sure & (np.abs(apart).max(axis=2) < APART)
        layers = (alike & (person == 0), alike & (person > 0))
        light = np.stack([self._light(apart, layer.astype(np.float32)) for layer in layers])
        return matrix, light

    def _light(self, apart: Float32[Array, "h w 3"], weight: Float32[Array, "h w"]) -> Float32[Array, "r c 3"]:
        """The low frequencies of ``apart`` where it counts, carried on where it does not."""
        small = cv2.resize(weight, self._grid, interpolation=cv2.INTER_AREA)
        if small.max() == 0:
            return np.zeros((*small.shape, 3), np.float32)
        reach = REACH * max(self._grid)
        light = cv2.resize(apart * weight[..., None], self._grid, interpolation=cv2.INTER_AREA)
        light, share = _soft(light, reach), _soft(small, reach)
        light = light / np.maximum(share, 1e-4)[..., None]
        known = smoothstep(0.02, 0.3, share)
        return np.clip(fill_smooth(light, known), -LIGHT_LIMIT, LIGHT_LIMIT)


def _soft(image: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE))
