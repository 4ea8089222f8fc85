"""Whether somebody may be a minor: romance and contact are for adults alone.

An attestation in the consent record comes first. Where an estimator is configured, it must agree with room to spare;
a hosted service without one makes no such films at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import isfinite
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from photoplay.errors import PhotoplayError, RefusedError
from photoplay.types import Array, Box, Face, Rgb

LEAST = 25.0
"""Years that an estimate must reach at its lower bound: estimators are a few years off, so young adults are refused too."""
PATIENCE = 20.0
"""Seconds that an estimator may take for a face before it counts as down."""
AROUND = 0.5
"""Share of the face's box that is shown to an estimator beyond each side."""


@runtime_checkable
class AgeEstimator(Protocol):
    """Estimates how old somebody looks."""

    @property
    def name(self) -> str:
        """Name and version, for the audit log."""
        ...

    def lower_bound(self, face: Rgb) -> float:
        """Years that the person in this crop [h, w, 3] of a face is at least, with 95 % confidence."""
        ...


def check_adults(estimator: AgeEstimator | None, seen: Sequence[tuple[Rgb, Face]], hosted: bool) -> None:
    """Refuses whoever may be a minor.

    Args:
        estimator: None where none is configured.
        seen: each face with the picture that it is in.
        hosted: whether this is a service for strangers: it must have an estimator.

    Raises:
        RefusedError: ``age_unchecked`` or ``age_refused``.
    """
    if estimator is None:
        if hosted:
            raise RefusedError(
                "age_unchecked",
                "This service cannot tell adults from minors, so it makes no films of romance or contact.",
                "Choose another template.",
            )
        return
    if not seen:
        raise _unchecked()
    for picture, face in seen:
        try:
            bound = _asked(estimator, _crop(picture, face.box))
        except PhotoplayError:
            raise
        except Exception as error:
            raise _unchecked() from error
        if not isfinite(bound):
            raise _unchecked()
        if bound < LEAST:
            raise RefusedError(
                "age_refused",
                "Somebody in the picture may be a minor, and such films are for adults alone.",
                "Choose another template.",
            )


def _asked(estimator: AgeEstimator, face: Rgb) -> float:
    """The estimator's answer, asked beside the line since it may never come. Raises TimeoutError."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="age")
    try:
        return float(pool.submit(estimator.lower_bound, face).result(PATIENCE))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _crop(picture: Rgb, box: Box) -> UInt8[Array, "i j 3"]:
    x0, y0, x1, y1 = box
    across, down = AROUND * (x1 - x0), AROUND * (y1 - y0)
    left, top = max(0, int(x0 - across)), max(0, int(y0 - down))
    return np.ascontiguousarray(picture[top : int(y1 + down) + 1, left : int(x1 + across) + 1])


def _unchecked() -> RefusedError:
    return RefusedError(
        "age_unchecked",
        "Nobody's age could be estimated, and what cannot be checked is not made.",
        "Try again, or choose another template.",
    )
