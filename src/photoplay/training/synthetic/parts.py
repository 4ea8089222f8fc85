"""The contract between what a synthetic head looks like and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float32, Int32, UInt8

from photoplay.types import Array, Label


@dataclass(frozen=True)
class Material:
    """How a part takes light: ``gloss`` 0..1 strength and ``sharpness`` (Blinn-Phong exponent) of its highlight, ``soft``
    0..1 how far light wraps round it (skin: subsurface scattering; 0 is Lambert), ``glow`` 0..1 share that is unlit."""

    gloss: float = 0.1
    sharpness: float = 20.0
    soft: float = 0.0
    glow: float = 0.0


@dataclass(frozen=True)
class Part:
    """One textured mesh of a head, in the head's rest frame (centimetres; x the subject's left, y up, z to the front).

    vertices   [v, 3] float32; ``morphs`` in the renderer move those of the ICT head's own parts
    triangles  [t, 3] int32, counter-clockwise seen from outside
    uv         [t, 3, 2] float32 texture coordinates of each corner, 0..1, v up
    texture    [h, w, 4] float32 *linear* light RGB and alpha (alpha under 0.5 is a hole)
    labels     [t] uint8 of :class:`photoplay.types.Label`
    follows    [v] int32 index of the head vertex that each vertex moves with (brows, lashes, stubble, glasses, hair cap),
               None for the head itself
    both_sides drawn from behind as well (hair cards, cloth)
    """

    name: str
    vertices: Float32[Array, "v 3"]
    triangles: Int32[Array, "t 3"]
    uv: Float32[Array, "t 3 2"]
    texture: Float32[Array, "h w 4"]
    labels: UInt8[Array, t]
    material: Material = field(default_factory=Material)
    follows: Int32[Array, v] | None = None
    both_sides: bool = False


@dataclass(frozen=True)
class Look:
    """Everything that one synthetic person is made of, beside shape and motion.

    ``parts`` hold the head's own surfaces re-textured (same vertex order as the ICT head, so that morphs apply) and
    whatever was put on it. ``facts`` say what was drawn (age, skin tone on the Monk scale, hair, glasses …) for the spread
    report.
    """

    parts: tuple[Part, ...]
    facts: dict[str, str | float]


__all__ = ["Label", "Look", "Material", "Part"]
