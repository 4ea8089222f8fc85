from __future__ import annotations

import numpy as np
import pytest

from photoplay.evaluation.lips import SHUT, lip_report, mouth_opening, sound_level
from photoplay.types import Array, Audio

FPS, RATE, COUNT = 24.0, 16_000, 96


def syllables(frames: Array) -> Array:
    """Four syllables a second for two seconds, then silence."""
    seconds = frames / FPS
    return np.where(seconds < 2.0, np.clip(np.sin(2 * np.pi * 2.0 * seconds), 0, None) ** 2, 0.0).astype(np.float32)


def speech() -> Audio:
    time = np.arange(round(COUNT / FPS * RATE)) / RATE
    carrier = np.random.default_rng(0).standard_normal(len(time))
    return Audio((0.2 * carrier * syllables(time * FPS)).astype(np.float32), RATE, "")


@pytest.mark.parametrize("late", [-3.0, -1.0, 0.0, 0.5, 2.0])
def test_the_lag_is_found_between_frames(late: float) -> None:
    opening = 0.4 * syllables(np.arange(COUNT) - late)
    found = lip_report(opening, sound_level(speech(), FPS, COUNT), FPS)
    assert found.lag * FPS == pytest.approx(late, abs=0.25)
    assert found.correlation > 0.9


def test_a_mouth_that_moves_in_silence_is_told() -> None:
    level = sound_level(speech(), FPS, COUNT)
    good = lip_report(0.4 * syllables(np.arange(COUNT)), level, FPS)
    bad = lip_report(np.full(COUNT, 0.3, np.float32) + 0.01 * syllables(np.arange(COUNT)), level, FPS)
    assert good.shut == 1.0
    assert bad.shut == 0.0


def test_lips_that_do_not_meet_are_told() -> None:
    opening = np.full(COUNT, 0.3, np.float32)
    closures = np.zeros(COUNT, bool)
    closures[10:13] = closures[40:42] = True
    opening[11] = SHUT / 2
    level = sound_level(speech(), FPS, COUNT)
    assert lip_report(opening, level, FPS, closures).closed == 0.5
    assert np.isnan(lip_report(opening, level, FPS).closed)


def test_opening_is_the_gap_over_the_width() -> None:
    points = np.zeros((2, 478, 3), np.float32)
    points[:, 291, 0] = 40.0
    points[1, 14, 1] = 10.0
    assert mouth_opening(points).tolist() == [0.0, 0.25]


def test_silence_has_no_level() -> None:
    assert sound_level(Audio(np.zeros(RATE, np.float32), RATE, ""), FPS, 48).max() == 0.0
    short = Audio(np.full(RATE // 2, 0.1, np.float32), RATE, "")
    level = sound_level(short, FPS, 48)
    assert level[6] == pytest.approx(1.0, abs=0.01)
    assert level[20:].max() == 0.0


def test_a_smile_that_was_open_and_a_mouth_that_still_closes_are_no_fault() -> None:
    level = np.zeros(48, np.float32)
    smiling = np.full(48, 0.1, np.float32)
    assert lip_report(smiling, level, FPS).shut == 0.0
    assert lip_report(smiling, level, FPS, resting=0.15).shut == 1.0
    closing = np.where(np.arange(48) < 12, 0.2, 0.0).astype(np.float32)
    assert lip_report(closing, level, FPS).shut == 0.75
    assert lip_report(closing, level, FPS, settled=0.5).shut == 1.0
