"""Templates for two people: one YAML file each, checked as hard as those for one (:mod:`photoplay.motion.template`).

Both roles are written as seen by themselves: yaw, roll and x are *towards the other*, arms and one-sided shapes are *near*
(on the other's side) or *far*. So one template plays whoever stands at the left. Contacts say which point of the first
person meets which of the second, and when; the solver (:mod:`photoplay.motion.duet`) makes them meet on any two bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from photoplay.motion.channels import CHANNELS, PAIRS, suggest
from photoplay.motion.template import (
    MAX_KEYS,
    Advice,
    Checked,
    Curve,
    Flow,
    FlowMap,
    Headed,
    Name,
    Parameters,
    Template,
    check_curve,
    curve_line,
    dump_template,
    number,
    parse_template,
    read_fields,
    read_file,
    shown_fields,
    validated,
    write_file,
    write_yaml,
)

DuetCategory: TypeAlias = Literal["duet", "contact", "romantic"]
DuetNeed: TypeAlias = Literal[
    "mouth_visible", "eyes_visible", "frontal", "shoulders", "arms", "near_arm", "far_arm", "hands"
]
Point: TypeAlias = Literal[
    "lips", "forehead", "nose", "chin", "crown", "cheek_near", "cheek_far", "ear_near", "ear_far", "temple_near",
    "temple_far", "shoulder_near", "shoulder_far", "chest", "back_near", "back_far", "waist_near", "waist_far",
    "hand_near", "hand_far", "wrist_near", "wrist_far",
]  # fmt: skip
"""Places of a body that can touch. Near is the side of the partner, whoever's left or right that is."""
FACE_POINTS: tuple[Point, ...] = (
    "lips", "forehead", "nose", "chin", "crown", "cheek_near", "cheek_far", "ear_near", "ear_far", "temple_near",
    "temple_far",
)  # fmt: skip
HAND_POINTS: tuple[Point, ...] = ("hand_near", "hand_far", "wrist_near", "wrist_far")
Target: TypeAlias = Literal["partner_eyes", "partner_mouth", "camera", "contact"]
LOW, HIGH = 0.0, 1.0
PLACE: dict[str, tuple[float, float]] = {"place.x": (-2.0, 2.0), "place.y": (-0.3, 1.0), "place.z": (-0.5, 0.5)}
"""Channels that only duets have: where the whole person goes, in shoulder widths (x towards the partner, y down, z away),
beyond what the contacts ask for."""
TOWARDS = frozenset({"head.yaw", "head.roll", "head.x", "gaze.yaw", "torso.yaw", "torso.roll", "torso.x", "place.x"})
"""Channels whose sign is *towards the partner*: they are mirrored for who has the partner at the image's left."""


def near_name(name: str) -> str:
    """The duet's name of a single channel: left becomes near, right far."""
    for side, relative in (("Left", "Near"), ("Right", "Far")):
        if name.endswith(side):
            return name.removesuffix(side) + relative
    return name.replace(".left.", ".near.").replace(".right.", ".far.")


ROLE_CHANNELS: dict[str, tuple[float, float]] = PLACE | {
    near_name(name): (channel.low, channel.high) for name, channel in CHANNELS.items()
}
"""Range of each single channel of a role."""
ROLE_PAIRS: dict[str, tuple[str, str]] = {
    name: (near_name(left), near_name(right)) for name, (left, right) in PAIRS.items()
}


class Role(Checked):
    """What one of the two does. ``channels`` as in a template for one person, with near and far for left and right."""

    needs: Annotated[tuple[DuetNeed, ...], Field(max_length=10)] = ()
    channels: dict[str, Annotated[Curve, Field(min_length=1)]] = Field(default_factory=dict, max_length=100)

    def curves(self) -> Iterator[tuple[str, Curve]]:
        """Every single channel with its keys; a sided channel takes precedence over its pair's."""
        for name, curve in self.channels.items():
            for single in ROLE_PAIRS.get(name, (name,)):
                if single == name or single not in self.channels:
                    yield single, curve


class Phases(Checked):
    """When each phase starts, in seconds at natural tempo. A longer film draws out ``hold`` .. ``separate``."""

    approach: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    contact: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    hold: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    separate: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _check(self) -> Phases:
        if not self.approach < self.contact < self.hold < self.separate:
            raise ValueError("phases must rise: approach, contact, hold, separate")
        return self


