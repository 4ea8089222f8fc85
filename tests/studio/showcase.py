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

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.studio.browsers import find_chromium
from tests.studio.real import started
from tests.studio.stage import opened
from tests.studio.walks import add_photos, agree, until

WIDTH, HEIGHT, SCALE = 1280, 800, 1.25
PANEL = {"width": 480, "height": 900}
SHOWN = {"width": 392, "height": 735}
COLOURS, SHOTS = 256, 24
MOTION, MOMENT = "Laugh", 1.3
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
    page.locator("label").filter(has_text="Face").first.click()
    page.evaluate("scrollBy(0, document.querySelector('input[type=search]').getBoundingClientRect().top - 24)")
    until(page, "document.querySelectorAll('.template img.moving').length >= 4", 90)
    page.wait_for_timeout(500)
    yield liveliest([page.screenshot() for _ in range(SHOTS)])
    page.get_by_role("radio", name=MOTION, exact=False).first.check()
    page.get_by_role("button", name="Use “").click()
    page.get_by_role("button", name="Make the film").click()
    expect(page.locator("video")).to_be_visible(timeout=150_000)
    until(page, "document.querySelector('video').readyState >= 2")
    # The player's buttons go away while it plays.
    page.evaluate(
        "(() => { const it = document.querySelector('video'); it.muted = true; it.playbackRate = 0.25; it.play(); })()"
    )
    until(page, f"document.querySelector('video').currentTime > {MOMENT}", 60)
    yield page.screenshot()


def liveliest(shots: list[bytes]) -> bytes:
    """The shot that differs most from the others: the previews are in the middle of their movements."""
    pixels = [np.asarray(Image.open(io.BytesIO(shot)).convert("L").reduce(4), np.float32) for shot in shots]
    usual = np.median(pixels, axis=0)
    return shots[int(np.argmax([np.abs(one - usual).mean() for one in pixels]))]


def compose(browser: Browser, shots: list[bytes]) -> bytes:
    """The screenshots beside each other, as a PNG of few colours."""
    sources = [f"data:image/png;base64,{base64.b64encode(shot).decode()}" for shot in shots]
    pictures = "".join(f'<img src="{source}" alt="">' for source in sources)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
    page.set_content(SHEET.format(pictures=pictures, **SHOWN))
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
