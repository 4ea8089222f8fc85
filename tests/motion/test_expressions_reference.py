from pathlib import Path

import numpy as np
import pytest
from benchmarks.expressions import Row, compare


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    return compare(shared_data / "head" / "mp478_ict_blendshapes.npz")


def test_directions_agree_with_the_reference_head(rows: list[Row]) -> None:
    largest = rows[:30]
    assert np.mean([row.cos for row in largest]) >= 0.85
    assert min(row.cos for row in largest) >= 0.7


def test_amplitudes_are_of_the_reference_heads_order(rows: list[Row]) -> None:
    assert np.mean([row.error for row in rows[:30]]) < 0.45
    assert all(0.55 < row.ours / row.largest < 1.4 for row in rows[:30])
