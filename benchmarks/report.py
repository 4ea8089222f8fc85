"""What a benchmark found: date, command and machine above the figures, printed and, if asked, kept in ``results``."""

from __future__ import annotations

import datetime
from pathlib import Path

from photoplay.device import read_device

RESULTS = Path(__file__).parent / "results"


def publish(found: str, name: str, title: str, command: str, *, write: bool, conditions: str = "") -> None:
    """Prints ``found`` below its heading; ``write`` keeps both as ``results/DATE-NAME.md``.

    ``command`` is what follows ``python -m benchmarks.``; ``conditions`` are told after the machine: load, runs, database.
    """
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    where = f"{machine()}; {conditions}" if conditions else machine()
    text = f"# {title}, {today}\n\n`python -m benchmarks.{command}`: {where}.\n\n{found.strip()}\n"
    print(text)
    if write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{today}-{name}.md").write_text(text, encoding="utf-8")


def machine() -> str:
    """Processor, its widest instructions, cores, system and Python in one line."""
    here = read_device()
    sets = (("AMX", here.amx_bf16), ("AVX-512", here.avx512), ("AVX2", here.avx2))
    widest = next((f" ({name})" for name, has in sets if has), "")
    return f"{here.processor or 'unknown processor'}{widest}, {here.cores} cores, {here.system}, Python {here.python}"
