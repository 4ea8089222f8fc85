"""Trains pocket on a borrowed GPU, in as many calls as it takes, and leaves what comes home in small parts.

    python -m benchmarks.gpu --data DATASET --run RUN --out "$OUT" --minutes 9 [--head HEAD --people 6000 --build-minutes 3]

One call trains for at most ``--minutes`` and writes a checkpoint into ``--run``; the next goes on from there while
the machine keeps that folder, until the recipe's own minutes are over. With ``--head`` the dataset is built first, in
as many processes as there are cores, for ``--build-minutes``; half of the cores go on with it while the GPU trains on
what there is. ``--out`` gets at most eight files under 16 MiB, whichever call was the last: the fp16 weights in parts
(``photoplay.training.checkpoints.join`` puts them together), their manifest, the graphs, the card with the held-out
table, the curve, the newest samples. ``--tiny`` tries all of it on a CPU in a minute.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import time
from pathlib import Path

import torch

from photoplay.device import usable_cores
from photoplay.errors import CancelledError
from photoplay.generation.backends.pocket.weights_file import graph_paths
from photoplay.training.build import BuildConfig, build
from photoplay.training.checkpoints import list_checkpoints, split
from photoplay.training.config import Recipe, load_recipe
from photoplay.training.evaluate import evaluate, markdown
from photoplay.training.export import export
from photoplay.training.shards import list_examples
from photoplay.training.trainer import Trainer, resume
from photoplay.types import StageEvent

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
    try:
        build(config, until)
    except CancelledError:
        print("the build's time is over")


def recipe_of(data: Path, tiny: bool, minutes: float) -> Recipe:
    """gpu.yaml on this dataset, or the smallest thing that takes the same road."""
    recipe = load_recipe("gpu")
    changes = {"folder": data, "workers": min(recipe.data.workers, max(1, usable_cores() // 2 - 1))}
    if not tiny:
        return recipe.model_copy(update={"data": recipe.data.model_copy(update=changes)})
    small = recipe.data.model_copy(update={**changes, "batch": 2, "patch": 32, "frames": 2, "workers": 1, "whole": 0.0})
    return recipe.model_copy(
        update={"data": small, "network": TINY_NETWORK, "compile": False, "minutes": minutes, "dtype": "float32"}
    )


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
    """The held-out table, the weights in parts, the curve and the newest samples, into ``out``."""
    scores = evaluate(trainer.averaged(), data, 2 if tiny else 48, 2 if tiny else 8, trainer.device)
    print(markdown(scores))
    exported = export(run, run / "pocket.safetensors", markdown(scores))
    out.mkdir(parents=True, exist_ok=True)
    split(exported.path.read_bytes(), out / "weights", "pocket")
    for graph in graph_paths(exported.path).values():
        shutil.copyfile(graph, out / graph.name)
    shutil.copyfile(exported.path.with_suffix(".md"), out / "card.md")
    if (run / "losses.png").exists():
        shutil.copyfile(run / "losses.png", out / "losses.png")
    shutil.copyfile(sorted(run.glob("samples-*.png"))[-1], out / "samples.png")
    print(f"{exported.sha256}  {exported.size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--head", type=Path)
    parser.add_argument("--people", type=int, default=6000)
    parser.add_argument("--build-minutes", type=float, default=3.0)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    if asked.head is not None:
        make_data(asked.data, asked.head, asked.people, asked.build_minutes, usable_cores())
        more = (asked.data, asked.head, asked.people, asked.minutes - 1, max(1, usable_cores() // 2))
        multiprocessing.get_context("spawn").Process(target=make_data, args=more).start()
    counts = {name: len(list(list_examples(asked.data, name))) for name in ("train", "held-out")}
    print(f"examples: {counts}", flush=True)
    trainer = train(recipe_of(asked.data, asked.tiny, asked.minutes), asked.run, asked.minutes)
    bring_home(trainer, asked.data, asked.run, asked.out, asked.tiny)


if __name__ == "__main__":
    main()
