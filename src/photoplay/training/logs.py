"""Loss terms over a run: a CSV file to read and a curve to look at."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from photoplay.types import Array, Rgb

_COLOURS = ((40, 40, 40), (200, 60, 40), (40, 110, 200), (30, 150, 70), (160, 60, 170), (190, 140, 20), (120, 120, 120))


class LossLog:
    """Appends the mean of the terms since its last line to ``path``; a run resumed at ``step`` loses what was after it."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self._path = path
        self._waiting: list[dict[str, Tensor]] = []
        kept = [row for row in read_log(path) if row["step"] <= step] if path.exists() else []
        if kept:
            with path.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, kept[0])
                writer.writeheader()
                writer.writerows(kept)
        else:
            path.unlink(missing_ok=True)

    def add(self, terms: dict[str, Tensor]) -> None:
        """Takes in one step's terms (still on the device: nothing waits for it)."""
        self._waiting.append(terms)

    def write(self, step: int, seconds: float, lr: float) -> dict[str, float]:
        """Writes a line and returns its terms."""
        names = self._waiting[0]
        means = {name: float(np.mean([float(terms[name]) for terms in self._waiting])) for name in names}
        self._waiting.clear()
        new = not self._path.exists()
        with self._path.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, ["step", "seconds", "lr", *names])
            if new:
                writer.writeheader()
            writer.writerow({"step": step, "seconds": round(seconds, 2), "lr": lr, **means})
        return means

    def draw(self, path: Path) -> None:
        """Writes the curves as a PNG; nothing before the first two lines."""
        rows = read_log(self._path) if self._path.exists() else []
        if len(rows) > 1:
            cv2.imwrite(str(path), curves(rows)[..., ::-1])


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a losses.csv."""
    with path.open(newline="") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]


def curves(rows: list[dict[str, float]], width: int = 960, height: int = 540) -> Rgb:
    """All terms over the steps, each smoothed over a fiftieth of the run, on one logarithmic axis."""
    image = np.full((height, width, 3), 255, np.uint8)
    left, bottom, right, top = 70, height - 40, width - 130, 20
    names = [name for name in rows[0] if name not in ("step", "seconds", "lr", "norm")]
    steps = np.array([row["step"] for row in rows])
    terms = {name: _smooth(np.array([row[name] for row in rows])) for name in names}
    values = np.log10(np.maximum(np.stack(list(terms.values())), 1e-8))
    low, high = float(np.floor(values.min() * 5) / 5), float(np.ceil(values.max() * 5) / 5 + 1e-6)
    for mark in np.linspace(low, high, 6):
        y = round(bottom + (top - bottom) * (mark - low) / (high - low))
        cv2.line(image, (left, y), (right, y), (225, 225, 225), 1)
        cv2.putText(image, f"{10**mark:.3g}", (8, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (90, 90, 90), 1, cv2.LINE_AA)
    x = left + (right - left) * (steps - steps[0]) / max(1.0, float(steps[-1] - steps[0]))
    for number, (name, line) in enumerate(zip(names, values, strict=True)):
        y = bottom + (top - bottom) * (line - low) / (high - low)
        colour = _COLOURS[number % len(_COLOURS)]
        cv2.polylines(image, [np.rint(np.stack([x, y], 1)).astype(np.int32)], False, colour, 2, cv2.LINE_AA)
        cv2.putText(
            image, name, (right + 10, top + 20 + 22 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA
        )
    cv2.putText(
        image,
        f"{steps[-1]:.0f} steps",
        (right - 90, height - 12),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.45,
        (90, 90, 90),
        1,
        cv2.LINE_AA,
    )
    return image


def _smooth(values: Array) -> Array:
    width = max(1, len(values) // 50)
    padded = np.pad(values, (width - 1, 0), mode="edge")
    means: Array = np.convolve(padded, np.full(width, 1 / width), "valid")
    return means
