from __future__ import annotations

import time
from collections.abc import Iterator

from photoplay.pipeline.clock import StageClock


def test_nested_streams_are_not_counted_twice() -> None:
    clock = StageClock()

    def slow() -> Iterator[int]:
        for number in (1, 2):
            time.sleep(0.02)
            yield number

    def outer() -> Iterator[int]:
        for number in clock.stream("inner", slow()):
            time.sleep(0.01)
            yield number

    assert list(clock.stream("outer", outer())) == [1, 2]
    assert clock.seconds["inner"] >= 0.04
    assert clock.seconds["outer"] >= 0.02
    assert clock.seconds["outer"] < clock.seconds["inner"] + 0.02


def test_a_stage_that_fails_is_still_booked() -> None:
    clock = StageClock()
    try:
        with clock.stage("breaks"):
            time.sleep(0.01)
            raise ValueError
    except ValueError:
        pass
    assert clock.seconds["breaks"] >= 0.01
