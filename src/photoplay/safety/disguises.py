"""What a text may have been before somebody disguised it: letters that look alike, digits for letters, spaced or starred
words, encodings, words written backwards.

:func:`readings` gives every reading; a policy refuses a text if it refuses one of them. The lookalikes follow Unicode's
table of confusable characters (UTS 39) where two alphabets share a shape.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote

LONGEST = 4_000
"""Characters of a text that is read at all; longer ones are refused by whoever asks."""
MOST = 2_000
"""Readings of one text that are looked at. A text with more hides something: whoever asks refuses it."""

_LOOKALIKES = str.maketrans(
    {
        # Cyrillic
        **dict(zip("авекмнорстухіјѕԁԛԝһӏьзпгиф", "abekmhopctyxijsdqwhlb3nruo", strict=True)),
        "ё": "e", "й": "u", "ѵ": "v", "ү": "y", "ґ": "r", "є": "e", "д": "d", "л": "n", "б": "b", "ц": "u", "ш": "w",
        "щ": "w", "я": "r", "ю": "io", "э": "e", "ч": "y", "ы": "bl", "ж": "x",
        # Greek
        **dict(zip("αβγδεζηθικλμνξοπρστυφχψω", "abydezn0ikumvxonpotupxyw", strict=True)), "ς": "s",
        # small capitals, turned and other Latin letters without a decomposition
        **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)),
        **dict(zip("ɐɔǝɟƃɥıɾʞʃɯɹʇʌʍʎ", "acefghijklmrtvwy", strict=True)),
        "ɑ": "a", "ɡ": "g", "ɩ": "i", "ʋ": "v", "ø": "o", "đ": "d", "ħ": "h", "ł": "l", "ŧ": "t", "ð": "d", "þ": "p",
        "æ": "ae", "œ": "oe", "ß": "ss", "ƒ": "f", "ⅼ": "l", "ſ": "s", "ᵴ": "s", "ƨ": "s", "ɛ": "e", "ɵ": "o",
        # Armenian, Cherokee, Lisu and others
        "օ": "o", "ո": "n", "ս": "u", "հ": "h", "ց": "g", "յ": "j", "զ": "q", "ѡ": "w", "ꭰ": "d", "ꭱ": "r", "ꭲ": "t",
        "Ꭰ": "d", "Ꭱ": "r", "Ꭲ": "t", "Ꮪ": "s", "Ꮲ": "p", "Ꮯ": "c", "Ꭼ": "e", "Ꭺ": "a", "Ꮋ": "h", "Ꮃ": "w",
    }
)  # fmt: skip
_LEET = {
    "0": "o",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "€": "e",
    "+": "t",
    "£": "l",
}
_LEETS = tuple(
    str.maketrans(_LEET | {"1": one, "!": one, "|": one, "6": six, "2": "z"}) for one, six in (("i", "g"), ("l", "b"))
)
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,3}+[^\W_]){2,}(?![^\W_])")
_INSIDE = re.compile(r"(?<=[^\W_])(?:[^\w\s]|_)++(?=[^\W_])")
LONGEST_WORD = 40
MASKS = "*#•·×✱﹡"
_MASKED = re.compile(rf"[\w{MASKS}]+")
_LONG_RUN = re.compile(r"(\w)\1{2,}")
_DOUBLED = re.compile(r"(?<!\w)(?:(\w)\1)(?:(\w)\2){2,}(?!\w)")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{4,}={0,2}")
_FRAMED = re.compile(
    r"(?:REGIONAL INDICATOR SYMBOL|(?:NEGATIVE )?(?:SQUARED|CIRCLED) LATIN (?:CAPITAL|SMALL)) LETTER ([A-Z])"
)
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:0x)?((?:[0-9A-Fa-f]{2}[ :]?){3,})(?![0-9A-Fa-f])")


def fold(text: str) -> str:
    """``text`` without tricks of Unicode: NFKC, no invisible characters or accents, folded case."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text))
    visible = "".join(
        _letter(c) for c in decomposed if unicodedata.category(c) not in {"Cf", "Mn", "Me", "Cc"} or c.isspace()
    )
    return unicodedata.normalize("NFKC", visible).casefold().replace("’", "'")


