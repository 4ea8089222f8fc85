"""One browser for all of the studio's tests of a process."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.studio.browsers import find_chromium
from tests.studio.fake_api import fake_app
from tests.studio.fake_world import World
from tests.studio.stage import OPEN, PATIENCE_MS, Watched, opened, serving
from tests.studio.walks import Visit

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""No host but this machine has an address."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed shows what its pages showed."""
    report = yield
    if report.failed and call.when == "call":
        report.sections += [(f"page {number}", page.tells()) for number, page in enumerate(OPEN, 1)]
    return report


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
            args=["--no-sandbox", "--disable-gpu", ALONE, *CAMERA],
            env={**os.environ, **found.environment},
        )
        yield made
        made.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens the studio of a world in a page; at the end nothing strange may have happened."""
    with ExitStack() as stack:
        pages: list[Watched] = []

        def open_(world: World, **context: Any) -> Watched:
            base = stack.enter_context(serving(fake_app(world)))
            pages.append(stack.enter_context(opened(browser, base, **context)))
            return pages[-1]

        yield open_
        for page in pages:
            page.check()
