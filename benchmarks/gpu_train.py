"""Trains pocket on a borrowed GPU, in as many calls as it takes, and leaves what comes home in small parts.

    PYTHONPATH=src:. python -m benchmarks.gpu_train --data DATASET --run RUN --out "$OUT" [--head HEAD] [--minutes 9]

One call ends within ``--minutes``, all that it does counted, and leaves a checkpoint in ``--run``; the next goes on from
there while the machine keeps that folder, until ``--total`` minutes of training are over (the recipe's own, unless told).
With ``--head`` the dataset is built first, in as many processes as there are cores, for ``--build-minutes``; half of the
cores go on with it while the GPU trains on what there is. Where MediaPipe is missing, all landmarks are exact ones.

``--out`` gets at most eight files under 16 MiB, whichever call was the last: a checkpoint of the mean weights in parts, the
held-out table, the curve, the newest samples. Of that checkpoint the weights file and its graphs are made elsewhere, by
``python -m photoplay.training export --checkpoint OUT/checkpoint --out FILE``. ``--tiny`` tries all of it on a CPU, with
``--head HEAD --people 10 --build-minutes 2 --minutes 4`` from the start.

A machine that has torch with Triton, OpenCV 4 (5 is refused), numba, matplotlib, typer and rich, and no network, takes the
rest from out/wheels and the parametric head from out/head (git ignores both, so they are taken along by name):

    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_17_x86_64 \\
        --platform manylinux2014_x86_64 -d out/wheels pydantic==2.14.3 pydantic_core==2.50.4 annotated-types==0.8.0
    cp -r HEAD out/head

There, in the checkout, three times, the first with ``--head out/head``:

    python3 -m pip install -q --no-index --no-deps --upgrade --target /tmp/site out/wheels/*.whl
    export PYTHONUNBUFFERED=1 PYTHONPATH=/tmp/site:src:.
    python3 -m benchmarks.gpu_train --data /tmp/data --run /tmp/run --out "$OUT" --minutes 9 --total 18
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import torch

from photoplay.device import usable_cores
from photoplay.errors import CancelledError, InputError, PhotoplayError, UnavailableError
from photoplay.generation.backends.open_weights.speed import can_compile
from photoplay.training.build import SPLITS, BuildConfig, build
from photoplay.training.checkpoints import list_checkpoints, load_checkpoint, save_checkpoint
from photoplay.training.config import Recipe, load_recipe
from photoplay.training.evaluate import evaluate, markdown
from photoplay.training.shards import list_examples
from photoplay.training.trainer import Trainer, resume
from photoplay.types import StageEvent

HOME = 1.25
"""Minutes that are kept for the held-out table and for writing what comes home."""
TINY_HOME = 0.25
CARRIED = ("step", "seconds", "recipe", "config", "ema")
"""What of a checkpoint comes home: all that an export needs. What only going on needs is six times as large."""
TINY_NETWORK = {
    "channels": [16, 16, 32, 32],
    "blocks": [1, 1, 1, 1],
    "reference_channels": [8, 8, 16, 16],
    "head_channels": 16,
    "embedding": 32,
}


def make_data(data: Path, head: Path, people: int, minutes: float, workers: int) -> None:
    """Builds synthetic people until they are all there or the time is over; what is whole stays."""
    ends = time.monotonic() + 60 * minutes

    def until(_event: StageEvent) -> None:
        if time.monotonic() > ends:
            raise CancelledError

    config = BuildConfig(out=data, head=head, synthetic=people, workers=workers)
    if find_spec("mediapipe") is None:
        print("MediaPipe is missing here: all landmarks are exact ones", flush=True)
        config = config.model_copy(update={"exact": 1.0})
    try:
        build(config, until)
    except CancelledError:
        print("the build's time is over", flush=True)


def counted(data: Path) -> dict[str, int]:
    """How many examples each split has.

    Raises:
        InputError: ``dataset_empty``: one has none; better told before the training than after it.
    """
    counts = {name: len(list(list_examples(data, name))) for name in SPLITS}
    if not all(counts.values()):
        raise InputError(
            "dataset_empty",
            f"The dataset has {counts['train']} examples for training and {counts['held-out']} held out.",
            "Build more people, or for longer: one in twenty is held out.",
        )
    return counts


def recipe_of(data: Path, tiny: bool, total: float | None) -> Recipe:
    """gpu.yaml on this dataset, or the smallest thing that takes the same road."""
    recipe = load_recipe("gpu")
    changes = {"folder": data, "workers": min(recipe.data.workers, max(1, usable_cores() // 2 - 1))}
    more = {"minutes": recipe.minutes if total is None else total, "compile": recipe.compile and can_compile()}
    if not tiny:
        return recipe.model_copy(update={**more, "data": recipe.data.model_copy(update=changes)})
    small = recipe.data.model_copy(update={**changes, "batch": 2, "patch": 32, "frames": 2, "workers": 1, "whole": 0.0})
    return recipe.model_copy(update={**more, "data": small, "network": TINY_NETWORK, "compile": False})


def train(recipe: Recipe, run: Path, minutes: float) -> Trainer:
    """Starts or goes on, for so many minutes of this call."""
    trainer = resume(run, recipe) if list_checkpoints(run) else Trainer(recipe, run)
    began, first = time.monotonic(), trainer.step_number

    def tell(step: int, done: float, terms: dict[str, float]) -> None:
        rate = (step - first) / (time.monotonic() - began)
        print(f"{100 * done:5.1f} %  step {step}  {rate:.2f} a second  loss {terms['loss']:.4f}", flush=True)

    trainer.train(tell, 60 * minutes)
    if torch.cuda.is_available():
        print(f"peak GPU memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    return trainer


def bring_home(trainer: Trainer, data: Path, run: Path, out: Path, tiny: bool) -> None:
    """The mean weights in parts, the curve, the newest samples and the held-out table, into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    state = {name: value for name, value in load_checkpoint(run).items() if name in CARRIED}
    state["ema"] = {name: mean.half() for name, mean in state["ema"].items()}  # an export has no more bits
    saved = save_checkpoint(run / "home", trainer.step_number, state, keep=1)
    shutil.copytree(saved, out / "checkpoint", dirs_exist_ok=True)
    if (run / "losses.png").exists():
        shutil.copyfile(run / "losses.png", out / "losses.png")
    shutil.copyfile(sorted(run.glob("samples-*.png"))[-1], out / "samples.png")
    table = markdown(evaluate(trainer.averaged(), data, 2 if tiny else 48, 2 if tiny else 8, trainer.device))
    facts = f"{trainer.step_number} steps, {trainer.seconds / 60:.1f} minutes, examples: {counted(data)}"
    (out / "held-out.md").write_text(f"{facts}\n\n{table}\n")
    print(f"{facts}\n{table}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--total", type=float)
    parser.add_argument("--head", type=Path)
    parser.add_argument("--people", type=int, default=6000)
    parser.add_argument("--build-minutes", type=float, default=3.0)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    try:
        work(asked)
    except PhotoplayError as error:
        sys.exit(f"{error.message} {error.hint}")


