"""Two recorded skeletons in one shared world as a template for two: who stands where, how they turn, where hands meet.

The camera goes slowly round the couple, so that one stays at the left and the other at the right: a photo has no other
side. How far each faces the other becomes the turn towards the partner (a photo turns by a few degrees, so the heading's
sine is scaled), the rest of the distance between them becomes place and depth, and who is nearer to the camera is drawn
before the other. Hands that come near each other become contacts, which the solver then closes on any two bodies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float64

from photoplay.errors import TemplateError
from photoplay.motion.duet_template import ROLE_CHANNELS, DuetNeed, DuetTemplate, Phases, Point, Role, Sight, Touch
from photoplay.motion.importers import read_text
from photoplay.motion.importers_bvh import Skeleton, parse_bvh
from photoplay.motion.importers_couple import Dancer, cut, seen
from photoplay.motion.importers_skeleton import FPS
from photoplay.motion.keying import reduce_keys
from photoplay.motion.smoothing import savitzky_golay
from photoplay.motion.template import Curve, Key
from photoplay.types import Array

SUFFIXES = (".bvh", ".bvh.gz")
MEET, MISS, PART = 0.4, 0.6, 0.35
"""Hands that come nearer than ``MEET`` shoulder widths hold each other until they are ``PART`` further apart. Figures that
were put on a skeleton of other proportions miss each other by as much as their nearest hands do, if within ``MISS``."""
SHORTEST, GAP = 0.5, 0.3
"""Seconds: contacts shorter than this are no contacts, and pauses shorter than this do not end one."""
REACHING, LEAVING = 0.35, 0.4
"""Seconds in which hands come together before a contact, and part after it."""
CROSSING = 0.3
"""How much nearer, in shoulder widths, one has to be before the order of the two changes; that takes as many seconds."""
TURN, LEAN = (11.0, 9.0), 0.6
"""Degrees of torso and head for who faces the other entirely, and the share of a lean that a photo carries."""
SIDEWAYS, DEEP, LOW = 0.35, 0.12, 0.12
"""How far a person goes in the picture, in shoulder widths: towards the other or back, in depth, and down in the knees."""
LOOKING = (0.5, 0.25)
"""Sine of the head's heading towards the other from which the eyes look there, and under which they look away again."""
UPPER, FOREARM, POINTING = (-25.0, 65.0), (-85.0, 85.0), 0.6
"""Degrees to which arms are held, and how much a limb's depth counts as hanging."""
SACCADE, SMOOTHING = 0.14, 0.3
"""Seconds in which eyes go to the other's and back, and over which recorded curves are smoothed."""
SETTLE = 0.7
"""Seconds in which the motion leaves rest at its start and comes back to it at its end."""
CALM = 0.8
"""Seconds of rest that are added at the end: what a longer film draws out."""
TOLERANCE: dict[str, float] = {"place": 0.008, "arms": 4.0, "turn": 0.5}
"""How far a curve through the kept keys may be from the recording, in shoulder widths and degrees."""
LEAST: dict[str, float] = {"place": 0.02, "arms": 4.0, "turn": 1.0}
"""A channel that never gets further from rest is left out."""

Side: TypeAlias = Literal["near", "far"]
Pair: TypeAlias = tuple[Side, Side]
SIDES: tuple[Side, Side] = ("near", "far")
HAND: dict[Side, Point] = {"near": "hand_near", "far": "hand_far"}
ARM_NEEDS: tuple[tuple[Side, DuetNeed], ...] = (("near", "near_arm"), ("far", "far_arm"))


def import_duet(
    first: Path, second: Path, *, name: str, start: float = 0.0, seconds: float | None = None
) -> DuetTemplate:
    """Two BVH files of one take as a template for two of this name; ``start`` and ``seconds`` choose a part of it.

    Both have to be recorded in one world frame; what one of them has longer is left out.

    Raises:
        TemplateError: a file is not there, no BVH, or broken; the two were not in one place; or the part is not in them.
    """
    for path in (first, second):
        if not path.name.lower().endswith(SUFFIXES):
            raise TemplateError(
                "motion_file_kind", "A duet is made of two BVH files.", "Give one .bvh or .bvh.gz file for each person."
            )
    pair = parse_bvh(read_text(first)), parse_bvh(read_text(second))
    return duet_from_skeletons(pair, name=name, start=start, seconds=seconds)


