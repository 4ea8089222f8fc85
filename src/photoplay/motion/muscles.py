"""Facial muscles as displacement fields on a face in canonical units.

Canonical units: the origin lies between the eyes, x towards the subject's left, y up, z towards the camera, 1 = the
distance between the eyes' centres. After K. Waters, "A Muscle Model for Animating Three-Dimensional Facial Expression"
(SIGGRAPH 1987): linear muscles pull the skin towards a point on the bone with an angular and a radial cosine fall-off,
sheet muscles (the frontalis) pull a band of skin along parallel fibres, sphincters squeeze an ellipse together. A muscle's
``attachment`` is a weighted place on the subject's own landmarks, so that the same anatomy fits every face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64

from photoplay.types import Array

Points: TypeAlias = Float64[Array, "478 3"]
Weights: TypeAlias = Float64[Array, "478"]
Vector: TypeAlias = tuple[float, float, float]

DRAG, DRAG_REACH = 0.30, 1.7
"""How much of a muscle's pull the elastic skin carries on, and how far (in reaches)."""


def cosine_falloff(distance: Float64[Array, "*n"], inner: float, outer: float) -> Float64[Array, "*n"]:
    """1 up to ``inner``, 0 from ``outer`` on, a half cosine wave between (C1 smooth)."""
    t = np.clip((distance - inner) / (outer - inner), 0.0, 1.0)
    falloff: Array = 0.5 + 0.5 * np.cos(np.pi * t)
    return falloff


def distance_to(points: Points, indices: tuple[int, ...], squash: Vector = (1.0, 1.0, 1.0)) -> Weights:
    """Distance of every point to the nearest of some landmarks; ``squash`` > 1 shortens the reach along an axis."""
    offsets = (points[:, None] - points[None, list(indices)]) * np.asarray(squash)
    nearest: Array = np.sqrt((offsets**2).sum(axis=-1)).min(axis=1)
    return nearest


@dataclass(frozen=True)
class LinearMuscle:
    """Pulls skin towards ``origin`` (the mean of landmarks, moved by ``shift``), most at ``insertion``.

    ``pull`` is the way of the insertion in canonical units, ``half_angle`` (degrees) and ``reach`` (in lengths of the
    muscle beyond the insertion) bound the zone of influence.
    """

    origin: tuple[int, ...]
    insertion: tuple[int, ...]
    pull: float
    half_angle: float = 45.0
    reach: float = 0.6
    shift: Vector = (0.0, 0.0, 0.0)

    def field(self, points: Points) -> Points:
        root = points[list(self.origin)].mean(axis=0) + np.asarray(self.shift)
        axis = points[list(self.insertion)].mean(axis=0) - root
        length = float(np.linalg.norm(axis))
        offset = points - root
        distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-9)
        angle = np.degrees(np.arccos(np.clip(offset @ axis / (distance * length), -1.0, 1.0)))
        angular = cosine_falloff(angle, 0.0, self.half_angle)
        rising = np.sin(np.clip(distance / length, 0.0, 1.0) * np.pi / 2) ** 2
        radial = rising * cosine_falloff(distance, length, length * (1.0 + self.reach))
        field: Array = -(offset / distance[:, None]) * (self.pull * angular * radial)[:, None]
        return field


@dataclass(frozen=True)
class SheetMuscle:
    """Pulls the skin along parallel fibres: all of it at ``insertion``, less and less up to ``reach`` from there.

    Skin is one sheet, so a little of the pull (:data:`DRAG`) reaches ``DRAG_REACH`` times as far.
    """

    insertion: tuple[int, ...]
    pull: Vector
    reach: float
    inner: float = 0.0
    squash: Vector = (1.0, 1.0, 1.0)

    def field(self, points: Points) -> Points:
        distance = distance_to(points, self.insertion, self.squash)
        near = cosine_falloff(distance, self.inner, self.reach)
        far = cosine_falloff(distance, self.inner, DRAG_REACH * self.reach)
        field: Array = ((1.0 - DRAG) * near + DRAG * far)[:, None] * np.asarray(self.pull)
        return field


@dataclass(frozen=True)
class Sphincter:
    """Squeezes the skin around the mean of ``ring`` towards it by ``pull`` of the way and forward by ``protrude``.

    ``reach`` is the size of the elliptic zone of influence in sizes of the ring. ``squeeze`` scales the pull along x, y.
    """

    ring: tuple[int, ...]
    pull: float
    protrude: float
    reach: float = 2.0
    squeeze: tuple[float, float] = (1.0, 1.0)

    def field(self, points: Points) -> Points:
        around = points[list(self.ring)]
        centre = (around.max(axis=0) + around.min(axis=0)) / 2
        size = (around.max(axis=0) - around.min(axis=0)) / 2
        size[1] = max(size[1], 0.6 * size[0])
        offset = points - centre
        radius = np.hypot(offset[:, 0] / size[0], offset[:, 1] / size[1])
        weight = cosine_falloff(radius, 0.8, self.reach)
        field = np.zeros_like(points)
        field[:, 0] = -self.pull * self.squeeze[0] * offset[:, 0] * weight
        field[:, 1] = -self.pull * self.squeeze[1] * offset[:, 1] * weight
        field[:, 2] = self.protrude * weight
        return field


Muscle: TypeAlias = LinearMuscle | SheetMuscle | Sphincter
