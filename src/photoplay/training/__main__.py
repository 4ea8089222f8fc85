"""``python -m photoplay.training``: build a dataset, train, resume, evaluate, export."""

from __future__ import annotations

import hashlib
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from photoplay.errors import PhotoplayError
from photoplay.training.config import Recipe, load_recipe

app = typer.Typer(
    help="Trains the pocket model, and the network that hears speech.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
RecipeName = Annotated[str, typer.Option("--recipe", help="A YAML file, or a shipped recipe: cpu, gpu, overnight.")]
RunFolder = Annotated[Path, typer.Option("--run", help="The run's folder.")]
DataFolder = Annotated[Path | None, typer.Option("--data", help="The dataset's folder, instead of the recipe's.")]
Minutes = Annotated[float | None, typer.Option("--minutes", help="Minutes of training, instead of the recipe's.")]


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def build(context: typer.Context) -> None:
    """Builds a dataset, or goes on with one."""
    from photoplay.training.build import main as build_dataset

    command = typer.Typer(add_completion=False)
    command.command()(build_dataset)
    command(context.args, prog_name="python -m photoplay.training build", standalone_mode=False)


@app.command()
def features(
    data: Annotated[Path, typer.Option("--data", help="The dataset's folder.")],
    out: Annotated[Path, typer.Option("--out", help="Where the pyramid goes (.safetensors).")],
    steps: int = 400,
    seed: int = 0,
) -> None:
    """Trains the feature pyramid for the perceptual and the landmark term."""
    from photoplay.training.batches import Library
    from photoplay.training.features import save_features, train_features

    with _Shown(f"{steps} steps") as shown:
        library = Library(data, "train", 8.0)
        net = train_features(library, steps, 16, 96, seed, lambda step, loss: shown((step + 1) / steps, {"loss": loss}))
    save_features(net, out)


@app.command()
def speech(
    out: Annotated[Path, typer.Option("--out", help="The weights file to write (.safetensors).")],
    data: Annotated[Path, typer.Option("--data", help="Folder of made speech; built where it is empty.")],
    minutes: Annotated[float, typer.Option("--minutes", help="Minutes of training.")] = 25.0,
    hours: Annotated[float, typer.Option("--hours", help="Hours of speech to make.")] = 3.0,
    seed: int = 0,
) -> None:
    """Trains the network that hears visemes, on speech made with espeak-ng (needs the package espeakng-loader)."""
    from photoplay.training.speech.train import teach

    with _Shown(f"{minutes:g} min") as shown:
        digest = teach(
            out,
            data=data,
            minutes=minutes,
            hours=hours,
            seed=seed,
            tell=lambda _, done, terms: shown(done, terms),
        )
    typer.echo(digest)


@app.command()
def train(
    run: RunFolder, recipe: RecipeName = "cpu", data: DataFolder = None, minutes: Minutes = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="Start from this weights file.")] = None,
) -> None:  # fmt: skip
    """Trains a network, from the start or from a weights file."""
    from photoplay.training.trainer import Trainer

    chosen = _changed(load_recipe(recipe), data, minutes)
    trainer = Trainer(chosen if weights is None else chosen.model_copy(update={"weights": weights}), run)
    with _Shown("training") as shown:
        trainer.train(lambda step, done, terms: shown(done, {"step": step, **terms}))


@app.command()
def resume(
    run: RunFolder, recipe: Annotated[str | None, typer.Option("--recipe", help="Another recipe from here on.")] = None,
    data: DataFolder = None, minutes: Minutes = None,
) -> None:  # fmt: skip
    """Goes on from a run's newest checkpoint; ``--minutes`` counts from the run's very start."""
    from photoplay.training.checkpoints import load_checkpoint
    from photoplay.training.trainer import resume as resumed

    old = Recipe.model_validate_json(load_checkpoint(run)["recipe"])
    trainer = resumed(run, _changed(load_recipe(recipe) if recipe else old, data, minutes))
    with _Shown("training") as shown:
        trainer.train(lambda step, done, terms: shown(done, {"step": step, **terms}))


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option("--data", help="The dataset's folder.")],
    checkpoint: Annotated[Path | None, typer.Option("--checkpoint", help="A checkpoint's or a run's folder.")] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="An exported weights file.")] = None,
    limit: int = 24,
    frames: int = 8,
) -> None:
    """Prints the held-out table: PSNR and SSIM in face, mouth and eyes."""
    Console(width=200).print(_table(data, checkpoint, weights, limit, frames), markup=False)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="A checkpoint's or a run's folder.")],
    out: Annotated[Path, typer.Option("--out", help="The weights file to write (.safetensors).")],
    data: Annotated[Path | None, typer.Option("--data", help="Adds the held-out table to the card.")] = None,
) -> None:
    """Writes fp16 weights with their graphs and the model card's facts, and prints every file's SHA-256."""
    from photoplay.generation.backends.pocket.weights_file import graph_paths
    from photoplay.training.export import export as write

    table = _table(data, checkpoint, None, 24, 8) if data else ""
    exported = write(checkpoint, out, table)
    for path in (exported.path, *graph_paths(exported.path).values()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        Console(width=200).print(f"{digest}  {path.stat().st_size} bytes  {path.name}", highlight=False)


def _table(data: Path, checkpoint: Path | None, weights: Path | None, limit: int, frames: int) -> str:
    from photoplay.generation.backends.pocket.torch_runner import fastest_dtype, read_net
    from photoplay.training.checkpoints import load_checkpoint
    from photoplay.training.evaluate import evaluate as score
    from photoplay.training.evaluate import markdown
    from photoplay.training.export import averaged_network

    if (checkpoint is None) == (weights is None):
        raise typer.BadParameter("give either --checkpoint or --weights")
    net = averaged_network(load_checkpoint(checkpoint)) if checkpoint else read_net(weights or Path())
    return markdown(score(net.eval().to(fastest_dtype()), data, limit, frames, "cpu"))


def _changed(recipe: Recipe, data: Path | None, minutes: float | None) -> Recipe:
    """The recipe with what the command line says otherwise."""
    changes: dict[str, Any] = {}
    if data is not None:
        changes["data"] = recipe.data.model_copy(update={"folder": data})
    if minutes is not None:
        changes["minutes"] = minutes
    return recipe.model_copy(update=changes)


class _Shown:
    """Progress as a bar on a terminal, as plain lines elsewhere."""

    def __init__(self, what: str) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn(),
            TextColumn("{task.fields[terms]}"),
        ) if sys.stderr.isatty() else None  # fmt: skip
        self._task = self._bar.add_task(what, total=1.0, terms="") if self._bar else None
        self._log = logging.getLogger("photoplay.training")

    def __enter__(self) -> _Shown:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, done: float, terms: dict[str, float]) -> None:
        text = "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, terms=text)
        else:
            self._log.info("%5.1f %%  %s", 100 * done, text)


def main() -> None:
    """Runs the command line; errors of photoplay's own become one sentence and exit status 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a machine that goes away ends a run like Ctrl-C does
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        app()
    except PhotoplayError as error:
        Console(stderr=True).print(f"{error.message} {error.hint}", markup=False)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
