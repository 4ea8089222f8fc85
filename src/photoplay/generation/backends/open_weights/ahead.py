"""The next clip is made while the one before is finished: sized, brought to the film's rate, composited, encoded.

A GPU denoises while the processor finishes. Decoding itself cannot overlap with the next clip's denoising, which is told the
last decoded frames.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from photoplay.errors import CancelledError
from photoplay.types import Progress, StageEvent

T = TypeVar("T")
PATIENCE = 0.1
"""Seconds after which a waiting thread looks whether the other one is still there."""


def ahead(make: Callable[[Progress], Iterator[T]], progress: Progress) -> Generator[T, None, None]:
    """What ``make(progress)`` yields, in order, made in a thread of its own and at most one ahead of what is asked for.

    What is raised there is raised here, once everything before it was yielded. When this generator is closed, the progress
    that ``make`` was given raises CancelledError, so the thread ends within a step; it is waited for. ``progress`` is never
    called by two threads at once.
    """
    gone, turn = Event(), Lock()
    ready: Queue[tuple[bool, Any]] = Queue(maxsize=1)

    def heard(event: StageEvent) -> None:
        if gone.is_set():
            raise CancelledError
        with turn:
            progress(event)

    def work() -> None:
        try:
            for item in make(heard):
                if not _put(ready, (True, item), gone):
                    return
            _put(ready, (False, None), gone)
        except BaseException as error:
            _put(ready, (False, error), gone)

    worker = Thread(target=work, name="clips ahead", daemon=True)
    worker.start()
    try:
        while True:
            there, item = _get(ready, worker)
            if not there:
                if item is not None:
                    raise item
                return
            yield item
    finally:
        gone.set()
        worker.join()


def _put(ready: Queue[tuple[bool, Any]], item: tuple[bool, Any], gone: Event) -> bool:
    """Hands over an item; False when nobody takes it any more."""
    while not gone.is_set():
        try:
            ready.put(item, timeout=PATIENCE)
        except Full:
            continue
        return True
    return False


def _get(ready: Queue[tuple[bool, Any]], worker: Thread) -> tuple[bool, Any]:
    while True:
        try:
            return ready.get(timeout=PATIENCE)
        except Empty:
            if not worker.is_alive() and ready.empty():
                raise CancelledError from None
