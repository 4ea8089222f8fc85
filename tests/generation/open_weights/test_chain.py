from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from photoplay.errors import ReviewError
from photoplay.generation.backends.open_weights.chain import drift, go_on, measure
from photoplay.generation.backends.open_weights.colour import cells, lab

SIZE, OVERLAP, LENGTH, CLIPS = 160, 5, 81, 12
"""Twelve clips of 81 frames that share 5, at 16 frames a second: 57 s."""


def world(start: int, frames: int, arm: bool = False) -> np.ndarray:
    """What really happens: the astronaut sways; with ``arm`` a big thing rises from below after a while."""
    rgb = cv2.resize(skimage.data.astronaut(), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    made = []
    for index in range(start, start + frames):
        shift = np.array([[1, 0, 4 * np.sin(index / 9)], [0, 1, 3 * np.cos(index / 13)]], np.float32)
        frame = cv2.warpAffine(rgb, shift, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
        if arm:
            top = max(20, SIZE - 4 * index)
            frame[top:, 90:140] = (205, 150, 120)
        made.append(frame)
    return np.stack(made)


def run_off(frames: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
    """``steps`` times the same drift: lighter, warmer and a little offset, with a model's noise at the end."""
    gain, offset = np.array([1.02, 1.005, 0.99]) ** steps, np.array([1.5, 0.5, -1.0]) * steps
    return np.clip(np.rint(frames * gain + offset + rng.normal(0, 1.5, frames.shape)), 0, 255).astype(np.uint8)


def apart(frame: np.ndarray, truth: np.ndarray) -> float:
    """Mean difference in Lab of the coarse colours."""
    return float(np.linalg.norm(lab(cells(frame[None])) - lab(cells(truth[None])), axis=-1).mean())


def chained(corrected: bool) -> list[float]:
    """A chain in which each clip takes on the look of the frames it was told and adds its own drift."""
    rng = np.random.default_rng(0)
    known, look, errors = np.zeros((0, SIZE, SIZE, 3), np.uint8), np.eye(4)[:3].T, []
    for clip in range(CLIPS):
        start = clip * (LENGTH - OVERLAP)
        # Only what is looked at: the frames that are told and remade, and the last ones.
        truth = np.concatenate([world(start, OVERLAP), world(start + LENGTH - OVERLAP, OVERLAP)])
        seen = np.concatenate([truth, np.ones((*truth.shape[:3], 1))], axis=-1) @ look
        made = run_off(seen, 1 if clip else 0, rng)
        made = go_on(known, made) if corrected else made
        known = made[-OVERLAP:]
        pixels = np.c_[truth[-OVERLAP:].reshape(-1, 3), np.ones(OVERLAP * SIZE * SIZE)]
        look = np.linalg.lstsq(pixels, known.reshape(-1, 3).astype(float), rcond=None)[0]
        errors.append(apart(known[-1], truth[-1]))
    return errors


def test_a_minute_of_clips_stays_within_one_unit_of_lab_where_it_would_run_off():
    assert chained(corrected=False)[-1] > 8
    assert max(chained(corrected=True)) < 1


def test_without_a_clip_before_or_without_drift_nothing_changes():
    frames = world(0, 9)
    assert go_on(frames[:0], frames) is frames
    assert (go_on(frames[:5], frames) == frames).all()
    assert drift(frames[:5], frames[:5]) == 0


def test_drift_is_measured_in_units_of_lab():
    known = world(0, 5)
    darker = np.clip(np.rint(known * 0.95), 0, 255).astype(np.uint8)
    truth = np.linalg.norm(lab(cells(known)) - lab(cells(darker)), axis=-1)
    assert drift(known, darker) == pytest.approx(np.sqrt((truth**2).mean()), rel=0.15)
    assert drift(known, darker) > 2 * drift(known, np.clip(np.rint(known * 0.98), 0, 255).astype(np.uint8))


def test_known_frames_come_back_as_they_were():
    frames = world(0, 9)
    made = run_off(frames, 2, np.random.default_rng(0))
    assert (go_on(frames[:5], made)[:5] == frames[:5]).all()


def test_an_arm_that_rises_is_no_drift():
    truth = world(10, 30, arm=True)
    known = world(10, 5)  # the clip before had no arm yet, so even the remade frames show another content
    corrected = go_on(known, truth)
    assert np.abs(corrected[5:].astype(int) - truth[5:]).mean() < 0.4


def test_drift_is_taken_back_though_an_arm_rises():
    truth = world(10, 30, arm=True)
    made = run_off(truth, 2, np.random.default_rng(0))
    before, after = apart(made[-1], truth[-1]), apart(go_on(world(10, 5), made)[-1], truth[-1])
    assert before > 2
    assert after < 0.25 * before


def test_uneven_light_is_taken_back_and_the_finer_half_of_it_fades():
    truth = world(0, 40)
    x = np.linspace(-1, 1, SIZE)
    slope = 5 * x[None, :, None] * np.ones((SIZE, 1, 3))
    made = np.clip(np.rint(truth + slope), 0, 255).astype(np.uint8)
    correction = measure(truth[:5], made[:5])
    assert correction is not None
    at_join, later = correction.apply(np.stack([made[5]] * 30))[[0, -1]].astype(float)
    error = [np.abs(cv2.blur(frame - truth[5], (15, 15))).mean() for frame in (made[5].astype(float), at_join, later)]
    assert error[1] < 0.4 * error[0]
    assert error[1] < error[2] < 0.8 * error[0]


def test_colours_that_cannot_be_brought_back_stop_the_film():
    truth = world(0, 9)
    posterised = (truth // 128 * 127 + 40).astype(np.uint8)  # no affine map undoes it
    with pytest.raises(ReviewError) as stopped:
        go_on(truth[:5], posterised)
    assert stopped.value.code == "review_colours"


def test_another_film_altogether_is_left_alone():
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE, 3)), (0, 0), 8)
    other = np.stack([np.clip(128 + 900 * noise, 0, 255).astype(np.uint8)] * 9)
    assert (go_on(world(0, 5), other)[5:] == other[5:]).all()
