"""Everything that photoplay raises, as one tree.

    PhotoplayError
    ├── InputError            what was handed in cannot be used
    │   ├── MediaError        a photo, video or audio file
    │   ├── TemplateError     a motion template or motion file
    │   └── RequestError      the request: sizes, lengths, names, combinations
    ├── SceneError            the photo is readable, but this film cannot be made of it
    ├── RefusedError          safety says no
    │   └── ConsentError      consent is not stated or not on record
    ├── ReviewError           a film was made and did not pass review
    ├── SealError             a film could not be signed, or a file's seal does not hold
    ├── UnavailableError      a part of photoplay is not installed or not usable here
    └── CancelledError        somebody asked to stop

Every error has a stable ``code`` (``snake_case``, never reused), a ``message`` for a person and a ``hint`` that says what
to do next. None of them carries a path, an address or a traceback in these texts.
"""

from __future__ import annotations


class PhotoplayError(Exception):
    """Base of the tree: ``code`` for machines, ``message`` for a person, ``hint`` for the next step."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[PhotoplayError], tuple[str, str, str]]:
        """Errors cross process borders (photos are decoded in a child), so they must pickle."""
        return type(self), (self.code, self.message, self.hint)


class InputError(PhotoplayError):
    """What was handed in cannot be used."""


class MediaError(InputError):
    """A photo, video or audio file is unsupported, unsafe, too large, broken or cut short."""


class TemplateError(InputError):
    """A motion template or motion file does not exist or does not validate."""


class RequestError(InputError):
    """A size, length, name or combination in the request is not possible."""


class SceneError(PhotoplayError):
    """The photo is readable, but this film cannot be made of it."""


class RefusedError(PhotoplayError):
    """A safety gate says no."""


class ConsentError(RefusedError):
    """Consent is not stated or not on record."""


class ReviewError(PhotoplayError):
    """A film was made and did not pass review."""


class SealError(PhotoplayError):
    """A film could not be signed, or a file's seal does not hold."""


class UnavailableError(PhotoplayError):
    """A part of photoplay is not installed or cannot run on this machine."""


class CancelledError(PhotoplayError):
    """Somebody asked to stop, and may say why: ``CancelledError("The user pressed stop.")``. Its code is ``cancelled``."""

    def __init__(self, message: str = "The film was cancelled.", hint: str = "") -> None:
        super().__init__("cancelled", message, hint)

    def __reduce__(self) -> tuple[type[PhotoplayError], tuple[str, str]]:  # type: ignore[override]
        return type(self), (self.message, self.hint)
