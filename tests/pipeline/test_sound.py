from __future__ import annotations

import numpy as np
import pytest

from photoplay.errors import RequestError
from photoplay.pipeline.sound import RATE, check_turns, mixed, voices
from photoplay.types import Audio, Turn


def track(level: float, seconds: float = 1.0, rate: int = RATE, name: str = "a") -> Audio:
    return Audio(np.full(round(seconds * rate), level, np.float32), rate, name * 64)


def test_tracks_are_added_and_do_not_clip() -> None:
    both = mixed([track(0.25), track(0.5, 2.0, name="b")])
    assert both is not None
    assert len(both.samples) == 2 * RATE
    assert (both.samples[0], both.samples[-1]) == (0.75, 0.5)
    assert both.sha256 not in {"a" * 64, "b" * 64}
    loud = mixed([track(0.9), track(0.9)])
    assert loud is not None
    assert np.abs(loud.samples).max() == 1.0
    assert mixed([]) is None
    alone = track(0.1)
    assert mixed([alone]) is alone
    with pytest.raises(RequestError):
        mixed([track(0.1), track(0.1, rate=16_000)])


def test_who_speaks() -> None:
    one, two = track(0.2), track(0.4, name="b")
    assert voices([one], [], [0, 2], main=2) == {2: one}
    assert voices([one, two], [], [3, 1], main=3) == {1: one, 3: two}
    with pytest.raises(RequestError):
        voices([one, two], [], [0], main=0)


def test_a_turn_is_heard_while_it_lasts() -> None:
    said = voices([track(1.0)], [Turn(0.0, 0.5, 0), Turn(0.5, 1.0, 1)], [0, 1], main=0)
    quarter = RATE // 4
    assert said[0].samples[quarter] == said[1].samples[3 * quarter] == 1.0
    assert said[0].samples[3 * quarter] == said[1].samples[quarter] == 0.0
    assert np.abs(np.diff(said[0].samples)).max() < 0.01


@pytest.mark.parametrize(
    "turns", [[Turn(1, 1, 0)], [Turn(-1, 1, 0)], [Turn(0, 1, 2)], [Turn(0, 1, 0), Turn(0.5, 2, 0)]]
)
def test_turns_that_nobody_can_take(turns: list[Turn]) -> None:
    with pytest.raises(RequestError):
        check_turns(turns, people=2)
    check_turns([Turn(0, 1, 0), Turn(0.5, 2, 1)], people=2)


@pytest.mark.parametrize(("people", "said"), [([0], "2 sound tracks for 1 face that"), ([], "for 0 faces that")])
def test_more_tracks_than_people_are_counted_in_words(people: list[int], said: str) -> None:
    track = Audio(np.zeros(10, np.float32), RATE, "")
    with pytest.raises(RequestError) as caught:
        voices([track, track], [], people, 0)
    assert caught.value.code == "voices_too_many"
    assert said in caught.value.message
