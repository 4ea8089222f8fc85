"""Whether a picture shows nudity or sexual content: every input and every frame of every film is asked about.

A :class:`Classifier` gives a probability; a :class:`ContentGate` turns it into yes or no. A classifier that is missing,
slow, broken or says something that is no probability means no.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from photoplay.errors import PhotoplayError, RefusedError, UnavailableError
from photoplay.safety.classifiers import NudeNet, OnnxClassifier, Pictures
from photoplay.safety.proof import screened_proof
from photoplay.types import Admitted, Array, Frames, Screened
from photoplay.types.request import _GATE_KEY

LIMIT = 0.4
"""Probability from which a picture counts as unsafe: below the usual 0.5, since a miss is worse."""
PATIENCE = 60.0
"""Seconds that a classifier may take for a window of frames before it counts as down."""
MODEL = "PHOTOPLAY_CONTENT_MODEL"
"""Environment variable that names another ONNX classifier's description (see docs/safety.md)."""


@runtime_checkable
class Classifier(Protocol):
    """Says how sure it is that pictures show nudity or sexual content."""

    @property
    def name(self) -> str:
        """Name and version, for the manifest."""
        ...

    def unsafe(self, pictures: Pictures) -> Float32[Array, n]:
        """A probability 0..1 for each picture [h, w, 3] uint8 sRGB."""
        ...


@dataclass(frozen=True)
class ContentGate:
    """Lets pictures pass that ``classifier`` calls safe. Its limit cannot be set so
    that everything passes; who runs the installation answers for the classifier."""

    classifier: Classifier
    limit: float = LIMIT
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        if not 0 < self.limit <= 0.5 or not 0 < self.patience <= 600:
            raise ValueError("the limit of a content gate lies in 0 .. 0.5, its patience in 0 .. 600 seconds")

    def check(self, pictures: Pictures) -> None:
        """Refuses pictures that show what photoplay never makes.

        Raises:
            RefusedError: ``content_refused``; ``content_unchecked`` where the classifier is down, late or talks nonsense.
        """
        with _Worker(self) as worker:
            worker.take(worker.ask(list(pictures)))

    def screen(self, windows: Iterator[Frames], receipt: list[Screened], admitted: Admitted) -> Iterator[Frames]:
        """Passes the windows of the ``admitted`` request's film on while they are looked at beside it, one window behind.

        At the end of the stream, when every frame has been found safe, a :class:`Screened` lies in ``receipt``.

        Raises:
            RefusedError: as :meth:`check`; what was passed on before must then be thrown away.
        """
        count = 0
        with _Worker(self) as worker:
            asked: Future[Float32[Array, n]] | None = None
            for window in windows:
                if asked is not None:
                    worker.take(asked)
                asked = worker.ask(list(window.rgb))
                count += len(window.rgb)
                yield window
            if asked is not None:
                worker.take(asked)
        if count:
            receipt.append(self._proof(count, admitted))

    def _proof(self, count: int, admitted: Admitted) -> Screened:
        name = self.classifier.name
        return Screened(count, name, screened_proof(admitted, count, name), gate_key=_GATE_KEY)

    def screened(self, pictures: Pictures, admitted: Admitted) -> Screened:
        """Checks single pictures that were made for the ``admitted`` request and returns the proof that a seal asks for.

        Raises:
            RefusedError: as :meth:`check`, and where there are no pictures.
        """
        if not pictures:
            raise _unchecked()
        self.check(pictures)
        return self._proof(len(pictures), admitted)


class _Worker:
    """Asks the classifier beside the line, in threads that end with the process: one that hangs keeps nobody waiting."""

    def __init__(self, gate: ContentGate) -> None:
        self._gate = gate
        self._count = 0

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever is still asked is left to itself."""

    def ask(self, pictures: Pictures) -> Future[Float32[Array, n]]:
        self._count = len(pictures)
        asked: Future[Float32[Array, n]] = Future()

        def answer() -> None:
            try:
                asked.set_result(self._gate.classifier.unsafe(pictures))
            except BaseException as error:
                asked.set_exception(error)

        threading.Thread(target=answer, name="content", daemon=True).start()
        return asked

    def take(self, asked: Future[Float32[Array, n]]) -> None:
        """Waits for the answer and refuses what is unsafe."""
        try:
            answer = np.asarray(asked.result(self._gate.patience), np.float64)
        except Late as late:
            raise _unchecked() from late
        except PhotoplayError:
            raise
        except Exception as error:
            raise _unchecked() from error
        if answer.shape != (self._count,) or not ((answer >= 0) & (answer <= 1)).all():
            raise _unchecked()
        if (answer >= self._gate.limit).any():
            raise RefusedError(
                "content_refused",
                "A picture seems to show nudity or sexual content, which photoplay never uses or makes.",
                "Use another photo. If the photo is harmless, a crop of head and shoulders helps.",
            )


def _unchecked() -> RefusedError:
    return RefusedError(
        "content_unchecked",
        "The content of a picture could not be checked, and what cannot be checked is not made.",
        "Try again. If it stays this way, see whether the content classifier works on this machine.",
    )


@cache
def default_classifier() -> Classifier:
    """The classifier of this installation: the one that ``$PHOTOPLAY_CONTENT_MODEL`` describes, else NudeNet.

    Raises:
        UnavailableError: ``content_filter_missing``: there is none, so nothing can be made.
    """
    if described := os.environ.get(MODEL):
        return OnnxClassifier.read(Path(described))
    if (found := NudeNet.installed()) is not None:
        return found
    raise UnavailableError(
        "content_filter_missing",
        "There is no content filter on this machine, and photoplay makes nothing that it cannot check.",
        "Install one with `pip install 'photoplay[nudenet]'`, or name your own (docs/safety.md).",
    )
