"""Whoever was replaced in a clip is not to be seen in the film."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.evaluation.free import FreeReviewer
from photoplay.types import Array, Box, Face, Frames, HeadPose, RenderPlan, Rgb


def face(seed: int) -> Face:
    told = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    return Face(
        np.zeros((478, 3), np.float32), (0.0, 0.0, 9.0, 9.0), 1.0, HeadPose(0.0, 0.0, 0.0), (0.3, 0.3), 0.0,
        np.ones(478, np.float32), told / np.float32(np.linalg.norm(told)),
    )  # fmt: skip


class Finds:
    """A face reader that finds these faces in every picture."""

    def __init__(self, *faces: Face) -> None:
        self.faces = faces

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        return self.faces


def reviewed(found: tuple[Face, ...], gone: Face | None) -> Array | float | None:
    plan = RenderPlan(32, 32, (0.0, 0.0, 32.0, 32.0), 8.0, 4)
    reviewer = FreeReviewer([face(0)], plan, Finds(*found), gone)
    reviewer.see(Frames(np.random.default_rng(1).integers(0, 255, (4, 32, 32, 3), np.uint8), 8.0))
    report = reviewer.report()
    seen = report.metrics.get("replaced_seen")
    assert (seen is not None and seen > 0) == ("replaced" in report.sentence)
    assert not (seen and report.passed)
    return seen


@pytest.mark.parametrize(
    ("found", "gone", "seen"),
    [
        ((face(0),), face(1), 0.0),
        ((face(0), face(1)), face(1), 1.0),
        ((face(0), face(1)), None, None),
        ((face(0), face(1)), replace(face(1), embedding=None), 0.0),
        ((face(0),), face(0), None),  # somebody takes their own place
    ],
)
def test_who_was_replaced_must_be_gone(found: tuple[Face, ...], gone: Face | None, seen: float | None) -> None:
    assert reviewed(found, gone) == seen
