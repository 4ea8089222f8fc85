"""Motion templates: one YAML file each, read from strangers and therefore checked hard.

A template names channels (:mod:`photoplay.motion.channels`) and gives each a list of keys ``[time, value]`` or
``[time, value, ease]``. What a face, head or body does is data; nothing in a template is ever run.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from photoplay.errors import TemplateError
from photoplay.motion.channels import CHANNELS, PAIRS, suggest
from photoplay.motion.easing import Ease

MAX_BYTES = 512_000
MAX_DEPTH = 8
MAX_KEYS = 40_000
MOST_NAMED = 12
"""A message names no more choices than these."""

Category: TypeAlias = Literal["face", "head", "body", "idle", "romantic-single"]
Loop: TypeAlias = Literal["none", "seamless", "pingpong"]
Need: TypeAlias = Literal[
    "mouth_visible", "eyes_visible", "frontal", "shoulders", "arms", "left_arm", "right_arm", "hands"
]
Advice: TypeAlias = Literal[
    "no_face", "face_too_small", "too_many_faces", "profile", "occluded", "blurred", "dark", "clipped_head",
    "hands_in_front", "busy_background",
]  # fmt: skip
"""Codes of perception's notices."""

_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$"
"""No control characters, and none that turn or hide text."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[\w' -]+$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=_PRINTABLE)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class Key(NamedTuple):
    """At ``time`` the channel has this ``value``; ``ease`` says how it gets there from the key before."""

    time: Finite
    value: Finite
    ease: Ease = "smooth"


Curve: TypeAlias = tuple[Key, ...]


class Span(NamedTuple):
    """A range of numbers, ends included."""

    low: Finite
    high: Finite


class Checked(BaseModel):
    """What a template's file may hold: no field that is not known, nothing that changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameters(Checked):
    """How far ``intensity`` (1: as written) and ``speed`` (1: natural tempo) may be turned for this template."""

    intensity: Span = Span(0.0, 1.5)
    speed: Span = Span(0.5, 2.0)

    @model_validator(mode="after")
    def _check(self) -> Parameters:
        for name, span, high in (("intensity", self.intensity, 2.0), ("speed", self.speed, 4.0)):
            if not 0 <= span.low <= 1 <= span.high <= high:
                raise ValueError(f"{name} must be a range from 0 to {high:g} that includes 1")
        if self.speed.low < 0.25:
            raise ValueError("speed must not go below 0.25")
        return self


class Headed(Checked):
    """What every template begins with, for one person or two; either has categories of its own."""

    name: Name
    title: Line
    description: Line
    category: str
    tags: Annotated[tuple[Word, ...], Field(max_length=60)] = ()
    licence: Line = "Apache-2.0"
    author: Line = "unknown"
    duration: Annotated[float, Field(ge=0.2, le=120, allow_inf_nan=False)]


