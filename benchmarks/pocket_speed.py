"""Times the pocket network alone, as OpenVINO and PyTorch run it: milliseconds a film frame, agreement and peak memory.

    .venv/bin/python -m benchmarks.pocket_speed [--weights FILE] [--quick] [--write]

72 frames in windows of 24 that overlap by 8; every case runs in a process of its own, so that its peak memory is its own.
The inputs are noise: the network's time does not depend on them, and what builds its planes is timed by
``benchmarks.pocket --speed``. Agreement is the PSNR of one window's frames (latents around a mid-grey anchor) against
PyTorch in float32. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from benchmarks.report import publish
from benchmarks.stages import resident_peak

from photoplay.generation.backends.pocket.conditioning import LATENT_SCALE
from photoplay.generation.backends.pocket.model import Runner, packaged
from photoplay.generation.backends.pocket.sampler import sample_flow, sigma_schedule
from photoplay.generation.backends.pocket.weights_file import read_config

FRAMES, WINDOW, OVERLAP = 72, 24, 8
RUNNERS = ("openvino", "openvino f32", "torch bf16", "torch f32")


@dataclass(frozen=True)
class Case:
    """What is timed."""

    runner: str
    weights: str
    size: int = 192
    steps: int = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--weights", type=Path, help="a weights file with its graphs; the packaged ones where none is given"
    )
    parser.add_argument("--quick", action="store_true", help="192 pixels and one step only")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-pocket-network.md")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(measure(Case(**json.loads(asked.case[0])), Path(asked.case[1]))))
        return
    weights = str(asked.weights or packaged())
    cases = [Case(runner, weights) for runner in reversed(RUNNERS)]
    if not asked.quick:
        cases += [Case("openvino", weights, size, steps) for size in (128, 192, 256) for steps in (1, 2, 4)]
    lines = ["| runner | size | steps | ms a frame | peak MB | first window s | agreement dB |", "|---|" + "---:|" * 6]
    truth = None
    with tempfile.TemporaryDirectory() as folder:
        for case in dict.fromkeys(cases):
            command = [sys.executable, "-m", "benchmarks.pocket_speed", "--case", json.dumps(asdict(case)), folder]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            made = np.load(Path(folder) / "made.npy")
            truth = made if truth is None else truth
            alike = f"{agreement(made, truth):.0f}" if made.shape == truth.shape and case.steps == 1 else ""
            cells = (f"{1000 * told['frame']:.1f}", f"{told['peak'] / 1e6:.0f}", f"{told['first']:.1f}", alike)
            lines.append(f"| {case.runner} | {case.size} | {case.steps} | {' | '.join(cells)} |")
            print(lines[-1], file=sys.stderr)
    command = f"pocket_speed{' --quick' if asked.quick else ''}"
    publish("\n".join(lines), "pocket-network", "The pocket network by runner", command, write=asked.write)


def measure(case: Case, folder: Path) -> dict[str, float]:
    """Seconds a frame (the better of two films), of the first window, and the process's peak memory in bytes."""
    runner, inputs = load(case), noise(case)
    began = perf_counter()
    np.save(folder / "made.npy", window(runner, inputs, case.steps))
    first, films = perf_counter() - began, []
    for _ in range(2):
        began = perf_counter()
        for _ in range(0, FRAMES - OVERLAP, WINDOW - OVERLAP):
            window(runner, inputs, case.steps)
        films.append((perf_counter() - began) / FRAMES)
    return {"frame": min(films), "first": first, "peak": resident_peak(os.getpid())}


def load(case: Case) -> Runner:
    kind, _, precision = case.runner.partition(" ")
    if kind == "openvino":
        from photoplay.generation.backends.pocket.openvino_runner import OpenVinoRunner

        return OpenVinoRunner(Path(case.weights), precision or None)
    import torch

    from photoplay.generation.backends.pocket.torch_runner import TorchRunner, read_net

    return TorchRunner(read_net(Path(case.weights)), {"bf16": torch.bfloat16, "f32": torch.float32}[precision])


def noise(case: Case) -> list[np.ndarray]:
    """Latents, planes of the frames, of what is known, and of the photo."""
    config, draw, size = read_config(Path(case.weights)), np.random.default_rng(0), case.size
    planes = (3, len(config.cond_planes), len(config.previous_planes))
    shapes = [*((1, count, WINDOW, size, size) for count in planes), (1, len(config.reference_planes), size, size)]
    return [draw.standard_normal(shape, np.float32) for shape in shapes]


def window(runner: Runner, inputs: list[np.ndarray], steps: int) -> np.ndarray:
    latents, cond, previous, reference = inputs
    told = runner.read(cond, previous, reference)
    return sample_flow(lambda x, sigma: runner.denoise(x, sigma, told), latents, sigma_schedule(steps))


def agreement(made: np.ndarray, truth: np.ndarray) -> float:
    """PSNR in dB of the frames that two latents make of a mid-grey anchor."""
    error = np.square((made - truth) * (127.5 * LATENT_SCALE)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


if __name__ == "__main__":
    main()
