"""The photo put into the film's frame: once at the film's size, once larger as texture, with room around the border."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from photoplay.generation.buffers import Source
from photoplay.types import Array, Box, Mask, RenderPlan, Rgb, Scene

FACTOR = 2
MARGIN = 0.12
"""Share of the frame's longer side that is kept as texture beyond each border."""


@dataclass(frozen=True)
class Framing:
    """The framed photo with everything that the layers are cut from.

    ``framed`` [h, w, 3] is the photo at the film's size: the film's frame where nothing moves. ``texture``
    [(h + 2m) * factor, (w + 2m) * factor, 3] is the same at ``factor`` times the size, with ``margin`` = m frame pixels
    more on each side: the photo's own pixels where it has some, their mirror image beyond it.
    """

    framed: Rgb
    texture: UInt8[Array, "th tw 3"]
    margin: int
    factor: int
    plan: RenderPlan

    @property
    def inside(self) -> tuple[slice, slice]:
        """The frame's rows and columns in anything that has the margin around it at the film's size."""
        return slice(self.margin, -self.margin), slice(self.margin, -self.margin)

    def to_texture(self, points: Float32[Array, "n 2"]) -> Float32[Array, "n 2"]:
        """Frame-space points in pixels of ``texture``."""
        return ((points + (self.margin + 0.5)) * self.factor - 0.5).astype(np.float32)

    def beyond(self, photo: tuple[int, int]) -> Float32[Array, "lh lw"]:
        """How far each pixel (film's size, margin included) lies beside or above a photo of (width, height); 0 within it.

        In longer sides of the frame, and not downwards: whoever stands on the photo's lower edge goes on below it.
        """
        plan = self.plan
        x = (np.arange(plan.width + 2 * self.margin) - self.margin + 0.5) / plan.scale + plan.crop[0]
        y = (np.arange(plan.height + 2 * self.margin) - self.margin + 0.5) / plan.scale + plan.crop[1]
        off = np.maximum(np.maximum(np.maximum(-x, x - photo[0]), 0)[None], np.maximum(-y, 0)[:, None])
        return np.asarray(off * plan.scale / max(plan.width, plan.height), np.float32)

    def sample(self, mask: Mask, factor: int) -> UInt8[Array, "th tw"]:
        """A photo-space mask over the frame and its margin at ``factor`` times the film's size."""
        return _resample(mask, self.plan, self.margin, factor)


def frame_photo(rgb: Rgb, plan: RenderPlan) -> UInt8[Array, "fh fw 3"]:
    """The photo's crop at the film's size [h, w, 3] (Lanczos; an unscaled whole-pixel crop stays bit for bit)."""
    return _resample(rgb, plan, 0, 1)


def frame_scene(scene: Scene, plan: RenderPlan, factor: int = FACTOR, reach: float = MARGIN) -> Framing:
    """Frames the scene's photo for ``plan``, with ``reach`` longer sides of texture beyond each border."""
    return frame_picture(scene.photo.pixels, plan, ceil(reach * max(plan.width, plan.height)), factor)


def frame_picture(rgb: Rgb, plan: RenderPlan, margin: int, factor: int = FACTOR) -> Framing:
    """Frames a picture in the photo's size, with ``margin`` frame pixels beyond each border."""
    return Framing(frame_photo(rgb, plan), _resample(rgb, plan, margin, factor), margin, factor, plan)


def build_source(scene: Scene, plan: RenderPlan, factor: int = FACTOR) -> Source:
    """The framed photo as texture at ``factor`` times the film's size, with the matte of all people at the film's size."""
    return source_of(frame_scene(scene, plan, factor), scene.matte)


def whole_source(framing: Framing, matte: UInt8[Array, "ph pw"]) -> Source:
    """``framing`` with its margin, for people who may come from beyond the frame's border, with a photo-space ``matte``."""
    return Source(framing.texture, framing.factor, _resample(matte, framing.plan, 0, 1), framing.plan, framing.margin)


def source_of(framing: Framing, matte: Mask) -> Source:
    """The part of ``framing`` inside the frame's border, with a photo-space ``matte``."""
    plan, inset = framing.plan, framing.margin * framing.factor
    height, width = plan.height * framing.factor, plan.width * framing.factor
    rgb = framing.texture[inset : inset + height, inset : inset + width]
    return Source(rgb, framing.factor, _resample(matte, plan, 0, 1), plan)


def _resample(image: Array, plan: RenderPlan, margin: int, factor: int) -> Array:
    """``plan.crop`` of ``image`` with ``margin`` frame pixels around it, at ``factor`` times the film's size."""
    reach_x, reach_y = margin / plan.scale, margin * (plan.crop[3] - plan.crop[1]) / plan.height
    x0, y0, x1, y1 = plan.crop[0] - reach_x, plan.crop[1] - reach_y, plan.crop[2] + reach_x, plan.crop[3] + reach_y
    image, (left, top) = _with_room(image, (x0, y0, x1, y1))
    size = ((plan.width + 2 * margin) * factor, (plan.height + 2 * margin) * factor)
    box = (x0 + left, y0 + top, x1 + left, y1 + top)
    box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], image.shape[1]), min(box[3], image.shape[0]))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, box=box))


def _with_room(image: Array, box: Box) -> tuple[Array, tuple[int, int]]:
    """``image`` mirrored outwards as far as ``box`` needs it, and how much came on at the left and top."""
    height, width = image.shape[:2]
    left, top = max(0, -floor(box[0])), max(0, -floor(box[1]))
    right, bottom = max(0, ceil(box[2]) - width), max(0, ceil(box[3]) - height)
    if left or top or right or bottom:
        image = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REFLECT_101)
    return image, (left, top)
