"""Where webhooks may go. How they are sent there is tested in test_webhooks."""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import Any

import httpcore
import pytest

from photoplay.errors import RequestError
from photoplay.service.jobs.addresses import Guarded, Target, check_url, is_public, resolve

INSIDE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *(
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
    ),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2002:a00:1::", "fec0::1", "::127.0.0.1"),
)
OUTSIDE = ("1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")


@pytest.mark.parametrize("text", INSIDE)
def test_addresses_inside_are_known(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(RequestError) as refused:
        check_url(f"https://{host}/hook")
    assert refused.value.code == "webhook_address"
    assert text not in refused.value.message


@pytest.mark.parametrize("text", OUTSIDE)
def test_public_addresses_are_let_through(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",  # plain
        "ftp://example.com/",
        "https:///nothing",
        "https://user:word@example.com/",
        "https://user@example.com/",
        "https://example.com/#part",
        "https://exa mple.com/",
        "https://example.com/\r\nx: y",
        "https://ex\u0430mple.com/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://db.internal/",
        "https://printer.local/",
        "https://intranet/",
        "https://example.com/" + "a" * 2050,
        "",
        "example.com",
    ],
)
def test_addresses_that_cannot_be_used_are_refused(url: str) -> None:
    with pytest.raises(RequestError):
        check_url(url)


def test_the_operators_names_are_the_only_ones_and_may_be_inside() -> None:
    names = ("127.0.0.1", "hooks.internal")
    assert check_url("http://127.0.0.1:8000/", names).named
    assert check_url("http://Hooks.Internal./x", names).port == 80
    with pytest.raises(RequestError):
        check_url("https://example.com/", names)
    assert not check_url("https://example.com/", (*names, "*")).named
    with pytest.raises(RequestError):
        check_url("https://10.0.0.1/", (*names, "*"))


def named(port: int = 443, host: str = "hooks.example.com", *, inside: bool = False) -> Target:
    return Target("https", host, port, inside)


def answering(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    """Every name has these addresses."""

    def told(host: str, port: int, *_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", told)


def test_every_address_of_a_name_is_judged_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "1.1.1.1", "93.184.216.34", "1.1.1.1")
    assert resolve(named()) == ("1.1.1.1", "93.184.216.34")
    answering(monkeypatch, "1.1.1.1", "10.0.0.1")
    with pytest.raises(RequestError) as refused:
        resolve(named())
    assert refused.value.code == "webhook_address"
    assert resolve(named(inside=True)) == ("1.1.1.1", "10.0.0.1"), "the operator may name what is inside"


def test_a_name_without_an_address_cannot_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        resolve(named())
    with pytest.raises(httpcore.ConnectError):
        Guarded(named(), time.monotonic() + 5).connect_tcp("hooks.example.com", 443)


@pytest.mark.parametrize(("host", "port"), [("other.example.com", 443), ("hooks.example.com", 444)])
def test_nothing_but_the_target_is_connected_to(monkeypatch: pytest.MonkeyPatch, host: str, port: int) -> None:
    def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("no name may be asked for")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    with pytest.raises(httpcore.ConnectError, match="another host"):
        Guarded(named(), time.monotonic() + 5).connect_tcp(host, port)


def test_the_next_address_is_tried_where_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        answering(monkeypatch, "127.0.0.2", "127.0.0.1")
        guard = Guarded(named(port, inside=True), time.monotonic() + 5)
        stream = guard.connect_tcp("hooks.example.com.", port)
        assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
        stream.close()
        answering(monkeypatch, "127.0.0.2")
        with pytest.raises(httpcore.ConnectError, match="nobody answers"):
            guard.connect_tcp("hooks.example.com", port)


def test_a_stream_ends_by_its_deadline_whatever_timeout_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        answering(monkeypatch, "127.0.0.1")
        began = time.monotonic()
        stream = Guarded(named(port, inside=True), began + 0.2).connect_tcp("hooks.example.com", port)
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(1, timeout=60)
        assert time.monotonic() - began < 10
        with pytest.raises(httpcore.ReadTimeout, match="too long"):
            stream.write(b"x", timeout=60)
        stream.close()
