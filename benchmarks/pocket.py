"""Is the pocket model worth it? Real clips made again by anchor, classical inpainting and model, against the clip itself.

    .venv/bin/python -m benchmarks.pocket [--weights FILE] [--steps 1] [--size 192] [--ablations] [--quick] [--write]
    .venv/bin/python -m benchmarks.pocket --speed [--weights FILE] [--write]

Several frames of each clip in ``../shared/data/video`` serve as the photo; the clip's own tracked landmarks are the motion.
*gain* is PSNR over the anchor in dB, *sharpness* the gradient energy over the truth's (geometric mean), *off by* the mean
distance of its log2 from 0. No frame of the clips is ever used in training. Without ``--weights`` the packaged model runs.
``--speed`` makes 72 frames of 512 x 512 in a process of its own and tells each stage's seconds and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from benchmarks.inpaint import blurred, inpainted
from benchmarks.report import publish
from benchmarks.scores import Film, Score, flicker, gains, identities, score, tables
from benchmarks.stages import plan_for, resident_peak, track_for
from benchmarks.takes import Take, anchors, takes

from photoplay.cli.portrait import portrait
from photoplay.finishing.encode import encode
from photoplay.finishing.smoothing import smooth
from photoplay.generation.backends import get_backend
from photoplay.generation.backends.pocket.backend import Generator, PocketBackend
from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.generation.backends.pocket.crops import HeadCrops, crop_frames
from photoplay.generation.backends.protocol import Backend
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.pipeline.clock import StageClock
from photoplay.types import Anchor, RgbStack, silent

Method: TypeAlias = Callable[[Take, Anchor], RgbStack]
STEPS, BUDGETS = (1, 2, 4, 8), (45.0, 90.0, 2.5)
"""Steps that are compared; seconds for 72 frames with and without AMX, and gigabytes."""


def baselines() -> dict[str, Method]:
    """What needs no model. The anchor comes first: it is what gains are told over."""

    def photo(take: Take, anchor: Anchor) -> RgbStack:
        return np.repeat(take.truth[take.source][None], len(anchor.rgb), axis=0)

    return {
        "anchor": lambda _, anchor: anchor.rgb,
        "inpainting (Telea)": lambda _, anchor: inpainted(anchor),
        "anchor, blurred 0.7 px": lambda _, anchor: blurred(anchor),
        "the photo, still": photo,
    }


def films_of(backend: Backend) -> Method:
    """A backend as a method. It paints the anchor anew: what it costs is all of it."""
    return lambda take, _: np.concatenate([f.rgb for f in backend.generate(take.scene, [take.track], take.plan)])


def backend_of(asked: argparse.Namespace) -> Backend:
    """The backend that the options name: ``backend``, and for pocket ``weights``, ``steps`` and ``size``."""
    if asked.backend != "pocket":
        return get_backend(asked.backend)
    from photoplay.generation.backends.pocket.model import PocketModel

    return PocketBackend(PocketModel.load(asked.weights), asked.steps, asked.size)


def models(asked: argparse.Namespace) -> dict[str, Method]:
    """The model as asked, and with ``--ablations`` with other steps, without guide, without reference."""
    if asked.backend != "pocket":
        return {asked.backend: films_of(backend_of(asked))}
    from photoplay.generation.backends.pocket.model import PocketModel

    model = PocketModel.load(asked.weights)
    name = f"pocket, {asked.steps} step" + "s" * (asked.steps > 1)
    found = {name: films_of(PocketBackend(model, asked.steps, asked.size))}
    if asked.ablations:
        for steps in STEPS:
            label = f"pocket, {steps} step" + "s" * (steps > 1)
            found.setdefault(label, films_of(PocketBackend(model, steps, asked.size)))
        found["pocket, its detail as well"] = films_of(PocketBackend(model, asked.steps, asked.size, detail=1))
        found["perfect model (ceiling)"] = lambda take, _: ceiling(take, asked.size)
        found["pocket, no guide"] = films_of(PocketBackend(model.without(guide=True), asked.steps, asked.size))
        found["pocket, no reference"] = films_of(PocketBackend(model.without(reference=True), asked.steps, asked.size))
    return found


def compare(methods: dict[str, Method], chosen: list[Take], identity_step: int) -> tuple[list[Score], list[Film]]:
    """Runs and measures every method on every take."""
    scores: list[Score] = []
    films: list[Film] = []
    reader = FaceReader()
    for take in chosen:
        started = time.perf_counter()
        anchor = anchors(take)
        painted = time.perf_counter() - started
        real = flicker(take, take.truth)
        for name, method in methods.items():
            started = time.perf_counter()
            made = method(take, anchor)
            spent = time.perf_counter() - started + (painted if name == "anchor" else 0.0)
            scores += score(name, take, made)
            who = () if name == "the photo, still" else identities(take, list(made), reader, identity_step)
            films.append(Film(name, take.name, who, flicker(take, made) / real, 1000 * spent / len(made)))
        print(f"{take.name}: {len(take.truth)} frames {take.plan.width}x{take.plan.height}", file=sys.stderr)
    return scores, films


@dataclass(frozen=True)
class Oracle:
    """A model that knows the truth: what is lost with it is lost by crops and composite alone."""

    crops: RgbStack

    @classmethod
    def of(cls, take: Take, size: int) -> Oracle:
        landmarks, rest = (take.plan.to_frame(points) for points in (take.track.landmarks, take.track.rest_landmarks))
        return cls(crop_frames(take.truth, HeadCrops.of(landmarks, rest, size).matrices, size))

    def generate(
        self, window: CropWindow, known: RgbStack | None, seed: int, start: int, num_inference_steps: int
    ) -> RgbStack:
        del known, seed, num_inference_steps
        return self.crops[start : start + window.num_frames]


def ceiling(take: Take, size: int) -> RgbStack:
    """What a perfect model would make, its detail trusted as well."""
    backend = PocketBackend(Oracle.of(take, size), 1, size, detail=1)
    return np.concatenate([frames.rgb for frames in backend.generate(take.scene, [take.track], take.plan)])


@dataclass
class Timed:
    """A model that knows how long it took."""

    model: Generator
    seconds: float = field(default=0.0)

    def generate(
        self, window: CropWindow, known: RgbStack | None, seed: int, start: int, num_inference_steps: int
    ) -> RgbStack:
        began = time.perf_counter()
        made = self.model.generate(window, known, seed, start, num_inference_steps)
        self.seconds += time.perf_counter() - began
        return made


def film(asked: argparse.Namespace) -> dict[str, float]:
    """Seconds of each stage of 72 frames of 512 x 512 (``laugh``), as the line runs them, and this process's peak in GB."""
    clock, model = StageClock(), None
    began = time.perf_counter()
    with clock.stage("perceive"):
        scene = perceive(portrait(), reader=FaceReader())
    with clock.stage("move"):
        plan, tracks = plan_for(scene, 512, 512), [track_for(scene, "laugh")]
    with clock.stage("load"):
        if asked.film == "pocket":
            from photoplay.generation.backends.pocket.model import PocketModel

            model = Timed(PocketModel.load(asked.weights))
            backend: Backend = PocketBackend(model, asked.steps, asked.size)
        else:
            backend = get_backend(asked.film)
    with tempfile.TemporaryDirectory() as folder:
        frames: Iterator = clock.stream("generate", backend.generate(scene, tracks, plan, silent))  # type: ignore[type-arg]
        with clock.stage("encode"):
            encode(clock.stream("smooth", smooth(frames)), Path(folder) / "film.mp4")
    told = dict(clock.seconds) | {"all": time.perf_counter() - began, "peak": resident_peak(os.getpid()) / 1e9}
    if model is not None:
        told["of it the model"] = model.seconds
    return told


