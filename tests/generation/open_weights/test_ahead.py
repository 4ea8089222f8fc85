from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from photoplay.errors import CancelledError
from photoplay.generation.backends.open_weights.ahead import ahead
from photoplay.types import Progress, StageEvent, silent


def clips(progress: Progress, count: int = 4, seconds: float = 0.0) -> Iterator[int]:
    for number in range(count):
        for step in range(10):
            time.sleep(seconds / 10)
            progress(StageEvent("denoise", step, 10))
        yield number


def test_everything_comes_in_order() -> None:
    assert list(ahead(clips, silent)) == [0, 1, 2, 3]
    assert list(ahead(lambda progress: clips(progress, 0), silent)) == []


def test_the_next_is_made_while_the_last_is_finished() -> None:
    begun = [threading.Event() for _ in range(3)]

    def make(progress: Progress) -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    for number in ahead(make, silent):
        assert all(event.wait(20) for event in begun[: number + 2])


def test_no_more_than_one_waits_and_one_is_made() -> None:
    begun = []

    def make(progress: Progress) -> Iterator[int]:
        for number in range(6):
            begun.append(number)
            yield number

    film = ahead(make, silent)
    next(film)
    time.sleep(0.3)
    assert len(begun) <= 3
    film.close()  # type: ignore[attr-defined]


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def make(progress: Progress) -> Iterator[int]:
        yield 1
        raise ValueError("clip 2")

    film = ahead(make, silent)
    assert next(film) == 1
    with pytest.raises(ValueError, match="clip 2"):
        next(film)


def test_cancelling_by_progress_reaches_the_caller() -> None:
    def stop(event: StageEvent) -> None:
        if event.done == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        list(ahead(clips, stop))


def test_a_film_that_is_closed_stops_within_a_step() -> None:
    steps, closed = [], []

    def make(progress: Progress) -> Iterator[int]:
        yield 0
        for step in range(10**6):
            steps.append(bool(closed))
            progress(StageEvent("denoise", step, 10**6))
            time.sleep(0.001)

    before = threading.active_count()
    film = ahead(make, silent)
    next(film)
    closed.append(True)
    film.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(steps) < 10**6


def test_progress_is_told_by_one_thread_at_a_time() -> None:
    inside, most = [0], [0]

    def count(event: StageEvent) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        inside[0] -= 1

    assert len(list(ahead(clips, count))) == 4
    assert most == [1]
