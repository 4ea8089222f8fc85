"""The account page: keys, the secret of webhooks, the password, and the photos that are kept."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.studio.fake_api import TOKEN
from tests.studio.fake_world import World
from tests.studio.walks import Visit, add_photos, sign_in

SECRET = "whsec_" + "b" * 43


@pytest.fixture
def guest() -> World:
    """An account at a service for strangers, already signed in."""
    return World(hosted=True, operator=False, signed_in=True)


def test_keys_are_shown_once_and_revoked(visit: Visit) -> None:
    world = World()
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="New key").click()
    page.get_by_label("What is it for?").fill("my laptop")
    page.get_by_role("button", name="Create the key").click()
    expect(page.get_by_label("Your new key.")).to_have_value("pp_" + "A" * 43)
    sent = next(body for method, path, body in world.asked if path == "/v1/account/keys")
    assert sent["days"] == 90
    assert "account:write" not in sent["scopes"]
    page.reload()
    expect(page.get_by_text("pp_Abc123…")).to_be_visible()
    assert "A" * 43 not in page.content()
    page.get_by_role("button", name="Revoke my laptop").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("pp_Abc123…")).to_be_hidden()


def test_photos_are_deleted_for_good(visit: Visit) -> None:
    world = World()
    at = visit(world)
    page = at.page
    sign_in(page, at.base)
    add_photos(page, "astronaut")
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="Delete photo 1 for good").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("No photos are kept.")).to_be_visible()
    assert not world.uploads
    page.get_by_role("link", name="Make").click()
    expect(page.get_by_role("heading", name="Bring a photo to life")).to_be_visible()


def test_the_secret_of_webhooks_is_hidden_until_it_is_asked_for(visit: Visit) -> None:
    world = World(signed_in=True)
    at = visit(world)
    page = at.page
    page.goto(f"{at.base}/account")
    show = page.get_by_role("button", name="Show the secret")
    expect(show).to_be_visible()
    assert not [path for _, path, _ in world.asked if path.endswith("webhook-secret")]
    show.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("The secret.")).to_have_value(SECRET)
    expect(page.get_by_label("The secret.")).to_be_focused()
    page.get_by_role("button", name="Hide it").click()
    expect(show).to_be_focused()
    assert not page.get_by_label("The secret.").count()


def test_a_password_is_changed_for_the_current_one(visit: Visit, guest: World) -> None:
    at = visit(guest)
    page = at.page
    page.goto(f"{at.base}/account")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_label("Current password")).to_be_focused()
    page.get_by_label("Current password").fill("wrong horse")
    page.get_by_label("New password").fill("too short")
    page.get_by_role("button", name="Change the password").click()
    assert page.evaluate("document.activeElement.id") == "fresh"  # the browser says that it is too short
    page.get_by_label("New password").fill("a horse that is newer")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_contain_text("The current password is not right.")
    assert guest.password == "correct horse"
    page.get_by_label("Current password").fill("correct horse")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("p").get_by_text("The password is changed.")).to_be_visible()
    expect(page.get_by_role("button", name="Change the password")).to_be_focused()
    assert guest.password == "a horse that is newer"
    assert "newer" not in page.content()
    # The session is a new one, and so is what proves that a request comes from this page.
    page.get_by_role("button", name="New key").click()
    page.get_by_label("What is it for?").fill("my laptop")
    page.get_by_role("button", name="Create the key").click()
    expect(page.get_by_label("Your new key.")).to_be_visible()


def test_a_weak_password_is_told_and_who_never_had_one_is_asked_for_none(visit: Visit, guest: World) -> None:
    guest.password = None
    at = visit(guest)
    page = at.page
    page.goto(f"{at.base}/account")
    expect(page.get_by_text("You sign in by links so far.")).to_be_visible()
    page.get_by_role("button", name="Set a password").click()
    expect(page.get_by_label("New password")).to_be_focused()
    assert not page.get_by_label("Current password").count()
    page.get_by_label("New password").fill("aaaaaaaaaaaa")
    page.get_by_role("button", name="Set a password").click()
    expect(page.get_by_role("alert")).to_contain_text("This password cannot be used.")
    page.get_by_label("New password").fill("my first password")
    page.get_by_role("button", name="Set a password").click()
    expect(page.locator("p").get_by_text("The password is changed.")).to_be_visible()
    assert guest.password == "my first password"
    expect(page.get_by_role("button", name="Change the password")).to_be_focused()  # from now on there is one to change


def test_at_home_there_is_no_password(visit: Visit) -> None:
    at = visit(World(signed_in=True))
    at.page.goto(f"{at.base}/account")
    expect(at.page.get_by_role("button", name="Show the secret")).to_be_visible()
    assert not at.page.get_by_role("button", name="Change the password").count()


def test_an_account_begins_with_a_link_by_mail(visit: Visit) -> None:
    world = World(hosted=True, operator=False, sign_up=True, mail=True)
    at = visit(world)
    page = at.page
    page.goto(at.base)
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_role("heading", name="A link by mail")).to_be_focused()
    assert not page.get_by_label("Password").count()
    page.get_by_label("E-mail").fill("new@home.example")
    page.get_by_role("button", name="Send me the link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_focused()
    expect(page.get_by_text("If there is something for new@home.example")).to_be_visible()
    assert ("POST", "/v1/letters", {"email": "new@home.example", "language": "en"}) in world.asked
    page.goto(f"{at.base}/letter#{TOKEN}")
    page.get_by_label("New password").fill("three words in a row")
    assert TOKEN not in page.url  # it is in no history
    page.get_by_role("button", name="Take this password").click()
    expect(page.get_by_role("heading", name="Bring a photo to life")).to_be_visible()
    assert world.password == "three words in a row"
    assert page.evaluate("location.pathname") == "/"


def test_a_link_that_holds_no_more_leads_to_another_one(visit: Visit) -> None:
    at = visit(World(hosted=True, operator=False, mail=True))
    page = at.page
    page.goto(f"{at.base}/letter#another-token")
    page.get_by_label("New password").fill("three words in a row")
    page.get_by_role("button", name="Take this password").click()
    expect(page.get_by_role("alert")).to_contain_text("This link does not hold")
    page.get_by_role("link", name="A link by mail").click()
    page.get_by_role("button", name="Forgot the password?").click()
    expect(page.get_by_text("With it you choose a new password.")).to_be_visible()
    assert not page.get_by_role("button", name="Create an account").count()  # strangers are not taken here
