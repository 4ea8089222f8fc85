from __future__ import annotations

import itertools
import json
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from photoplay.motion.speech.recogniser import Speech, hear
from photoplay.motion.speech.visemes import INDEX, visemes_of
from photoplay.types import Audio

RATE = 16_000


def _noise(seconds: float) -> Audio:
    samples = np.random.default_rng(1).standard_normal(int(seconds * RATE)).astype(np.float32)
    return Audio(samples * np.float32(0.05), RATE, "")


def _chord(seconds: float) -> Audio:
    t = np.arange(int(seconds * RATE)) / RATE
    notes = [np.sin(2 * np.pi * hertz * k * t) / k for hertz in (220.0, 277.2, 329.6) for k in range(1, 8)]
    fall = np.exp(-3 * (t % 0.5))
    return Audio((0.08 * np.sum(notes, axis=0) * fall).astype(np.float32), RATE, "")


def _recording(path: Path) -> Audio:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return Audio(samples.astype(np.float32) / 32768, file.getframerate(), "")


@pytest.mark.parametrize("seconds", [0.0, 0.004, 0.01, 1.237])
def test_every_array_has_an_entry_for_each_hundredth_of_a_second(seconds: float) -> None:
    speech = hear(_noise(seconds))
    count = max(1, int(np.ceil(seconds * 100)))
    assert speech.rate == 100
    assert speech.probabilities.shape == (count, 15)
    assert speech.voice.shape == speech.energy.shape == speech.pitch.shape == (count,)
    np.testing.assert_allclose(speech.probabilities.sum(axis=1), 1, atol=1e-5)
    assert speech.seconds == pytest.approx(count / 100)


@pytest.mark.parametrize("sound", [Audio(np.zeros(3 * RATE, np.float32), RATE, ""), _noise(3.0), _chord(4.0)])
def test_silence_noise_and_music_are_no_speech(sound: Audio) -> None:
    speech = hear(sound)
    assert np.mean(speech.voice > 0.5) < 0.05
    assert np.mean(speech.probabilities.argmax(axis=1) == INDEX["sil"]) > 0.95


def test_a_quieter_copy_is_heard_alike() -> None:
    loud = _chord(2.0)
    quiet = Audio(loud.samples * np.float32(0.25), RATE, "")
    one, other = hear(loud), hear(quiet)
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)
    np.testing.assert_allclose(one.energy, other.energy, atol=0.01)


def test_ten_seconds_take_a_fraction_of_one() -> None:
    sound = _noise(10.0)
    hear(sound)
    took = []
    for _ in range(3):
        began = time.process_time()
        hear(sound)
        took.append(time.process_time() - began)
    assert min(took) < 1.0, "0.3 s on a quiet core; two or three times that on a shared one"


@pytest.fixture(params=["hello", "panphone"])
def spoken(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Speech, list[tuple[float, str]]]:
    folder, name = shared_data / "audio", f"espeak_{request.param}_female"
    told = json.loads((folder / f"{name}.json").read_text())
    marks = [(event["t_ms"] / 1000, event["ph"]) for event in told["events"] if event["ph"] != "|word"]
    return hear(_recording(folder / f"{name}.wav")), marks


def test_p_b_and_m_are_heard_where_they_are_spoken(spoken: tuple[Speech, list[tuple[float, str]]]) -> None:
    speech, marks = spoken
    lips = [start for start, phoneme in marks if visemes_of(phoneme)[0] == "PP"]
    heard = np.flatnonzero(speech.probabilities.argmax(axis=1) == INDEX["PP"]) / speech.rate
    assert lips
    near = [start for start in lips if np.any((heard > start - 0.12) & (heard < start + 0.1))]
    assert len(near) >= 0.8 * len(lips)


def test_pauses_are_silent_and_the_rest_is_speech(spoken: tuple[Speech, list[tuple[float, str]]]) -> None:
    speech, marks = spoken
    middles = [((a + b) / 2, phoneme) for (a, phoneme), (b, _) in itertools.pairwise(marks) if b - a > 0.06]
    said = [speech.voice[round(at * 100)] for at, phoneme in middles if visemes_of(phoneme) != ("sil",)]
    assert np.mean(np.array(said) > 0.5) > 0.9
    assert np.mean(speech.pitch > 0) > 0.2
    voiced = speech.pitch[speech.pitch > 0]
    assert 100 < np.median(voiced) < 350, "a woman's voice"
