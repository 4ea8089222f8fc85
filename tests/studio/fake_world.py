"""What the small service of these tests knows, and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STAGES = ("admit", "perceive", "move", "generate", "review", "encode", "seal")


@dataclass
class World:
    """What the fake knows and how it behaves; tests turn these knobs."""

    hosted: bool = False
    sign_up: bool = False
    mail: bool = False
    operator: bool = True
    signed_in: bool = False
    password: str | None = "correct horse"
    csrf: str = "csrf-of-the-fake"
    seconds: float = 1.5
    picture: str = "astronaut"
    advice: list[dict[str, Any]] = field(default_factory=list)
    fail: dict[str, Any] | None = None
    fonts: bool = True
    unfit: frozenset[str] = frozenset()
    refuse: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    consents: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    counter: int = 0

    def id(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}_{chr(97 + self.counter % 26) * 2}{'a' * 24}"


class ProblemError(Exception):
    def __init__(self, status: int, code: str, detail: str, hint: str = "") -> None:
        self.status, self.code, self.detail, self.hint = status, code, detail, hint
