"""Webhooks: signed, sent at least once, tried again for a day, and never to an address inside."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import select, update

from photoplay.errors import RequestError
from photoplay.service.engine import Hub
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.tables import deliveries, jobs
from photoplay.service.jobs import addresses, webhooks
from photoplay.service.jobs.addresses import check_url
from tests.service import groundwork, rowmaking
from tests.service.receivers import Receiver, receiving

NOW = 1_800_000_000.0
SECRET = "whsec_of-a-test"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    opened = groundwork.open_new(tmp_path / "data", webhook_hosts=("127.0.0.1",))
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def ended(hub: Hub, url: str | None, **given: Any) -> str:
    """A job that is over and has been announced; its id."""
    with hub.database.begin() as conn:
        tenant = given.pop("tenant_id", None) or rowmaking.tenant(conn, NOW)
        job = rowmaking.job(conn, tenant, NOW, webhook=url, finished_at=NOW, **({"state": "completed"} | given))
        webhooks.announce(conn, job, NOW)
    return job


def delivery(hub: Hub, job: str) -> Any:
    with hub.database.read() as conn:
        return conn.execute(select(deliveries).where(deliveries.c.job_id == job)).one()


def test_a_delivery_is_signed_with_the_tenants_secret_and_tells_what_the_api_tells(
    hub: Hub, receiver: Receiver
) -> None:
    error = {"code": "too_dark", "message": "Too dark.", "hint": "Take another.", "inner": "/somewhere/secret"}
    job = ended(hub, receiver.url, state="failed", error=error)
    assert webhooks.deliver(hub, NOW) == webhooks.Told(delivered=1)
    ((_, headers, body),) = receiver.heard
    with hub.database.read() as conn:
        tenant, other = conn.execute(select(jobs.c.tenant_id)).scalar_one(), "tenant_" + "b" * 26
    assert webhooks.verify_signature(webhooks.secret(hub.settings, tenant), headers[webhooks.HEADER], body, NOW)
    assert not webhooks.verify_signature(webhooks.secret(hub.settings, other), headers[webhooks.HEADER], body, NOW)
    event = json.loads(body)
    assert event["type"] == "video.failed"
    assert event["id"] == delivery(hub, job).id
    assert event["data"]["id"] == job
    assert event["data"]["state"] == "failed"
    assert event["data"]["error"] == {"code": "too_dark", "message": "Too dark.", "hint": "Take another."}
    assert "secret" not in body
    assert tenant not in body
    assert delivery(hub, job).delivered_at is not None
    assert delivery(hub, job).status == 200
    assert webhooks.deliver(hub, NOW + webhooks.GIVEN_UP) == webhooks.Told(), "nothing is left to send"


@pytest.mark.parametrize(("state", "kind"), [("completed", "video.completed"), ("cancelled", "video.failed")])
def test_each_end_has_its_event(hub: Hub, receiver: Receiver, state: str, kind: str) -> None:
    ended(hub, receiver.url, state=state)
    webhooks.deliver(hub, NOW)
    event = json.loads(receiver.heard[0][2])
    assert event["type"] == kind
    assert (event["data"]["error"] or {}).get("code") == ("cancelled" if state == "cancelled" else None)


def test_a_job_without_an_address_is_announced_to_nobody(hub: Hub) -> None:
    job = ended(hub, None)
    with hub.database.begin() as conn:
        assert webhooks.announce(conn, job, NOW) is None
    assert webhooks.deliver(hub, NOW) == webhooks.Told()


def test_an_end_is_announced_once_and_each_round_has_its_own(hub: Hub, receiver: Receiver) -> None:
    job = ended(hub, receiver.url, state="failed")
    with hub.database.begin() as conn:
        webhooks.announce(conn, job, NOW + 1)
        conn.execute(update(jobs).values(round=2))
        webhooks.announce(conn, job, NOW + 2)
    with hub.database.read() as conn:
        assert len(conn.execute(select(deliveries)).all()) == 2


def test_a_failed_delivery_is_tried_again_ever_later_and_given_up_after_a_day(hub: Hub, receiver: Receiver) -> None:
    receiver.answers = [500] * 100
    job = ended(hub, receiver.url)
    now, waits = NOW, []
    while delivery(hub, job).next_at is not None:
        assert webhooks.deliver(hub, now - 0.5 if waits else now - 1).delivered == 0, "nothing before its time"
        told = webhooks.deliver(hub, now)
        assert told.failed + told.given_up == 1
        following = delivery(hub, job).next_at
        waits += [] if following is None else [following - now]
        now = following if following is not None else now
    assert waits[:4] == pytest.approx([5, 10, 20, 40], abs=1)
    assert max(waits) == pytest.approx(3600, abs=1)
    assert webhooks.GIVEN_UP - 3700 <= now - NOW <= webhooks.GIVEN_UP
    assert len(receiver.heard) == len(waits) + 1
    assert len({body for _, _, body in receiver.heard}) == 1, "the same event each time"
    assert webhooks.deliver(hub, now + 10 * webhooks.GIVEN_UP) == webhooks.Told()


def test_a_receiver_that_answers_later_hears_it(hub: Hub, receiver: Receiver) -> None:
    receiver.answers = [503, 200]
    job = ended(hub, receiver.url)
    assert webhooks.deliver(hub, NOW).failed == 1
    assert webhooks.deliver(hub, delivery(hub, job).next_at).delivered == 1


def test_gone_ends_it_at_once_and_a_redirect_is_not_followed(hub: Hub, receiver: Receiver) -> None:
    receiver.answers = [302, 410]
    job = ended(hub, receiver.url)
    assert webhooks.deliver(hub, NOW).failed == 1
    assert webhooks.deliver(hub, delivery(hub, job).next_at).given_up == 1
    assert [path for path, _, _ in receiver.heard] == ["/hook", "/hook"]
    assert delivery(hub, job).next_at is None


def test_two_janitors_send_it_once(hub: Hub, receiver: Receiver) -> None:
    for _ in range(3):
        ended(hub, receiver.url)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: webhooks.deliver(hub, NOW), range(4)))
    assert sum(one.delivered for one in told) == 3 == len(receiver.heard)


def test_what_a_killed_janitor_had_in_hand_is_sent_again(hub: Hub, receiver: Receiver) -> None:
    job = ended(hub, receiver.url)
    with hub.database.begin() as conn:  # taken up, and then nothing
        conn.execute(update(deliveries).values(attempts=1, next_at=NOW + webhooks.LEASE))
    assert webhooks.deliver(hub, NOW + 1) == webhooks.Told()
    assert webhooks.deliver(hub, NOW + webhooks.LEASE).delivered == 1
    assert delivery(hub, job).attempts == 2


def test_one_tenants_deliveries_do_not_hold_up_the_others(hub: Hub, receiver: Receiver) -> None:
    with hub.database.begin() as conn:
        busy = rowmaking.tenant(conn, NOW)
    for _ in range(webhooks.IN_ONE_GO + 5):
        ended(hub, receiver.url, tenant_id=busy)
    job = ended(hub, receiver.url)
    webhooks.deliver(hub, NOW)
    assert len(receiver.heard) == webhooks.AT_ONCE + 1
    assert delivery(hub, job).delivered_at is not None


def test_an_answer_that_drips_ends_by_the_deadline(
    hub: Hub, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.5)
    receiver.drip = 0.1  # each byte in time, all of them not
    ended(hub, receiver.url)
    start = time.monotonic()
    assert webhooks.deliver(hub, NOW).failed == 1
    assert time.monotonic() - start < 5, "all of it takes seven seconds"


def test_nobody_there_and_no_such_host_are_failures(hub: Hub, settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert webhooks.post(hub.settings, "tenant_a", f"http://127.0.0.1:{port}/", "{}", NOW) == 0
    assert webhooks.post(settings, "tenant_a", "https://nowhere.invalid/", "{}", NOW) == 0


@pytest.mark.parametrize(
    "header",
    ["", "t=1", "v1=00", "t=x,v1=00", "t=1800000000", "t=1800000000,v1=", "t=1800000000,v1=\xe9", "=,=,=", "t=9" * 400],
)
def test_signatures_that_are_none_do_not_verify(header: str) -> None:
    assert not webhooks.verify_signature(SECRET, header, "{}", NOW)


def test_a_signature_holds_for_its_body_its_time_and_its_secret_alone() -> None:
    header = webhooks.sign(SECRET, '{"a":1}', NOW)
    assert webhooks.verify_signature(SECRET, header, b'{"a":1}', NOW + webhooks.TOLERANCE)
    assert webhooks.verify_signature(SECRET, f"{header},v1=00", '{"a":1}', NOW), "a second signature is allowed"
    assert not webhooks.verify_signature(SECRET, header, b'{"a":2}', NOW)
    assert not webhooks.verify_signature(SECRET, header, b"\xff", NOW)
    assert not webhooks.verify_signature("whsec_other", header, b'{"a":1}', NOW)
    assert not webhooks.verify_signature(SECRET, header, b'{"a":1}', NOW + webhooks.TOLERANCE + 1)
    assert not webhooks.verify_signature(SECRET, header, b'{"a":1}', NOW - webhooks.TOLERANCE - 1)
    assert not webhooks.verify_signature(SECRET, header.replace("t=18", "t=19"), b'{"a":1}', NOW + 1e8)


@pytest.mark.parametrize("written", ["2130706433", "0x7f.1", "127.1", "rebinding.example.com", "mixed.example.com"])
def test_what_a_name_turns_out_to_be_is_judged(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """Numbers in other forms, and names of public hosts that stand for something inside (one of them beside a public
    address): nothing is connected to."""
    real = socket.getaddrinfo
    answers = {"rebinding.example.com": ["127.0.0.1"], "mixed.example.com": ["1.1.1.1", "127.0.0.1"]}

    def answered(host: str, port: int, *given: Any, **named: Any) -> Any:
        if host not in answers:
            return real(host, port, *given, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers[host]]

    monkeypatch.setattr(socket, "getaddrinfo", answered)
    url = f"https://{written}:{receiver.port}/hook"
    try:
        target = check_url(url)
    except RequestError:
        assert "." not in written
        return
    with pytest.raises(RequestError):
        addresses.resolve(target)
    assert webhooks.post(settings, "tenant_a", url, "{}", NOW) == 0
    assert not receiver.heard


def test_a_name_is_asked_once_and_what_it_said_is_connected_to(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answered(host: str, port: int, *_: Any, **__: Any) -> Any:
        if host == "hooks.example.com":
            asked.append(host)
            inside = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (inside, port))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answered)
    settings = groundwork.make_settings(tmp_path / "named", webhook_hosts=("hooks.example.com",))
    url = f"http://hooks.example.com:{receiver.port}/hook"
    assert webhooks.post(settings, "tenant_a", url, "{}", NOW) == 200
    assert asked == ["hooks.example.com"]
    assert receiver.heard[0][1]["host"] == f"hooks.example.com:{receiver.port}"


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    """The name is the operator's, so that the address is let through; the certificate is not."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime.now(datetime.UTC) - day)
        .not_valid_after(datetime.datetime.now(datetime.UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    pem = tmp_path / "own.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    refused: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def answer() -> None:
            conn, _ = door.accept()
            conn.settimeout(5)
            try:
                context.wrap_socket(conn, server_side=True).close()
            except OSError as error:
                refused.append(type(error).__name__)
            finally:
                conn.close()

        thread = Thread(target=answer)
        thread.start()
        settings = groundwork.make_settings(tmp_path / "named", webhook_hosts=("localhost",))
        url = f"https://localhost:{door.getsockname()[1]}/hook"
        assert webhooks.post(settings, "tenant_a", url, "{}", NOW) == 0
        thread.join(5)
    assert refused
