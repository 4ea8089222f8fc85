"""``photoplay verify``, ``backends`` and ``doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def verify(
    file: Annotated[Path, typer.Argument(help="A film or picture.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Tell whether a file was made by photoplay and is unchanged. Exit status: 0 trusted, 1 anything else."""
    from photoplay.safety.verify import verify as run

    found = run(file)
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str, sort_keys=True))
    else:
        typer.echo(found.sentence)
        for key, value in asdict(found).items():
            if key != "sentence" and value not in (None, "", (), {}, []):
                typer.echo(f"  {key.replace('_', ' '):<22}{value}")
    raise typer.Exit(0 if found.state == "trusted" else 1)


def backends(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """List what can make the frames."""
    from photoplay.generation.backends import get_backend, list_backends

    found = {name: get_backend(name).capabilities for name in list_backends()}
    if as_json:
        typer.echo(json.dumps({name: asdict(capabilities) for name, capabilities in found.items()}))
        return
    for name, capabilities in found.items():
        typer.echo(f"{name:<10}{capabilities.description}")
        typer.echo(f"{'':<10}modes {', '.join(capabilities.modes)}; up to {capabilities.max_subjects} people")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Tell what is installed and which features of this machine are used."""
    from photoplay.device import describe

    found = describe()
    if as_json:
        typer.echo(json.dumps(found, default=str))
        return
    for key, value in found.items():
        if isinstance(value, dict):
            typer.echo(f"{key.replace('_', ' ')}")
            for name, detail in value.items():
                typer.echo(f"  {name:<28}{detail if detail is not None else 'not installed'}")
        else:
            typer.echo(f"{key.replace('_', ' '):<30}{value}")
