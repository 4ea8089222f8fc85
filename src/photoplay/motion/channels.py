"""What a template can move: the channels by name, where each goes in a :class:`Performance`, and its range."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias

import numpy as np

from photoplay.topology import ARKIT_NAMES

ArrayName: TypeAlias = Literal["blendshapes", "head", "gaze", "torso", "arms", "breath"]


@dataclass(frozen=True)
class Channel:
    """One curve of a performance: ``performance.<array>[:, *index]``, in ``low`` .. ``high``."""

    array: ArrayName
    index: tuple[int, ...]
    low: float
    high: float


_RIGID = ("yaw", "pitch", "roll", "x", "y", "z")
_HEAD_RANGES = ((-35, 35), (-30, 30), (-25, 25), (-0.6, 0.6), (-0.6, 0.6), (-0.8, 0.8))
_TORSO_RANGES = ((-35, 35), (-25, 25), (-20, 20), (-0.8, 0.8), (-0.8, 0.8), (-0.8, 0.8))
_ARM = ("upper", "forearm", "hand", "shoulder")
_ARM_RANGES = ((-60, 170), (-170, 170), (-90, 90), (-0.2, 0.3))

LEAST_WEIGHTS = np.array([-1.0 if name.startswith("mouthSmile") else 0.0 for name in ARKIT_NAMES], np.float32)
"""Lowest weight of each ARKit shape [52]: a smile may be negative, which takes the photo's own smile back."""


def _table() -> dict[str, Channel]:
    table = {
        name: Channel("blendshapes", (index,), float(LEAST_WEIGHTS[index]), 1) for index, name in enumerate(ARKIT_NAMES)
    }
    for index, (name, (low, high)) in enumerate(zip(_RIGID, _HEAD_RANGES, strict=True)):
        table[f"head.{name}"] = Channel("head", (index,), low, high)
    table["gaze.yaw"] = Channel("gaze", (0,), -35, 35)
    table["gaze.pitch"] = Channel("gaze", (1,), -25, 25)
    for index, (name, (low, high)) in enumerate(zip(_RIGID, _TORSO_RANGES, strict=True)):
        table[f"torso.{name}"] = Channel("torso", (index,), low, high)
    for side, which in enumerate(("left", "right")):
        for index, (name, (low, high)) in enumerate(zip(_ARM, _ARM_RANGES, strict=True)):
            table[f"arms.{which}.{name}"] = Channel("arms", (side, index), low, high)
    table["breath"] = Channel("breath", (), 0, 1)
    return table


def _pairs() -> dict[str, tuple[str, str]]:
    """``mouthSmile`` for both corners, ``arms.upper`` for both arms; the jaw and mouth shifts are no pairs."""
    pairs = {
        name.removesuffix("Left"): (name, name.removesuffix("Left") + "Right")
        for name in ARKIT_NAMES
        if name.endswith("Left") and name not in ("jawLeft", "mouthLeft")
    }
    return pairs | {f"arms.{name}": (f"arms.left.{name}", f"arms.right.{name}") for name in _ARM}


CHANNELS: dict[str, Channel] = _table()
"""Every channel of a performance by the name that templates use."""
PAIRS: dict[str, tuple[str, str]] = _pairs()
"""Names that stand for the left and the right channel at once."""


def suggest(name: str, names: Iterable[str]) -> str:
    """``" Did you mean X?"`` for those of ``names`` that begin so (three at most), else for the nearest, if one is near."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    begin = [lower for lower in sorted(by_lower) if name and lower.startswith(name.lower())]
    near = begin[:3] or get_close_matches(name.lower(), by_lower, n=1, cutoff=0.55)
    return f" Did you mean {' or '.join(by_lower[lower] for lower in near)}?" if near else ""
