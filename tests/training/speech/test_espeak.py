from __future__ import annotations

import importlib.util
import itertools

import numpy as np
import pytest

from photoplay.errors import UnavailableError
from photoplay.motion.speech.spectrum import levels, mel_power
from photoplay.motion.speech.visemes import visemes_of
from photoplay.training.speech import espeak
from photoplay.training.speech.generate import another_throat
from photoplay.training.speech.texts import (
    HELD_OUT_LANGUAGES,
    HELD_OUT_VARIANTS,
    LANGUAGES,
    VARIANTS,
    draw_text,
    draw_voice,
    draw_word,
)  # fmt: skip
from photoplay.types import Audio


def test_held_out_voices_and_languages_are_not_trained_on() -> None:
    assert not set(HELD_OUT_VARIANTS) & set(VARIANTS)
    assert not set(HELD_OUT_LANGUAGES) & set(LANGUAGES)


def test_texts_and_voices_are_drawn_from_their_seed() -> None:
    draws = [np.random.default_rng(7) for _ in range(2)]
    one, other = (
        [(draw_voice(draw, LANGUAGES, VARIANTS), draw_text(draw, "de", 6), draw_word(draw)) for _ in range(20)]
        for draw in draws
    )
    assert one == other
    assert all(80 <= voice.words_per_minute <= 320 and len(text.split()) == 6 for voice, text, _ in one)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "find_spec", lambda name: None)
    assert not espeak.available()
    with pytest.raises(UnavailableError) as caught:
        espeak.Espeak()
    assert caught.value.code == "espeak_missing"


@pytest.mark.skipif(importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed")
def test_phoneme_times_fit_the_sound() -> None:
    voice = espeak.Espeak()
    with pytest.raises(ValueError, match="no voice"):
        voice.say("hello", espeak.Voice("xx-nowhere"))
    plain = voice.say("A mob, a mob, a mob.", espeak.Voice("en-us"))
    for said in (plain, another_throat(np.random.default_rng(2), plain)):
        level = levels(mel_power(Audio(said.samples, said.rate, "")))
        pairs = [
            (start, end, visemes_of(phoneme)[0])
            for (start, phoneme), (end, _) in itertools.pairwise(said.phonemes)
            if end - start > 0.06
        ]
        vowels = [start for start, _, viseme in pairs if viseme in ("aa", "oh")]
        pauses = [start for start, _, viseme in pairs if viseme == "sil"]
        assert vowels
        assert pauses
        assert [visemes_of(phoneme)[0] for _, phoneme in said.phonemes].count("PP") == 6
        loud = [level[round((start + 0.05) * 100)] for start in vowels]
        still = [level[round((start + 0.05) * 100)] for start in pauses]
        assert min(loud) > max(still) + 15