class Template(Headed):
    """One motion, as its file says it; see docs/templates.md for every field.

    ``channels`` maps a channel or pair name to its keys, in seconds or, with ``times: fraction``, in shares of
    ``duration``. ``sustain`` (two times) is the part that a longer film draws out. ``loop``: ``none`` starts at rest,
    ``seamless`` ends as it began, ``pingpong`` plays forwards and backwards.
    """

    category: Category
    times: Literal["seconds", "fraction"] = "seconds"
    loop: Loop = "none"
    sustain: Span | None = None
    needs: Annotated[tuple[Need, ...], Field(max_length=10)] = ()
    cannot_live_with: Annotated[tuple[Advice, ...], Field(max_length=20)] = ()
    parameters: Parameters = Parameters()
    channels: Annotated[dict[str, Annotated[Curve, Field(min_length=1)]], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _check_channels(self) -> Template:
        end = self.end
        if sum(len(curve) for curve in self.channels.values()) > MAX_KEYS:
            raise ValueError(f"there are more than {MAX_KEYS} keys")
        for name, curve in self.channels.items():
            check_curve(name, curve, _range(name), end)
            self._check_ends(name, curve, end)
        return self

    def _check_ends(self, name: str, curve: Curve, end: float) -> None:
        if self.loop != "seamless" and curve[0].time == 0 and curve[0].value != 0:
            raise ValueError(f"{name} must start at rest: its value at time 0 must be 0")
        whole_round = self.loop == "seamless" and curve[0].time == 0 and curve[-1].time == end
        if whole_round and abs(curve[0].value - curve[-1].value) > 1e-9:
            raise ValueError(f"{name} must end as it began, since the template loops seamlessly")

    @model_validator(mode="after")
    def _check_sustain(self) -> Template:
        if self.sustain is None:
            return self
        if self.loop != "none":
            raise ValueError("sustain goes with loop: none only")
        if not 0 < self.sustain.low < self.sustain.high < self.end:
            raise ValueError("sustain must be two rising times inside the template")
        return self

    @property
    def people(self) -> Literal[1, 2]:
        """How many people the template is for."""
        return 1

    @property
    def end(self) -> float:
        """The last time in the unit that the keys use."""
        return self.duration if self.times == "seconds" else 1.0

    def curves(self) -> Iterator[tuple[str, Curve]]:
        """Every single channel with its keys in seconds; a sided channel takes precedence over its pair's."""
        scale = 1.0 if self.times == "seconds" else self.duration
        for name, curve in self.channels.items():
            keys = tuple(key._replace(time=key.time * scale) for key in curve)
            for single in PAIRS.get(name, (name,)):
                if single == name or single not in self.channels:
                    yield single, keys


def check_curve(name: str, curve: Curve, span: tuple[float, float], end: float) -> None:
    """Refuses keys whose times do not rise within 0 .. ``end``, and values outside ``span``.

    Raises:
        ValueError: says which.
    """
    low, high = span
    if any(before.time >= after.time for before, after in pairwise(curve)):
        raise ValueError(f"the times of {name} must rise from key to key")
    if curve[0].time < 0 or curve[-1].time > end * (1 + 1e-9):
        raise ValueError(f"the times of {name} must lie between 0 and {end:g}")
    wrong = next((key.value for key in curve if not low <= key.value <= high), None)
    if wrong is not None:
        raise ValueError(f"{name} is {wrong:g} at one key, but it can only be {low:g} to {high:g}")


def _range(name: str) -> tuple[float, float]:
    channel = CHANNELS.get(PAIRS[name][0] if name in PAIRS else name)
    if channel is None:
        raise ValueError(f"there is no channel {name[:40]!r}.{suggest(name[:40], (*PAIRS, *CHANNELS))}")
    return channel.low, channel.high


class _StrictLoader(yaml.CSafeLoader):
    """The safe loader, which also refuses a key that stands twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in node.value:
                if str(key.value) in seen:
                    raise _refusal(f"{str(key.value)[:40]!r} stands twice in it.")
                seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _refusal(why: str) -> TemplateError:
    return TemplateError(
        "template_invalid",
        f"The template cannot be used: {why}",
        "Correct the file; docs/templates.md describes every field.",
    )


def _check_events(text: str) -> None:
    """Refuses what a template never needs, before anything is built of it: aliases, tags, depth, more documents."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refusal("it uses YAML anchors, which templates may not.")
        if getattr(event, "tag", None):
            raise _refusal("it uses YAML tags, which templates may not.")
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or documents > 1:
            raise _refusal("it is nested too deeply or holds several documents.")


def read_fields(text: str | bytes) -> dict[str, Any]:
    """The fields of a template's file, not yet validated.

    Raises:
        TemplateError: too large, not YAML, or not a mapping.
    """
    if len(text) > MAX_BYTES:
        raise TemplateError(
            "template_too_large",
            "The template's file is too large.",
            f"Templates have at most {MAX_BYTES // 1000} kB; leave out keys that change nothing.",
        )
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        _check_events(decoded)
        data = yaml.load(decoded, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError):
        raise TemplateError(
            "template_unreadable",
            "The template's file is not readable YAML.",
            "It must be a text file in UTF-8 with `name: value` lines; start from `photoplay templates show smile`.",
        ) from None
    if not isinstance(data, dict):
        raise _refusal("it has no fields.")
    return data


def parse_template(text: str | bytes) -> Template:
    """The template that a file's text describes.

    Raises:
        TemplateError: too large, not YAML, or a field is missing, unknown or out of range; the message names the first.
    """
    return validated(Template, read_fields(text), {"parameters": Parameters})


Kind = TypeVar("Kind", bound=Checked)


def validated(kind: type[Kind], data: dict[str, Any], parts: Mapping[str, type[Checked]]) -> Kind:
    """``data`` as a template of this ``kind``; ``parts`` are the kinds of its nested fields, for better advice.

    Raises:
        TemplateError: a field is missing, unknown or out of range; the message names the first.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise _refusal(_first_sentence(error, kind, parts)) from None


def _first_sentence(error: ValidationError, kind: type[Checked], parts: Mapping[str, type[Checked]]) -> str:
    """What is wrong first, in words, with the nearest right name where a name is wrong."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:80]
    if first["type"] == "extra_forbidden":
        known = parts.get(where.partition(".")[0], kind) if "." in where else kind
        return f"it has an unknown field {where!r}.{suggest(where.rpartition('.')[2], known.model_fields)}"
    if first["type"] == "missing":
        return f"the field {where!r} is missing."
    if first["type"] == "literal_error" and isinstance(first["input"], str):
        expected = str(first["ctx"]["expected"])
        words = expected.replace("'", "").replace(" or ", ", ").split(", ")
        choice = f"it can be {expected}" if len(words) <= MOST_NAMED else f"that is none of the {len(words)} there are"
        return f"{where} is {first['input'][:40]!r}; {choice}.{suggest(first['input'][:40], words)}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"]).rstrip(".?") + ("?" if str(first["ctx"]["error"]).endswith("?") else ".")
    what = first["msg"][0].lower() + first["msg"][1:]
    return f"{where}: {what}."


