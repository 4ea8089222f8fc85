"""Times the pocket network alone: milliseconds a film frame and peak memory, by crop size, steps and number format.

    .venv/bin/python -m benchmarks.pocket_speed [--wide] [--quick] [--train]

72 frames in windows of 24 that overlap by 8; every case runs in a process of its own, so that its peak memory is its own
(torch included). The inputs are noise: the network's time does not depend on them, and what builds its planes is timed by
``benchmarks.pocket --speed``. ``--train`` times learning instead: frames of 96 x 96 a second, forward, backward and AdamW.
Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from time import perf_counter

import torch
from benchmarks.stages import resident_peak
from torch.utils.flop_counter import FlopCounterMode

from photoplay.device import usable_cores
from photoplay.generation.backends.pocket.config import SMALL, WIDE, PocketConfig
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.generation.backends.pocket.sampler import sample_flow, sigma_schedule

FRAMES, WINDOW, OVERLAP = 72, 24, 8
SIZES, STEPS = (160, 192, 224), (1, 2, 4)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PATCH, CLIP, BATCH = 96, 8, 4


@dataclass(frozen=True)
class Case:
    """What is timed; ``train`` ignores size and steps."""

    size: int
    steps: int
    dtype: str
    wide: bool = False
    train: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wide", action="store_true", help="the network for GPU training")
    parser.add_argument("--quick", action="store_true", help="192 pixels and one step only")
    parser.add_argument("--train", action="store_true", help="learning instead of film making")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(_measure(Case(**json.loads(asked.case)))))
        return
    _describe(WIDE if asked.wide else SMALL)
    sizes, steps = ((192,), (1,)) if asked.quick or asked.train else (SIZES, STEPS)
    print(
        "| size | steps | format | ms a frame | peak MB |"
        if not asked.train
        else "| format | frames a second | peak MB |"
    )
    print("|---|---|---|---|---|" if not asked.train else "|---|---|---|")
    for case in (Case(s, n, dtype, asked.wide, asked.train) for s in sizes for n in steps for dtype in DTYPES):
        command = [sys.executable, "-m", "benchmarks.pocket_speed", "--case", json.dumps(asdict(case))]
        seconds, peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        if case.train:
            print(f"| {case.dtype} | {1 / seconds:.1f} | {peak / 1e6:.0f} |", flush=True)
        else:
            print(f"| {case.size} | {case.steps} | {case.dtype} | {seconds * 1e3:.0f} | {peak / 1e6:.0f} |", flush=True)


def _measure(case: Case) -> tuple[float, float]:
    """Seconds a frame (best of two films, or of four batches learnt) and the process's peak memory in bytes."""
    torch.set_num_threads(usable_cores())
    net, runs = PocketNet(WIDE if case.wide else SMALL), []
    learn = _learner(net, DTYPES[case.dtype]) if case.train else None
    if learn is None:
        net = net.to(DTYPES[case.dtype]).eval().requires_grad_(False)
    for _ in range(4 if learn else 2):
        began = perf_counter()
        if learn is None:
            _film(net, case.size, case.steps)
        else:
            learn()
        runs.append((perf_counter() - began) / (BATCH * CLIP if learn else FRAMES))
    return min(runs), resident_peak(os.getpid())


@torch.inference_mode()
def _film(net: PocketNet, size: int, steps: int) -> None:
    inputs = _inputs(1, WINDOW, size)
    tokens = net.encode(inputs["reference"])
    for _ in range(0, FRAMES - OVERLAP, WINDOW - OVERLAP):
        given = net.prepare(inputs["cond"], inputs["previous"])

        def denoise(latents: torch.Tensor, sigma: float, given=given) -> torch.Tensor:
            return net.denoise(latents, torch.tensor([sigma]), given, tokens)

        sample_flow(denoise, inputs["latents"], sigma_schedule(steps))


def _learner(net: PocketNet, dtype: torch.dtype):
    """One step of learning on patches, weights in float32 and the work in ``dtype``."""
    optimiser = torch.optim.AdamW(net.parameters(), 1e-4, fused=True)
    inputs, reference = _inputs(BATCH, CLIP, PATCH), _inputs(BATCH, 1, 192)["reference"]

    def learn() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            made = net(inputs["latents"], torch.ones(BATCH), inputs["cond"], inputs["previous"], net.encode(reference))
        optimiser.zero_grad()
        (made - 1).square().mean().backward()
        optimiser.step()

    return learn


def _inputs(batch: int, frames: int, size: int) -> dict[str, torch.Tensor]:
    told = {"latents": 3, "cond": len(SMALL.cond_planes), "previous": len(SMALL.previous_planes)}
    shapes = {name: (batch, planes, frames, size, size) for name, planes in told.items()}
    shapes["reference"] = (batch, len(SMALL.reference_planes), size, size)
    return {name: torch.randn(shape, generator=torch.Generator().manual_seed(0)) for name, shape in shapes.items()}


@torch.inference_mode()
def _describe(config: PocketConfig) -> None:
    net, inputs = PocketNet(config), _inputs(1, 2, 192)
    millions = sum(parameter.numel() for parameter in net.parameters()) / 1e6
    with FlopCounterMode(display=False) as reading:
        tokens = net.encode(inputs["reference"])
    with FlopCounterMode(display=False) as preparing:
        given = net.prepare(inputs["cond"], inputs["previous"])
    with FlopCounterMode(display=False) as denoising:
        net.denoise(inputs["latents"], torch.ones(1), given, tokens)
    photo, window, step = (counted.get_total_flops() / 1e9 for counted in (reading, preparing, denoising))
    print(f"{millions:.1f} M parameters; at 192 pixels {photo:.1f} GFLOP a film,", end=" ")
    print(f"{window / 2:.1f} a frame and window, {step / 2:.1f} a frame and step; {usable_cores()} cores\n")


if __name__ == "__main__":
    main()
