"""The client is tried against the API itself, on an installation whose photos a fake looks at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.api.conftest import address, who
from tests.service.api.routes.looked import looked_stage
from tests.service.stage import Stage

__all__ = ["address", "stage", "who"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with looked_stage(tmp_path_factory.mktemp("client")) as found:
        yield found