class Touch(Checked):
    """``first``'s point of the first person meets ``second``'s of the second, as far as ``keys`` say (0 free, 1 touching).

    ``share`` of the way goes the first person. ``flatten`` is how much soft tissue gives way (0..1), ``faces`` whether
    faces meet.
    """

    name: Name
    first: Point
    second: Point
    keys: Annotated[Curve, Field(min_length=2)]
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    flatten: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    faces: bool = False

    @model_validator(mode="after")
    def _check(self) -> Touch:
        if self.faces and not (self.first in FACE_POINTS and self.second in FACE_POINTS):
            raise ValueError(f"the contact {self.name} is no contact of faces: {self.first} meets {self.second}")
        return self


class Sight(Checked):
    """Whose eyes look ``at`` what, as far as ``keys`` say (0: where the gaze channels look, 1: there)."""

    who: Literal["first", "second", "both"]
    at: Target
    keys: Annotated[Curve, Field(min_length=1)]


class ArmsBefore(Checked):
    """Whether each person's arms that lie before their own torso also lie before the other person (1) or behind (0).

    None: they go with their body, as ``front`` says.
    """

    first: Annotated[Curve, Field(min_length=1)] | None = None
    second: Annotated[Curve, Field(min_length=1)] | None = None


class DuetTemplate(Headed):
    """One motion of two people, as its file says it; see docs/duets.md for every field. All times are in seconds.

    ``side`` is where the first role stands best. With ``mirrored`` the second does what the first does, ``lag`` seconds
    later; lids close together all the same. ``front`` is who stands before the other: 0 the first, 1 the second (None:
    who hides less of the other's face).
    """

    category: DuetCategory
    loop: Literal["none"] = "none"
    cannot_live_with: Annotated[tuple[Advice, ...], Field(max_length=20)] = ()
    parameters: Parameters = Parameters()
    phases: Phases
    side: Literal["either", "left", "right"] = "either"
    mirrored: bool = False
    lag: Annotated[float, Field(ge=0, le=1.5, allow_inf_nan=False)] = 0.0
    first: Role
    second: Role = Role()
    contacts: Annotated[tuple[Touch, ...], Field(max_length=12)] = ()
    gaze: Annotated[tuple[Sight, ...], Field(max_length=24)] = ()
    front: Annotated[Curve, Field(min_length=1)] | None = None
    arms_before: ArmsBefore = ArmsBefore()

    @model_validator(mode="after")
    def _check(self) -> DuetTemplate:
        if self.mirrored and self.second.channels:
            raise ValueError("second must have no channels where mirrored is true")
        if self.lag and not self.mirrored:
            raise ValueError("lag goes with mirrored: true only")
        if self.phases.separate > self.duration:
            raise ValueError(f"phases must lie between 0 and {self.duration:g}")
        if len({touch.name for touch in self.contacts}) < len(self.contacts):
            raise ValueError("each contact must have its own name")
        if sum(len(curve) for _, curve, _ in self._all_curves()) > MAX_KEYS:
            raise ValueError(f"there are more than {MAX_KEYS} keys")
        for name, curve, span in self._all_curves():
            check_curve(name, curve, span, self.duration)
        for name, curve in (*self.first.channels.items(), *self.second.channels.items(), *self._strengths()):
            if curve[0].time == 0 and curve[0].value != 0:
                raise ValueError(f"{name} must start at rest: its value at time 0 must be 0")
        return self

    def _strengths(self) -> Iterator[tuple[str, Curve]]:
        for touch in self.contacts:
            yield f"the contact {touch.name}", touch.keys

    def _all_curves(self) -> Iterator[tuple[str, Curve, tuple[float, float]]]:
        for role in (self.first, self.second):
            for name, curve in role.channels.items():
                yield name, curve, _range(name)
        others = [*self._strengths(), *((f"the gaze at {sight.at}", sight.keys) for sight in self.gaze)]
        orders = {"front": self.front, "arms_before.first": self.arms_before.first}
        orders["arms_before.second"] = self.arms_before.second
        others += [(name, curve) for name, curve in orders.items() if curve]
        for name, curve in others:
            yield name, curve, (LOW, HIGH)

    @property
    def people(self) -> Literal[1, 2]:
        """How many people the template is for."""
        return 2

    @property
    def needs(self) -> tuple[DuetNeed, ...]:
        """What either role needs."""
        return tuple(dict.fromkeys((*self.first.needs, *self.role(1).needs)))

    def role(self, which: int) -> Role:
        """The first (0) or second (1) role; where the second mirrors the first, its channels are the first's.

        Keys of a mirrored role are not yet delayed by ``lag``.
        """
        if which == 0 or not self.mirrored:
            return (self.first, self.second)[which]
        return Role(needs=self.second.needs or self.first.needs, channels=self.first.channels)


