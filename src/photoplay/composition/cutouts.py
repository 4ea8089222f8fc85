"""A person cut out of a photo."""

from __future__ import annotations

from dataclasses import dataclass

from photoplay.types import Body, Face, Mask, Rgb


@dataclass(frozen=True)
class Cutout:
    """One person on a canvas: ``pixels`` [h, w, 3] sRGB, soft ``matte`` [h, w] 0..255, the face and body in its pixels.

    ``pixels`` are the person's own colours: behind a soft edge they go on as the person's hair or skin, without the old
    background, so that ``matte * pixels + (1 - matte) * plate`` shows no halo. Far from the person they mean nothing.
    """

    pixels: Rgb
    matte: Mask
    face: Face
    body: Body | None = None
