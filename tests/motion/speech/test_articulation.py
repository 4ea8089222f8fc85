"""Visemes become mouth shapes: the right ones, at the right time, one melting into the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.motion.speech.articulation import (
    ARTICULATORS,
    TARGETS,
    Segment,
    articulate,
    both_sides,
    closed_share,
    segments,
)
from photoplay.motion.speech.visemes import VISEMES
from photoplay.topology import ARKIT_INDEX, ARKIT_NAMES
from photoplay.types import Array
from tests.motion.speech.spoken import said, sentence, silence

FPS = 24.0


def curve(weights: Array, name: str) -> Array:
    return weights[:, both_sides(name)[0]]


def between(viseme: str, *, fps: float = FPS, before: str = "DD", after: str = "DD") -> Array:
    """The mouth in the middle of ``viseme``, between two others."""
    spoken = (Segment(before, 0.0, 0.5, 1.0), Segment(viseme, 0.5, 0.75, 1.0), Segment(after, 0.75, 1.2, 1.0))
    middle: Array = articulate(spoken, fps=fps, frames=round(1.2 * fps))[round(0.61 * fps)]
    return middle


def test_every_viseme_has_targets_that_exist_and_an_articulator_moves_each() -> None:
    moved = {name for part in ARTICULATORS for name in part.shapes}
    assert tuple(TARGETS) == VISEMES
    for viseme, targets in TARGETS.items():
        assert set(targets) <= moved, viseme
        assert all(0.0 < value < 1.0 and both_sides(name) for name, value in targets.items())


def test_segments_are_what_was_said() -> None:
    sounds = [("sil", 0.3), ("PP", 0.06), ("aa", 0.2), ("SS", 0.1), ("ih", 0.12), ("sil", 0.4)]
    found = segments(said(sounds))
    assert [segment.viseme for segment in found] == [name for name, _ in sounds]
    assert [segment.start for segment in found] == pytest.approx([0.0, 0.3, 0.36, 0.56, 0.66, 0.78])
    assert [a.end for a in found[:-1]] == [b.start for b in found[1:]]
    assert found[2].strength > found[1].strength


def test_doubt_makes_no_sounds() -> None:
    speech = said([("sil", 0.2), ("aa", 0.4), ("sil", 0.2)])
    rng = np.random.default_rng(3)
    noise = rng.dirichlet(np.ones(15) * 0.3, len(speech.voice))
    doubtful = replace(speech, probabilities=(0.6 * speech.probabilities + 0.4 * noise).astype(np.float32))
    assert [segment.viseme for segment in segments(doubtful)] == ["sil", "aa", "sil"]


def test_short_bursts_go_but_a_short_p_stays() -> None:
    for viseme, kept in (("PP", True), ("kk", False)):
        found = segments(said([("sil", 0.2), ("aa", 0.2), (viseme, 0.02), ("E", 0.2)]))
        assert (viseme in [segment.viseme for segment in found]) == kept
    assert found[-1].start == pytest.approx(0.4, abs=0.025)


def test_nobody_speaks_where_there_is_no_voice() -> None:
    speech = said([("aa", 0.5)])
    assert [s.viseme for s in segments(replace(speech, voice=np.zeros_like(speech.voice)))] == ["sil"]
    assert segments(said([])) == ()


def test_each_viseme_looks_like_itself() -> None:
    mouths = {viseme: between(viseme) for viseme in VISEMES}

    def of(viseme: str, name: str) -> float:
        return float(mouths[viseme][both_sides(name)[0]])

    jaws = {viseme: of(viseme, "jawOpen") for viseme in VISEMES}
    assert max(jaws, key=lambda v: jaws[v]) == "aa"
    assert jaws["aa"] > jaws["E"] > jaws["ih"] > jaws["SS"]
    assert max(VISEMES, key=lambda v: of(v, "mouthPucker")) == "ou"
    assert max(VISEMES, key=lambda v: of(v, "mouthFunnel")) == "CH"
    assert max(VISEMES, key=lambda v: of(v, "mouthStretch")) == "ih"
    assert max(VISEMES, key=lambda v: of(v, "mouthRollLower")) == "FF"
    assert max(VISEMES, key=lambda v: of(v, "tongueOut")) == "TH"
    assert of("PP", "mouthClose") >= of("PP", "jawOpen") + 0.2
    assert max(of(viseme, "mouthClose") for viseme in VISEMES if viseme not in ("PP", "FF", "sil")) == 0.0


@pytest.mark.parametrize("fps", [12.0, 24.0, 25.0, 60.0])
def test_a_closure_reaches_one_frame_at_least_whatever_its_moment(fps: float) -> None:
    for offset in np.linspace(0.0, 1.0 / fps, 9):
        start = 0.5 + float(offset)
        found = segments(said([("aa", 0.5)]))[:1]
        spoken = (
            replace(found[0], end=start),
            Segment("PP", start, start + 0.02, 0.3),
            Segment("aa", start + 0.02, 1.2, 1.0),
        )
        weights = articulate(spoken, fps=fps, frames=round(1.2 * fps))
        assert (curve(weights, "mouthClose") >= curve(weights, "jawOpen")).sum() >= 1
        assert (curve(weights, "mouthClose") >= curve(weights, "jawOpen")).sum() <= 1 + 0.13 * fps


def test_lips_round_before_a_rounded_vowel_and_sooner_than_the_jaw_moves() -> None:
    spoken = (Segment("SS", 0.0, 0.5, 0.6), Segment("ou", 0.5, 0.9, 1.0), Segment("SS", 0.9, 1.4, 0.6))
    weights = articulate(spoken, fps=100.0, frames=140)
    pucker = curve(weights, "mouthPucker")
    halfway = int(np.argmax(pucker > 0.5 * pucker.max())) / 100.0
    assert 0.40 < halfway < 0.49
    assert pucker[46] > 0.3 * pucker.max()


def test_a_t_lets_the_lips_be_and_an_s_spreads_them() -> None:
    between_round = {v: between(v, before="ou", after="ou")[ARKIT_INDEX["mouthPucker"]] for v in ("DD", "SS")}
    assert between_round["DD"] > 1.2 * between_round["SS"]


def test_the_mouth_opens_further_the_louder() -> None:
    def jaw(strength: float) -> float:
        weights = articulate((Segment("aa", 0.0, 1.0, strength),), fps=FPS, frames=24)
        return float(curve(weights, "jawOpen")[12])

    assert 0.25 < jaw(1.0) < 0.36
    assert jaw(1.0) > 1.5 * jaw(0.4) > 2.0 * jaw(0.0) > 0.0


def test_silence_is_rest_with_the_lips_together() -> None:
    weights = articulate(segments(silence(1.0)), fps=FPS, frames=48)
    others = [index for index in range(52) if index != ARKIT_INDEX["mouthClose"]]
    assert np.abs(weights[:, others]).max() == 0.0
    assert curve(weights, "mouthClose")[4:].min() > 0.3


def test_after_the_sound_the_mouth_rests() -> None:
    weights = articulate((Segment("aa", 0.0, 0.5, 1.0),), fps=FPS, frames=48)
    assert curve(weights, "jawOpen")[6] > 0.2
    assert curve(weights, "jawOpen")[24:].max() < 0.01
    assert closed_share((Segment("aa", 0.0, 0.5, 1.0),), np.array([0.2, 0.7])) == pytest.approx([0.0, 1.0])


def test_curves_are_smooth_within_bounds_and_the_same_each_time() -> None:
    for seed in range(4):
        spoken = segments(sentence(seed))
        weights = articulate(spoken, fps=FPS, frames=90)
        assert weights.min() >= 0.0
        assert weights.max() <= 1.0
        jaw, pucker = curve(weights, "jawOpen"), curve(weights, "mouthPucker")
        assert np.abs(np.diff(jaw, 2)).max() < 0.22
        assert np.abs(np.diff(pucker, 2)).max() < 0.35
        assert np.array_equal(weights, articulate(spoken, fps=FPS, frames=90))


def test_sides_are_alike() -> None:
    weights = articulate(segments(sentence(1)), fps=FPS, frames=90)
    for index, name in enumerate(ARKIT_NAMES):
        if name.startswith("mouth") and name.endswith("Left") and name != "mouthLeft":
            other = ARKIT_INDEX[name.removesuffix("Left") + "Right"]
            assert np.array_equal(weights[:, index], weights[:, other])


@pytest.mark.parametrize("seconds", [0.035, 0.05, 0.065])
def test_a_short_vowel_between_two_closures_is_seen(seconds: float) -> None:
    """At whatever moment of a frame it comes; both closures stay."""
    for offset in np.linspace(0.0, 1.0 / FPS, 7):
        start = 0.5 + float(offset)
        times = np.cumsum([start, 0.06, seconds, 0.06])
        spoken = (
            Segment("E", 0.0, start, 1.0),
            *(
                Segment(viseme, float(times[k]), float(times[k + 1]), 0.9)
                for k, viseme in enumerate(("PP", "aa", "PP"))
            ),
            Segment("E", float(times[-1]), 1.2, 1.0),
        )
        weights = articulate(spoken, fps=FPS, frames=30)
        apart = curve(weights, "jawOpen") - curve(weights, "mouthClose")
        shut = np.flatnonzero(apart[12:20] <= 0.0) + 12
        assert len(shut) >= 2
        assert apart[shut[0] : shut[-1] + 1].max() > 0.07
