"""One browser for all of the studio's tests of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.studio.browsers import find_chromium
from tests.studio.stage import PATIENCE_MS

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium with a camera that shows a test picture."""
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium here: make .venv/web.stamp brings one, or install Debian's")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as play:
        made = play.chromium.launch(
            executable_path=found.path,
            args=["--no-sandbox", "--disable-gpu", *CAMERA],
            env={**os.environ, **found.environment},
        )
        yield made
        made.close()
