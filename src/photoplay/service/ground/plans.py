"""Plans are data: what a tenant may ask for, what it costs, and how long it yields to others in the queue."""

from __future__ import annotations

import re
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from photoplay.errors import RequestError, UnavailableError
from photoplay.finishing.size import STANDARD
from photoplay.service.ground.errors import ForbiddenError
from photoplay.types import Corner

Size: TypeAlias = Literal["480p", "720p", "1080p"]

EPOCH = 1_767_225_600  # 2026-01-01 UTC
_LAST = 2**31 - 1


class Plan(BaseModel):
    """One plan.

    ``max_seconds`` bounds a film; ``label`` is a visible label that the plan forces (None: the request's own);
    ``concurrency`` counts the tenant's jobs that run or wait, ``per_hour`` its submits; ``priority_delay`` is the handicap
    in the queue in seconds; ``uploads_mb`` bounds the files that are kept to make films from; ``backends`` names those
    allowed (``*``: all). An ``unmetered`` plan costs nothing.
    ``prices`` are credits for each begun second by size, ``factors`` multiply them by backend (others: 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    title: str = Field(min_length=1, max_length=40)
    sizes: tuple[Size, ...] = Field(min_length=1)
    max_seconds: float = Field(ge=1, le=60)
    label: Corner | None = None
    monthly_credits: int = Field(ge=0, le=10**9)
    concurrency: int = Field(ge=1)
    per_hour: int = Field(ge=1)
    priority_delay: int = Field(ge=0, le=86_400)
    retention_days: int = Field(ge=1)
    uploads_mb: int = Field(500, ge=1, le=10**6)
    backends: tuple[str, ...] | Literal["*"]
    unmetered: bool = False
    prices: dict[Size, int]
    factors: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _priced(self) -> Plan:
        if missing := [size for size in self.sizes if self.prices.get(size, 0) < 1]:
            raise ValueError(f"no price for {', '.join(missing)}")
        if any(factor < 1 for factor in self.factors.values()):
            raise ValueError("factors are at least 1")
        return self


class _PlanFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    prices: dict[Size, int]
    factors: dict[str, int] = Field(default_factory=dict)
    plans: dict[str, dict[str, object]] = Field(min_length=1)


_PLANS = TypeAdapter(dict[str, Plan])


def load_plans(path: Path | None = None) -> dict[str, Plan]:
    """The plans of a file, or those that ship with photoplay.

    Errors: UnavailableError ``plans_bad`` when the file cannot be read or does not validate.
    """
    try:
        text = (files("photoplay.service.ground") / "plans.yaml" if path is None else path).read_text(encoding="utf-8")
        file = _PlanFile.model_validate(yaml.safe_load(text))
        shared = {"prices": file.prices, "factors": file.factors}
        return _PLANS.validate_python({name: {**shared, **plan, "name": name} for name, plan in file.plans.items()})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise UnavailableError("plans_bad", "The plans cannot be read.", _where(error)) from error


def _where(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "Check that the file of plans is there and is YAML."
    first = error.errors(include_input=False, include_url=False)[0]
    return f"In the file of plans, {'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}."


def priority(plan: Plan, now: float) -> int:
    """The queue's priority of a job that is submitted ``now`` (lower goes first): its second since 2026 plus its handicap.

    Ageing is in the number itself: it is fixed at submit, and a later job passes an earlier one only where it comes less
    than the difference of both handicaps later. It is never 0, which DBOS takes for "before all others", and fits 31 bits.
    """
    return min(max(1, int(now) - EPOCH + plan.priority_delay), _LAST)


def size_class(size: str) -> Size | None:
    """The smallest named size that holds ``size`` (``480p`` or ``WxH``); None if it is larger than all of them.

    Errors: RequestError ``bad_size``.
    """
    names: tuple[Size, ...] = ("480p", "720p", "1080p")
    for name in names:
        if size == name:
            return name
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", size.strip().lower())
    if match is None:
        raise RequestError(
            "bad_size", "This size is not known.", "Use 480p, 720p, 1080p or width x height in pixels, such as 640x480."
        )
    short, longest = sorted((int(match[1]), int(match[2])))
    return next((name for name in names if short <= STANDARD[name][0] and longest <= STANDARD[name][1]), None)


def permit(plan: Plan, size: str, seconds: float, backend: str) -> None:
    """Returns if the plan allows such a film.

    Errors: ForbiddenError ``plan_size``, ``plan_length``, ``plan_backend``; RequestError ``bad_size``.
    """
    if size_class(size) not in plan.sizes:
        raise ForbiddenError(
            "plan_size", f"The plan {plan.title} makes no films of this size.", f"Choose {' or '.join(plan.sizes)}."
        )
    if not seconds <= plan.max_seconds:
        raise ForbiddenError(
            "plan_length",
            f"The plan {plan.title} makes films of {plan.max_seconds:g} seconds at most.",
            "Choose a shorter length or another plan.",
        )
    if plan.backends != "*" and backend not in plan.backends:
        raise ForbiddenError(
            "plan_backend",
            f"The plan {plan.title} does not include this backend.",
            f"Choose {' or '.join(plan.backends)}.",
        )


def cost(plan: Plan, size: str, seconds: float, backend: str) -> int:
    """Credits of a film: its begun seconds (at least one) x the size's price x the backend's factor; 0 if unmetered.

    Errors: as :func:`permit`, for a film that the plan does not allow.
    """
    permit(plan, size, seconds, backend)
    named = size_class(size)
    if plan.unmetered or named is None:
        return 0
    return max(1, ceil(seconds - 1e-6)) * plan.prices[named] * plan.factors.get(backend, 1)
