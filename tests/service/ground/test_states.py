"""A job is live or over, and nothing else."""

from typing import get_args

from photoplay.service.ground.states import LIVE, OVER, State


def test_every_state_is_either_live_or_over():
    assert sorted((*LIVE, *OVER)) == sorted(get_args(State))
