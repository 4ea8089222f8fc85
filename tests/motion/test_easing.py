"""Curves through keys: smooth joins, no overshoot unless asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from photoplay.motion.easing import Ease, interpolate, minimum_jerk, monotone_slopes

keys = st.lists(st.floats(-5, 5, allow_nan=False), min_size=2, max_size=9)


@given(keys)
@settings(max_examples=60, deadline=None)
def test_smooth_stays_between_neighbouring_keys(values: list[float]) -> None:
    times = np.arange(len(values)) * 0.7
    t = np.linspace(0, times[-1], 200)
    curve = interpolate(t, times, np.array(values))
    segment = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(values) - 2)
    low = np.minimum(np.array(values)[segment], np.array(values)[segment + 1])
    high = np.maximum(np.array(values)[segment], np.array(values)[segment + 1])
    assert (curve >= low - 1e-9).all()
    assert (curve <= high + 1e-9).all()


def test_inner_slopes_agree_with_scipys_pchip() -> None:
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.1, 1, 12))
    values = rng.normal(size=12)
    theirs = PchipInterpolator(times, values).derivative()(times)
    np.testing.assert_allclose(monotone_slopes(times, values)[1:-1], theirs[1:-1], atol=1e-12)


@pytest.mark.parametrize("ease", ["smooth", "ease", "hold", "overshoot", "spring"])
def test_velocity_is_continuous(ease: Ease) -> None:
    times, values = np.array([0.0, 0.5, 0.9, 2.0]), np.array([0.0, 1.0, 0.4, 0.7])
    dt = 1e-5
    at = times[1:-1]
    before = (interpolate(at, times, values, ("smooth", ease, "smooth", ease)) - interpolate(
        at - dt, times, values, ("smooth", ease, "smooth", ease)
    )) / dt  # fmt: skip
    after = (interpolate(at + dt, times, values, ("smooth", ease, "smooth", ease)) - interpolate(
        at, times, values, ("smooth", ease, "smooth", ease)
    )) / dt  # fmt: skip
    np.testing.assert_allclose(before, after, atol=2e-3)


def test_shapes_do_what_their_names_say() -> None:
    times, values = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    t = np.linspace(0, 1, 101)
    eases: tuple[Ease, ...] = ("linear", "ease", "hold", "overshoot", "spring")
    shapes = {ease: interpolate(t, times, values, ("smooth", ease)) for ease in eases}
    np.testing.assert_allclose(shapes["linear"], t)
    np.testing.assert_allclose(shapes["ease"], minimum_jerk(t))
    assert (shapes["hold"][:80] == 0).all()
    assert shapes["hold"][-1] == 1
    assert shapes["overshoot"].max() == pytest.approx(1.08, abs=1e-3)
    assert shapes["spring"].max() == pytest.approx(1.12, abs=1e-3)
    assert shapes["spring"][60:].min() == pytest.approx(0.96, abs=1e-3)


def test_a_loop_joins_with_equal_slopes() -> None:
    times, values = np.array([0.0, 0.3, 1.1, 2.0]), np.array([0.2, 0.8, -0.4, 0.2])
    slopes = monotone_slopes(times, values, periodic=True)
    assert slopes[0] == slopes[-1] != 0


def test_one_key_is_a_constant() -> None:
    assert (interpolate(np.linspace(0, 3, 7), np.array([1.0]), np.array([0.4])) == 0.4).all()
