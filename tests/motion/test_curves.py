"""Fitting a template to a film's length."""

from __future__ import annotations

import numpy as np
import pytest

from photoplay.errors import RequestError
from photoplay.motion.curves import borne, perform
from photoplay.motion.library import find
from photoplay.motion.template import Template, parse_template
from photoplay.topology import ARKIT_INDEX

JAW = ARKIT_INDEX["jawOpen"]


def ramp(**fields: object) -> Template:
    data = {
        "name": "ramp", "title": "Ramp", "description": "Opens and closes.", "category": "face", "duration": 2,
        "channels": {"jawOpen": [[0, 0], [1, 0.5], [2, 0]]},
    }  # fmt: skip
    return Template.model_validate(data | fields)


def jaw(template: Template, **options: float) -> np.ndarray:
    return perform(template, **{"fps": 50.0, **options}).blendshapes[:, JAW]


@pytest.mark.parametrize(("seconds", "peak"), [(2.0, 1.0), (2.4, 1.2), (1.7, 0.85), (10.0, 1.0)])
def test_tempo_stays_natural(seconds: float, peak: float) -> None:
    curve = jaw(ramp(), seconds=seconds)
    assert np.argmax(curve) / 50 == pytest.approx(peak, abs=0.021)
    assert abs(curve[-1]) < 0.01


def test_a_film_that_is_too_short_says_so() -> None:
    short = perform(ramp(), seconds=1, fps=50)
    assert [notice.code for notice in short.notices] == ["motion_cut_short"]
    assert "1.6 s" in short.notices[0].hint
    assert perform(ramp(), seconds=1.6, fps=50).notices == ()


def test_a_sustained_part_fills_a_long_film() -> None:
    template = ramp(channels={"jawOpen": [[0, 0], [0.5, 0.5], [1.5, 0.5], [2, 0]]}, sustain=[0.5, 1.5])
    curve = jaw(template, seconds=10)
    held = np.flatnonzero(curve > 0.49) / 50
    assert held[0] < 0.8
    assert held[-1] > 9.2
    assert curve[-1] < 0.01
    speed = np.abs(np.diff(curve)) * 50
    assert speed.max() < 1.25 * 1.5
    assert jaw(template, seconds=1.35)[-1] < 0.02
    assert perform(template, seconds=0.8, fps=50).notices[0].code == "motion_cut_short"


def test_loops_fill_the_film_with_whole_rounds() -> None:
    curve = jaw(ramp(loop="seamless"), seconds=5)
    peaks = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] >= curve[2:])) + 1
    assert len(peaks) == 2
    assert abs(curve[0] - curve[-1]) < 0.01


def test_pingpong_comes_back_the_same_way() -> None:
    template = ramp(loop="pingpong", channels={"jawOpen": [[0, 0], [2, 0.5]]})
    curve = jaw(template, seconds=4)
    assert curve[100] == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(curve[1:100], curve[:100:-1], atol=1e-5)


def test_speed_is_held_to_the_templates_range() -> None:
    fast = perform(ramp(), seconds=1, fps=50, speed=4)
    assert [notice.code for notice in fast.notices] == ["speed_tamed"]
    assert np.argmax(fast.blendshapes[:, JAW]) / 50 == pytest.approx(0.5, abs=0.03)


def test_intensity_is_held_to_the_templates_range() -> None:
    assert borne(ramp(), "intensity", 1.2) == (1.2, ())
    given, notices = borne(ramp(), "intensity", 2.0)
    assert given == 1.5
    assert notices[0].code == "intensity_tamed"


def test_same_seed_same_take() -> None:
    template = find("laugh")
    first, again, other = (perform(template, seconds=3, fps=24, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.blendshapes, again.blendshapes)
    assert not np.array_equal(first.blendshapes, other.blendshapes)
    np.testing.assert_allclose(first.blendshapes, other.blendshapes, atol=0.1)
    assert first.blendshapes[:, ARKIT_INDEX["mouthSmileLeft"]] == pytest.approx(
        first.blendshapes[:, ARKIT_INDEX["mouthSmileRight"]]
    )


@pytest.mark.parametrize(
    "options", [{"seconds": 0.0}, {"seconds": float("nan")}, {"seconds": 3.0, "fps": -1.0}, {"seconds": 1e9}]
)
def test_impossible_films_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(RequestError):
        jaw(ramp(), **options)


def test_without_a_key_at_zero_it_starts_at_rest() -> None:
    template = parse_template(
        "name: a\ntitle: A\ndescription: B.\ncategory: face\nduration: 1\nchannels: {jawOpen: [[0.5, 0.4]]}"
    )
    curve = jaw(template, seconds=1)
    assert curve[0] == 0
    assert curve[-1] == pytest.approx(0.4)
