"""What a mouth shows of a sound: fifteen visemes, and which of them each phoneme looks like."""

from __future__ import annotations

VISEMES: tuple[str, ...] = (
    "sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou",
)  # fmt: skip
"""The set and the order of OpenXR's XR_META_face_tracking_visemes (and of Oculus LipSync before it), which follows MPEG-4's
facial animation parameters: shut; p b m; f v; th; t d; k g; ch j sh; s z; n l; r; then the vowels of car, bed, tip, toe
and book. https://registry.khronos.org/OpenXR/specs/1.1/man/html/XrFaceTrackingVisemeMETA.html"""
INDEX: dict[str, int] = {name: index for index, name in enumerate(VISEMES)}

_LETTERS: dict[str, str] = {
    # Palatal hisses spread the lips like s; back sounds and h leave them to their neighbours, like k.
    "PP": "pbmɓβɸʙBP",
    "FF": "fvʋɱ",
    "TH": "θðTD",
    "DD": "tdɾʈɖ*",
    "kk": "kgɡŋhɦxχɣʁʀqħʕʔcɟɢNXQHJ?R",
    "CH": "ʃʒʂʐɕʑɧSZ",
    "SS": "szçʝC",
    "nn": "nlɲʎɫɭɬɳɴL",
    "RR": "rɹɻɽɺ",
    "aa": "aɑæʌɐäɶAV&",
    "E": "eɛεəɜɚɝɘɤɞE@3",
    "ih": "iɪɨɯᵻʲjI",
    "oh": "oɔɒœøɵO0YW",
    "ou": "uʊʉyʏwʍɥɰU8",
}
_VISEME: dict[str, str] = {letter: viseme for viseme, letters in _LETTERS.items() for letter in letters}
_SIBILANTS = "ʃʒʂʐɕʑSZ"
_IGNORED = "ːˑˈˌ',:;~^#!|-_=%0123456789.` "
"""Length, stress, nasality, palatalisation, and the digits by which espeak-ng tells variants of one sound apart."""


def visemes_of(phoneme: str) -> tuple[str, ...]:
    """The visemes of a phoneme in espeak-ng's IPA (``oʊ``) or in its own letters (``oU``): two for a diphthong.

    A pause (``""``, ``_``, ``_:``) is ``("sil",)``. An affricate such as tʃ is one ``CH``; ts and pf are two.

    Raises:
        ValueError: the phoneme has no letter that is known here.
    """
    letters = [letter for index, letter in enumerate(phoneme) if _counts(letter, phoneme[:index])]
    known = [(letter, _VISEME[letter]) for letter in letters if letter in _VISEME]
    if not known:
        if not phoneme.strip("".join(_IGNORED)):
            return ("sil",)
        raise ValueError(f"no viseme is known for the phoneme {phoneme!r}")
    kept: list[str] = []
    for index, (letter, viseme) in enumerate(known):
        following = known[index + 1][0] if index + 1 < len(known) else ""
        affricate = letter in "tdʈɖ" and following != "" and following in _SIBILANTS
        if not affricate and (not kept or kept[-1] != viseme):
            kept.append(viseme)
    return tuple(kept)


def _counts(letter: str, before: str) -> bool:
    """Digits are vowels (0, 3, 8) only where a phoneme begins with them: elsewhere they number its variants."""
    begins = not before.strip("ːˈˌ',")
    return letter not in _IGNORED or (begins and letter in "038")