def duet_from_skeletons(
    skeletons: tuple[Skeleton, Skeleton], *, name: str, start: float = 0.0, seconds: float | None = None
) -> DuetTemplate:
    """The template for two that a pair of skeletons in one world frame dances; see :func:`import_duet`.

    Raises:
        TemplateError: arms are not named, the two were not in one place, or the part is not in the recording.
    """
    first_is_left, dancers = seen(cut(skeletons, start, seconds))
    end = (len(dancers[0].pelvis) - 1) / FPS
    touching = _touching(dancers)
    contacts = tuple(
        Touch(name=f"{own}_{other}", first=HAND[own], second=HAND[other], keys=keys)
        for (own, other), keys in ((pair, _strength(held, end)) for pair, held in touching.items())
        if keys
    )
    roles = [_role(dancers, which, contacts) for which in (0, 1)]
    if not contacts and not any(role.channels for role in roles):
        raise TemplateError("capture_no_motion", "Nothing in it moves.", "Use a recording in which both people move.")
    return DuetTemplate(
        name=name,
        title=name.replace("_", " ").capitalize(),
        description="Imported from two body recordings.",
        category="duet",
        tags=("imported",),
        licence="unknown",
        duration=round(end + CALM, 3),
        phases=_phases(contacts, end),
        side="left" if first_is_left else "right",
        cannot_live_with=("no_face", "clipped_head"),
        first=roles[0],
        second=roles[1],
        contacts=contacts,
        gaze=_sights(dancers),
        front=_front(dancers),
    )


def _touching(dancers: tuple[Dancer, Dancer]) -> dict[Pair, Bool[Array, " f"]]:
    """When which hands hold each other.

    Hands meet in parallel or crossed. Each hand has one partner in a template, so the way that they meet for longer is kept.
    """
    flipped = dancers[1].hands * np.array([-1.0, 1.0, 1.0])
    apart = np.linalg.norm(dancers[0].hands[:, :, None] - flipped[:, None, :], axis=-1)
    nearest = float(np.quantile(apart.min(axis=(1, 2)), 0.05))
    meet = MEET + (nearest if nearest <= MISS else 0.0)
    parallel = np.minimum(apart[:, 0, 0], apart[:, 1, 1])
    is_crossed = _lasting(_held(np.minimum(apart[:, 0, 1], apart[:, 1, 0]) - parallel, -0.2, 0.2), GAP)
    ways: list[dict[Pair, Bool[Array, " f"]]] = [{}, {}]
    for own in (0, 1):
        for other in (0, 1):
            distance = np.where(is_crossed == (own != other), apart[:, own, other], np.inf)
            held = _lasting(_held(distance, meet, meet + PART), SHORTEST)
            ways[own != other][SIDES[own], SIDES[other]] = held
    return max(ways, key=lambda way: sum(int(held.sum()) for held in way.values()))


def _held(distance: Float64[Array, " f"], near: float, far: float) -> Bool[Array, " f"]:
    """A switch with hysteresis: on from below ``near`` until above ``far``."""
    known = np.where(distance < near, 1, np.where(distance > far, 0, -1))
    last = np.maximum.accumulate(np.where(known >= 0, np.arange(len(known)), 0))
    on: Array = known[last] == 1
    return on


