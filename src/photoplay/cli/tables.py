"""Tables and sizes on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

WIDE = 200
"""Columns of a table that goes into a file or another program."""


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], wrapped: str) -> None:
    """Prints a table, as wide as the terminal: the column ``wrapped`` gives way, and one without any text is left out."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    shown = [index for index in range(len(headings)) if any(row[index] for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for index in shown:
        table.add_column(headings[index], no_wrap=headings[index] != wrapped)
    for row in rows:
        table.add_row(*(row[index] for index in shown))
    console.print(table, markup=False)


def size(count: int | None) -> str:
    """Bytes in words: ``82.3 GB``, ``67 MB``, ``?`` where they are not known."""
    if count is None:
        return "?"
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= 0.9995 * unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} B"
