"""``photoplay models``: open weights on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photoplay.cli import show
from photoplay.cli.options import AsJson, Yes, group
from photoplay.cli.tables import print_table, size
from photoplay.errors import InputError, PhotoplayError
from photoplay.types import Progress, StageEvent, silent

if TYPE_CHECKING:
    from photoplay.weights.catalogue import Model
    from photoplay.weights.pull import Offer

models = group("The open weights on this machine.")
Name = Annotated[str, typer.Argument(help="The model's name, as `photoplay models list` shows it.", show_default=False)]


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models that photoplay knows, and those that are here."""
    from photoplay.weights import catalogue, store

    here, parts = store.installed(), store.unfinished()
    rows = [_known(model, here, parts) for model in catalogue.models()]
    rows += [_own(name) for name in here if name not in {row["name"] for row in rows}]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    print_table(
        ("model", "for", "download", "GPU", "licence", "here"),
        [
            (
                row["name"],
                row["backend"],
                size(row["bytes"]),
                f"{row['gpu_memory_gb']:g} GB" if row["gpu_memory_gb"] else "?",
                row["licence"] + (" *" if row["licence_note"] else ""),
                row["state"],
            )
            for row in rows
        ],
        wrapped="licence",
    )
    for note in dict.fromkeys(row["licence_note"] for row in rows if row["licence_note"]):
        names = ", ".join(row["name"] for row in rows if row["licence_note"] == note)
        typer.echo(f"* {names}: {note}")
    typer.echo("? is not published. `photoplay models pull NAME` shows what it would bring before it does.")


@models.command("pull")
def pull(
    name: Name,
    trust_first: Annotated[
        bool, typer.Option("--trust-first", help="Take the mirror's word for files whose digest is not on record.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The licence is read and accepted; do not ask.")] = False,
) -> None:
    """Fetch a model. Size and licence are shown first; a pull that broke off goes on where it stopped."""
    from photoplay.weights import pull as weights_pull
    from photoplay.weights import store

    if name in store.installed():
        typer.echo(f"{name} is here already. `photoplay models verify {name}` checks its files.")
        return
    offer = weights_pull.survey(name)
    _tell(offer)
    if not offer.unpinned or trust_first:
        _accepted(offer.model, yes)
    with _bytes_shown("Fetching") as progress:
        manifest = weights_pull.pull(name, progress, trust_first, offer)
    typer.echo(f"{name} is here: {len(manifest.files)} files, {size(manifest.bytes)}, digest {manifest.digest[:16]}.")


@models.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What to call it.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help="A diffusers folder, or one safetensors file.", show_default=False)],
    backend: Annotated[str, typer.Option(help="The backend that uses it (see `photoplay backends`).")],
    licence: Annotated[str, typer.Option(help="Its licence; goes into the recipe of every film.")],
    copy: Annotated[bool, typer.Option("--copy", help="Copy the files instead of using them where they are.")] = False,
) -> None:
    """Take a model that you have into the store."""
    from photoplay.weights import store

    manifest = store.add(name, folder, backend=backend, licence=licence, copy=copy)
    typer.echo(f"{name} is here: {len(manifest.files)} files, {size(manifest.bytes)}, digest {manifest.digest[:16]}.")


@models.command("verify")
def verify(
    name: Annotated[str, typer.Argument(help="A model; without one, all of them.", show_default=False)] = "",
) -> None:
    """Check every file of a model against what came in. Exit status: 0 unchanged."""
    from photoplay.weights import store

    wrong: PhotoplayError | None = None
    for each in (name,) if name else store.installed():
        try:
            with _bytes_shown(f"Checking {each}") as progress:
                manifest = store.verify(each, progress)
        except PhotoplayError as error:
            wrong = wrong or error
            typer.echo(f"{each}: {error.message} {error.hint}")
        else:
            typer.echo(f"{each}: unchanged, {len(manifest.files)} files, {size(manifest.bytes)}")
    if wrong:
        raise wrong


@models.command("rm")
def remove(
    name: Name,
    yes: Yes = False,
) -> None:
    """Take a model out of the store. Files that were added where they lie stay there."""
    from photoplay.weights import store

    show.confirm(f"Take {name} out of the store?", yes)
    typer.echo(f"{name} is gone; {size(store.remove(name))} are free again.")


def _known(model: Model, here: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, Any]:
    """One line of the list, for a model of the catalogue."""
    state = "yes" if model.name in here else "in part" if model.name in parts else ""
    return {
        "name": model.name,
        "title": model.title,
        "backend": model.backend,
        "bytes": model.bytes,
        "gpu_memory_gb": model.gpu_memory_gb,
        "licence": model.licence,
        "licence_note": model.licence_note,
        "repositories": [part.repo for part in model.parts],
        "source": dict(model.source),
        "state": state,
    }


def _own(name: str) -> dict[str, Any]:
    """One line of the list, for a model that the user added under a name of their own."""
    from photoplay.weights import store

    line: dict[str, Any] = {
        "name": name,
        "title": "",
        "licence_note": "",
        "repositories": [],
        "source": {},
        "gpu_memory_gb": None,
    }
    try:
        manifest = store.manifest(name)
    except PhotoplayError:
        return {**line, "backend": "", "bytes": None, "licence": "", "state": "altered"}
    return {
        **line,
        "backend": manifest.backend,
        "bytes": manifest.bytes,
        "licence": manifest.licence,
        "state": "yes, yours",
    }


def _tell(offer: Offer) -> None:
    """Says what a pull would bring, before it does."""
    model = offer.model
    repositories = ", ".join(dict.fromkeys(f"{wanted.repo} at {wanted.commit[:12]}" for wanted in offer.wanted))
    typer.echo(f"{model.name}: {model.title}")
    typer.echo(f"  from         {offer.mirror}: {repositories}")
    typer.echo(f"  download     {size(offer.bytes)} in {len(offer.wanted)} files")
    if model.gpu_memory_gb:
        typer.echo(f"  GPU memory   {model.gpu_memory_gb:g} GB ({dict(model.source)['gpu_memory_gb']})")
    typer.echo(f"  licence      {model.licence} ({dict(model.source)['licence']})")
    if model.licence_note:
        typer.echo(f"               {model.licence_note}")
    if offer.unpinned:
        typer.echo(
            f"  not on record: the digests of {offer.unpinned} files; --trust-first takes the mirror's word for them"
        )


def _accepted(model: Model, yes: bool) -> None:
    """Asks whether the licence is accepted.

    Raises:
        InputError: ``licence_open`` where there is nobody to ask.
    """
    if yes:
        return
    show.ask(
        "May you use it under this licence, and fetch it now?" if model.licence_note else "Fetch it now?",
        InputError(
            "licence_open",
            f"Nobody has said yet that the licence of “{model.name}” is accepted.",
            "Read it where the model is published and add --yes.",
        ),
    )


@contextmanager
def _bytes_shown(title: str) -> Iterator[Progress]:
    """A bar on stderr with bytes, speed and time left; nothing where no terminal is."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield silent
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn(title),
        BarColumn(bar_width=28),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(title, total=None)

        def tell(event: StageEvent) -> None:
            bars.update(task, completed=event.done, total=event.total)

        yield tell
