from __future__ import annotations

import pytest
from pydantic import ValidationError

from photoplay.service.jobs.requests import JobRequest


def test_a_request_is_held_to_its_shape() -> None:
    for bad in (
        {"template": "../../etc/passwd"},
        {"template": "film.yaml"},
        {"photos": ["../x"]},
        {"photos": ["upload_" + "a" * 26] * 3},
        {"seconds": float("nan")},
        {"seconds": 0},
        {"backend": "a/b"},
        {"unknown": 1},
        {"size": "4k"},
        {"consent": ["maybe"]},
        {"prompt": "a\x00b"},
        {"prompt": "a\ud800b"},
    ):
        with pytest.raises(ValidationError):
            JobRequest.model_validate(bad)
