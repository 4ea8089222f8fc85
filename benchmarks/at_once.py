"""What the networks on the CPU cost when several processes run them at once, as a host's workers do.

    .venv/bin/python -m benchmarks.at_once [--processes 2] [--seconds 5] [--write]

The content filter looks at a picture (one thread), pocket's network makes a window of 128 pixels (a thread for each core).
Each is timed in one process alone and in ``--processes`` that begin together, with photoplay's options and with the threads
pinned to cores, as is OpenVINO's default. Medians; run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from benchmarks.pocket_speed import Case, load, noise, window
from benchmarks.report import publish

from photoplay.device import openvino_options
from photoplay.generation.backends.pocket import openvino_runner
from photoplay.generation.backends.pocket.model import packaged
from photoplay.safety import classifiers

WORK = ("content filter, a picture", "pocket's network, a window")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5, help="how long each is timed")
    parser.add_argument("--write", action="store_true", help="keep it in benchmarks/results")
    asked = parser.parse_args()
    if classifiers.NudeNet.installed() is None:
        raise SystemExit("There is no content filter: pip install 'photoplay[nudenet]'.")
    lines = ["| work | threads | ms alone | ms, each of several at once |", "|---|---|---:|---:|"]
    for work in WORK:
        for pinned in (False, True):
            alone, together = (1000 * timed(work, pinned, many, asked.seconds) for many in (1, asked.processes))
            lines.append(f"| {work} | {'pinned' if pinned else 'free'} | {alone:.1f} | {together:.1f} |")
    command = f"at_once --processes {asked.processes} --seconds {asked.seconds:g}"
    conditions = f"{asked.processes} processes at once"
    publish(
        "\n".join(lines), "at-once", "Networks of several processes", command, write=asked.write, conditions=conditions
    )


def timed(work: str, pinned: bool, processes: int, seconds: float) -> float:
    """Median seconds of one piece of work, over all processes."""
    spawn = multiprocessing.get_context("spawn")
    ready, found = spawn.Barrier(processes), spawn.Queue()
    workers = [spawn.Process(target=repeat, args=(work, pinned, seconds, ready, found)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    took = [found.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    return median(each for of_one in took for each in of_one)


def repeat(work: str, pinned: bool, seconds: float, ready: Any, found: Any) -> None:
    """Works for a while in a process of its own, from when all are ready, and tells how long each piece took."""
    once = prepared(work, pinned)
    once()  # compiled
    ready.wait(300)
    took, end = [], perf_counter() + seconds
    while perf_counter() < end or not took:
        began = perf_counter()
        once()
        took.append(perf_counter() - began)
    found.put(took)


def prepared(work: str, pinned: bool) -> Callable[[], object]:
    def options(threads: int) -> dict[str, Any]:
        return {**openvino_options(threads), "ENABLE_CPU_PINNING": pinned}

    classifiers.openvino_options = openvino_runner.openvino_options = options
    if work == WORK[0]:
        detector = classifiers.NudeNet.installed()
        picture = np.random.default_rng(0).integers(0, 256, (480, 854, 3), np.uint8)
        return lambda: detector.unsafe([picture])
    case = Case("openvino", str(packaged()), 128, 1)
    runner, inputs = load(case), noise(case)
    return lambda: window(runner, inputs, case.steps)


if __name__ == "__main__":
    main()
