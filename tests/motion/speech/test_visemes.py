from __future__ import annotations

import pytest

from photoplay.motion.speech.visemes import INDEX, VISEMES, visemes_of


def test_there_are_fifteen_in_the_order_of_openxr() -> None:
    assert VISEMES == ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
    assert INDEX["sil"] == 0
    assert len(INDEX) == 15


@pytest.mark.parametrize(
    ("phoneme", "shown"),
    [
        ("p", ("PP",)), ("ˈɑː", ("aa",)), ("oʊ", ("oh", "ou")), ("oU", ("oh", "ou")), ("aI@", ("aa", "ih", "E")),
        ("tʃ", ("CH",)), ("dZ", ("CH",)), ("ts", ("DD", "SS")), ("pf", ("PP", "FF")), ("t#", ("DD",)), ("I2", ("ih",)),
        ("3:", ("E",)), ("0", ("oh",)), ("ɔ̃", ("oh",)), ("ɲɲ", ("nn",)), ("θ", ("TH",)), ("@L", ("E", "nn")),
        ("", ("sil",)), ("_:", ("sil",)), ("_", ("sil",)),
    ],
)  # fmt: skip
def test_phonemes_of_both_alphabets(phoneme: str, shown: tuple[str, ...]) -> None:
    assert visemes_of(phoneme) == shown


def test_an_unknown_letter_is_an_error_not_silence() -> None:
    with pytest.raises(ValueError, match="ǃ"):
        visemes_of("ǃ")