def read_file(path: Path) -> bytes:
    """A template file's bytes, a little more than :data:`MAX_BYTES` at most.

    Raises:
        TemplateError: the file is not there or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError:
        raise TemplateError(
            "template_not_found",
            "The template's file is not there or cannot be read.",
            "Check its name, or choose one from `photoplay templates list`.",
        ) from None


class Flow(list[Any]):
    """A list (of a template's file) that is written on one line."""


class FlowMap(dict[str, Any]):
    """A mapping (of a template's file) that is written on one line."""


class _Dumper(yaml.CSafeDumper):
    """Block style with one line for each curve."""


_Dumper.add_representer(
    Flow, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)
_Dumper.add_representer(
    FlowMap, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def number(value: float) -> float | int:
    """The number as it stands in a file: three digits at most, whole where it is."""
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded


def dump_template(template: Template) -> str:
    """The template as YAML text that :func:`parse_template` reads back; fields at their defaults are left out."""
    data = shown_fields(template)
    if "sustain" in data:
        data["sustain"] = Flow(data["sustain"])
    data["channels"] = {name: curve_line(curve) for name, curve in template.channels.items()}
    return write_yaml(data)


def shown_fields(template: Checked) -> dict[str, Any]:
    """A template's fields as plain data, without those at their defaults; short lists stand on one line."""
    shown = ("licence", "author", "loop")
    defaults = {
        name
        for name, field in type(template).model_fields.items()
        if name not in shown and getattr(template, name) == field.default
    }
    data = template.model_dump(mode="json", exclude=defaults)
    for field in ("tags", "needs", "cannot_live_with"):
        if field in data:
            data[field] = Flow(data[field])
    if "parameters" in data:
        data["parameters"] = {name: Flow(span) for name, span in data["parameters"].items()}
    data["duration"] = number(data["duration"])
    return data


def write_yaml(data: dict[str, Any]) -> str:
    """Template fields as the text of a file."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=118, allow_unicode=True)


def curve_line(curve: Curve) -> Flow:
    """Keys as they stand in a file: on one line, without the usual ease."""
    keys = []
    for time, value, ease in curve:
        numbers: list[float | str] = [number(time), number(value)]
        keys.append(Flow(numbers if ease == "smooth" else [*numbers, ease]))
    return Flow(keys)


def save_template(template: Template, path: Path) -> None:
    """Writes the template's file.

    Raises:
        TemplateError: the folder is not there or may not be written.
    """
    write_file(dump_template(template), path)


def write_file(text: str, path: Path) -> None:
    """Writes a template's file, as :func:`read_file` reads it.

    Raises:
        TemplateError: the folder is not there or may not be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise TemplateError(
            "template_not_written", "The template could not be written.", "Choose a folder that you may write to."
        ) from None
