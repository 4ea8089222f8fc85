"""Long names of people, files and keys, long words and long hints: nothing is wider than a small phone, in no language."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.studio.fake_world import World
from tests.studio.pictures import film, still
from tests.studio.stage import Watched
from tests.studio.walks import Visit, add_photos, agree, choose, sign_in, too_wide

SMALL = {"width": 320, "height": 640}
NAME = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle"
SENTENCE = f"What was seen is {NAME}, and {'x' * 90} too."
ADVICE = [{"code": "not_known", "severity": "warning", "subject": 0, "message": SENTENCE, "hint": SENTENCE}]


def a_world(**more: object) -> World:
    """Everything here has a name that is too long."""
    world = World(advice=ADVICE, **more)  # type: ignore[arg-type]
    record = {
        "id": "r" * 64, "name": NAME, "state": "valid", "scope": ["face"], "expires": time.time() + 86400,
        "method": "operator", "adult": "known", "weak": True, "created_at": time.time(),
    }  # fmt: skip
    world.consents.append(record)
    key = {
        "id": "key_a", "name": NAME, "start": "pp_Abc123", "scopes": ["videos:read"], "created_at": time.time(),
        "expires_at": None, "used_at": None, "revoked_at": None,
    }  # fmt: skip
    world.keys.append(key)
    return world


def long_pages(at: Watched, world: World) -> Iterator[tuple[str, Page]]:
    """The pages that tell what somebody named."""
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut", "grace_hopper")
    expect(page.get_by_text("Photo 1: What was seen")).to_be_visible()
    yield "photos", page
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Use a consent on record").click()
    expect(page.get_by_text(NAME).first).to_be_visible()
    page.get_by_role("button", name="Record a new consent").click()
    page.get_by_text("Does this person look like somebody above?").click()
    yield "records", page
    page.get_by_role("button", name="State it without").click()
    page.get_by_role("link", name="Photo", exact=True).click()
    agree(page, "They agreed", "It is me")
    page.get_by_label("Search motions").fill(NAME)
    yield "moves", page
    page.get_by_label("Search motions").fill("")
    page.get_by_role("radio", name="For one").check()
    choose(page, "Smile")
    sound = {"name": f"{NAME}.wav", "mimeType": "audio/wav", "buffer": b"RIFF"}
    page.locator("input[type=file]").set_input_files([sound])
    expect(page.get_by_text(f"{NAME}.wav")).to_be_visible()
    yield "finish", page
    world.fail = {"code": "not_known", "message": SENTENCE, "hint": SENTENCE}
    page.get_by_role("button", name="Make the film").click()
    expect(page.get_by_role("heading", name="did not work out")).to_be_visible()
    yield "failed", page
    page.goto(f"{at.base}/films")
    expect(page.get_by_role("listitem").get_by_role("link", name="Smile")).to_be_visible()
    yield "films", page
    page.goto(f"{at.base}/verify")
    page.locator("input[type=file]").set_input_files(
        [{"name": f"{NAME}.mp4", "mimeType": "video/mp4", "buffer": film("astronaut")[2]}]
    )
    expect(page.get_by_text(f"{NAME}.mp4")).to_be_visible()
    page.get_by_text("Everything it says").click()
    yield "verify", page
    picture = {"name": f"{NAME}.png", "mimeType": "image/png", "buffer": still("none", "PNG")}
    page.locator("input[type=file]").set_input_files([picture])
    expect(page.get_by_text("There is no seal")).to_be_visible()
    yield "unsigned", page
    page.goto(f"{at.base}/account")
    page.get_by_role("button", name=f"Revoke {NAME}").click()
    yield "revoke", page
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="New key").click()
    yield "account", page
    page.goto(f"{at.base}/operator")
    expect(page.get_by_role("heading", name="What failed")).to_be_visible()
    yield "operator", page


@pytest.mark.timeout(170)
def test_no_name_is_too_long_for_a_small_phone(visit: Visit) -> None:
    world = a_world(fonts=False)  # until its own font is there, a page has another: a wider one
    at = visit(world, viewport=SMALL, reduced_motion="reduce")
    found = []
    for name, page in long_pages(at, world):
        for language in ("de", "en"):
            if page.locator("dialog[open]").count() == 0:
                page.get_by_label("Language" if language == "de" else "Sprache").select_option(language)
            if wrong := too_wide(page):
                found.append(f"{name} ({language}): {wrong}")
    assert not found, "\n".join(found)
