"""Face and body models that look at no picture twice, for tests that are not about these models.

A model's answer depends on the picture alone (``tests/perception``, which runs without this, proves it), and most films
of the tests show the same two people: much of the time of all tests would go into looking at what was seen before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np

from photoplay.perception import identity, mediapipe_models

PICTURES = 4096
"""So many answers are kept; the longest hold a mask of 256 KiB."""


class Memory:
    """Answers by what was asked about which picture."""

    def __init__(self) -> None:
        self._answers: dict[bytes, Any] = {}
        self._lock = threading.Lock()

    def ask(self, question: str, picture: Any, answer: Callable[[Any], Any]) -> Any:
        key = blake2b(np.ascontiguousarray(picture), key=blake2b(question.encode(), digest_size=32).digest()).digest()
        with self._lock:
            if key not in self._answers:
                if len(self._answers) >= PICTURES:
                    del self._answers[next(iter(self._answers))]
                self._answers[key] = answer(picture)
            return self._answers[key]


class Graph:
    """In place of a graph of MediaPipe: one for all readers, started for the first picture that is new."""

    def __init__(
        self, memory: Memory, start: Callable[..., Any], text: str, size: int, outputs: tuple[str, ...]
    ) -> None:
        self._memory, self._text, self._size = memory, text, size
        self._started = lambda: start(text, size, outputs)

    def __call__(self, rgb: Any) -> dict[str, Any]:
        if rgb.shape != (self._size, self._size, 3):
            return self._started()(rgb)  # type: ignore[no-any-return]  # says what is wrong
        return dict(self._memory.ask(self._text, rgb, self._look))

    def _look(self, rgb: Any) -> Any:
        return self._started()(rgb)


class Network:
    """In place of dlib's network."""

    def __init__(self, memory: Memory, real: Callable[[], tuple[Any, threading.Lock]]) -> None:
        self._memory, self._real = memory, real

    def compute_face_descriptor(self, chip: Any) -> Any:
        return self._memory.ask("identity", chip, self._look)

    def _look(self, chip: Any) -> Any:
        return self._real()[0].compute_face_descriptor(chip)


_REAL = mediapipe_models._Graph, identity._network


@contextmanager
def remembered() -> Iterator[Memory]:
    """From now on the models look at no picture twice."""
    memory, (graph, network) = Memory(), _REAL
    start = cache(graph)
    face, lock = Network(memory, network), threading.Lock()
    with _in_place(lambda *args: Graph(memory, start, *args), lambda: (face, lock)):
        yield memory


@contextmanager
def anew() -> Iterator[None]:
    """From now on the models are what they are, however often they look."""
    with _in_place(*_REAL):
        yield


@contextmanager
def _in_place(graph: Any, network: Any) -> Iterator[None]:
    before = mediapipe_models._Graph, identity._network
    mediapipe_models._Graph, identity._network = graph, network
    try:
        yield
    finally:
        mediapipe_models._Graph, identity._network = before  # type: ignore[misc]
