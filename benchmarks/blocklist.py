"""What a blocklist costs: reading a million hashes, and asking whether a photo is among them.

    python -m benchmarks.blocklist [--hashes 1000000] [--runs 5] [--write]

Lists of chance hashes are written to a folder that vanishes. ``core`` is the time of the one core at work, which other
programs on the machine change little; ``clock`` is what passed, which they do. Medians of the runs; the first run, which
loads compiled code, is not counted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from benchmarks.report import publish
from skimage.data import astronaut

from photoplay.safety.blocklist import Blocklist
from photoplay.safety.pdq import pdq

GOAL = 1.0
"""Seconds in which a million hashes are read."""


def write_list(path: Path, count: int, remark: str, seed: int) -> None:
    """A list of ``count`` chance hashes, each with the remark."""
    digits = np.random.default_rng(seed).bytes(32 * count).hex()
    path.write_text("".join(f"{digits[at : at + 64]}{remark}\n" for at in range(0, len(digits), 64)), encoding="ascii")


def timed(runs: int, work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock and of a core: medians."""
    work()
    clock, core = [], []
    for _ in range(runs):
        began, busy = time.perf_counter(), time.thread_time()
        work()
        clock.append(time.perf_counter() - began)
        core.append(time.thread_time() - busy)
    return median(clock), median(core)


def measure(count: int, runs: int) -> list[tuple[str, float, float]]:
    """Title, clock and core of each."""
    photo, rows = astronaut(), []
    with tempfile.TemporaryDirectory() as name:
        for title, files in (
            ("read a .pdq list", {"a.pdq": ""}),
            ("read a .sha256 list", {"a.sha256": ""}),
            ("read a .pdq list with remarks", {"a.pdq": ", case 12 of 2026"}),
        ):
            folder = Path(name) / title.replace(" ", "-")
            folder.mkdir()
            for seed, (file, remark) in enumerate(files.items()):
                write_list(folder / file, count, remark, seed)
            rows.append((title, *timed(runs, lambda folder=folder: Blocklist(folder).lists())))
        (Path(name) / "both").mkdir()
        write_list(Path(name) / "both" / "a.pdq", count, "", 1)
        write_list(Path(name) / "both" / "a.sha256", count, "", 2)
        blocklist = Blocklist(Path(name) / "both")
        blocklist.lists()
        time.sleep(0.2)
        blocklist.lists()
        rows.append(
            ("ask about a photo of 512 x 512, both lists", *timed(runs, lambda: blocklist.blocks(photo, "a" * 64)))
        )
        rows.append(("of that: its hash and those of its mirror images and turns", *timed(runs, lambda: pdq(photo))))
        rows.append(("ask about a digest alone", *timed(runs, lambda: blocklist.lists().holds("a" * 64))))
    return rows


def report(rows: list[tuple[str, float, float]]) -> str:
    """The table."""
    lines = ["| what | clock, s | core, s |", "|---|---:|---:|"]
    lines += [f"| {title} | {clock:.4f} | {core:.4f} |" for title, clock, core in rows]
    clock, core = (max(row[column] for row in rows if row[0].startswith("read")) for column in (1, 2))
    slowest = f"The slowest list took {core:.2f} s of a core, {clock:.2f} s by the clock (goal: {GOAL:g} s)."
    return "\n".join([*lines, "", slowest]) + "\n"


def main() -> None:
    """Measures, prints, and writes with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    command = f"blocklist --hashes {given.hashes} --runs {given.runs}"
    publish(report(measure(given.hashes, given.runs)), "blocklist", "Blocklist", command, write=given.write)


if __name__ == "__main__":
    main()
