"""Measures small moving previews: how long the looker takes for each, cold and warm, of one photo and of two.

    python -m benchmarks.previews [--each 6] [--write]

needs ../shared/data (photos). Admission runs for each; what is kept between them is what the photos show at rest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.report import publish

from photoplay.errors import SceneError
from photoplay.motion.library import list_templates
from photoplay.service.ground.settings import Settings
from photoplay.service.looking.looker import Looker, PreviewOrder

DATA = Path(__file__).parents[2] / "shared" / "data" / "photos"
PHOTOS = ("wan22_man_train.png", "wan22_woman_street.png")
ALONE = ("smile", "nod", "laugh", "look_left", "talk", "surprise", "wink_left", "yawn")


def measure(looker: Looker, photos: tuple[bytes, ...], names: list[str], each: int) -> tuple[list[float], int]:
    """Seconds of ``each`` previews of as many motions, and how many motions these people cannot play."""
    took: list[float] = []
    refused = 0
    for name in names:
        began = time.perf_counter()
        try:
            looker.preview(PreviewOrder(photos, name, ("fictional",)))
        except SceneError:
            refused += 1
        else:
            took.append(time.perf_counter() - began)
        if len(took) == each:
            break
    return took, refused


def main() -> None:
    """Measures, prints, and writes with ``--write``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    pair = tuple((DATA / name).read_bytes() for name in PHOTOS)
    together = [one.name for one in list_templates() if one.people == 2 and one.category not in ("romantic", "contact")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PHOTOPLAY_HOME"] = folder
        looker = Looker(Settings(data=Path(folder) / "data"))
        try:
            began = time.perf_counter()
            looker.inspect(pair[0])
            rows.append(
                ("the first question: the child starts, and a photo is inspected", [time.perf_counter() - began], 0)
            )
            for title, photos, names in (("one photo", pair[:1], list(ALONE)), ("two photos", pair, together)):
                first, refused = measure(looker, photos, names, 1)
                rows.append((f"{title}, the first motion", first, refused))
                rows.append((f"{title}, another motion", *measure(looker, photos, names[1 + refused :], given.each)))
        finally:
            looker.close()
    lines = [
        "| | median s | slowest s | made | not for these photos |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {what} | {statistics.median(took):.2f} | {max(took):.2f} | {len(took)} | {no} |"
            for what, took, no in rows
        ),
        "",
        "A pair is put together anew where the other one of the two stands in front (the slowest of the other motions).",
    ]
    command, where = f"previews --each {given.each}", f"load average before {load:.1f}"
    publish("\n".join(lines), "previews", "Previews", command, write=given.write, conditions=where)


if __name__ == "__main__":
    main()
