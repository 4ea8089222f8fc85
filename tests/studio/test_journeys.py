"""Whole visits in a real Chromium, against the small service of these tests."""

from __future__ import annotations

import json
import time

import pytest
from playwright.sync_api import expect

from tests.studio.fake_world import World
from tests.studio.pictures import film, still
from tests.studio.stage import DESKTOP, PHONE
from tests.studio.walks import Visit, add_photos, agree, choose, make, sign_in, until


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_from_a_photo_to_a_film_and_back_to_nothing(visit: Visit, viewport: dict[str, int]) -> None:
    world = World()
    at = visit(world, viewport=viewport, has_touch=viewport is PHONE)
    page = at.page
    sign_in(page, at.base)
    assert "open-sesame" not in page.url
    add_photos(page, "astronaut")
    agree(page, "It is me")
    # previews of this photo come by themselves, two at a time
    expect(page.locator(".template img.moving").first).to_be_visible()
    until(page, "document.querySelectorAll('.template img.moving').length > 3")
    choose(page, "Smile")
    page.get_by_role("radio", name="480p, quick").check()
    page.get_by_label("Strength").fill("1.3")
    expect(page.get_by_text("Takes about 40 seconds to make")).to_be_visible()
    make(page)
    sent = next(body for method, path, body in world.asked if (method, path) == ("POST", "/v1/videos"))
    assert sent["template"] == "smile"
    assert sent["consent"] == ["self"]
    assert (sent["size"], sent["intensity"]) == ("480p", 1.3)
    assert next(body for method, _, body in world.asked if method == "KEY")
    assert 1 <= world.most_at_once <= 2

    # it plays
    until(page, "document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').videoWidth") > 400
    page.get_by_role("button", name="Compare with the photo").click()
    slider = page.get_by_label("How much of the photo is shown")
    slider.press("ArrowLeft")
    assert slider.input_value() == "49"
    page.get_by_role("button", name="Back to the film").click()

    # it goes home, and says how it was made
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "photoplay-smile.mp4"
    assert download.value.path().read_bytes() == film("astronaut")[2]
    page.get_by_role("button", name="Share a link").click()
    assert (
        page.get_by_label("Whoever has this link").or_(page.get_by_label("Copied.")).input_value().startswith(at.base)
    )
    page.get_by_text("How was this made?").click()
    expect(page.get_by_text("Made by photoplay, and unchanged since")).to_be_visible()
    expect(page.get_by_text("It is me").first).to_be_visible()

    # it is in the list, and goes for good
    page.get_by_role("link", name="Films").click()
    expect(page.get_by_role("link", name="Smile")).to_be_visible()
    page.get_by_role("link", name="Smile").click()
    page.get_by_role("button", name="Delete for good").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("No films yet")).to_be_visible()
    assert not world.jobs


def test_two_photos_who_begins_and_who_stands_where(visit: Visit) -> None:
    world = World()
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut", "grace_hopper")
    expect(page.get_by_role("heading", name="2 faces found")).to_be_visible()
    page.get_by_role("button", name="Swap").click()
    agree(page, "A historical portrait", "They agreed")
    expect(page.get_by_role("radio", name="For two")).to_be_checked()
    expect(page.get_by_role("radio", name="Kiss on the cheek")).to_be_disabled()  # needs records
    page.get_by_label("Search motions").fill("shake")
    choose(page, "Handshake")
    page.get_by_role("group", name="Who begins?").get_by_role("radio", name="Person 2").check()
    page.get_by_role("group", name="Who stands at the left?").get_by_role("radio", name="Person 1").check()
    make(page)
    sent = next(body for method, path, body in world.asked if (method, path) == ("POST", "/v1/videos"))
    assert (sent["first"], sent["left"]) == (1, 0)
    assert sent["consent"] == ["historical", "granted"]
    assert [world.uploads[id]["picture"] for id in sent["photos"]] == ["grace_hopper", "astronaut"]


