"""Training examples on disk: one compressed file for each short clip, and how to read it back."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from photoplay.errors import InputError
from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.types import RgbStack


@dataclass(frozen=True)
class Example:
    """What the model is told, and the truth ``target`` [f, s, s, 3] uint8 in the same crop.

    ``facts`` say where it came from (``source``: synthetic, still or clip; ``licence``; ``split``: train or held-out; for
    synthetic people age, skin tone …).
    """

    window: CropWindow
    target: RgbStack
    facts: dict[str, str | float]


def save_example(path: Path, example: Example) -> None:
    """Writes one example; a file with that name appears only when it is whole."""
    arrays = {name.name: getattr(example.window, name.name) for name in fields(CropWindow)}
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez_compressed(stream, target=example.target, facts=np.array(json.dumps(example.facts)), **arrays)
    unfinished.replace(path)


def load_example(path: Path) -> Example:
    """Reads one example.

    Raises:
        InputError: ``example_damaged``: the file is not one of ours, or not whole.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            window = CropWindow(**{name.name: stored[name.name] for name in fields(CropWindow)})
            return Example(window, stored["target"], json.loads(str(stored["facts"])))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged() from error


def read_facts(path: Path) -> dict[str, str | float]:
    """The facts of one example, without its pictures.

    Raises:
        InputError: ``example_damaged``.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            facts: dict[str, str | float] = json.loads(str(stored["facts"]))
            return facts
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged() from error


def list_examples(folder: Path, split: str) -> Iterator[Path]:
    """Files of one split in a fixed order: they lie in ``folder/split``."""
    yield from sorted((folder / split).glob("*.npz"))


def _damaged() -> InputError:
    return InputError(
        "example_damaged", "A training example cannot be read.", "Build the dataset again, or delete that file."
    )
