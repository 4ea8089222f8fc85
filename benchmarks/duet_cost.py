"""What a film of two people costs against one of one person of the same size, whole and in one run.

    python -m benchmarks.duet_cost [--seconds 3] [--rounds 3] [--backend pocket] [--write]

Each round makes both films one after the other (astronaut; astronaut and Grace Hopper) with everything that a user gets:
admission, composition, frames, review, content filter, encoding, seal. The first round compiles kernels and does not count.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.report import publish

import photoplay
from photoplay.cli.portrait import portrait
from photoplay.types import Clip, Photo

SIZE = "720x480"


def hopper() -> Photo:
    """Matplotlib's portrait of Grace Hopper (US Navy, public domain)."""
    from matplotlib import cbook

    from photoplay.media import load_photo

    with cbook.get_sample_data("grace_hopper.jpg", asfileobj=True) as file:
        return load_photo(file.read())


def film(
    photos: list[Photo], template: str, folder: Path, seconds: float, backend: str
) -> tuple[tuple[float, float], Clip]:
    start, busy = time.perf_counter(), time.process_time()
    clip = photoplay.animate(
        photos, template=template, consent="historical", out=folder / f"{template}.mp4", size=SIZE, seconds=seconds,
        backend=backend,
    )  # fmt: skip
    return (time.perf_counter() - start, time.process_time() - busy), clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", default="pocket")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    people = [portrait(), hopper()]
    times: dict[str, list[tuple[float, float]]] = {"laugh": [], "laugh_together": [], "shoulder_bump": []}
    stages: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(asked.rounds + 1):
            for template in times:
                photos = people[:1] if template == "laugh" else people
                took, clip = film(photos, template, Path(folder), asked.seconds, asked.backend)
                if round_:
                    times[template].append(took)
                    stages[template] = clip.timings
    middle = {name: [statistics.median(column) for column in zip(*took, strict=True)] for name, took in times.items()}
    names = sorted({name for told in stages.values() for name in told})
    lines = [
        "| film | seconds | processor | against one person | " + " | ".join(names) + " |",
        "|---|---:|---:|---:|" + "---:|" * len(names),
    ]  # fmt: skip
    for template, (took, busy) in middle.items():
        parts = " | ".join(f"{stages[template].get(name, 0.0):.2f}" for name in names)
        ratio = f"{took / middle['laugh'][0]:.2f}, processor {busy / middle['laugh'][1]:.2f}"
        lines.append(f"| {template} | {took:.1f} | {busy:.1f} | {ratio} | {parts} |")
    publish(
        "\n".join(lines), "duet-cost", f"One person and two, {SIZE}, {asked.seconds:g} s, backend {asked.backend}",
        f"duet_cost --seconds {asked.seconds:g} --rounds {asked.rounds} --backend {asked.backend}", write=asked.write,
        conditions=f"medians of {asked.rounds} rounds",
    )  # fmt: skip


if __name__ == "__main__":
    main()
