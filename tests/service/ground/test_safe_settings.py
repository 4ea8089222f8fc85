"""What is unsafe does not start, and everything that is wrong is named at once."""

import pytest

from photoplay.errors import UnavailableError
from photoplay.safety import content
from tests.service.groundwork import SECRET, make_settings

HOSTED = {"host": "0.0.0.0", "public_url": "https://photoplay.example.org"}


@pytest.fixture(autouse=True)
def filtered(monkeypatch):
    """There is a content filter, unless a test says otherwise."""
    monkeypatch.setattr(content, "default_classifier", object)


def refusal(tmp_path, **given) -> str:
    with pytest.raises(UnavailableError) as refused:
        make_settings(tmp_path / "data", **given).checked()
    assert refused.value.code == "settings_unsafe"
    assert not (tmp_path / "data").exists()  # nothing is made by what does not start
    return refused.value.message


def test_the_defaults_are_safe_on_loopback(tmp_path):
    checked = make_settings(tmp_path / "data", secret=None).checked()
    assert (checked.hosted, checked.work.is_dir()) == (False, True)
    assert (tmp_path / "data" / "secret").is_file()


def test_a_hosted_service_with_secret_name_and_https_is_safe(tmp_path):
    checked = make_settings(tmp_path / "data", **HOSTED).checked()
    assert checked.hosted
    assert checked.cookie_secure
    assert not (tmp_path / "data" / "secret").exists()


@pytest.mark.parametrize("secret", [None, "short", "a" * 64, "ab" * 32])
def test_no_service_for_others_without_a_secret(tmp_path, secret):
    assert "secret" in refusal(tmp_path, **HOSTED, secret=secret)


def test_a_short_secret_is_refused_on_loopback_too(tmp_path):
    message = refusal(tmp_path, secret="correct horse")
    assert "secret" in message
    assert "correct horse" not in message


def test_no_service_without_a_content_filter(monkeypatch, tmp_path):
    def missing():
        raise UnavailableError("content_filter_missing", "None.", "Install one.")

    monkeypatch.setattr(content, "default_classifier", missing)
    assert "content_filter_missing" in refusal(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_no_public_address_without_accounts(tmp_path, host):
    assert "hosted is off" in refusal(tmp_path, host=host, hosted=False, public_url="https://example.org")


@pytest.mark.parametrize("name", [{"public_url": "https://example.org"}, {"allowed_hosts": ("example.org",)}])
def test_a_proxy_in_front_is_no_way_around_accounts(tmp_path, name):
    assert "hosted is off" in refusal(tmp_path, hosted=False, **name)
    checked = make_settings(tmp_path / "data", **name).checked()
    assert (checked.hosted, checked.cookie_secure) == (True, True)


def test_a_server_of_objects_has_an_http_address(tmp_path):
    assert "s3_endpoint" in refusal(tmp_path, s3_endpoint="minio:9000")


def test_a_hosted_service_knows_its_name(tmp_path):
    assert "public_url" in refusal(tmp_path, host="0.0.0.0")
    make_settings(tmp_path / "named", host="0.0.0.0", allowed_hosts=("example.org",)).checked()


@pytest.mark.parametrize(
    "url",
    ["http://example.org", "ftp://example.org", "example.org", "https://me:pw@example.org", "https://", "http://[::1"],
)
def test_a_public_address_is_https_and_plain(tmp_path, url):
    message = refusal(tmp_path, host="0.0.0.0", public_url=url)
    assert "public_url" in message
    assert "pw" not in message


def test_a_public_address_on_loopback_may_be_http(tmp_path):
    make_settings(tmp_path / "data", public_url="http://localhost:8188").checked()


def test_cookies_of_a_hosted_service_are_secure(tmp_path):
    assert "cookie_secure" in refusal(tmp_path, **HOSTED, cookie_secure=False)


def test_backends_are_installed(tmp_path):
    assert "veo" in refusal(tmp_path, backends=("pocket", "veo"))


def test_keys_of_a_bucket_come_in_pairs(tmp_path):
    assert "s3_key" in refusal(tmp_path, s3_key="only one")


@pytest.mark.parametrize("plan", ["home", "none"])
def test_strangers_get_a_plan_with_a_meter(tmp_path, plan):
    assert "sign_up_plan" in refusal(tmp_path, sign_up=True, sign_up_plan=plan)
    make_settings(tmp_path / "fine", sign_up=True).checked()


def test_plans_that_cannot_be_read_are_refused(tmp_path):
    assert "plans" in refusal(tmp_path, plans=tmp_path / "none.yaml")


def test_everything_wrong_is_named_at_once(tmp_path):
    message = refusal(tmp_path, host="0.0.0.0", secret=None, backends=("veo",), public_url="http://example.org")
    assert all(name in message for name in ("secret", "veo", "public_url"))
    assert SECRET not in message


MAIL = {"smtp_url": "smtps://me:secret@mail.example.org", "mail_from": "photoplay <films@example.org>"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mail_from": None}, "set together"),
        ({"smtp_url": None}, "set together"),
        ({"smtp_url": "https://mail.example.org"}, "smtp_url"),
        ({"smtp_url": "smtp://:587"}, "smtp_url"),
        ({"smtp_url": "smtp://mail.example.org:99999"}, "smtp_url"),
        ({"mail_from": "nobody"}, "mail_from"),
        ({"mail_from": "a@example.org\r\nBcc: b@example.org"}, "mail_from"),
        ({"public_url": None, "allowed_hosts": ("example.org",)}, "links in mails"),
    ],
)
def test_mail_has_a_server_a_sender_and_links_that_lead_here(tmp_path, given, told):
    make_settings(tmp_path / "good", **HOSTED, **MAIL).checked()
    message = refusal(tmp_path, **{**HOSTED, **MAIL, **given})
    assert told in message
    assert "secret@" not in message


def test_workers_of_one_machine_do_not_share_the_graphics_cards_of_a_film(tmp_path):
    assert "gpus" in refusal(tmp_path, gpus=2, workers=2)
    make_settings(tmp_path / "one", gpus=2, workers=1).checked()
    make_settings(tmp_path / "none", gpus=1, workers=2).checked()