def speed(asked: argparse.Namespace) -> str:
    """Markdown: anchor and model, each in a fresh process (the second of two runs: compiled kernels are kept on disk)."""
    rows: dict[str, dict[str, float]] = {}
    for name in ("anchor", asked.backend):
        command = [sys.executable, "-m", "benchmarks.pocket", "--film", name, "--steps", str(asked.steps)]
        command += ["--size", str(asked.size), *(["--weights", str(asked.weights)] if asked.weights else [])]
        for _ in range(2):
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
        rows[name] = json.loads(ran.stdout.splitlines()[-1])
    stages = [s for s in rows[asked.backend] if s not in ("all", "peak")]
    lines = ["### 72 frames of 512 x 512, seconds", "", "| backend | " + " | ".join(stages) + " | all | peak memory, GB |",
             "|---|" + "---:|" * (len(stages) + 2)]  # fmt: skip
    for name, row in rows.items():
        cells = " | ".join(f"{row.get(stage, 0.0):.2f} ({row.get(stage, 0.0) / row['all']:.0%})" for stage in stages)
        lines.append(f"| {name} | {cells} | **{row['all']:.1f}** | {row['peak']:.2f} |")
    budget = f"Budgets: {BUDGETS[0]:g} s on two cores with AMX, {BUDGETS[1]:g} s without, {BUDGETS[2]:g} GB."
    return "\n".join([*lines, "", budget])


def main() -> None:
    asked = arguments()
    if asked.film:
        print(json.dumps(film(asked)))
        return
    if asked.speed:
        tell(asked, speed(asked), "pocket-speed")
        return
    methods = baselines() | models(asked)
    chosen = takes(asked.only, sources=1 if asked.quick else 2)
    if not chosen:
        print("No clips: they lie in ../shared/data/video.")
        return
    scores, films = compare(methods, chosen, identity_step=12 if asked.quick else 6)
    told = tables(scores, films)
    for name in list(methods)[len(baselines()) :][:1]:
        told += f"\n\n{gains(scores, name)}"
    tell(asked, told, "pocket-ablations" if asked.ablations else "pocket")


def tell(asked: argparse.Namespace, told: str, name: str) -> None:
    publish(told, name, "The pocket model against the anchor", f"pocket {' '.join(sys.argv[1:])}", write=asked.write)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="pocket", help="any installed backend")
    parser.add_argument("--weights", type=Path, help="a safetensors file of a PocketModel")
    parser.add_argument("--steps", type=int, default=1, help="denoising steps")
    parser.add_argument("--size", type=int, default=192, help="side of a head's crop, divisible by 16")
    parser.add_argument("--only", default="", help="only clips with this in their name")
    parser.add_argument("--ablations", action="store_true", help="steps, guide and reference in the same table")
    parser.add_argument("--quick", action="store_true", help="one photo for each clip")
    parser.add_argument("--speed", action="store_true", help="time and memory of 72 frames instead")
    parser.add_argument("--film", default="", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-pocket*.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
