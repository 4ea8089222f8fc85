"""The face in a consent record: 1,024 salted sign bits instead of the embedding.

Bit k says on which side of a random hyperplane through the origin the embedding lies. For a plane with normally
distributed coefficients two embeddings at an angle theta differ in a bit with probability theta / pi (Goemans & Williamson
1995; Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002), so the number of differing bits
is binomial and measures the angle. The planes come from the salt alone: under another salt the same face gives other bits,
which agree with the first in half of their places, as two coins do.

Embeddings of faces all lie in one narrow cone. A plane through the origin seldom parts two of them, so the planes go
through :data:`_CENTRE` instead, the middle of that cone.

With planes from the salt alone, whoever holds the record can ask whether a photo shows its person, and can estimate the
direction of the embedding well enough to link two records of one person (measured in docs/consent.md). A record that stays
where it was made therefore draws its planes from the salt *and* a ``secret`` of that place: without it the bits say nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import shake_256
from math import acos, asin, log10, pi

import numpy as np
from jaxtyping import Float64

from photoplay.errors import ConsentError
from photoplay.types import Array

BITS, SALT_BYTES, DIMENSIONS = 1024, 16, 128
SAME_PERSON = 260
"""Largest number of differing bits for one person.

Seen from the centre, embeddings have a length of about 0.66, so 260 bits are an angle of 46 degrees and a distance of 0.52.
dlib's own limit of 0.6 sorts albums: it takes three pairs of the 11 people at hand for one person.
"""
DECADE = 20
"""Bits by which the limit sinks for ten times as many people: false matches are 10 to 20 times rarer every 20 bits."""
_STEPS = 2**24
"""Embeddings are rounded to whole steps of 2^-24. All sums are then whole numbers under 2^53, which float64 holds exactly
in whatever order they are added: the same bits on every machine."""
_LARGEST = 16.0
"""No coordinate of an embedding is larger; what is cannot be an embedding, and would overflow the sums."""


_CENTRE = np.array(
    [-7, 6, 4, -3, -8, -7, -4, -5, 12, -7, 18, -6, -21, -1, -4, 13, -13, -7, -12, -10, 4, 6, 1, 4, -8, -26,
     -9, -10, 6, -9, 1, 7, -15, -4, 3, 0, -4, -7, 20, 0, -19, -2, 5, 26, 17, 3, 1, -8, 6, -25, 5, 17,
     8, 9, 7, -13, 4, 10, -14, 4, 8, -7, -6, -8, 21, 9, -11, -15, 16, -16, -7, 10, -10, -17, -23, 4, 36, 18,
     -15, 6, -10, -2, 4, 7, -8, 0, -4, 3, 18, -7, -1, 22, 1, -1, 1, 0, -7, -2, -10, -2, 11, -8, 2, 11,
     -19, 17, -2, -3, 3, 2, -8, -2, 17, -22, 20, 15, 5, 12, 7, 11, -1, -4, -16, -7, 8, -1, 1, 2]
) / 100  # fmt: skip
"""What the network answers to nobody: half the mean over 20 pictures of smoothed noise, half a drawn face."""
_CENTRE.setflags(write=False)


def limit_among(people: int) -> int:
    """The limit where a face is looked for among so many people: the more there are, the nearer it must be, since among
    thousands somebody always looks alike."""
    return round(SAME_PERSON - DECADE * log10(max(1, people)))


def expected_bits(distance: float, norm: float) -> float:
    """Differing bits to expect between two embeddings of length ``norm`` that are ``distance`` apart.

    ``BITS * theta / pi`` with the chord's angle ``theta = 2 asin(distance / (2 norm))``.
    """
    return BITS * 2 * asin(min(1.0, distance / (2 * norm))) / pi


def bits_apart(first: Array | None, second: Array | None) -> float:
    """Bits that would differ between two embeddings ``[128]`` under any salt, on average: the same person up to
    :data:`SAME_PERSON`.

    Raises:
        ConsentError: ``consent_face_unreadable``, as :meth:`Binding.of`.
    """
    one, two = _steps(first), _steps(second)
    cosine = float(one @ two / (np.linalg.norm(one) * np.linalg.norm(two)))
    return BITS / pi * acos(min(1.0, max(-1.0, cosine)))


@dataclass(frozen=True)
class Binding:
    """A face as a record holds it: a random ``salt`` (16 bytes) and 1,024 sign ``bits`` (128 bytes).

    ``secret`` (32 bytes) is not part of the record; it is empty where the salt alone is enough to compare.
    """

    salt: bytes
    bits: bytes
    secret: bytes = field(default=b"", repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.salt) != SALT_BYTES or len(self.bits) != BITS // 8:
            raise _unreadable()

    @classmethod
    def of(cls, embedding: Array | None, secret: bytes = b"", salt: bytes | None = None) -> Binding:
        """Binds the embedding ``[128]`` of a face, under a fresh salt where none is given.

        Raises:
            ConsentError: ``consent_face_unreadable``: there is no embedding, or it is not 128 finite numbers.
        """
        salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
        if len(salt) != SALT_BYTES:
            raise _unreadable()
        return cls(salt, _sign_bits(embedding, secret, salt), secret)

    def distance(self, embedding: Array | None) -> int:
        """How many of the 1,024 bits differ for this embedding ``[128]``: 0 is the same picture, 512 says nothing.

        Raises:
            ConsentError: ``consent_face_unreadable``, as :meth:`of`.
        """
        ours = np.frombuffer(self.bits, np.uint8)
        theirs = np.frombuffer(_sign_bits(embedding, self.secret, self.salt), np.uint8)
        return int(np.unpackbits(ours ^ theirs).sum())


def _sign_bits(embedding: Array | None, secret: bytes, salt: bytes) -> bytes:
    return np.packbits(_planes(secret, salt) @ _steps(embedding) >= 0).tobytes()


def _steps(embedding: Array | None) -> Float64[Array, 128]:
    """The embedding in whole steps from the centre; anything that is not 128 finite numbers of a face is refused."""
    if not isinstance(embedding, np.ndarray) or embedding.shape != (DIMENSIONS,) or embedding.dtype.kind != "f":
        raise _unreadable()
    exact = embedding.astype(np.float64)
    if not np.isfinite(exact).all() or not 0 < float(np.abs(exact).max()) <= _LARGEST:
        raise _unreadable()
    steps: Array = np.rint((exact - _CENTRE) * _STEPS)
    if not steps.any():
        raise _unreadable()
    return steps


@lru_cache(maxsize=16)
def _planes(secret: bytes, salt: bytes) -> Float64[Array, "1024 128"]:
    """The normals of the planes: odd numbers from -255 to 255, evenly distributed, from SHAKE-256 of secret and salt.

    A sum of 128 of them is as good as normal (its excess kurtosis is -1.2 / 128).
    """
    stream = shake_256(b"photoplay face binding 1" + secret + salt).digest(BITS * DIMENSIONS)
    planes: Array = 2.0 * np.frombuffer(stream, np.uint8).reshape(BITS, DIMENSIONS) - 255.0
    planes.setflags(write=False)
    return planes


def _unreadable() -> ConsentError:
    return ConsentError(
        "consent_face_unreadable",
        "The face cannot be compared with a consent record.",
        "Use a picture in which the face is larger, sharper and turned towards the camera.",
    )
