"""What a film was, where its seal is gone: the number in its invisible watermark, looked up in the ledger of what was made
here. C2PA calls this a durable credential. It is weaker than a seal: it tells where pictures come from, not that they are
as they were, and whoever knows the key can paint any number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeAlias

from photoplay.errors import PhotoplayError
from photoplay.media import load_photo, stream_video
from photoplay.media.sniff import pictures_in
from photoplay.safety.ledger import Ledger, Work
from photoplay.types import RgbStack

FRAMES = 120
"""Frames that are looked at: five seconds at 24 a second."""
MAX_SIDE = 1280


class Mark(Protocol):
    """A watermark that was found: see :class:`photoplay.safety.watermark.Detection`."""

    @property
    def payload(self) -> int: ...

    @property
    def confidence(self) -> float: ...


Detector: TypeAlias = Callable[[Iterable[RgbStack], bytes], Mark | None]


@dataclass(frozen=True)
class Recovered:
    """What a watermark leads to.

    number      16 hex digits, as in the watermark and in the ledger
    confidence  of the detection, as :class:`photoplay.safety.watermark.Detection` has it
    known       whether it was made here; the rest is empty where it was not
    created     UTC time of the first file that was sealed of it
    template, consent, source_photos   from its recipe: the motion, what was stated, digests of the photos
    sentence    the same for a person
    """

    number: str
    confidence: float
    known: bool
    sentence: str
    created: str = ""
    template: str = ""
    consent: tuple[str, ...] = ()
    source_photos: tuple[str, ...] = ()


def recover(path: Path, ledger: Ledger, key: bytes, detect: Detector | None = None) -> Recovered | None:
    """Looks for a watermark in a film or picture, and the film that it leads to in ``ledger``.

    Args:
        path: any file that photoplay can decode.
        key: the watermarks' own.
        detect: by default :func:`photoplay.safety.watermark.detect`.

    Returns:
        None where there is no watermark, or nothing that one could be looked for in.
    """
    try:
        mark = (detect or _detector())(_windows(path), key)
    except (PhotoplayError, ValueError):
        return None  # it cannot be decoded, or holds no frame that is large enough
    if mark is None:
        return None
    number = f"{mark.payload:016x}"
    try:
        work = ledger.find(number)
    except ValueError:
        told = f"An invisible mark leads to film {number}, whose entry in the ledger here is damaged."
        return Recovered(number, mark.confidence, False, told)
    return _described(number, mark.confidence, work)


def _detector() -> Detector:
    from photoplay.safety.watermark import detect

    return detect


def _described(number: str, confidence: float, work: Work | None) -> Recovered:
    if work is None:
        told = f"An invisible mark of photoplay is in it (film {number}), but that film was not made here."
        return Recovered(number, confidence, False, told)
    created = min((release.created for release in work.releases), default="")
    consent = tuple(str(said.get("statement", "?")) for said in work.recipe.get("consent", ()))
    template = str(work.recipe.get("template", {}).get("name", ""))
    photos = tuple(str(digest) for digest in work.recipe.get("photos", ()))
    made = f"An invisible mark says that this comes from film {number}, made here"
    when = f" on {created[:10]}" if created else ""
    of = f" of {len(photos)} photo{'s' if len(photos) > 1 else ''}" if photos else ""
    stated = f"; consent stated then: {', '.join(consent)}" if consent else ""
    weaker = "That is weaker than a seal: the pictures may have been changed since, and a mark can be copied."
    return Recovered(
        number, confidence, True, f"{made}{when}{of}{stated}. {weaker}", created, template, consent, photos
    )


def _windows(path: Path) -> Iterator[RgbStack]:
    """The file's first frames, one by one, as stacks of one."""
    if pictures_in(path) == "film":
        for frame in islice(stream_video(path, max_side=MAX_SIDE), FRAMES):
            yield frame[None]
    else:
        yield load_photo(path).pixels[None]
