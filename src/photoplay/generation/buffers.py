"""The canvas of one frame while its layers are painted. Mutable scratch that never leaves ``generation``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.types import Array, Mask, RenderPlan, Rgb


@dataclass
class FrameBuffers:
    """One frame in frame space: colour, trust, what is there, where it came from, how near it is, who it is.

    ``flow`` + pixel = where this pixel stood in the framed photo (frame pixels). ``depth`` is smaller when nearer.
    ``identity`` is 1 + the scene's index of the person painted there, 0 where nobody was.
    """

    rgb: Rgb
    confidence: Mask
    labels: UInt8[Array, "h w"]
    flow: Float32[Array, "h w 2"]
    depth: Float32[Array, "h w"]
    identity: Mask

    @classmethod
    def empty(cls, width: int, height: int) -> FrameBuffers:
        return cls(
            np.zeros((height, width, 3), np.uint8),
            np.zeros((height, width), np.uint8),
            np.zeros((height, width), np.uint8),
            np.zeros((height, width, 2), np.float32),
            np.full((height, width), np.inf, np.float32),
            np.zeros((height, width), np.uint8),
        )


@dataclass(frozen=True)
class Source:
    """The framed photo as texture: ``rgb`` at ``factor`` times the film's size (Lanczos), ``matte`` at the film's size.

    Frame-space point ``p`` lies at ``(p + 0.5) * factor - 0.5`` in ``rgb``.
    """

    rgb: UInt8[Array, "th tw 3"]
    factor: int
    matte: Mask
    plan: RenderPlan