def test_two_people_in_one_photo_are_numbered_from_the_left(visit: Visit) -> None:
    world = World(picture="pair")
    at = visit(world)
    sign_in(at.page, at.base)
    add_photos(at.page, "pair")
    expect(at.page.get_by_role("heading", name="2 faces found")).to_be_visible()
    tags = at.page.locator(".tag")
    assert tags.all_inner_texts() == ["1", "2"]
    assert tags.first.bounding_box()["x"] < tags.last.bounding_box()["x"]  # type: ignore[index]
    agree(at.page, "They agreed")
    at.page.get_by_role("radio", name="For one").check()
    choose(at.page, "Smile")
    at.page.get_by_role("radio", name="The larger face").check()
    make(at.page)
    sent = next(body for method, path, body in world.asked if (method, path) == ("POST", "/v1/videos"))
    assert sent["who"] == "main"


def test_a_photo_may_be_dropped_pasted_or_taken(visit: Visit) -> None:
    at = visit(World())
    page = at.page
    sign_in(page, at.base)
    hand_over = """([kind, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], 'astronaut.jpg', { type: 'image/jpeg' }));
      const event = kind === 'drop' ? new DragEvent('drop', { dataTransfer: data, bubbles: true })
                                    : new ClipboardEvent('paste', { clipboardData: data, bubbles: true });
      window.dispatchEvent(event);
    }"""
    for kind in ("drop", "paste"):
        page.evaluate(hand_over, [kind, list(still("astronaut"))])
        expect(page.get_by_role("heading", level=1)).to_contain_text("One face found")
        page.get_by_role("button", name="Remove photo 1").click()
    page.get_by_role("button", name="Take a photo").click()
    page.get_by_role("button", name="Take the photo").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("One face found")


def test_a_reload_loses_nothing(visit: Visit) -> None:
    at = visit(World())
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut")
    agree(page, "They agreed")
    page.reload()
    choose(page, "Nod")
    page.get_by_role("radio", name="5 s", exact=True).check()
    page.go_back()
    page.go_forward()
    expect(page.get_by_role("radio", name="5 s", exact=True)).to_be_checked()


def test_hosted_a_person_agrees_before_the_camera(visit: Visit) -> None:
    world = World(hosted=True, operator=False, sign_up=True)
    at = visit(world)
    page = at.page
    page.goto(at.base)
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("E-mail").fill("new@home.example")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Create account").click()
    add_photos(page, "astronaut")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Who agreed?")).to_be_visible()
    assert not page.get_by_role("radio", name="It is me").count()
    page.get_by_label("Name").fill("Eileen")
    page.clock.install()
    page.get_by_role("button", name="Open the camera").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Nod once, slowly")).to_be_visible()
    dialog.get_by_role("button", name="Start").click()
    page.wait_for_timeout(600)  # of real time: the camera goes on while the page's clock stands
    page.clock.run_for(3000)
    expect(dialog.locator(".instruction")).to_have_text("Nod once, slowly")
    page.clock.run_for(4000)
    expect(dialog.locator(".instruction")).to_have_text("Turn your head far to your left, and back")
    for _ in range(4):
        page.wait_for_timeout(300)
        page.clock.run_for(4000)
    expect(page.get_by_role("checkbox", name="Eileen")).to_be_checked()
    sent = next(body for method, path, body in world.asked if (method, path) == ("POST", "/v1/consents"))
    assert sent["bytes"] > 1000
    assert (sent["name"], sent["challenge"], sent["unlike"]) == ("Eileen", "challenge_a", [])
    page.get_by_role("button", name="Continue").click()
    choose(page, "Smile")
    expect(page.get_by_role("radio", name="720p, sharp")).to_be_disabled()
    expect(page.get_by_text("4 credits, then you have 52.")).to_be_visible()
    make(page)
    sent = next(body for method, path, body in world.asked if (method, path) == ("POST", "/v1/videos"))
    assert sent["consents"] == ["record0"]
    assert "consent" not in sent


