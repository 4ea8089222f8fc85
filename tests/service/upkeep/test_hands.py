"""When a worker takes a film, as DBOS's threads ask for it: without a database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from photoplay.service.upkeep import hands
from photoplay.service.upkeep.hands import Hands

ECHO, POCKET = "films-echo", "films-pocket"


def hands_for(*queues: str) -> Hands:
    return Hands(queues, lambda queue: True)


def asked(held: Hands, queue: str = ECHO) -> tuple[int, float]:
    """What a look at a queue is told, and after how many seconds."""
    began = time.monotonic()
    return held.count_for_queue(queue), time.monotonic() - began


def at_once(held: Hands, queue: str = ECHO) -> int:
    """What a look at a queue is told long before it would be told anything in any case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hands, "LONGEST", 60.0)
        told, took = asked(held, queue)
    assert took < 20
    return told


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "LONGEST", 0.3)
    monkeypatch.setattr(hands, "TURN", 0.1)
    monkeypatch.setattr(hands, "SELDOM", 0.1)


def after(seconds: float, act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_empty_hands_take_a_film_at_once_and_full_ones_none() -> None:
    held = hands_for(ECHO)
    assert asked(held)[0] == 0
    entry = held.add("a.1", ECHO)
    told, took = asked(held)
    assert (told, took >= 0.3) == (1, True)
    entry.release()
    assert asked(held)[0] == 0


def test_the_next_film_is_taken_when_this_one_is_made_and_not_when_it_is_put_away() -> None:
    held = hands_for(ECHO)
    held.add("a.1", ECHO)
    timer = after(0.05, lambda: held.made("a.1", True))
    assert at_once(held) == 0
    timer.join()
    second = held.add("b.1", ECHO)
    held.made("b.1", True)
    assert asked(held)[0] == 1  # two wait to be put away: the store may be down
    second.release()
    assert asked(held)[0] == 0
    held.made("a.1", False)  # what was made is lost, and is made again
    assert asked(held)[0] == 1


def test_films_of_all_queues_count_together_and_what_is_not_a_film_does_not() -> None:
    held = hands_for(ECHO, POCKET)
    held.add("internal", None)
    held.add("other.1", "_dbos_internal_queue")
    assert held.count_for_queue("_dbos_internal_queue") == 1
    assert asked(held)[0] == 0
    free = hands_for(ECHO, POCKET)
    free.add("a.1", POCKET)
    assert asked(free, ECHO)[0] == 1


def test_queues_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was told that there is room gets time to take a film before another queue is told so."""
    monkeypatch.setattr(hands, "LONGEST", 60.0)
    monkeypatch.setattr(hands, "TURN", 1.0)
    held = hands_for(ECHO, POCKET)
    assert asked(held, ECHO)[0] == 0
    told, took = asked(held, POCKET)
    assert told == 0
    assert took >= 0.5
    assert asked(held, POCKET)[1] < 0.5


def test_a_worker_that_ends_takes_nothing_whatever_comes_to_an_end() -> None:
    held = hands_for(ECHO)
    entry = held.add("a.1", ECHO)
    timer = after(0.05, held.fill)
    assert at_once(held) == 1
    timer.join()
    entry.release()
    assert asked(held)[0] == 1


def test_an_idle_worker_is_told_when_a_film_comes_and_looks_itself_now_and_then() -> None:
    waiting: list[str] = []
    held = Hands([ECHO, POCKET], waiting.__contains__)
    told, took = asked(held)
    assert (told, took >= 0.3) == (0, True)  # what is taken over from the dead is not seen to wait
    timer = after(0.05, lambda: waiting.append(POCKET))
    assert at_once(held, POCKET) == 0
    timer.join()
    timer = after(0.05, held.fill)
    assert asked(held)[0] == 1
    timer.join()