def _letter(character: str) -> str:
    """A letter in a flag, square or circle as the bare letter."""
    match = _FRAMED.fullmatch(unicodedata.name(character, ""))
    return match[1] if match else character


def spaced(text: str) -> str:
    """Single spaces; ``-`` and ``_`` are spaces as well."""
    return re.sub(r"[\s_\-]+", " ", text).strip()


def readings(text: str) -> tuple[str, ...]:
    """Everything that ``text`` may say, folded and with single spaces; the plain reading first."""
    found: dict[str, None] = {}
    for said in (text, *decoded(text)):
        for form in _forms(fold(said)):
            found.setdefault(spaced(form))
            if len(found) >= MOST:
                return tuple(found)
    return tuple(found)


def decoded(text: str) -> Iterator[str]:
    """What base64, hexadecimal and percent-encoded parts of ``text`` say, up to two layers deep."""
    layer = [text]
    for _ in range(2):
        layer = [said for part in layer for said in _decoded_once(part)]
        yield from layer


def _decoded_once(text: str) -> Iterator[str]:
    if "%" in text and (plain := unquote(text)) != text:
        yield plain
    for match in _ENCODED.finditer(text):
        yield from _text(match[0].rstrip("=").replace("+", "-").replace("/", "_"), _base64)
    for match in _HEX.finditer(text):
        yield from _text(match[1].replace(":", " "), bytes.fromhex)


def _base64(code: str) -> bytes:
    return urlsafe_b64decode(code + "=" * (-len(code) % 4))


def _text(code: str, decode: Callable[[str], bytes]) -> Iterator[str]:
    """The text that ``decode`` makes of ``code``, where it is readable text at all."""
    try:
        said = decode(code).decode("utf-8")
    except (ValueError, binascii.Error):
        return
    if len(said) >= 3 and all(c.isprintable() or c.isspace() for c in said):
        yield said


def _forms(plain: str) -> Iterator[str]:
    """The plain form, lookalikes as Latin letters, digits as letters, spaced and broken words joined, runs of letters cut
    short, all of that also backwards."""
    forms = _grown([plain], lambda form: (form.translate(_LOOKALIKES),))
    forms = _grown(forms, lambda form: (_SPACED.sub(_joined, form), _INSIDE.sub("", form)))
    forms = _grown(forms, lambda form: (form.translate(table) for table in _LEETS))
    forms = _grown(forms, lambda form: (_SPACED.sub(_joined, form),))
    forms = _grown(
        forms, lambda form: (_LONG_RUN.sub(r"\1", form), _LONG_RUN.sub(r"\1\1", form), _DOUBLED.sub(_halved, form))
    )
    yield from _grown(forms, lambda form: (form[::-1],))


def _grown(forms: Iterable[str], change: Callable[[str], Iterable[str]]) -> list[str]:
    """The forms and what ``change`` makes of each, without repetitions, the plain ones first."""
    kept = list(forms)
    return list(dict.fromkeys([*kept, *(made for form in kept for made in change(form))]))


def _joined(match: re.Match[str]) -> str:
    return re.sub(r"[\W_]", "", match[0])


def unmasked(text: str, words: Iterable[str]) -> bool:
    """Whether a word of ``text`` in which stars stand for letters may be one of ``words``."""
    for token in _MASKED.findall(fold(text)):
        if not any(mask in token for mask in MASKS) or len(token) > LONGEST_WORD:
            continue
        shape = re.compile("".join("[^\\W_]" if c in MASKS else re.escape(c) for c in token))
        if sum(c not in MASKS for c in token) >= 2 and any(shape.fullmatch(word) for word in words):
            return True
    return False


def _halved(match: re.Match[str]) -> str:
    return match[0][::2]
