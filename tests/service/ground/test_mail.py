from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator

import pytest
import structlog

from photoplay.service.ground.mail import WAITING, Mail, Mailer
from tests.service import postbox
from tests.service.groundwork import make_settings
from tests.service.postbox import Postbox


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox.opened() as found:
        yield found


def a_mail(to: str = "you@example.org") -> Mail:
    return Mail(to, "Grüße", "Hallo,\n\nschöne Tage.\n")


def test_a_mail_goes_out_whole_and_signed_in(box: Postbox) -> None:
    mailer = Mailer(box.url, "photoplay <films@example.org>")
    mailer.post(a_mail())
    (mail,) = box.wait(1)
    mailer.close()
    assert (mail["To"], mail["From"], mail["Subject"]) == ("you@example.org", "photoplay <films@example.org>", "Grüße")
    assert mail.get_content().splitlines() == ["Hallo,", "", "schöne Tage."]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.org>")
    assert base64.b64decode(box.logins[0]) == b"\0me\0se@cret"


def test_a_server_that_is_busy_is_asked_again_and_one_that_says_no_is_not(box: Postbox) -> None:
    mailer = Mailer(box.url, "films@example.org", again_s=0.01)
    box.refuse[:] = ["451 later", "451 later"]
    mailer.post(a_mail())
    assert len(box.wait(1)) == 1
    box.refuse[:] = ["554 never"]
    with structlog.testing.capture_logs() as logged:
        mailer.post(a_mail("stranger@example.org"))
        mailer.post(a_mail("next@example.org"))
        assert box.wait(2)[1]["To"] == "next@example.org"
    mailer.close()
    (told,) = [one for one in logged if one["event"] == "mail_not_sent"]
    assert (told["reason"], told["smtp_code"]) == ("SMTPDataError", 554)
    assert "stranger" not in str(told)


def test_an_address_that_shall_come_again_later_does_and_one_that_is_not_there_does_not(box: Postbox) -> None:
    mailer = Mailer(box.url, "films@example.org", again_s=0.01)
    box.strangers[:] = ["450 greylisted", "451 still"]
    mailer.post(a_mail())
    assert len(box.wait(1)) == 1
    box.strangers[:] = ["550 nobody", "550 nobody"]
    with structlog.testing.capture_logs() as logged:
        mailer.post(a_mail("stranger@example.org"))
        until = time.monotonic() + 10
        while not logged and time.monotonic() < until:
            time.sleep(0.01)
    mailer.close()
    assert [(one["reason"], one["smtp_code"]) for one in logged] == [("SMTPRecipientsRefused", 550)]
    assert len(box.strangers) == 1  # asked once


def test_attack_a_subject_that_would_be_a_header_is_not_sent_and_ends_nothing(box: Postbox) -> None:
    mailer = Mailer(box.url, "films@example.org", again_s=0.01)
    mailer.post(Mail("you@example.org\r\nBcc: all@example.org", "a", "b"))
    mailer.post(a_mail())
    (mail,) = box.wait(1)
    mailer.close()
    assert mail["Bcc"] is None
    assert len(box.mails) == 1


def test_no_server_holds_up_nobody_and_closing_waits_for_no_second_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    mailer = Mailer(f"smtp://127.0.0.1:{port}", "films@example.org", again_s=60)
    began = time.monotonic()
    for _ in range(WAITING + 20):
        mailer.post(a_mail())
    mailer.close()
    assert time.monotonic() - began < 15


def test_a_password_goes_over_no_line_that_others_can_read(box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoplay.service.ground.mail.is_loopback", lambda _host: False)
    mailer = Mailer(box.url, "films@example.org", again_s=0.01)  # this server offers no STARTTLS
    with structlog.testing.capture_logs() as logged:
        mailer.post(a_mail())
        until = time.monotonic() + 10
        while not logged and time.monotonic() < until:
            time.sleep(0.01)
        mailer.close()
    assert [one["reason"] for one in logged] == ["SMTPNotSupportedError"]
    assert box.logins == box.mails == []


def test_settings_make_a_mailer_or_none(settings: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    given = {"smtp_url": "smtps://mail.example.org", "mail_from": "films@example.org"}
    made = Mailer.of(make_settings(tmp_path_factory.mktemp("mail"), **given))
    assert made is not None
    made.close()
    assert Mailer.of(settings) is None  # type: ignore[arg-type]