def _spans(held: Bool[Array, " f"]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _lasting(held: Bool[Array, " f"], shortest: float) -> Bool[Array, " f"]:
    """Without pauses under :data:`GAP` seconds, then without anything under ``shortest``."""
    kept = held.copy()
    for start, stop in _spans(~held):
        if start > 0 and stop < len(held) and stop - start < GAP * FPS:
            kept[start:stop] = True
    for start, stop in _spans(kept):
        if stop - start < shortest * FPS:
            kept[start:stop] = False
    return kept


def _strength(held: Bool[Array, " f"], end: float) -> Curve:
    """Keys of a contact's strength: 1 while the hands hold each other. Empty: they never do."""
    return _switched(held, end, REACHING, LEAVING)


def _switched(on: Bool[Array, " f"], end: float, rising: float, falling: float) -> Curve:
    """Keys of a curve that is 1 where ``on`` and 0 at both ends, halfway up and down where that begins and ends."""
    keys: list[Key] = []
    for start, stop in ((a / FPS, b / FPS) for a, b in _spans(on)):
        begins, begun = max(start - rising / 2, 1 / FPS), max(start - rising / 2, 1 / FPS) + rising
        ends, ended = min(stop + falling / 2, end) - falling, min(stop + falling / 2, end)
        if ends - begun < 1 / FPS:
            continue
        if keys and begins <= keys[-1].time + 1 / FPS:
            # It rises again before it has fallen: both at once.
            keys[-1] = Key(round((keys[-2].time + begun) / 2, 3), 0.0)
        else:
            keys.append(Key(round(begins, 3), 0.0))
        keys += [Key(round(begun, 3), 1.0), Key(round(ends, 3), 1.0), Key(round(ended, 3), 0.0)]
    return tuple(keys)


def _role(dancers: tuple[Dancer, Dancer], which: int, contacts: tuple[Touch, ...]) -> Role:
    """The channels of one person, without those that hardly move."""
    dancer = dancers[which]
    count = len(dancer.pelvis)
    time = np.arange(count) / FPS
    fade = _eased(time / SETTLE) * _eased((time[-1] - time) / SETTLE)
    channels = {}
    for channel, (unit, values) in _curves(dancer).items():
        low, high = ROLE_CHANNELS[channel]
        smooth = savitzky_golay(values[:, None], FPS, SMOOTHING)[:, 0]
        smooth = np.clip(smooth, low, high) * fade
        if np.abs(smooth).max() > LEAST[unit]:
            channels[channel] = reduce_keys(time, smooth, TOLERANCE[unit])
    holding = {touch.second if which else touch.first for touch in contacts}
    arms: list[DuetNeed] = [need for side, need in ARM_NEEDS if f"hand_{side}" in holding]
    return Role(needs=("shoulders", *arms), channels=channels)


def _curves(dancer: Dancer) -> dict[str, tuple[str, Float64[Array, " f"]]]:
    """Every channel with the unit of its tolerance."""
    place = dancer.pelvis - np.median(dancer.pelvis, axis=0) * np.array([1.0, 1.0, 0.0])
    spine = dancer.neck - dancer.pelvis
    lean = np.degrees(np.arctan2(spine[:, 0], np.maximum(-spine[:, 1], 1e-6)))
    towards = np.sin(np.radians(dancer.heading)), np.sin(np.radians(dancer.looking))
    curves = {
        "place.x": ("place", _bent(place[:, 0], SIDEWAYS)),
        "place.y": ("place", np.maximum(_bent(place[:, 1], LOW), -0.2 * LOW)),
        "place.z": ("place", _bent(0.5 * place[:, 2], DEEP)),
        "torso.yaw": ("turn", TURN[0] * towards[0]),
        "torso.roll": ("turn", _bent(LEAN * lean, 7.0)),
        "head.yaw": ("turn", TURN[1] * towards[1]),
        "head.pitch": ("turn", _bent(LEAN * dancer.nod, 8.0)),
    }
    for arm, (side, outward) in enumerate(zip(SIDES, (1.0, -1.0), strict=True)):
        points = dancer.arms[:, arm]
        limbs = [points[:, k + 1] - points[:, k] for k in range(2)]
        upper, fore = (_hanging(limb, outward) for limb in limbs)
        curves[f"arms.{side}.upper"] = ("arms", np.clip(upper, *UPPER))
        curves[f"arms.{side}.forearm"] = ("arms", np.clip((fore - upper + 180) % 360 - 180, *FOREARM))
    return curves


def _hanging(limb: Float64[Array, "f 3"], outward: float) -> Float64[Array, " f"]:
    """Degrees from hanging down, outwards positive, in the picture; what points at the camera or away counts as hanging."""
    depth = np.abs(limb[:, 2])
    angle = np.degrees(np.arctan2(outward * limb[:, 0], limb[:, 1] + POINTING * depth))
    return np.where(angle < -90, angle + 360, angle)


def _eased(t: Float64[Array, " f"]) -> Float64[Array, " f"]:
    t = np.clip(t, 0.0, 1.0)
    step: Array = t * t * (3 - 2 * t)
    return step


def _bent(values: Float64[Array, " f"], limit: float) -> Float64[Array, " f"]:
    """As they are while small, and never past ``limit``."""
    held: Array = limit * np.tanh(values / limit)
    return held


def _sights(dancers: tuple[Dancer, Dancer]) -> tuple[Sight, ...]:
    """Each looks into the other's eyes while the head is turned there, else into the camera."""
    sights = []
    who: tuple[Literal["first", "second"], ...] = ("first", "second")
    for one, dancer in zip(who, dancers, strict=True):
        away = 1.0 - np.sin(np.radians(dancer.looking))
        looks = _lasting(_held(away, 1.0 - LOOKING[0], 1.0 - LOOKING[1]), SHORTEST)
        if keys := _switched(looks, (len(away) - 1) / FPS, SACCADE, SACCADE):
            sights.append(Sight(who=one, at="partner_eyes", keys=keys))
    return tuple(sights)


def _front(dancers: tuple[Dancer, Dancer]) -> Curve:
    """0 while the first person is nearer to the camera, 1 while the second is; small differences change nothing."""
    behind = savitzky_golay((dancers[0].pelvis - dancers[1].pelvis)[:, 2:], FPS, SMOOTHING)[:, 0]
    is_second = _held(-behind, -CROSSING, CROSSING)
    if not (np.abs(behind) > CROSSING).any():
        return (Key(0.0, 0.0),)
    keys = [Key(0.0, float(is_second[0]))]
    for frame in np.flatnonzero(np.diff(is_second.astype(int))):
        middle = float(frame + 0.5) / FPS
        begins = max(middle - CROSSING / 2, keys[-1].time + 1 / FPS)
        keys += [Key(round(begins, 3), keys[-1].value), Key(round(begins + CROSSING, 3), 1.0 - keys[-1].value)]
    return tuple(keys)


def _phases(contacts: tuple[Touch, ...], end: float) -> Phases:
    """Contact from the first contact on; what a longer film draws out is the rest after the dance."""
    hold = end + 0.25 * CALM
    first = min((touch.keys[1].time for touch in contacts), default=0.5 * end)
    return Phases(contact=round(min(first, end), 3), hold=round(hold, 3), separate=round(end + 0.75 * CALM, 3))
