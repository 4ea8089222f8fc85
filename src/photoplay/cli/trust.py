"""``photoplay audit``, ``photoplay takedown`` and ``photoplay erase``."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photoplay.cli import show
from photoplay.cli.options import Yes, group
from photoplay.errors import RefusedError

if TYPE_CHECKING:
    from photoplay.safety.erase import Erasure
    from photoplay.types import Rgb

audit = group("What was decided, and whether the log of it is whole.")
FRAMES = 5
"""Frames of a film that near copies are recognised by."""


@audit.command("verify")
def verify(
    known: Annotated[
        str, typer.Option(help="COUNT:HASH of `photoplay audit head` from before: also finds a log rolled back.")
    ] = "",
) -> None:
    """Check the whole log; exit status 7 where it is not whole."""
    from photoplay.safety.audit import AuditLog, Head
    from photoplay.safety.certificates import data_home

    before = None
    if known:
        match = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", known)
        if match is None:
            raise typer.BadParameter("COUNT:HASH, as `photoplay audit head` prints it")
        before = Head(int(match[1]), match[2])
    verdict = AuditLog(data_home() / "audit").verify(before)
    typer.echo(verdict.sentence)
    if not verdict.intact:
        raise typer.Exit(7)


@audit.command("head")
def head() -> None:
    """Print how long the log is and its last hash: keep it elsewhere."""
    from photoplay.safety.audit import AuditLog
    from photoplay.safety.certificates import data_home

    now = AuditLog(data_home() / "audit").head()
    typer.echo(f"{now.count}:{now.sha256}")


def takedown(
    what: Annotated[str, typer.Argument(help="A photo, a film, or a film's number (`photoplay verify` tells it).")],
    receipt: Annotated[Path, typer.Option("--receipt", help="Where the signed receipt goes.")] = Path("takedown.jws"),
    delete: Annotated[bool, typer.Option("--delete", help="Also delete the films that were made of it here.")] = False,
    sources: Annotated[
        bool,
        typer.Option(
            "--sources", help="Also block all pictures of films that were made of several, whomever they show."
        ),
    ] = False,
) -> None:
    """Block a photo or film, the picture that a film was made of, all that came of it, and near copies."""
    from photoplay.finishing.atomic import replacing
    from photoplay.safety.guard import Guard
    from photoplay.safety.takedown import take_down

    guard = Guard.local()
    if Path(what).is_file():
        sha256, pictures = _shown(Path(what))
        done = take_down(guard, sha256=sha256, pictures=pictures, sources=sources)
    elif re.fullmatch(r"[0-9a-f]{16}", what):
        done = take_down(guard, id_=what, sources=sources)
    else:
        raise RefusedError("takedown_unknown", "There is no such file or number.", "Give a file, or 16 hex digits.")
    with replacing(receipt) as fresh:
        fresh.write_text(done.token, encoding="ascii")
    for path in done.files if delete else ():
        path.unlink(missing_ok=True)
    typer.echo(f"{done.blocked} new lines on the blocklist; {len(done.works)} films and pictures were made of it here.")
    for path in done.files:
        typer.echo(f"  {path}{' (deleted)' if delete else ''}")
    for digest in done.sources:
        typer.echo(f"  made also of, and not blocked: {digest}")
    typer.echo(f"The receipt: {receipt}")


def _shown(path: Path) -> tuple[str, list[Rgb]]:
    """Digest and pictures of a photo or of some of a film's frames."""
    import numpy as np

    from photoplay.media import load_photo, probe_video, read_video
    from photoplay.media.sniff import pictures_in
    from photoplay.weights.hashing import hash_file

    if pictures_in(path) != "film":
        return hash_file(path), [load_photo(path).pixels]
    film = probe_video(path)
    enough = max(1.0, FRAMES / (film.seconds or math.inf))
    frames = read_video(path, max_seconds=60.0, fps=min(film.fps, enough)).rgb
    places = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int))
    return hash_file(path), [np.ascontiguousarray(frames[place]) for place in places]


def erase(
    subject: Annotated[str, typer.Argument(help="The person's id, as `photoplay consent list` shows it.")],
    folder: Annotated[
        list[Path] | None,
        typer.Option(help="Also delete the person's photos from this folder, and scan it.", show_default=False),
    ] = None,
    yes: Yes = False,
) -> None:
    """Erase a person: records, films and what is known of them; a scan for their face and traces shows what is left.

    Their face is looked for first, in every photo and film here: stopped meanwhile, nothing was erased yet."""
    from photoplay.pipeline.enrolment import seer
    from photoplay.safety.erase import erase as run
    from photoplay.safety.guard import Guard

    show.confirm("This deletes films for good. Go on?", yes)
    guard = Guard.local()
    with show.stages(quiet=False) as progress:
        done = run(guard, subject, folder or (), seer(guard.records, subject), progress=progress)
    tell_erased(done)


def tell_erased(done: Erasure) -> None:
    """Says what was erased. Exit status 5 where something is left or has to be looked at."""
    counts = {"record": done.records, "work": done.works, "file": done.files}
    told = (f"{count} {name}" if count == 1 else f"{count} {name}s" for name, count in counts.items())
    typer.echo(f"Erased: {', '.join(told)}.")
    for path in done.left:
        typer.echo(f"  still holds something: {path}")
    for path in done.undecided:
        typer.echo(f"  may show them or somebody else, left to decide: {path}")
    for path in done.unseen:
        typer.echo(f"  could not be looked at: {path}")
    doubt = done.left or done.undecided or done.unseen
    if doubt:
        typer.echo("Look at these by hand.")
        raise typer.Exit(5)
    typer.echo(
        "The scan found nothing more."
        if done.looked
        else "No trace of them was found. Nobody looked for their face: other films of a service rest on others' records."
    )
