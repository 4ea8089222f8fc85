"""A whole installation to break into: its records, filter, lists, log and ledger, and the line that makes films.

Everything that decides is real: settling, admission, the filter, encoding, the seal, the log. Only what costs time and
decides nothing is played: people are coloured dots that :class:`Eyes` recognise, nobody moves, and review is pleased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from photoplay.generation.backends import get_backend
from photoplay.generation.backends.echo import EchoBackend
from photoplay.pipeline import door as door_module
from photoplay.pipeline import line, plan, settle
from photoplay.pipeline.line import produce
from photoplay.pipeline.scenes import Rest
from photoplay.safety.audit import AuditLog
from photoplay.safety.blocklist import Blocklist
from photoplay.safety.consent.record import Adult, ConsentRecord, Terms
from photoplay.safety.consent.store import RecordStore
from photoplay.safety.content import ContentGate
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import Ledger
from photoplay.types import Array, Audio, Box, Clip, Face, Mode, Photo, Report, Request, Rgb, Scene, StageEvent, Subject
from tests.safety.consent.people import face, person

SIDE = 96
GROWN = Adult(True, "document")
FINE = Report({}, True, "Fine.")


class Filter:
    """A content classifier that finds everything safe until it is told otherwise."""

    name = "filter-1"

    def __init__(self) -> None:
        self.says: Callable[[int], Array] | None = None

    def unsafe(self, pictures: Sequence[Array]) -> Array:
        return np.full(len(pictures), 0.1, np.float32) if self.says is None else self.says(len(pictures))


class Eyes:
    """A face reader for painted people: dots of one saturated colour are a face, the colour says whose."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int, int], Array | None] = {}

    def paint(self, rgb: Rgb, box: Box, who: int | None, embedding: Array | None = None) -> None:
        colour = (255, len(self.known) + 1, 0)
        self.known[colour] = embedding if embedding is not None else None if who is None else person(who, 1)
        x0, y0, x1, y1 = (int(edge) for edge in box)
        rgb[y0:y1, x0:x1] = 0
        rgb[y0:y1:2, x0:x1:2] = colour

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        found = []
        for colour, embedding in self.known.items():
            rows, columns = np.nonzero((rgb == np.array(colour, np.uint8)).all(axis=2))
            if len(rows):
                box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
                found.append(replace(face(embedding if identity else None), box=box))
        return tuple(sorted(found, key=lambda one: one.box[0]))


class Able(EchoBackend):
    """A still backend that says it can do everything, and reads words."""

    name = "all-modes"
    capabilities = replace(EchoBackend.capabilities, modes=get_args(Mode), reads_prompt=True, takes_last=True)


class Pleased:
    """A reviewer that likes every film."""

    def see(self, frames: object) -> None:
        del frames

    def report(self) -> Report:
        return FINE


@dataclass
class Door:
    """One installation, one attacker. ``guard`` can be replaced."""

    home: Path
    out: Path
    guard: Guard
    eyes: Eyes
    filter: Filter
    hooks: dict[str, Callable[[], object]] = field(default_factory=dict)

    @property
    def store(self) -> RecordStore:
        return self.guard.records

    def hosted(self) -> Door:
        self.guard = replace(self.guard, hosted=True)
        return self

    def photo(self, *people: int | None, embedding: Array | None = None) -> Photo:
        """A photo of these people side by side (None: a face that cannot be told), the first ones larger."""
        shade = 40 + len(self.eyes.known)
        rgb = np.full((SIDE, SIDE, 3), shade, np.uint8)
        for place, who in enumerate(people):
            left, size = 6 + 30.0 * place, 20.0 - 2 * place
            self.eyes.paint(rgb, (left, 30.0, left + size, 30.0 + size), who, embedding)
        return Photo(rgb, sha256(rgb.tobytes()).hexdigest())

    def enrol(self, who: int, *scope: str, **terms: Any) -> ConsentRecord:
        fields = {"adult": GROWN, "days": 30, **terms}
        now = fields.pop("now", datetime.now(UTC))
        return self.store.enrol(person(who), Terms(scope or ("face",), **fields), now)[0]

    def ask(self, *photos: Photo, **fields: Any) -> Clip:
        """Asks for a film as any caller does."""
        known = {"template": "smile", "seconds": 2.0, "fps": 24.0, "size": "96x96", "backend": "echo"}
        shown = len(photos) + ("last" in fields) + ("video" in fields)
        request = Request(photos, fields.pop("consent", ("granted",) * shown), **{**known, **fields})
        return produce(request, self.out / "film.mp4", self._progress, guard=self.guard, **self.extras)

    extras: dict[str, Any] = field(default_factory=dict)

    def when(self, stage: str, action: Callable[[], object]) -> None:
        """Does something once, when the first sign of this stage comes."""
        self.hooks[stage] = action

    def _progress(self, event: StageEvent) -> None:
        name = f"{event.stage} done" if event.done == event.total else event.stage
        for key in (event.stage, name):
            if (action := self.hooks.pop(key, None)) is not None:
                action()

    def entries(self) -> list[tuple[str, str, str]]:
        with suppress(ValueError):
            return [(one["action"], one["decision"], one["reason"]) for one in self.guard.audit.entries()]
        return []


def sound(seconds: float = 2.0) -> Audio:
    return Audio(np.zeros(round(8000 * seconds), np.float32), 8000, "5" * 64)


def _rest(eyes: Eyes) -> Callable[..., Rest]:
    def rest(request: Request, *_: object) -> Rest:
        subjects = tuple(Subject(one) for photo in request.photos for one in eyes.read(photo.pixels, identity=True))
        shown = request.photos[0] if request.photos else Photo(np.full((SIDE, SIDE, 3), 127, np.uint8), "", "none")
        return Rest(Scene(shown, subjects, np.zeros(shown.pixels.shape[:2], np.uint8)))

    return rest


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    home, out = tmp_path / "installation", tmp_path / "out"
    out.mkdir()
    monkeypatch.setenv("PHOTOPLAY_TEMPLATES", str(tmp_path / "templates"))
    eyes, answers = Eyes(), Filter()
    guard = Guard(
        ContentGate(answers, patience=0.3),
        RecordStore(home / "consent"),
        Blocklist(home / "blocklist"),
        AuditLog(home / "audit"),
        Ledger(home / "works"),
    )
    monkeypatch.setattr(door_module, "FaceReader", lambda: eyes)
    for module in (line, plan, settle):
        monkeypatch.setattr(module, "get_backend", lambda name: Able() if name == Able.name else get_backend(name))
    monkeypatch.setattr(plan, "rest_scene", _rest(eyes))
    monkeypatch.setattr(plan, "_act", lambda *_: plan._Acted())
    monkeypatch.setattr(line, "reviewer_of", lambda *_: Pleased())
    return Door(home, out, guard, eyes, answers)


def later(days: float) -> type[datetime]:
    """A clock that is some days ahead."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=days)

    return Later
