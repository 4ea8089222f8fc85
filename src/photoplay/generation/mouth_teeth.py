"""The two rows of teeth: their arches, and how the drawn upper one continues the teeth that the photo shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from photoplay.generation.tooth_kernels import WIDTHS, edge_line, row_covers, which_tooth
from photoplay.types import Array

_ARCH = 25.5
"""Radius of the dental arch in millimetres."""
_ENDS = np.concatenate([-np.cumsum(WIDTHS[0])[::-1], [0.0], np.cumsum(WIDTHS[0])])
"""Millimetres along the upper arch at which the usual teeth end, from its middle."""
_SHIFTS = np.arange(-4.0, 4.01, 0.25)
"""Millimetres by which the photo's middle line is looked for beside the mouth's middle."""
_SIZES = np.arange(0.86, 1.17, 0.03)
"""Sizes of the photo's teeth that are tried, as shares of the usual one."""
_ALIKE = 0.4
"""Correlation from which on the photo's lines between teeth are taken for found."""
_MELTED = 3.0
"""Millimetres of unsharpness under which no line between teeth is left."""
_MOSTLY = 0.55
"""Share of a tooth that the photo must show for it to be taken from there."""
_STRAIGHT = 4.0
"""How many columns' worth of evidence stand for a row that bends as teeth usually do."""


def dental_arches(turn: Float32[Array, "3 3"], scale: float) -> tuple[Float32[Array, "2 c 3"], float, float]:
    """Where along the two dental arches each column of a picture lies, and where the columns start and how far they step.

    ``turn`` is the head's rotation, ``scale`` pixels a millimetre. Columns hold millimetres along the arch, height offset
    in pixels, and how far the tooth faces the camera (below 0: no tooth).
    """
    angle = np.linspace(-1.35, 1.35, 109)
    along = turn[:2, 0] / max(float(np.hypot(*turn[:2, 0])), 1e-6)
    grid = np.linspace(-_ARCH * scale, _ARCH * scale, 128)
    arches = np.full((2, len(grid), 3), -1.0, np.float32)
    for k, radius in enumerate((_ARCH, _ARCH - 2.0)):
        space = radius * scale * (np.outer(np.sin(angle), turn[:, 0]) + np.outer(1 - np.cos(angle), turn[:, 2]))
        x, y = space[:, :2] @ along, space[:, 1] * along[0] - space[:, 0] * along[1]
        facing = np.cos(angle) * turn[2, 2] - np.sin(angle) * turn[2, 0]
        seen = np.gradient(x) > 0.02 * radius * scale * (angle[1] - angle[0])
        first, last = _around_middle(seen)
        x, y, facing, arc = (v[first:last] for v in (x, y, facing, radius * angle))
        inside = (grid >= x[0]) & (grid <= x[-1])
        arches[k, inside, 0] = np.interp(grid[inside], x, arc)
        arches[k, inside, 1] = np.interp(grid[inside], x, y)
        arches[k, inside, 2] = np.clip(np.interp(grid[inside], x, facing), 0.05, 1.0)
    return arches, float(grid[0]), float(grid[1] - grid[0])


def _around_middle(seen: Array) -> tuple[int, int]:
    """The run of true values around the middle."""
    middle = len(seen) // 2
    first = last = middle
    while first > 0 and seen[first - 1]:
        first -= 1
    while last < len(seen) and seen[last]:
        last += 1
    return first, max(last, first + 2)


@dataclass(frozen=True)
class TeethFit:
    """How the drawn upper teeth continue the photo's own, so that both make one row.

    ``middle`` is the line between the front teeth and ``edge`` their incisal edge there, in pixels along and down the row;
    ``px`` pixels a millimetre of these teeth. ``bend`` [4] is the row's own line: by how many millimetres an edge ``arc``
    mm from the middle stands lower than usual is ``bend[0] arc + bend[1] arc^2``, with ``arc`` held between ``bend[2]``
    and ``bend[3]``, as far as the photo shows teeth. ``whole`` [2] are the arcs between which it shows whole ones.
    """

    middle: float
    edge: float
    px: float
    bend: Float32[Array, 4]
    whole: Float32[Array, 2]

    def shape(
        self, along: Float32[Array, "h w"], down: Float32[Array, "h w"], turn: Float32[Array, "3 3"], soft: float
    ) -> Float32[Array, "h w 3"]:
        """At points of the row in pixels: millimetres along the arch, the drawn teeth's cover, and how much is no gum."""
        arches, start, step = dental_arches(turn, self.px)
        shaped: Array = row_covers(
            along - np.float32(self.middle),
            down - np.float32(self.edge),
            arches[0],
            start,
            step,
            self.px,
            soft,
            self.bend,
        )
        return shaped


