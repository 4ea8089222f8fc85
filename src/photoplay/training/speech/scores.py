"""How well visemes are recognised: when, whether lips meet for p, b and m, and whether a mouth stays shut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from photoplay.motion.speech.spectrum import RATE
from photoplay.motion.speech.visemes import VISEMES
from photoplay.types import Array

SWITCH_COST = 2.0
"""What a change of viseme costs in :func:`decode`, in natural logarithms."""
REACH = 0.15
"""Seconds within which a viseme that is spoken has to be recognised to count as found."""
LIPS_REACH = 0.04
"""... and for lips that meet: about a frame of a film."""


@dataclass(frozen=True)
class Segment:
    """A viseme from ``start`` to ``end`` in seconds."""

    start: float
    end: float
    viseme: str


@dataclass(frozen=True)
class Score:
    """Sums over recordings; the properties are what they mean."""

    errors: tuple[float, ...] = ()
    spoken: int = 0
    lips: int = 0
    lips_met: int = 0
    lips_claimed: int = 0
    lips_wrong: int = 0
    frames: int = 0
    frames_right: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def median_error(self) -> float:
        """Median distance in seconds between a viseme's spoken and recognised onset."""
        return float(np.median(self.errors)) if self.errors else float("nan")

    @property
    def found(self) -> float:
        """Share of spoken visemes that were recognised within REACH."""
        return len(self.errors) / max(1, self.spoken)

    @property
    def bilabials_found(self) -> float:
        """Share of p, b and m for which lips are recognised to meet."""
        return self.lips_met / max(1, self.lips)

    @property
    def bilabials_wrong(self) -> float:
        """Share of recognised bilabials where none is spoken."""
        return self.lips_wrong / max(1, self.lips_claimed)

    @property
    def accuracy(self) -> float:
        """Share of frames whose likeliest viseme is the spoken one."""
        return self.frames_right / max(1, self.frames)


def score(
    probabilities: Float32[Array, "n 15"], labels: Int64[Array, " n"], told: Sequence[Segment] | None = None
) -> Score:
    """What is recognised against each frame's label; onsets are compared with ``told``, by default the labels' own."""
    decoded = decode(probabilities)
    heard, spoken = runs(decoded), runs(labels)
    errors = [error for segment in told or spoken if (error := _onset_error(segment, heard)) is not None]
    claimed = [run for run in heard if run.viseme == "PP"]
    lips = [run for run in spoken if run.viseme == "PP"]
    return Score(
        errors=tuple(errors),
        spoken=len([segment for segment in told or spoken if segment.viseme != "sil"]),
        lips=len(lips),
        lips_met=sum(any(_touch(run, other) for other in claimed) for run in lips),
        lips_claimed=len(claimed),
        lips_wrong=sum(not any(_touch(run, other) for other in lips) for run in claimed),
        frames=len(labels),
        frames_right=int((decoded == labels).sum()),
    )


def decode(probabilities: Float32[Array, "n 15"]) -> Int64[Array, " n"]:
    """The likeliest sequence of visemes when each change costs :data:`SWITCH_COST` (Viterbi)."""
    gains = np.log(np.maximum(probabilities, 1e-6))
    best, came = gains[0].copy(), np.zeros(gains.shape, np.int64)
    for index in range(1, len(gains)):
        leader = int(best.argmax())
        stays = best >= best[leader] - SWITCH_COST
        came[index] = np.where(stays, np.arange(len(best)), leader)
        best = np.where(stays, best, best[leader] - SWITCH_COST) + gains[index]
    path = np.empty(len(gains), np.int64)
    path[-1] = best.argmax()
    for index in range(len(gains) - 1, 0, -1):
        path[index - 1] = came[index, path[index]]
    return path


def runs(labels: Int64[Array, " n"]) -> list[Segment]:
    """Frames with the same label one after the other, as segments."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(labels)]
    return [Segment(a / RATE, b / RATE, VISEMES[labels[a]]) for a, b in zip(starts, ends, strict=True) if b > a]


def _onset_error(segment: Segment, heard: Sequence[Segment]) -> float | None:
    """Distance to the nearest recognised onset of the same viseme within REACH; none for silence."""
    if segment.viseme == "sil":
        return None
    near = [abs(run.start - segment.start) for run in heard if run.viseme == segment.viseme]
    return min((distance for distance in near if distance <= REACH), default=None)


def _touch(one: Segment, other: Segment) -> bool:
    return one.start - LIPS_REACH < other.end and other.start - LIPS_REACH < one.end
