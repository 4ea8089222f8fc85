"""Is it still the same person? Distances between face embeddings."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from photoplay.types import Array, Face

SAME_PERSON = 0.6
"""Largest distance at which dlib's ResNet embedding calls two pictures the same person (King 2017: 99.38 % on LFW)."""


def distance(a: Float32[Array, 128], b: Float32[Array, 128]) -> float:
    """Euclidean distance of two embeddings: 0 the same picture, about 0.3 the same person, over 0.6 another one."""
    return float(np.linalg.norm(a - b))


def apart(face: Face, other: Face) -> float | None:
    """The distance of two faces; None where the embedding of one was not read."""
    if face.embedding is None or other.embedding is None:
        return None
    return distance(face.embedding, other.embedding)


def same_person(face: Face, other: Face) -> bool:
    """Whether two faces are one person's, as far as their embeddings tell: without them, no."""
    far = apart(face, other)
    return far is not None and far < SAME_PERSON


class IdentityMeter:
    """Distances of one subject's face in the film to the same face in the framed photo (``source``)."""

    def __init__(self, source: Face | None) -> None:
        self._source = None if source is None else source.embedding
        self.distances: list[float] = []
        self.unread = 0
        """Pictures in which no embedding could be read although the photo's could."""

    def see(self, face: Face | None) -> None:
        """``face`` was read with its embedding; None where none was found."""
        if self._source is None:
            return
        if face is None or face.embedding is None:
            self.unread += 1
        else:
            self.distances.append(distance(face.embedding, self._source))

    def metrics(self) -> dict[str, float]:
        """Worst and mean distance, and the share of pictures that could not be read. Empty where nothing was measured."""
        looks = len(self.distances) + self.unread
        if not looks:
            return {}
        found = {"identity_unread": self.unread / looks}
        if self.distances:
            found |= {"identity_worst": max(self.distances), "identity_mean": float(np.mean(self.distances))}
        return found
