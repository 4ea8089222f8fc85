"""Invented people: embeddings that lie as dlib's do, and faces that have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from photoplay.safety.consent.binding import _CENTRE
from photoplay.types import Array, Face, HeadPose

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
REACH = 0.6
"""Length of an embedding, seen from the centre."""


def direction(seed: int) -> Array:
    vector = np.random.default_rng(seed).normal(size=128)
    return vector / np.linalg.norm(vector)


def person(seed: int, photo: int = 0, apart: float = 0.3) -> Array:
    """The embedding of person ``seed`` in ``photo``: two photos are about ``apart`` from each other."""
    embedding = _CENTRE + REACH * direction(seed) + apart / np.sqrt(2) * direction(1000 * seed + photo + 1)
    return embedding.astype(np.float32)


def between(first: int, second: int, share: float) -> Array:
    """A lookalike: on the way from one person to another."""
    mixed = (1 - share) * direction(first) + share * direction(second)
    return (_CENTRE + REACH * mixed / np.linalg.norm(mixed)).astype(np.float32)


def face(embedding: Array | None, left: float = 100.0) -> Face:
    return Face(
        landmarks=np.zeros((478, 3), np.float32),
        box=(left, 100.0, left + 80.0, 200.0),
        score=0.9,
        head_pose=HeadPose(0.0, 0.0, 0.0),
        eye_opening=(0.3, 0.3),
        mouth_opening=0.0,
        visibility=np.ones(478, np.float32),
        embedding=embedding,
    )
