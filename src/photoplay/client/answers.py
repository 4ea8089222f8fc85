"""What the service answers, as frozen data. Fields that a newer service adds are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Face:
    """A face: ``box`` (x0, y0, x1, y1) and 68 ``landmarks`` from 0 to 1 of the picture; turns in degrees."""

    box: tuple[float, ...]
    yaw: float
    pitch: float
    roll: float
    landmarks: tuple[tuple[float, ...], ...]
    body: bool


@dataclass(frozen=True)
class Advice:
    """What about a photo will hurt a film; ``subject`` is a face, counted from 0 at the left."""

    code: str
    severity: str
    subject: int | None
    message: str
    hint: str


@dataclass(frozen=True)
class Found:
    """What is seen in a photo; faces from left to right."""

    faces: tuple[Face, ...]
    advice: tuple[Advice, ...]
    people: int


@dataclass(frozen=True)
class Upload:
    """A file that the service keeps; ``kind`` is photo, video or audio. Times are seconds since 1970."""

    id: str
    kind: str
    bytes: int
    width: int | None
    height: int | None
    seconds: float | None
    created_at: float
    expires_at: float | None
    found: Found | None


@dataclass(frozen=True)
class Template:
    """A motion. ``romantic``: both people need consent records, as adults."""

    name: str
    title: str
    description: str
    category: str
    tags: tuple[str, ...]
    duration: float
    loop: str
    people: int
    romantic: bool


@dataclass(frozen=True)
class Failure:
    """Why there is no film."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Video:
    """A film, made or being made; ``status`` is queued, in_progress, completed or failed. Once it is made, ``review`` is the
    sentence of its report and ``notices`` (code, message, hint) what is worth knowing of it."""

    id: str
    status: str
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    model: str
    prompt: str | None
    seconds: str
    size: str
    template: str
    error: Failure | None
    review: str | None = None
    notices: tuple[dict[str, Any], ...] | None = None


@dataclass(frozen=True)
class Job:
    """The work behind a film. ``film`` says what was made (size, length, digest, report, recipe), ``request`` what of."""

    id: str
    state: str
    stage: str
    percent: int
    attempt: int
    round: int
    cost: int
    charged: int | None
    wait_s: float | None
    made_s: float | None
    left_s: float | None
    error: Failure | None
    request: dict[str, Any]
    film: dict[str, Any] | None


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: ``kind`` is state, stage, preview or end; ``data`` says what."""

    seq: int
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Estimate:
    """Credits of a film, and seconds that it would wait and take."""

    cost: int
    wait_s: float
    make_s: float
    credits_left: int | None


@dataclass(frozen=True)
class Consent:
    """A consent record; ``state`` is valid, expired, revoked or broken. ``weak``: it rests on somebody's word alone.
    ``unlike``: your records of people who look alike and are somebody else."""

    id: str
    name: str
    state: str
    scope: tuple[str, ...]
    expires: float | None
    method: str | None
    adult: str | None
    weak: bool
    created_at: float
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True)
class Challenge:
    """What to do before the camera, in this order, until ``expires``; ``words`` say it for a person."""

    id: str
    actions: tuple[str, ...]
    words: tuple[str, ...]
    expires: float


@dataclass(frozen=True)
class Verification:
    """Where a file comes from. Believe the rest only if ``state`` is ``trusted``; without a mark that was not
    ``mark_sought`` there may be one all the same."""

    state: str
    sentence: str
    signer: str
    source_type: str
    consent: tuple[dict[str, Any], ...]
    number: str
    recipe: dict[str, Any] | None
    mark: dict[str, Any] | None
    mark_sought: bool = False


@dataclass(frozen=True)
class Account:
    """Whose key this is: plan, credits and usage as plain data, and the account's keys without themselves."""

    tenant: str
    plan: dict[str, Any]
    credits: dict[str, Any]
    usage: dict[str, Any]
    keys: tuple[dict[str, Any], ...]


_INSIDE: dict[str, tuple[type, bool]] = {
    "faces": (Face, True),
    "advice": (Advice, True),
    "found": (Found, False),
    "error": (Failure, False),
}
"""Members that are answers themselves, and whether there are several."""


def read(kind: type[Answer], data: Mapping[str, Any]) -> Answer:
    """An answer of this kind. Raises TypeError or ValueError where something is missing or is not what it should be."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _value(name, value) for name, value in data.items() if name in known})


def _value(name: str, value: Any) -> Any:
    if value is not None and name in _INSIDE:
        inner, several = _INSIDE[name]
        return tuple(read(inner, one) for one in value) if several else read(inner, value)
    return _frozen(value)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value
