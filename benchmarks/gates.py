"""What the gates cost: every check, mark and seal of a film as a share of the time that the film takes to make.

    .venv/bin/python -m benchmarks.gates [--seconds 3] [--size 720p] [--backend anchor] [--runs 3] [--write]

The film is made once to fill the caches, which is not counted, then ``--runs`` times; medians. Each part of a gate is timed
where it is called, in the very film, on the thread that waits for it: what runs beside the film (the content filter) counts
as long as the film had to wait for it, and its whole time on a core is told as well. The person in the photo is enrolled,
and the installation is a service, so that faces are read and compared. Run it on a quiet machine with two cores free.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.report import publish
from skimage.data import astronaut

from photoplay.perception.faces import FaceReader
from photoplay.pipeline import door, line, outputs
from photoplay.pipeline.line import produce
from photoplay.safety.audit import AuditLog
from photoplay.safety.blocklist import Blocklist
from photoplay.safety.consent.record import Terms
from photoplay.safety.consent.store import RecordStore
from photoplay.safety.content import ContentGate, default_classifier
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import Ledger
from photoplay.types import Admitted, Photo, Request

GOAL = 0.25
"""Share of a film's render time that all gates together may take."""


@dataclass
class Spent:
    """Seconds by part; names in brackets lie within another part or beside the film. ``sealing``: a seal is at work."""

    parts: dict[str, float] = field(default_factory=dict)
    sealing: bool = False

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - start

        return run

    def streamed(self, name: str, call: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The same for a stream: its own time, without that of what it draws from (its first argument)."""

        def run(source: Iterator[Any], *given: Any, **named: Any) -> Iterator[Any]:
            drawn = 0.0

            def watched() -> Iterator[Any]:
                nonlocal drawn
                while True:
                    start = time.perf_counter()
                    try:
                        window = next(source)
                    except StopIteration:
                        drawn += time.perf_counter() - start
                        return
                    drawn += time.perf_counter() - start
                    yield window

            stream = call(watched(), *given, **named)
            while True:
                before, start = drawn, time.perf_counter()
                try:
                    window = next(stream)
                except StopIteration:
                    return
                finally:
                    own = time.perf_counter() - start - (drawn - before)
                    self.parts[name] = self.parts.get(name, 0.0) + own
                yield window

        return run


class Timed:
    """A content classifier that tells how long its own thread took."""

    def __init__(self, spent: Spent) -> None:
        self._real, self._spent = default_classifier(), spent
        self.name = self._real.name

    def unsafe(self, pictures: Any) -> Any:
        return self._spent.timed("(the filter's own thread)", self._real.unsafe)(pictures)


@contextmanager
def watched(spent: Spent) -> Iterator[None]:
    """Times every gate of the films that are made meanwhile."""
    screen, agreed, seal = ContentGate.screen, Guard.still_agreed, line.seal

    def screened(gate: ContentGate, windows: Any, *given: Any) -> Any:
        return spent.streamed("content filter, waited for", partial(screen, gate))(windows, *given)

    def again(guard: Guard, film: Admitted) -> None:
        within = "(records asked again by the seal)" if spent.sealing else "records asked again"
        spent.timed(within, agreed)(guard, film)

    def sealed(*given: Any, **named: Any) -> Any:
        spent.sealing = True
        try:
            return spent.timed("seal, ledger and log", seal)(*given, **named)
        finally:
            spent.sealing = False

    with (
        patch.object(door, "admit", spent.timed("admission", door.admit)),
        patch.object(line, "seal", sealed),
        patch.object(ContentGate, "screen", screened),
        patch.object(Guard, "still_agreed", again),
        patch.object(line, "mark", spent.streamed("label and watermark", outputs.mark)),
    ):
        yield


def measure(seconds: float, size: str, backend: str, folder: Path) -> tuple[float, dict[str, float]]:
    """Seconds of the whole film, and those of each gate."""
    spent = Spent()
    guard = Guard(
        ContentGate(Timed(spent)),
        RecordStore(folder / "consent"),
        Blocklist(folder / "blocklist"),
        AuditLog(folder / "audit"),
        Ledger(folder / "works"),
        hosted=True,
    )
    photo = Photo(astronaut()[:400, 20:420].copy(), "a" * 64)
    (face,) = FaceReader().read(photo.pixels, identity=True)
    record, _ = guard.records.enrol(face.embedding, Terms(("face",), 1), datetime.datetime.now(datetime.UTC))
    request = Request((photo,), ("granted",), "smile", seconds=seconds, size=size, backend=backend)
    request = replace(request, records=(record.id,))
    with watched(spent):
        start = time.perf_counter()
        produce(request, folder / "film.mp4", guard=guard)
        whole = time.perf_counter() - start
    return whole, spent.parts


def report(films: list[tuple[float, dict[str, float]]]) -> str:
    """The table: medians of the runs."""
    names = sorted({name for _, parts in films for name in parts})
    whole = median(seconds for seconds, _ in films)
    lines = ["| part | seconds | share of the film |", "|---|---|---|"]
    total = 0.0
    for name in names:
        took = median(parts.get(name, 0.0) for _, parts in films)
        total += 0.0 if name.startswith("(") else took
        lines.append(f"| {name} | {took:.3f} | {took / whole:.1%} |")
    lines += [
        f"| **all that the film waited for** | **{total:.3f}** | **{total / whole:.1%}** |",
        f"| the film without its gates | {whole - total:.3f} | {1 - total / whole:.1%} |",
        f"\nGates over the rest: {total / (whole - total):.1%} (goal: {GOAL:.0%}). What stands in brackets"
        " lies within another part or beside the film.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, prints, and writes with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", default="720p")
    parser.add_argument("--backend", default="anchor")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    films = []
    with tempfile.TemporaryDirectory() as name:
        for run in range(given.runs + 1):
            folder = Path(name) / str(run)
            folder.mkdir()
            film = measure(given.seconds, given.size, given.backend, folder)
            films += [film] if run else []
    command = f"gates --seconds {given.seconds:g} --size {given.size} --backend {given.backend} --runs {given.runs}"
    publish(report(films), "gates", "Gates", command, write=given.write)


if __name__ == "__main__":
    main()