def fit_row(
    along: Float32[Array, n],
    light: Float32[Array, n],
    edge: Float32[Array, n],
    turn: Float32[Array, "3 3"],
    px: float,
    soft: float,
) -> TeethFit:
    """Fits the usual row of upper teeth to columns of the photo: where they are, their ``light``, how far down they end.

    ``along``, ``edge`` and ``soft`` are pixels, ``px`` the pixels a millimetre that the face lets expect. Lines between
    teeth that are not found leave the middle and the size as expected.
    """
    middle, ratio = _lines(along, light, turn, px, soft)
    size = px * ratio
    arc, rise = _along_arch(turn, size, along - middle)
    none = np.zeros(4, np.float32)
    usual = np.array([edge_line(0, float(at), soft / size, none) for at in arc])
    lower = (edge - rise) / size + usual
    # Teeth end at their middles; between them and under a lip that hides them the line says less.
    across = np.array([which_tooth(0, float(at))[1] for at in arc])
    weight = 1 - (2 * across - 1) ** 4
    system = np.column_stack([np.ones_like(arc), arc, arc**2])
    hold = np.diag([1e-3, 4.0**2, 8.0**4]) * _STRAIGHT
    solution = np.zeros(3)
    for _ in range(3):
        solution = np.linalg.solve(system.T @ (system * weight[:, None]) + hold, system.T @ (weight * lower))
        weight = weight / (1 + ((lower - system @ solution) / 0.6) ** 2)
    reach = (float(arc.min()), float(arc.max()))
    bend = np.array([solution[1], solution[2], *reach], np.float32)
    return TeethFit(middle, float(solution[0]) * size, size, bend, _whole(reach))


def _along_arch(turn: Array, px: float, along: Array) -> tuple[Array, Array]:
    """Millimetres along the upper arch, and pixels that it rises, at columns ``along`` pixels from its middle."""
    arches, start, step = dental_arches(turn, px)
    seen = arches[0, :, 2] >= 0
    if not seen.any():
        return along / px, np.zeros_like(along)
    columns = (start + step * np.arange(arches.shape[1]))[seen]
    return np.interp(along, columns, arches[0, seen, 0]), np.interp(along, columns, arches[0, seen, 1])


def _lines(along: Array, light: Array, turn: Array, px: float, soft: float) -> tuple[float, float]:
    """Where the lines between the photo's teeth fit those of the usual row best: its middle and its size."""
    seen = _without_trend(light, along / px)
    best = (_ALIKE, 0.0, 1.0)
    wide = 0.3 + soft / px / 2
    if np.ptp(along) < 1.5 * WIDTHS[0, 0] * px or seen.std() < 1e-3 or wide > _MELTED:
        return best[1:]
    for ratio in _SIZES:
        arcs, _ = _along_arch(turn, px * float(ratio), along - px * _SHIFTS[:, None])
        for shift, arc in zip(_SHIFTS, arcs, strict=True):
            near = np.abs(arc[:, None] - _ENDS).min(1)
            dark = _without_trend(1 - 0.4 * np.exp(-((near / wide) ** 2)), along / px)
            alike = float(np.corrcoef(seen, dark)[0, 1]) - 0.02 * float(shift) ** 2 - 4.0 * (float(ratio) - 1) ** 2
            best = max(best, (alike, float(shift) * px, float(ratio)))
    return best[1:]


def _without_trend(values: Array, at: Array) -> Array:
    """Logarithms of ``values`` less their line over the columns: how the light falls is no line between teeth."""
    level = np.log(np.maximum(values, 1e-3))
    rest: Array = level - np.polyval(np.polyfit(at, level, 2), at)
    return rest


def _whole(reach: tuple[float, float]) -> Float32[Array, 2]:
    """The lines between which the photo shows most of each tooth; the same one twice where it shows no tooth so."""
    shown = np.minimum(_ENDS[1:], reach[1]) - np.maximum(_ENDS[:-1], reach[0])
    teeth = np.flatnonzero(shown > _MOSTLY * np.diff(_ENDS))
    return np.array([_ENDS[teeth[0]], _ENDS[teeth[-1] + 1]] if teeth.size else [0.0, 0.0], np.float32)
