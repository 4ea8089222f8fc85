"""What a person sees while photoplay works: one line a stage, with a bar and its time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import typer

from photoplay.errors import CancelledError, PhotoplayError, RequestError
from photoplay.types import Notice, Progress, StageEvent, silent

TITLES = {
    "admit": "Checking consent",
    "perceive": "Looking at the photo",
    "compose": "Making one scene",
    "move": "Planning the motion",
    "generate": "Making the frames",
    "review": "Reviewing the film",
    "seal": "Signing the film",
    "preview": "Drawing previews",
    "capture": "Reading the clip",
    "look": "Looking for their face",
}
COMPILING = "Compiling, this once"
"""Said instead of a stage's title while kernels are compiled for the processor: the first film on a machine waits for it."""
MARKS = {"info": "·", "warning": "!", "blocking": "✗"}


@contextmanager
def stages(quiet: bool) -> Iterator[Progress]:
    """A progress display on stderr; a :data:`Progress` that draws nothing when ``quiet``. It goes where something fails, as
    half a bar says nothing beside an error."""
    if quiet:
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars, ExitStack() as ends:
        tasks: dict[str, Any] = {}
        heard = False

        def tell(event: StageEvent) -> None:
            nonlocal heard
            title = TITLES.get(event.stage, event.stage)
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(title, total=event.total)
            bars.update(tasks[event.stage], description=title, completed=event.done, total=event.total)
            if not heard and "numba.core.event" in sys.modules:  # it is slow to load: not before somebody needs it
                ends.enter_context(_heard(compiling))
                heard = True

        def compiling() -> None:
            newest = bars.tasks[-1]
            if not newest.finished:
                bars.update(newest.id, description=COMPILING)

        try:
            yield tell
        except BaseException:
            bars.live.transient = True
            bars.live.stop()
            bars.disable = True  # or it ends the display itself, with an empty line
            raise


@contextmanager
def _heard(compiling: Callable[[], None]) -> Iterator[None]:
    """Calls ``compiling`` whenever Numba begins to compile a kernel that it has not kept from an earlier run."""
    from numba.core import event

    class Ear(event.Listener):
        def on_start(self, _: object) -> None:
            compiling()

        def on_end(self, _: object) -> None:
            """The next step of the stage takes its title back."""

    with event.install_listener("numba:compile", Ear()):
        yield


@contextmanager
def whole(resume: Path | None = None) -> Iterator[None]:
    """Says of a command that writes everything or nothing that Ctrl-C left nothing, and what ``resume`` holds.

    Raises:
        CancelledError: instead of KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        kept = resume is not None and any(file.is_file() for file in resume.rglob("*"))
        hint = "What is done so far is kept: the same command goes on there." if kept else ""
        raise CancelledError("Cancelled; nothing was written.", hint) from stop


def notices(found: tuple[Notice, ...]) -> None:
    """Prints notices to stderr, the serious ones first."""
    order = ("blocking", "warning", "info")
    for notice in sorted(found, key=lambda notice: order.index(notice.severity)):
        who = "" if notice.subject is None else f"(person {notice.subject + 1}) "
        typer.echo(f" {MARKS[notice.severity]} {who}{notice.message} {notice.hint}".rstrip(), err=True)


def timings(seconds: dict[str, float], frames: int) -> None:
    """Prints the time of each stage, and per frame for those that work frame by frame."""
    total = sum(seconds.values())
    for stage, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        each = f"{1000 * spent / frames:7.1f} ms a frame" if stage in {"generate", "smooth", "review", "encode"} else ""
        typer.echo(f"  {stage:<10}{spent:7.2f} s {100 * spent / total:5.1f} %  {each}".rstrip(), err=True)
    typer.echo(f"  {'all':<10}{total:7.2f} s", err=True)


def interactive() -> bool:
    """Whether somebody sits at a terminal and can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, unasked: PhotoplayError) -> None:
    """Asks at a terminal; another answer than yes ends the command. Raises ``unasked`` where there is nobody to ask."""
    if not interactive():
        raise unasked
    typer.confirm(question, abort=True, err=True)


def confirm(question: str, yes: bool) -> None:
    """Asks before what cannot be undone, unless ``yes`` was said already.

    Raises:
        RequestError: ``confirmation_missing`` where there is nobody to ask.
    """
    if not yes:
        unasked = "Nobody is at a terminal to answer: " + question
        ask(question, RequestError("confirmation_missing", unasked, "Add --yes if that is meant."))


def may_replace(overwrite: bool, *paths: Path | None) -> None:
    """Asks before files take the place of others, unless ``overwrite`` was said already.

    Raises:
        RequestError: ``out_exists`` where there is nobody to ask.
    """
    for path in paths:
        if path is not None and path.is_file() and not overwrite:
            hint = "Name another, or add --overwrite to replace it."
            unasked = RequestError("out_exists", "There is a file of that name already.", hint)
            ask(f"{path} is there already. Replace it?", unasked)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def __str__(self) -> str:
        return f"{time.perf_counter() - self._start:.1f} s"