def test_a_twin_of_somebody_on_record_is_another_person(visit: Visit) -> None:
    now = time.time()
    ann = {"id": "record_ann", "name": "Ann", "state": "valid", "scope": ["contact"], "expires": now + 86400,
           "method": "operator", "adult": "known", "weak": True, "created_at": now, "unlike": []}  # fmt: skip
    world = World(consents=[ann])
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Use a consent on record instead").click()
    page.get_by_role("button", name="Record a new consent").click()
    page.get_by_role("radio", name="On my word").check()
    page.get_by_label("Name", exact=True).fill("Bea")
    page.get_by_text("Does this person look like somebody above?").click()
    page.get_by_role("checkbox", name="Is not Ann").check()
    page.get_by_role("checkbox", name="I asked this person, and they agreed").check()
    page.get_by_role("button", name="Put it on record").click()
    expect(page.get_by_role("checkbox", name="Bea")).to_be_checked()
    sent = next(body for method, path, body in world.asked if (method, path) == ("POST", "/v1/consents"))
    assert (sent["name"], sent["unlike"]) == ("Bea", ["record_ann"])


def test_stopped_resumed_failed_and_tried_again(visit: Visit) -> None:
    world = World(seconds=60)
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut")
    agree(page, "They agreed")
    choose(page, "Smile")
    page.get_by_role("button", name="Make the film").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="You stopped this film")).to_be_focused()
    world.seconds, world.fail = (
        0.5,
        {"code": "review_failed", "message": "It did not pass review.", "hint": "Try less."},
    )
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="This film did not work out")).to_be_visible()
    expect(page.get_by_text("It did not pass review.")).to_be_visible()
    world.fail = None
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("video")).to_be_visible()
    first = page.url.rpartition("/")[2]
    world.jobs[first]["request"] |= {"prompt": "she smiles", "codec": "av1", "seed": 7}
    page.reload()
    page.get_by_role("button", name="Change something").click()
    expect(page.get_by_role("radio", name="Smile").first).to_be_checked()
    page.reload()  # it is not forgotten
    choose(page, "Nod")
    make(page)
    asked = [body for method, path, body in world.asked if (method, path) == ("POST", "/v1/videos")][-1]
    assert asked["remixed_from"] == first
    kept = {"prompt": "she smiles", "codec": "av1", "seed": 7, "template": "nod"}
    assert {name: asked[name] for name in kept} == kept
    assert asked["consent"] == world.jobs[first]["request"]["consent"]
    page.get_by_role("link", name="A changed version").click()
    expect(page.get_by_role("heading", name="Smile")).to_be_visible()
    assert page.url.endswith(first)


def test_previews_come_from_the_top_on(visit: Visit) -> None:
    world = World()
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut")
    agree(page, "It is me")
    shown = "[...document.querySelectorAll('.template input')].map((one) => one.value)"
    until(page, f"{shown}.length > 6")
    until(page, "document.querySelectorAll('.template img.moving').length >= 6")
    asked = [body["template"] for _, path, body in world.asked if path == "/v1/previews"]
    assert set(asked[:6]) == set(page.evaluate(shown)[:6])  # two at a time: neighbours may change places


