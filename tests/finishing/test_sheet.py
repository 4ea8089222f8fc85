from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoplay.finishing.encode import encode
from photoplay.finishing.sheet import BACKDROP, GAP, contact_sheet, evenly, film_sheet, side_by_side, spread
from tests.finishing.clips import moving, windows


@given(st.integers(1, 500), st.integers(1, 40))
def test_spread_covers_the_film(total, count):
    picks = spread(total, count)
    assert len(picks) == min(total, count)
    assert picks[0] == 0
    assert count == 1 or picks[-1] == total - 1
    gaps = np.diff(picks)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_evenly_across_windows():
    stack = moving(50, 20, 30)
    picked = evenly(windows(stack, 7), 6, 50)
    assert (np.stack(picked) == stack[list(spread(50, 6))]).all()


def test_sheet_of_a_film(tmp_path):
    stack = moving(30, 64, 96)
    encode(windows(stack), tmp_path / "clip.mp4")
    sheet = film_sheet(tmp_path / "clip.mp4", shots=4, columns=2, title="moving").astype(int)
    plain = contact_sheet([stack[n] for n in spread(30, 4)], columns=2, cell=320, labels=["0"] * 4, title="moving")
    assert sheet.shape == plain.shape
    cells = np.s_[-200:-120, GAP : GAP + 96]
    assert np.abs(sheet[cells] - plain[cells]).mean() < 6


def test_pictures_stand_in_rows():
    reds = [np.full((60, 100, 3), (200, 10 * n, 0), np.uint8) for n in range(5)]
    sheet = contact_sheet(reds, columns=3, cell=100)
    assert sheet.shape == (2 * (60 + GAP) + GAP, 3 * (100 + GAP) + GAP, 3)
    for n in range(5):
        y, x = GAP + 30 + (n // 3) * (60 + GAP), GAP + 50 + (n % 3) * (100 + GAP)
        assert tuple(sheet[y, x]) == (200, 10 * n, 0)
    assert tuple(sheet[-GAP - 30, -GAP - 50]) == BACKDROP


def test_labels_and_title_take_room():
    pictures = list(moving(4, 90, 160))
    plain = contact_sheet(pictures, columns=2, cell=80)
    told = contact_sheet(pictures, columns=2, cell=80, labels=["0.0 s", "0.5 s", "1.0 s", "1.5 s"], title="smile")
    assert told.shape[0] > plain.shape[0]
    assert (told[:GAP] == BACKDROP).all()
    assert (told[GAP : GAP + 20] != BACKDROP).any()
    assert side_by_side(pictures).shape[1] == 4 * (160 + GAP) + GAP
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def test_a_long_label_stays_below_its_picture():
    pictures = list(moving(2, 60, 60))
    sheet = contact_sheet(pictures, columns=2, cell=60, labels=["a very long label indeed", ""])
    gap_and_second = sheet[GAP + 60 :, GAP + 62 :]
    assert (gap_and_second == BACKDROP).all()
    assert (sheet[GAP + 60 :, : GAP + 60] != BACKDROP).any()
