"""``photoplay replay``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from photoplay.cli import show
from photoplay.cli.options import Overwrite


def replay(
    film: Annotated[Path, typer.Argument(help="A film that photoplay sealed.", show_default=False)],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="What it was made from, in any order: photos, clip, sound.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The new film.")] = Path("again.mp4"),
    overwrite: Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a film again from the recipe in its seal, and compare. Exit status: 0 equal to the bit, 1 not."""
    show.may_replace(overwrite, out)
    with show.whole(), show.stages(quiet=as_json) as progress:
        from photoplay.pipeline.replay import replay as run

        made = run(film, files or [], out, progress)
    if as_json:
        told = {"path": str(made.clip.path), "same": made.same, "changed": made.changed, "sentence": made.sentence}
        told |= {"difference": asdict(made.difference) if made.difference else None}
        typer.echo(json.dumps(told, sort_keys=True))
    else:
        show.notices(made.clip.notices)
        typer.echo(f"{made.sentence}\nThe new film: {made.clip.path}")
    raise typer.Exit(0 if made.same else 1)
