"""The torso's motion as a field: what the shoulders and hips do, spread over the body, and the chest's breath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from photoplay.generation.mesh import smoothstep
from photoplay.topology import POSE_INDEX
from photoplay.types import Array, Joints

CORNERS = tuple(POSE_INDEX[name] for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip"))
BREATH = 0.012
"""How much the chest widens from breathed out to breathed in, as a share of the shoulders' width."""


@dataclass(frozen=True)
class TorsoField:
    """Displacements of ``n`` rest points as a blend of the four torso joints' displacements, plus breath.

    ``weights`` [n, 4] are bilinear in the quadrilateral of shoulders and hips, held constant beyond it; the belly
    already moves like the hips, so that what is held in the lap stands still.
    """

    weights: Float32[Array, "n 4"]
    chest: Float32[Array, "n 2"]

    @classmethod
    def of(cls, points: Float32[Array, "n 2"], joints: Joints) -> TorsoField:
        """Builds the field for rest ``points`` and ``joints``, both in frame space."""
        right, left, right_hip, left_hip = (joints[j, :2] for j in CORNERS)
        middle = (right + left) / 2
        across = left - right
        width = max(float(np.linalg.norm(across)), 1.0)
        across = across / width
        spine = (right_hip + left_hip) / 2 - middle
        length = max(float(np.linalg.norm(spine)), 0.5 * width)
        spine = spine / max(float(np.linalg.norm(spine)), 1e-3)
        u = _soft_clip(((points - middle) @ across) / width + 0.5)
        v = 1 - np.square(1 - _soft_clip(((points - middle) @ spine) / length))
        weights = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)
        sternum = middle + spine * 0.3 * length
        offset = points - sternum
        near = np.exp(-((offset @ across / (0.7 * width)) ** 2) - (offset @ spine / (0.55 * length)) ** 2)
        chest = np.outer(near * (offset @ across) / (0.5 * width), across) * width - np.outer(near, spine) * width * 0.5
        return cls(weights.astype(np.float32), (chest * BREATH).astype(np.float32))

    def shift(self, rest: Joints, joints: Joints, breath: float) -> Float32[Array, "n 3"]:
        """Displacement of each point; ``breath`` is relative to rest."""
        shift: Array = self.weights @ (joints - rest)[list(CORNERS)]
        shift[:, :2] += self.chest * np.float32(breath)
        return shift


def _soft_clip(x: Float32[Array, n]) -> Float32[Array, n]:
    """0..1 with soft ends: straight in the middle, level beyond -0.25 and 1.25."""
    return smoothstep(-0.25, 1.25, x)
