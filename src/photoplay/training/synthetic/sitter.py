"""One synthetic person as a single mesh: shape and look put together, ready to be posed and drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from photoplay.training.synthetic.camera import turns_with_head
from photoplay.training.synthetic.head import HeadModel
from photoplay.training.synthetic.parts import Look, Part
from photoplay.types import Array


@dataclass(frozen=True)
class Sitter:
    """Everything of one person that does not change from frame to frame; ``n`` vertices, the head's own first.

    triangles  [t, 3], uv [t, 3, 2], both_sides [t] bool, labels [t], texture_of [t] row of ``textures``, ``materials``
    textures   [p, 3] int32 offset, height, width in ``texels`` [k, 3] (linear) and ``alpha`` [k]
    holes      [t, 3] the triangle's row of ``textures``, offset -1 where its texture is opaque
    materials  [p, 4] gloss, sharpness, soft, glow
    follows    [n] the head vertex that a vertex moves with, at ``offsets`` [n, 3] from it
    turns      [n] how far it takes part in turns of the head
    """

    head: HeadModel
    triangles: Int32[Array, "t 3"]
    uv: Float32[Array, "t 3 2"]
    both_sides: Bool[Array, t]
    labels: UInt8[Array, t]
    texture_of: Int32[Array, t]
    textures: Int32[Array, "p 3"]
    texels: Float32[Array, "k 3"]
    alpha: Float32[Array, k]
    holes: Int32[Array, "t 3"]
    materials: Float32[Array, "p 4"]
    follows: Int32[Array, n]
    offsets: Float32[Array, "n 3"]
    turns: Float32[Array, n]

    def posed(self, blendshapes: Float32[Array, 52], gaze: tuple[float, float]) -> Float32[Array, "n 3"]:
        """All vertices in head space."""
        return self.dressed(self.head.posed(blendshapes, gaze))

    def dressed(self, vertices: Float32[Array, "v 3"]) -> Float32[Array, "n 3"]:
        """The head's vertices and those of all that it wears."""
        worn = self.follows[len(vertices) :]
        return np.concatenate([vertices, vertices[worn] + self.offsets[len(vertices) :]])


def seat(head: HeadModel, look: Look) -> Sitter:
    """Dresses the person ``head`` in the look that was drawn on its neutral face."""
    parts, count = look.parts, len(head.neutral)
    triangles, follows, offsets = [], [np.arange(count, dtype=np.int32)], [np.zeros((count, 3), np.float32)]
    for part in parts:
        if part.follows is None:
            triangles.append(part.triangles)
            continue
        triangles.append(part.triangles + sum(len(f) for f in follows))
        follows.append(part.follows)
        offsets.append(part.vertices - head.neutral[part.follows])
    sizes = np.array([part.texture.shape[:2] for part in parts])
    starts = np.concatenate([[0], np.cumsum(sizes.prod(1))[:-1]])
    textures = np.concatenate([starts[:, None], sizes], 1).astype(np.int32)
    which = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.triangles) for part in parts])
    texels = np.concatenate([part.texture.reshape(-1, 4) for part in parts])
    holes = textures[which].copy()
    holes[~np.array([bool((part.texture[..., 3] < 0.5).any()) for part in parts])[which], 0] = -1
    followed = np.concatenate(follows)
    return Sitter(
        head=head,
        triangles=np.concatenate(triangles).astype(np.int32),
        uv=np.concatenate([part.uv for part in parts]),
        both_sides=np.array([part.both_sides for part in parts])[which],
        labels=np.concatenate([part.labels for part in parts]),
        texture_of=which,
        textures=textures,
        texels=np.ascontiguousarray(texels[:, :3]),
        alpha=np.ascontiguousarray(texels[:, 3]),
        holes=holes,
        materials=np.array([_numbers(part) for part in parts], np.float32),
        follows=followed,
        offsets=np.concatenate(offsets).astype(np.float32),
        turns=turns_with_head(head.neutral)[followed],
    )


def _numbers(part: Part) -> tuple[float, float, float, float]:
    return part.material.gloss, part.material.sharpness, part.material.soft, part.material.glow
