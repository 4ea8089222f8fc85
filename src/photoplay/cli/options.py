"""What several commands have in common: options that mean the same everywhere, and groups of commands that look alike."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name without asking.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def group(told: str) -> typer.Typer:
    """A group of commands; ``told`` is its help."""
    return typer.Typer(help=told, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
