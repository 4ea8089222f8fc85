import numpy as np
import pytest

from photoplay.motion.priors import BREATHS_A_MINUTE, SWAY_BAND, add_priors, blink_curve
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Performance
from tests.motion.rig_subjects import still

LIDS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
FIELDS = ("blendshapes", "head", "gaze", "torso", "arms", "breath")


def onsets(performance: Performance) -> np.ndarray:
    lid = performance.blendshapes[:, LIDS[0]]
    return np.flatnonzero((lid[1:] > 0.5) & (lid[:-1] <= 0.5))


@pytest.fixture(scope="module")
def long() -> list[Performance]:
    return [add_priors(still(600 * 24), seed=seed) for seed in range(6)]


def test_blinks_come_12_to_20_times_a_minute(long: list[Performance]) -> None:
    for performance in long:
        assert 12 <= len(onsets(performance)) / 10 <= 20
    pauses = np.concatenate([np.diff(onsets(performance)) / 24 for performance in long])
    assert pauses.std() > 1.0  # no metronome
    assert 0.05 < (pauses < 0.7).mean() < 0.25  # now and then a double blink


def test_every_blink_closes_the_eyes(long: list[Performance]) -> None:
    for performance in long[:2]:
        for start in onsets(performance):
            assert performance.blendshapes[start : start + 5, LIDS].max(axis=0).min() > 0.995


@pytest.mark.parametrize("fps", [24.0, 30.0, 240.0])
def test_lids_close_faster_than_they_open(fps: float) -> None:
    time = np.arange(int(fps)) / fps
    curve = blink_curve(time, 0.2, fps)
    assert curve.max() > 0.999
    assert curve[0] == curve[-1] == 0.0
    steepest_down, steepest_up = np.diff(curve).max(), -np.diff(curve).min()
    if fps > 100:
        assert steepest_down == pytest.approx(2 * steepest_up, rel=0.05)
    assert (curve > 0.01).sum() / fps == pytest.approx(0.32, abs=0.1)


@pytest.mark.parametrize("seed", range(12))
def test_a_short_film_blinks_at_least_once(seed: int) -> None:
    assert len(onsets(add_priors(still(72), seed=seed))) >= 1


def test_no_blink_on_top_of_closed_eyes() -> None:
    performance = still(240)
    performance.blendshapes[40:200, LIDS] = 1.0
    for seed in range(12):
        lids = add_priors(performance, seed=seed).blendshapes[:, LIDS]
        assert lids[40:200] == pytest.approx(1.0)
        assert lids[25:40].max() < 1.0
        assert lids[200:215].max() < 1.0


def test_sway_is_slow_centred_and_of_human_size(long: list[Performance]) -> None:
    for performance in long:
        for curve in (performance.head, performance.torso):
            size = curve.std(axis=0)
            assert (np.abs(curve.mean(axis=0)) < 0.08 * size).all()
            power = np.abs(np.fft.rfft(curve - curve.mean(axis=0), axis=0)) ** 2
            frequency = np.fft.rfftfreq(len(curve), 1 / 24)
            inside = (frequency > 0.8 * SWAY_BAND[0]) & (frequency < 1.2 * SWAY_BAND[1])
            assert (power[inside].sum(axis=0) / power.sum(axis=0) > 0.98).all()
        assert 0.6 < performance.head[:, 0].std() < 2.0


def test_breath_is_human(long: list[Performance]) -> None:
    for performance in long:
        breath = performance.breath
        assert breath.min() >= 0.0
        assert 0.7 < breath.max() <= 1.0
        starts = np.flatnonzero((breath[1:] > 0.02) & (breath[:-1] <= 0.02))
        assert BREATHS_A_MINUTE[0] - 1 < len(starts) / 10 < BREATHS_A_MINUTE[1] + 1
        rising = (np.diff(breath) > 1e-4).sum()
        falling = (np.diff(breath) < -1e-4).sum()
        assert rising < 0.85 * falling


def test_gaze_rests_on_the_camera_between_small_jumps(long: list[Performance]) -> None:
    for performance in long:
        eyes = performance.gaze + performance.head[:, :2]  # the sway is looked through
        assert np.abs(eyes).max() <= 5.2
        assert (np.linalg.norm(eyes, axis=1) < 1.0).mean() > 0.5
        jumps = (np.linalg.norm(np.diff(eyes, axis=0), axis=1) > 0.7).sum()
        assert 0.3 < jumps / 600 < 2.0  # a second


@pytest.mark.parametrize("seed", [0, 7])
def test_it_starts_at_the_photo(seed: int) -> None:
    performance = add_priors(still(72), seed=seed)
    assert all(not getattr(performance, field)[0].any() for field in FIELDS)
    speed = np.abs(np.diff(performance.head[:, 0])).max()
    assert speed < 0.5  # degrees a frame


def test_a_loop_comes_back() -> None:
    performance = add_priors(still(96), seed=4, loop=True)
    assert not performance.head[-1].any()
    assert not performance.torso[-1].any()
    assert np.abs(performance.gaze[-1]).max() < 1e-6


def test_same_seed_same_motion() -> None:
    one, same, other = (add_priors(still(100), seed=seed) for seed in (5, 5, 6))
    assert all(np.array_equal(getattr(one, field), getattr(same, field)) for field in FIELDS)
    assert not np.array_equal(one.head, other.head)
    longer = add_priors(still(300), seed=5)
    assert np.array_equal(longer.head[:100], one.head)


def test_amount() -> None:
    performance = still(72)
    assert add_priors(performance, seed=1, amount=0.0) is performance
    full, half = add_priors(performance, seed=1), add_priors(performance, seed=1, amount=0.5)
    assert half.head == pytest.approx(full.head / 2, abs=1e-6)
    assert half.blendshapes[:, LIDS].max() == pytest.approx(1.0)


def test_no_smile_is_quite_even() -> None:
    performance = still(24)
    smile = [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]
    performance.blendshapes[:, smile] = np.linspace(0.0, 0.8, 24)[:, None]
    sides = {bool(np.subtract(*add_priors(performance, seed=seed).blendshapes[-1, smile]) > 0) for seed in range(12)}
    assert sides == {True, False}
    last = add_priors(performance, seed=3).blendshapes[-1, smile]
    assert 0.02 < abs(last[0] - last[1]) < 0.2


def test_a_template_keeps_what_it_does() -> None:
    performance = still(72)
    performance.head[:, 0] = 8.0
    performance.breath[:] = np.linspace(0.0, 1.0, 72)
    lively = add_priors(performance, seed=2)
    assert np.abs(lively.head[:, 0] - 8.0).max() < 4.0
    assert np.array_equal(lively.breath, performance.breath)
    assert np.array_equal(lively.arms, performance.arms)
