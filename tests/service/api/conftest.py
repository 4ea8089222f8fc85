"""Fixtures of the API's tests.

``stage``    an open installation for a file of tests, with the settings that the file names as ``STAGE``
``address``  the address of a real server of it on loopback
``who``      somebody new there
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.stage import Someone, Stage, open_stage, served


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    given = getattr(request.module, "STAGE", {})
    with open_stage(tmp_path_factory.mktemp("stage") / "data", **given) as found:
        yield found


@pytest.fixture(scope="module")
def address(stage: Stage) -> Iterator[str]:
    with served(stage.app) as found:
        yield found


@pytest.fixture
def who(stage: Stage) -> Someone:
    return stage.someone()
