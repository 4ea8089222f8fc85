"""The canvas of one frame while its layers are painted. Mutable scratch that never leaves ``generation``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.types import Array, Label, Mask, RenderPlan, Rgb


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

    def clear(self, plate: Rgb, trust: Mask) -> None:
        """Shows the empty ``plate``, of which ``trust`` says how sure it is."""
        self.rgb[:] = plate
        self.confidence[:] = trust
        self.labels[:] = int(Label.BACKGROUND)
        self.flow[:] = 0
        self.depth[:] = np.inf
        self.identity[:] = 0

    def mix(self, other: FrameBuffers, share: Float32[Array, "h w"], box: tuple[slice, slice]) -> None:
        """Takes over ``other`` within ``box`` as far as ``share`` (0..1) says; what cannot be mixed is the greater's."""
        for own, others in ((self.rgb, other.rgb), (self.confidence, other.confidence)):
            weight = share[..., None] if own.ndim == 3 else share
            mixed = own[box] + (others[box].astype(np.float32) - own[box]) * weight
            own[box] = np.rint(mixed).astype(np.uint8)
        greater = share > 0.5
        for name in ("labels", "flow", "depth", "identity"):
            getattr(self, name)[box][greater] = getattr(other, name)[box][greater]


@dataclass(frozen=True)
class Source:
    """The framed photo as texture: ``rgb`` at ``factor`` times the film's size (Lanczos), ``matte`` at the film's size.

    Frame-space point ``p`` lies at ``(p + margin + 0.5) * factor - 0.5`` in ``rgb``.
    """

    rgb: UInt8[Array, "th tw 3"]
    factor: int
    matte: Mask
    plan: RenderPlan
    margin: int = 0

    @property
    def corner(self) -> int:
        """How many pixels of ``rgb`` lie before the frame's own first one, across and down."""
        return self.margin * self.factor
