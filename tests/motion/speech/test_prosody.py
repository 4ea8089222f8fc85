"""Nods on beats, blinks and breath at phrases, a listener who attends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.motion.speech.articulation import segments
from photoplay.motion.speech.prosody import attention, beats, bump, listening, phrases, rise, speaking
from photoplay.motion.speech.recogniser import Speech
from tests.motion.speech.spoken import said, sentence, silence

FPS = 24.0


def accented(times: tuple[float, ...], seconds: float = 4.0) -> Speech:
    """Even speech with louder, higher syllables at ``times``."""
    speech = said([("sil", 0.5), ("E", seconds - 1.0), ("sil", 0.5)])
    at = np.arange(len(speech.voice)) / speech.rate
    accents = sum(np.exp(-0.5 * ((at - time) / 0.05) ** 2) for time in times) + np.zeros(len(at))
    energy = speech.voice * (0.6 + 0.4 * accents)
    pitch = speech.voice * 120.0 * (1.0 + 0.3 * accents)
    return replace(speech, energy=energy.astype(np.float32), pitch=pitch.astype(np.float32))


def test_phrases_end_where_somebody_pauses() -> None:
    spoken = segments(said([("sil", 0.4), ("aa", 0.5), ("sil", 0.15), ("E", 0.3), ("sil", 0.5), ("oh", 0.4)]))
    assert np.array(phrases(spoken)) == pytest.approx(np.array([(0.4, 1.35), (1.85, 2.25)]))
    assert phrases(segments(silence(1.0))) == ()


def test_beats_are_the_accents() -> None:
    times = (0.9, 1.6, 2.4, 3.1)
    speech = accented(times)
    found = beats(speech, phrases(segments(speech)))
    assert [beat.time for beat in found] == pytest.approx(times, abs=0.03)
    assert all(0.0 < beat.strength <= 1.0 for beat in found)


def test_the_head_goes_down_on_beats() -> None:
    speech = accented((1.0, 2.0, 3.0))
    said_here = phrases(segments(speech))
    gestures = speaking(speech, said_here, FPS, 96, 4)
    for time in (1.0, 2.0, 3.0):
        at = round(time * FPS)
        assert gestures.head[at, 1] < gestures.head[at - 6, 1] - 0.5
        assert gestures.head[at, 1] < gestures.head[at + 8, 1] - 0.3


@pytest.mark.parametrize("seed", range(6))
def test_a_speaker_moves_little_smoothly_and_starts_and_ends_at_rest(seed: int) -> None:
    speech = sentence(seed)
    frames = round((speech.seconds + 1.5) * FPS)
    gestures = speaking(speech, phrases(segments(speech)), FPS, frames, seed)
    assert np.abs(gestures.head).max() < 8.0
    assert np.abs(np.diff(gestures.head, axis=0)).max() < 1.3
    assert np.abs(gestures.head[0]).max() < 0.3
    assert np.abs(gestures.head[-1]).max() < 0.3
    assert np.abs(gestures.gaze + 0.85 * gestures.head[:, :2]).max() < 1e-9


def test_blinks_gather_at_phrase_ends() -> None:
    near, total = 0, 0
    for seed in range(30):
        speech = sentence(seed)
        said_here = phrases(segments(speech))
        lids = speaking(speech, said_here, FPS, round(speech.seconds * FPS), seed).lids
        shut = np.flatnonzero((lids[1:] > 0.9) & (lids[:-1] <= 0.9)) / FPS
        total += len(said_here)
        near += sum(bool((np.abs(shut - end) < 0.25).any()) for _, end in said_here)
    assert 0.6 < near / total < 0.98


def test_breath_goes_in_before_a_phrase_and_out_while_it_is_spoken() -> None:
    spoken = ((1.0, 3.0), (3.7, 5.0))
    breath = speaking(silence(6.0), spoken, FPS, 144, 0).breath
    at = {time: float(breath[round(time * FPS)]) for time in (0.2, 0.98, 2.9, 3.7, 4.9)}
    assert at[0.2] == 0.0
    assert at[0.98] > at[2.9] + 0.3
    assert at[3.7] > at[2.9] + 0.15
    assert at[4.9] < at[3.7]
    assert breath.min() >= 0.0
    assert breath.max() <= 1.0


def test_a_listener_looks_at_who_speaks_and_nods_at_the_end() -> None:
    nods = 0
    for seed in range(20):
        gestures = listening(((0.5, 2.0),), FPS, 120, seed, 9.0)
        assert gestures.gaze[30, 0] + gestures.head[30, 0] == pytest.approx(9.0, abs=0.2)
        assert listening(((0.5, 2.0),), FPS, 120, seed, -9.0).gaze[30, 0] < -4.0
        assert np.abs(gestures.head[[0, -1]]).max() < 0.5
        nods += int(gestures.head[52:60, 1].min() < gestures.head[46, 1] - 1.0)
    assert nods >= 12


def test_nothing_heard_nothing_done() -> None:
    for gestures in (speaking(silence(2.0), (), FPS, 48, 0), listening((), FPS, 48, 0, 9.0)):
        for curve in (gestures.head, gestures.gaze, gestures.brows, gestures.lids, gestures.breath):
            assert not curve.any()


def test_a_bump_is_one_at_its_top_and_zero_outside() -> None:
    time = np.linspace(0.0, 2.0, 201)
    curve = bump(time, 1.0, 0.3, 0.5)
    assert curve[100] == pytest.approx(1.0)
    assert curve[:71].max() < 1e-9
    assert curve[150:].max() < 1e-9
    assert rise(time, 0.5, 1.0)[100] == pytest.approx(0.5)


def test_a_listener_s_eyes_go_to_who_speaks_now() -> None:
    looks = attention([(-15.0, ((0.2, 1.0), (3.0, 4.0))), (12.0, ((1.5, 2.5),))], FPS, 120)
    for second, towards in ((0.0, -15.0), (1.4, -15.0), (2.2, 12.0), (2.9, 12.0), (3.6, -15.0), (4.9, -15.0)):
        assert looks[round(second * FPS)] == pytest.approx(towards, abs=0.1)
    assert np.abs(np.diff(looks)).max() < 27.0 / 4
    assert not attention([(9.0, ())], FPS, 24).any()