def work(asked: argparse.Namespace) -> None:
    """Builds, trains and brings home.

    Raises:
        UnavailableError: ``opencv_unsuited``.   InputError: ``dataset_empty``.
    """
    if not cv2.__version__.startswith("4."):
        raise UnavailableError(
            "opencv_unsuited",
            f"OpenCV {cv2.__version__} is here: with 5 synthetic people are drawn wrong, or not at all.",
            "Put opencv-python-headless 4.11 before it on PYTHONPATH.",
        )
    ends = time.monotonic() + 60 * (asked.minutes - (TINY_HOME if asked.tiny else HOME))
    if asked.head is not None:
        make_data(asked.data, asked.head, asked.people, asked.build_minutes, usable_cores())
    print(f"examples: {counted(asked.data)}", flush=True)
    recipe = recipe_of(asked.data, asked.tiny, asked.total)
    left = (ends - time.monotonic()) / 60
    if asked.head is not None:
        more = (asked.data, asked.head, asked.people, left - 0.5, max(1, usable_cores() // 2))
        multiprocessing.get_context("spawn").Process(target=make_data, args=more).start()
    trainer = train(recipe, asked.run, left)
    bring_home(trainer, asked.data, asked.run, asked.out, asked.tiny)


if __name__ == "__main__":
    main()
