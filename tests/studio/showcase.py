"""Takes the README's picture of the studio: three screenshots of the running service, side by side.

``python -m tests.studio.showcase docs/images/studio.png`` needs a Chromium; it makes a real film, which takes a minute.
The photo is NASA's portrait of Eileen Collins (public domain), as it comes with scikit-image.
"""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.studio.browsers import find_chromium
from tests.studio.real import started
from tests.studio.stage import opened
from tests.studio.walks import add_photos, agree, until

WIDTH, HEIGHT, SCALE = 1280, 800, 1.25
PANEL = {"width": 392, "height": 736}
COLOURS = 256
SHEET = """<!doctype html><style>
  body {{ margin: 0; display: flex; gap: 26px; align-items: center; justify-content: center;
          height: 100vh; background: #e9e4da; }}
  img {{ width: {width}px; height: {height}px; border-radius: 22px;
         box-shadow: 0 1px 2px rgb(40 30 20 / 18%), 0 14px 34px rgb(40 30 20 / 16%); }}
</style>{pictures}"""


def visit(page: Page, link: str) -> Iterator[bytes]:
    """The photo with what was found on it, the motions of this photo, and the film."""
    page.goto(link)
    expect(page.get_by_role("heading", name="Bring a photo to life")).to_be_visible()
    add_photos(page, "astronaut")
    page.wait_for_timeout(1500)  # what was found is drawn by and by
    yield page.screenshot()
    agree(page, "A historical portrait")
    page.get_by_label("Search motions").scroll_into_view_if_needed()
    until(page, "document.querySelectorAll('.template img[src^=blob]').length >= 6", 90)
    page.wait_for_timeout(700)  # in the middle of a movement
    yield page.screenshot()
    page.get_by_label("Search motions").fill("laugh")
    page.get_by_role("radio", name="Laugh", exact=False).first.check()
    page.get_by_role("button", name="Use “").click()
    page.get_by_role("button", name="Make the film").click()
    expect(page.locator("video")).to_be_visible(timeout=150_000)
    until(page, "document.querySelector('video').readyState >= 2")
    page.evaluate("document.querySelector('video').pause()")
    page.evaluate("document.querySelector('video').currentTime = 1.5")
    page.wait_for_timeout(500)
    yield page.screenshot()


def compose(browser: Browser, shots: list[bytes]) -> bytes:
    """The screenshots beside each other, as a PNG of few colours."""
    sources = [f"data:image/png;base64,{base64.b64encode(shot).decode()}" for shot in shots]
    pictures = "".join(f'<img src="{source}" alt="">' for source in sources)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
    page.set_content(SHEET.format(pictures=pictures, **PANEL))
    with Image.open(io.BytesIO(page.screenshot())) as sheet:
        few = sheet.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    page.close()
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def main(target: Path) -> None:
    """Takes the picture and writes it."""
    found = find_chromium()
    if found is None:
        raise SystemExit("There is no Chromium here: make .venv/web.stamp brings one.")
    with TemporaryDirectory() as home, started(Path(home), "pocket") as link, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=found.path,
            args=["--no-sandbox", "--disable-gpu"],
            env={**os.environ, **found.environment},
        )
        base = link.split("/sign-in")[0]
        expect.set_options(timeout=60_000)
        with opened(browser, base, viewport=PANEL, device_scale_factor=SCALE, color_scheme="light") as at:
            at.page.set_default_timeout(60_000)
            shots = list(visit(at.page, link))
            at.check()
        target.write_bytes(compose(browser, shots))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
