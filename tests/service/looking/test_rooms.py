from __future__ import annotations

import threading
import time

import pytest

from photoplay.service.ground.errors import TooManyError
from photoplay.service.looking.rooms import Room


def test_some_work_some_wait_and_the_rest_come_again() -> None:
    room, release, working = Room(1, 1, 20.0), threading.Event(), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        with room.turn():
            working.set()
            release.wait(20)
            done.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    threads[0].start()
    assert working.wait(20)
    threads[1].start()
    time.sleep(0.4)
    began = time.monotonic()
    with pytest.raises(TooManyError) as caught, room.turn():
        pass
    assert (caught.value.code, caught.value.retry_after) == ("looker_busy", 3)
    assert time.monotonic() - began < 5
    release.set()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == [1, 2]
    with pytest.raises(ZeroDivisionError), room.turn():
        1 / 0  # noqa: B018
    with room.turn():
        done.append(3)


def test_nobody_waits_for_ever() -> None:
    room = Room(1, 1, 0.05)
    with room.turn(), pytest.raises(TooManyError), room.turn():
        pass
    with room.turn():
        pass
