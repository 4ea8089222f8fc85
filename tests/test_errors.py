from __future__ import annotations

import pickle

from photoplay.errors import CancelledError, RequestError


def test_whoever_stops_may_say_why() -> None:
    stop = CancelledError("The user pressed stop.")
    assert (stop.code, stop.message, stop.hint) == ("cancelled", "The user pressed stop.", "")
    assert str(stop) == "The user pressed stop."
    assert CancelledError().message == "The film was cancelled."


def test_errors_cross_the_border_of_a_process() -> None:
    for error in (CancelledError("Stopped.", "Begin again."), RequestError("bad_size", "No such size.", "Use 480p.")):
        there = pickle.loads(pickle.dumps(error))
        assert type(there) is type(error)
        assert (there.code, there.message, there.hint) == (error.code, error.message, error.hint)
