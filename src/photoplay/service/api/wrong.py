"""What is wrong with a request that is not one by the OpenAPI: a sentence for a person, and what is possible instead.

pydantic says it to programmers, with regular expressions and the names of classes. Here each of its types of error is put
into words; what a field may be, where its rule does not say it by itself, stands in :data:`POSSIBLE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

PLACES = frozenset({"body", "query", "path", "header", "cookie"})
SHAPE = "See its shape in /openapi.json."
NAME = 80
"""Most characters of a field's name that are repeated: whoever sends unknown ones chooses them."""
_UPLOAD = "Give the id of a photo, upload_ and 26 letters and digits, as POST /v1/photos answers it."
_CLIP = "Give the id of a clip, upload_ and 26 letters and digits, as POST /v1/uploads answers it."
_RECORD = "Give the id of a consent record; /v1/consents lists them."

POSSIBLE: Final[Mapping[str, str]] = {
    "after": "Give the last id of the page before.",
    "audio": "Give the id of a sound, upload_ and 26 letters and digits, as POST /v1/uploads answers it.",
    "backdrop": _UPLOAD,
    "challenge": "Give the challenge's id as POST /v1/consents/challenges answered it.",
    "consents": _RECORD,
    "email": "Write it like name@example.org.",
    "id": "Give the work's number as its watermark tells it, 16 digits and letters from a to f.",
    "idempotency-key": "Use 1 to 255 printable characters without spaces.",
    "input_reference": "Send one or two photos: files, data URLs (image_url), or ids of uploads (file_id).",
    "last": _UPLOAD,
    "model": "Give one of the models that /v1/models lists.",
    "name": "Write printable characters, in one line.",
    "photos": _UPLOAD,
    "prompt": "Write words and line breaks, no control characters.",
    "remixed_from": "Give the id of one of your films, video_ and 26 letters and digits; /v1/videos lists them.",
    "seconds": "Give a number from 1 to 60, with three decimals at most.",
    "sha256": "Give the file's SHA-256 as 64 digits and letters from a to f.",
    "size": "Use 480p, 720p, 1080p, or width and height in pixels such as 1280x720.",
    "template": "Give one of the names that /v1/templates lists.",
    "token": "Take all of it from the link, as it was sent.",
    "unlike": _RECORD,
    "upload": "Give the id of a photo or clip that is uploaded, upload_ and 26 letters and digits.",
    "video": _CLIP,
    "webhook": "Give an address that begins with https:// or http://.",
}
"""What a field may be, by its name."""
MALFORMED: Final = ("is not written as it should be", SHAPE)
WHOLE: Final = ("has to be a whole number", "Send it without decimals and quotation marks.")
NUMBER: Final = ("has to be a number that is possible", "Send a plain number.")
SWITCH: Final = ("has to be yes or no", "Send true or false.")
CHOICE: Final = ("is none of the choices", "Use {expected}.")
LIST: Final = ("has to be a list", "Send it in square brackets.")
FIELDS: Final = ("has to be an object with named fields", SHAPE)
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "bool_parsing": SWITCH,
    "bool_type": SWITCH,
    "dict_type": FIELDS,
    "enum": CHOICE,
    "extra_forbidden": ("is not known here", "Leave it out, or see in /openapi.json how the fields are named."),
    "finite_number": NUMBER,
    "float_parsing": NUMBER,
    "float_type": NUMBER,
    "greater_than_equal": ("is too small", "Use {ge} or more."),
    "int_from_float": WHOLE,
    "int_parsing": WHOLE,
    "int_type": WHOLE,
    "json_invalid": ("is no JSON", SHAPE),
    "less_than_equal": ("is too large", "Use {le} or less."),
    "list_type": LIST,
    "literal_error": CHOICE,
    "missing": ("is missing", "Add it; /openapi.json says what it is."),
    "model_attributes_type": FIELDS,
    "model_type": FIELDS,
    "string_pattern_mismatch": MALFORMED,
    "string_too_long": ("is too long", "Use {max_length} characters at most."),
    "string_too_short": ("is too short", "Use {min_length} or more characters."),
    "string_type": ("has to be a text", "Send it in quotation marks."),
    "too_long": ("has too many entries", "Use {max_length} at most."),
    "too_short": ("has too few entries", "Use {min_length} or more."),
}
"""pydantic's types of error: what is so with the field, and what to do where :data:`POSSIBLE` has no better word."""
BEST = frozenset({"extra_forbidden", "string_too_long", "string_too_short", "too_long", "too_short"})
"""Types of error that have the best word themselves."""


@dataclass(frozen=True)
class Wrong:
    """A sentence, a hint, and the field as a program names it; None: the request as a whole."""

    said: str
    hint: str
    field: str | None


def wrong(error: Mapping[str, Any]) -> Wrong:
    """One of pydantic's errors (``type``, ``loc``, ``msg``, ``ctx``) in words. No value that was sent is repeated."""
    where = error["loc"][1:] if error["loc"][:1] and error["loc"][0] in PLACES else error["loc"]
    kind = error["type"]
    if not where or kind == "json_invalid":
        return _worded("The request", None, "", error)
    name = _printable(str(where[0]))
    index = list(takewhile(lambda part: isinstance(part, int), where[1:]))
    nested = len(index) < len(where) - 1  # in one of several shapes that are possible: which one was meant is not known
    field = ".".join([name, *map(str, index)])
    if nested:
        error = {"type": "string_pattern_mismatch"}
    return _worded(f"“{name}”", field, "" if kind in BEST and not nested else POSSIBLE.get(name, ""), error)


def _worded(subject: str, field: str | None, hint: str, error: Mapping[str, Any]) -> Wrong:
    if error["type"] == "value_error":  # one of our own, in words already
        why = str(error["msg"]).removeprefix("Value error, ")
        return Wrong(f"{subject} is not as it should be: {why}.", hint or SHAPE, field)
    said, usual = KINDS.get(error["type"], MALFORMED)
    bounds = {name: _plain(value) for name, value in error.get("ctx", {}).items()}
    return Wrong(f"{subject} {said}.", hint or usual.format_map(bounds), field)


def _plain(value: object) -> str:
    """A bound or a list of choices without what only programs need: 60.0 is 60, 'all' is all."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).replace("'", "")


def _printable(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable())[:NAME]
