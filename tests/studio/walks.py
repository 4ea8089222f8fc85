"""The steps of a visit, as a person takes them: by what is written on the page."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.studio.fake_api import TOKEN
from tests.studio.pictures import still
from tests.studio.stage import Watched

Visit = Callable[..., Watched]
"""Opens the studio of a world in a page; what it is given beside that goes to the browser."""


def until(page: Page, expression: str, seconds: float = 20.0, what: str = "") -> None:
    """Waits until something is so on the page; Playwright's own way would need the page to allow eval."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, what or expression
        page.wait_for_timeout(50)


_FITS = "document.fonts.status === 'loaded' && document.documentElement.scrollWidth <= innerWidth"
_WIDEST = """[...document.querySelectorAll('body *:not(svg *)')]
  .filter((one) => !one.closest('.unseen, .scroll, .scrolling, pre') && one.getBoundingClientRect().right > innerWidth + 0.5)
  .map((one) => `${one.tagName} ${one.className} “${one.textContent.trim().slice(0, 40)}”`)"""


def too_wide(page: Page) -> str:
    """What is wider than the window once the fonts are there and the page has settled; empty where nothing is."""
    try:
        until(page, f"{_FITS} && {_WIDEST}.length === 0")
    except AssertionError:
        return "; ".join(page.evaluate(_WIDEST)[:3]) or "the page scrolls sideways"
    return ""


def sign_in(page: Page, base: str) -> None:
    """Opens the link that was printed."""
    page.goto(f"{base}/sign-in#{TOKEN}")
    expect(page.get_by_role("heading", name="Bring a photo to life")).to_be_visible()


def add_photos(page: Page, *names: str) -> None:
    """Picks one or two photos and waits until they were looked at."""
    files = [{"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": still(name)} for name in names]
    page.locator("input[type=file]").set_input_files(files)
    expect(page.get_by_role("heading", level=1)).to_contain_text("found")


def agree(page: Page, *statements: str) -> None:
    """Goes on to the consent and states it for each photo."""
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Who is in")
    for group, statement in zip(page.get_by_role("group").all(), statements, strict=True):
        group.get_by_role("radio", name=statement).check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="What should happen?")).to_be_visible()


def choose(page: Page, motion: str) -> None:
    """Chooses a motion and goes on."""
    page.get_by_role("radio", name=motion, exact=False).first.check()
    page.get_by_role("button", name=f"Use “{motion}”").click()
    expect(page.get_by_role("heading", name="How should it be?")).to_be_visible()


def make(page: Page) -> None:
    """Starts the film and waits for it."""
    page.get_by_role("button", name="Make the film").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("video")).to_be_visible()