AnyTemplate: TypeAlias = Template | DuetTemplate
"""Both kinds have name, title, description, category, tags, licence, author, duration, loop, needs, cannot_live_with,
parameters and people."""
_PARTS: dict[str, type[Checked]] = {
    "parameters": Parameters, "phases": Phases, "first": Role, "second": Role, "contacts": Touch, "gaze": Sight,
    "arms_before": ArmsBefore,
}  # fmt: skip


def _range(name: str) -> tuple[float, float]:
    span = ROLE_CHANNELS.get(ROLE_PAIRS[name][0] if name in ROLE_PAIRS else name)
    if span is not None:
        return span
    if near_name(name) in ROLE_CHANNELS:
        raise ValueError(f"{name[:40]!r} is {near_name(name)!r} in a template for two: near is the partner's side")
    raise ValueError(f"there is no channel {name[:40]!r}.{suggest(name[:40], (*ROLE_PAIRS, *ROLE_CHANNELS))}")


def parse_duet(text: str | bytes) -> DuetTemplate:
    """The template for two that a file's text describes.

    Raises:
        TemplateError: too large, not YAML, or a field is missing, unknown or out of range; the message names the first.
    """
    return validated(DuetTemplate, read_fields(text), _PARTS)


def parse_any(text: str | bytes) -> AnyTemplate:
    """The template for one or two people that a file's text describes: those for two have ``phases`` or a ``first``.

    Raises:
        TemplateError: see :func:`parse_duet`.
    """
    data = read_fields(text)
    return validated(DuetTemplate, data, _PARTS) if {"phases", "first"} & data.keys() else parse_template(text)


def load_any(path: Path) -> AnyTemplate:
    """The template for one or two people in a file.

    Raises:
        TemplateError: the file is not there, cannot be read, or does not validate.
    """
    return parse_any(read_file(path))


def dump_any(template: AnyTemplate) -> str:
    """The template as YAML text that :func:`parse_any` reads back."""
    return dump_template(template) if isinstance(template, Template) else dump_duet(template)


def dump_duet(template: DuetTemplate) -> str:
    """The template as YAML text that :func:`parse_duet` reads back; fields at their defaults are left out."""
    data = shown_fields(template)
    data["phases"] = FlowMap({name: number(at) for name, at in template.phases.model_dump().items()})
    for key, role in (("first", template.first), ("second", template.second)):
        if key in data:
            curves = {name: curve_line(curve) for name, curve in role.channels.items()}
            data[key] = ({"needs": Flow(role.needs)} if role.needs else {}) | ({"channels": curves} if curves else {})
    for key, lines in (("contacts", template.contacts), ("gaze", template.gaze)):
        if key in data:
            data[key] = [FlowMap(shown | {"keys": curve_line(line.keys)}) for shown, line in _shown_lines(lines)]
    if template.front:
        data["front"] = curve_line(template.front)
    if "arms_before" in data:
        arms = (("first", template.arms_before.first), ("second", template.arms_before.second))
        data["arms_before"] = {who: curve_line(curve) for who, curve in arms if curve}
    return write_yaml(data)


def _shown_lines(lines: tuple[Touch, ...] | tuple[Sight, ...]) -> Iterator[tuple[dict[str, object], Touch | Sight]]:
    for line in lines:
        plain = line.model_dump(mode="json", exclude_defaults=True)
        yield {name: number(value) if isinstance(value, float) else value for name, value in plain.items()}, line


def save_duet(template: DuetTemplate, path: Path) -> None:
    """Writes the template's file.

    Raises:
        TemplateError: the folder is not there or may not be written.
    """
    write_file(dump_duet(template), path)
