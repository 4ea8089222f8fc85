"""Two cutouts and a plate made one picture's parts: one light, one camera, shadows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from photoplay.composition.cutouts import Cutout
from photoplay.composition.detail import add_grain, grain_of, meet_in_sharpness, shared_grain, sharpness
from photoplay.composition.harmonise import Grade, Look, grades, look_of, meet_backdrop
from photoplay.composition.relight import EVEN, light_difference, relight, shared_light
from photoplay.composition.shadows import shade_person, shade_plate
from photoplay.types import Light, Rgb

Setting: TypeAlias = Literal["studio", "a", "b", "photo"]

_AT_HOME = 0.3
"""How far the scene's light and colours move from the person whose photo the plate comes from towards the other."""


@dataclass(frozen=True)
class Joined:
    """Both people and the plate under ``light``, and what was done:

    ``light_before``       :attr:`LightDifference.shading` of the two as they came, in percent
    ``exposure_a``, ``_b`` change of exposure in stops; ``saturation_a``, ``_b`` of the OKLab chroma, as a factor
    ``grain``              grey levels at one pixel of the grain that cleaner parts were brought up to
    ``sharpness_before``, ``_after`` how much sharper ``a``'s face is than ``b``'s, in octaves
    ``grey``               1 where colours were taken away since one photo has none
    """

    a: Cutout
    b: Cutout
    plate: Rgb
    light: Light
    metrics: dict[str, float]


def join_light(a: Cutout, b: Cutout, plate: Rgb, setting: Setting, front: Literal[0, 1] | None = None) -> Joined:
    """Brings two people and a plate of one size together in light, colour, sharpness, grain and shadow.

    ``setting`` says what the plate is: a ``studio`` close behind them, the photo of person ``a`` or ``b`` (that one changes
    less, and the plate changes with it), or a ``photo`` of nobody. ``front`` (0: a) is who hides the other where they
    overlap; None: nobody does.
    """
    lights = a.face.light or EVEN, b.face.light or EVEN
    share = {"a": _AT_HOME, "b": 1 - _AT_HOME}.get(setting, 0.5)
    light = shared_light(*lights, share)
    people = [
        replace(person, pixels=relight(person, light), face=replace(person.face, light=light)) for person in (a, b)
    ]
    changes, of_plate = _changes((look_of(people[0]), look_of(people[1])), plate, setting, share)
    people = [
        replace(person, pixels=change.apply(person.pixels)) for person, change in zip(people, changes, strict=True)
    ]
    sharp = meet_in_sharpness(people[0], people[1])
    people = [replace(person, pixels=pixels) for person, pixels in zip(people, sharp, strict=True)]
    after = sharpness(people[0]), sharpness(people[1])
    grain = [grain_of(person.pixels, person.matte) for person in people]
    goal = shared_grain(*grain)
    people = [
        replace(person, pixels=add_grain(person.pixels, level, goal, seed))
        for seed, (person, level) in enumerate(zip(people, grain, strict=True), 1)
    ]
    if front is not None:
        behind = 1 - front
        people[behind] = replace(people[behind], pixels=shade_person(people[behind], people[front], light))
    backdrop = shade_plate(of_plate.apply(plate), (people[0], people[1]), light, setting == "studio")
    backdrop = add_grain(backdrop, grain_of(plate), goal, 0)
    metrics = {
        "light_before": light_difference(*lights).shading,
        "grain": float(goal[0]),
        "grey": float(min(change.saturation for change in changes) == 0),
        "sharpness_before": float(np.log2(sharpness(a) / sharpness(b))),
        "sharpness_after": float(np.log2(after[0] / after[1])),
    }
    for name, change in zip("ab", changes, strict=True):
        metrics[f"exposure_{name}"] = change.stops
        metrics[f"saturation_{name}"] = change.saturation
    return Joined(people[0], people[1], backdrop, light, metrics)


def _changes(looks: tuple[Look, Look], plate: Rgb, setting: Setting, share: float) -> tuple[tuple[Grade, Grade], Grade]:
    """The change of each person's colours, and the plate's."""
    first, second = grades(*looks, share)
    if setting == "a":
        return (first, second), first
    if setting == "b":
        return (first, second), second
    without = next((grade for grade in (first, second) if grade.saturation == 0), None)
    if without is not None:
        return (first, second), without
    if setting == "studio":
        return (first, second), Grade()
    towards, of_plate = meet_backdrop(plate, looks)
    return (first.then(towards), second.then(towards)), of_plate
