"""A stage whose looker is a fake, in a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.lookers import FakeLooker
from tests.service.stage import Someone, Stage, open_stage


@contextmanager
def looked_stage(folder: Path, **given: object) -> Iterator[Stage]:
    """An installation in a folder, and ``PHOTOPLAY_HOME`` beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOPLAY_HOME", str(folder / "home"))
        with open_stage(folder / "data", **given) as stage:
            stage.app.state.looker.close()
            stage.app.state.looker = FakeLooker()
            yield stage


def looker_of(stage: Stage) -> FakeLooker:
    """The fake, with nothing asked yet."""
    looker = stage.app.state.looker
    assert isinstance(looker, FakeLooker)
    looker.close()
    return looker


def uploaded(stage: Stage, who: Someone, data: bytes) -> str:
    """A photo that somebody uploaded through the API."""
    answer = stage.client.post("/v1/photos", headers=who.headers, files={"file": ("a.jpg", data, "image/jpeg")})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
