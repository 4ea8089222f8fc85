"""What there is to learn in an example: how far its anchor is from its truth, and whether the two lie on each other."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool

from photoplay.evaluation.metrics import psnr
from photoplay.evaluation.regions import HULLS, hull_mask
from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.training.shards import Example
from photoplay.types import Array, Label

TRUSTED = 220
_LEAST = 50  # pixels that a figure is taken from at least


def gap(example: Example) -> dict[str, float]:
    """``psnr_mouth``, ``psnr_eyes``, ``psnr_face``: anchor against truth (dB), ``skin_error``: median absolute difference
    on skin that the anchor is sure of (grey levels), ``skin_shift``: how far the truth lies beside the anchor there (crop
    pixels). What cannot be measured is left out."""
    window, found = example.window, {}
    for name in HULLS:
        masks = np.stack([hull_mask(points, window.size, name) for points in window.landmarks])
        if masks.sum() >= _LEAST:
            found[f"psnr_{name}"] = psnr(window.anchor[masks], example.target[masks])
    skin = np.stack([trusted_skin(window, frame) for frame in range(window.num_frames)])
    if skin.sum() >= _LEAST:
        apart = cv2.absdiff(window.anchor[skin], example.target[skin]).astype(np.float32)
        found["skin_error"] = float(np.median(apart.mean(axis=-1)))
    shifts = [
        shift(window.anchor[k], example.target[k], mask) for k, mask in enumerate(skin) if mask.sum() >= 20 * _LEAST
    ]
    if shifts:
        found["skin_shift"] = float(np.median(np.hypot(*np.array(shifts).T)))
    return found


def trusted_skin(window: CropWindow, frame: int) -> Bool[Array, "s s"]:
    """Skin of the face that the anchor is sure of."""
    mask: Array = (window.confidence[frame] > TRUSTED) & (window.labels[frame] == Label.SKIN)
    return mask & hull_mask(window.landmarks[frame], window.size, "face")


def shift(a: Array, b: Array, where: Bool[Array, "h w"]) -> tuple[float, float]:
    """How far ``b`` lies right of and below ``a`` in pixels, as far as the marked pixels tell (Lucas and Kanade 1981)."""
    first, second = (_smooth(picture) for picture in (a, b))
    dx, dy = (np.gradient((first + second) / 2, axis=axis)[where] for axis in (1, 0))
    change = (second - first)[where]
    change = change - change.mean()
    moments = np.array([[dx @ dx, dx @ dy], [dx @ dy, dy @ dy]], np.float64) + 1e-6 * np.eye(2)
    across, down = np.linalg.solve(moments, -np.array([dx @ change, dy @ change], np.float64))
    return float(across), float(down)


def table(facts: Sequence[dict[str, str | float]]) -> str:
    """Markdown: the figures' means for each source, and the tenth that is worst."""
    names = ("psnr_mouth", "psnr_eyes", "psnr_face", "skin_error", "skin_shift")
    rows = ["| examples | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for source in sorted({str(fact["source"]) for fact in facts}):
        mine = [fact for fact in facts if fact["source"] == source]
        cells = []
        for name in names:
            values = np.array([float(fact[name]) for fact in mine if name in fact] or [np.nan])
            worst = 10 if name.startswith("psnr") else 90
            cells.append(f"{values.mean():.2f} (worst tenth {np.percentile(values, worst):.2f})")
        rows.append(f"| {source}: {len(mine)} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _smooth(picture: Array) -> Array:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.float32)