def test_errors_are_told_in_words_with_a_hint(visit: Visit) -> None:
    world = World(advice=[], picture="none")
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    page.locator("input[type=file]").set_input_files(
        [{"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"these are notes"}]
    )
    expect(page.get_by_role("alert")).to_contain_text("not a photo that can be read")
    expect(page.get_by_role("alert")).to_contain_text("Use a JPEG")
    blocked = {
        "code": "no_face",
        "severity": "blocking",
        "subject": None,
        "message": "No face was found.",
        "hint": "Try.",
    }
    world.advice = [blocked]
    page.locator("input[type=file]").set_input_files(
        [{"name": "none.png", "mimeType": "image/png", "buffer": still("none", "PNG")}]
    )
    expect(page.get_by_text("No face was found.")).to_be_visible()
    expect(page.get_by_role("button", name="Choose another photo")).to_be_visible()
    assert not page.get_by_role("button", name="Continue").count()
    page.goto(f"{at.base}/films/video_nothing")
    expect(page.get_by_role("heading", name="This film is not here")).to_be_visible()


def test_a_full_queue_says_when_to_come_again(visit: Visit) -> None:
    world = World()
    world.refuse["POST /v1/videos"] = (503, {"code": "queue_full", "detail": "Too many wait.", "hint": "Come again."})
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut")
    agree(page, "They agreed")
    choose(page, "Smile")
    page.get_by_role("button", name="Make the film").click()
    expect(page.get_by_role("alert")).to_contain_text("Too many wait.")
    world.refuse.clear()
    make(page)


def test_a_motion_that_this_photo_cannot_do_says_why(visit: Visit) -> None:
    world = World(unfit=frozenset({"wave_left"}))
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut")
    agree(page, "They agreed")
    page.get_by_label("Search motions").fill("wave left")
    expect(page.get_by_text("This needs an arm in the photo.")).to_be_visible()
    expect(page.get_by_role("radio", name="Wave left")).to_be_disabled()


def test_any_file_can_be_verified_by_anybody(visit: Visit) -> None:
    at = visit(World())
    page = at.page
    page.goto(f"{at.base}/verify")
    page.locator("input[type=file]").set_input_files(
        [{"name": "film.mp4", "mimeType": "video/mp4", "buffer": film("astronaut")[2]}]
    )
    expect(page.get_by_text("Made by photoplay, and unchanged since")).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        [{"name": "photo.png", "mimeType": "image/png", "buffer": still("none", "PNG")}]
    )
    expect(page.get_by_text("There is no seal")).to_be_visible()


def test_a_mark_without_a_seal_is_told_and_so_is_that_nobody_looked_for_one(visit: Visit) -> None:
    at = visit(World())
    page = at.page
    page.goto(f"{at.base}/verify")

    def check(data: bytes) -> None:
        page.locator("input[type=file]").set_input_files([{"name": "a.mp4", "mimeType": "video/mp4", "buffer": data}])

    check(b"marked")
    expect(page.get_by_text("It carries photoplay’s invisible mark")).to_be_visible()
    expect(page.get_by_text("a film with the number f632faf157c09a7e was made here")).to_be_visible()
    check(b"hurried")
    expect(page.get_by_text("There was no time to look for the invisible mark.")).to_be_visible()
    expect(page.get_by_text("It carries photoplay’s invisible mark")).to_be_hidden()


def test_the_operator_sees_and_takes_down(visit: Visit) -> None:
    world = World()
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    page.get_by_role("link", name="Service").click()
    expect(page.get_by_role("row", name="free films-pocket 17 0 5 minutes")).to_be_visible()
    page.get_by_label("Number of the film").fill("f632faf157c09a7e")
    page.get_by_role("button", name="Take it down").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it down").click()
    expect(page.get_by_text("It is taken down.").first).to_be_visible()
    assert ("POST", "/v1/admin/takedown", {"id": "f632faf157c09a7e", "sources": False}) in world.asked


def test_in_german_the_whole_way(visit: Visit) -> None:
    at = visit(World(), locale="de-DE")
    page = at.page
    page.goto(f"{at.base}/")
    expect(page.get_by_role("heading", name="Öffne deinen Link")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_label("Der Link oder sein letzter Teil").fill("open-sesame-open-sesame")
    page.get_by_role("button", name="Anmelden").click()
    page.locator("input[type=file]").set_input_files(
        [{"name": "astronaut.jpg", "mimeType": "image/jpeg", "buffer": still("astronaut")}]
    )
    expect(page.get_by_role("heading", name="Ein Gesicht gefunden")).to_be_visible()
    page.get_by_role("button", name="Weiter").click()
    page.get_by_role("radio", name="Das bin ich").check()
    page.get_by_role("button", name="Weiter").click()
    page.get_by_label("Bewegungen suchen").fill("lächeln")
    page.get_by_role("radio", name="Lächeln").first.check()
    page.get_by_role("button", name="„Lächeln“ nehmen").click()
    page.get_by_label("Sprache").select_option("en")
    expect(page.get_by_role("heading", name="How should it be?")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="How should it be?")).to_be_visible()


def test_somebody_else_s_session_end_brings_back_the_door(visit: Visit) -> None:
    world = World()
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    world.signed_in = False
    page.get_by_role("link", name="Films").click()
    expect(page.get_by_role("heading", name="Open your link")).to_be_visible()
    assert json.loads(page.evaluate("JSON.stringify(Object.keys(localStorage))")) in ([], ["photoplay.language"])
