"""One whole visit at the service as people start it: a real film, sealed, watched, verified and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.studio.real import started
from tests.studio.stage import PATIENCE_MS, PHONE, opened
from tests.studio.walks import add_photos, agree, until


@pytest.fixture
def link(tmp_path: Path) -> Iterator[str]:
    """The link that signs in, of a service of its own with one worker."""
    with started(tmp_path, "anchor") as found:
        yield found


COMPILING_MS = 150_000
"""On a machine that never drew a film, kernels are compiled first: 42 s alone on an EPYC with AVX2, and tests run beside."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_real_film_from_the_photo_to_the_bin(browser: Browser, link: str) -> None:
    base = link.split("/sign-in")[0]
    with opened(browser, base, viewport=PHONE, has_touch=True) as at:
        page = at.page
        page.set_default_timeout(40_000)
        expect.set_options(timeout=40_000)
        try:
            page.goto(link)
            expect(page.get_by_role("heading", name="Bring a photo to life")).to_be_visible()
            add_photos(page, "astronaut")
            agree(page, "A historical portrait")
            expect(page.locator(".template img.moving").first).to_be_visible(timeout=COMPILING_MS)
            page.get_by_role("radio", name="Nod", exact=False).first.check()
            page.get_by_role("button", name="Use “").click()
            page.get_by_role("radio", name="480p, quick").check()
            expect(page.get_by_text("Starts at once.")).to_be_visible()
            page.get_by_role("button", name="Make the film").click()
            expect(page.locator("video")).to_be_visible(timeout=COMPILING_MS)
            until(page, "document.querySelector('video').readyState >= 2")
            assert page.evaluate("document.querySelector('video').videoWidth") >= 400
            page.get_by_text("How was this made?").click()
            expect(page.get_by_text("Made by photoplay, and unchanged since")).to_be_visible()
            expect(page.get_by_text("A historical portrait").first).to_be_visible()
            with page.expect_download() as download:
                page.get_by_role("link", name="Download").click()
            film = Path(download.value.path()).read_bytes()
            assert film[4:8] == b"ftyp"
            page.get_by_role("link", name="Verify").click()
            sealed = {"name": "film.mp4", "mimeType": "video/mp4", "buffer": film}
            page.locator("input[type=file]").set_input_files([sealed])
            expect(page.get_by_text("Made by photoplay, and unchanged since")).to_be_visible()
            broken = {**sealed, "buffer": film[:-40] + bytes(40)}
            page.locator("input[type=file]").set_input_files([broken])
            expect(page.get_by_text("Do not believe what this file says about itself.")).to_be_visible()
            page.get_by_role("link", name="Films").click()
            page.get_by_role("link", name="Nod").click()
            page.get_by_role("button", name="Delete for good").click()
            page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
            expect(page.get_by_text("No films yet")).to_be_visible()
        finally:
            expect.set_options(timeout=PATIENCE_MS)
        at.check()
