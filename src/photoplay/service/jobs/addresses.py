"""Where webhooks may go: public hosts over https, and none inside; what is connected to is what was looked at.

A name is resolved once, every address that it has is judged, and the connection goes to one of those very addresses, so
that a name that answers otherwise the second time gains nothing. Hosts that the operator names may be anything.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore

from photoplay.errors import RequestError

ANY = "*"
"""Among the operator's names: every public host as well."""
LONGEST = 2048
"""Characters of an address."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Target:
    """An address that may be called: ``host`` as it is written, lower case; ``named``: the operator named it."""

    scheme: str
    host: str
    port: int
    named: bool


def check_url(url: str, hosts: tuple[str, ...] = ()) -> Target:
    """Reads an address that somebody gives for webhooks. Asks no name server: that is done when it is called.

    Args:
        url: the address.
        hosts: the operator's names; none: every public host. With names, others are refused unless ``*`` is one of them.

    Raises:
        RequestError: ``webhook_address``.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _unusable("It is not an address.") from error
    host = (parts.hostname or "").rstrip(".").lower()
    if len(url) > LONGEST or not host or parts.scheme not in PORTS or any(ord(letter) <= 32 for letter in url):
        raise _unusable("It is not the address of a web server.")
    if not url.isascii():
        raise _unusable("It holds letters that have to be written in ASCII.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _unusable("It may hold no user, no password and no fragment.")
    named = host in {name.rstrip(".").lower() for name in hosts}
    if not named and hosts and ANY not in hosts:
        raise _unusable("This service calls no other hosts than its operator names.")
    if not named:
        _check_public(parts, host)
    return Target(parts.scheme, host, PORTS[parts.scheme] if port is None else port, named)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet; those that stand for another one are judged by that one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.scope_id is not None or address.is_site_local:
            return False
    closed = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    return address.is_global and not closed


def resolve(target: Target) -> tuple[str, ...]:
    """The addresses of a host, all of them good to call.

    Raises:
        RequestError: ``webhook_address``: one of them lies inside.   OSError: it has none.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = tuple(dict.fromkeys(str(one[4][0]) for one in found))
    if not addresses:
        raise OSError("no address")
    if not target.named and not all(is_public(ipaddress.ip_address(one)) for one in addresses):
        raise _inside()
    return addresses


class Guarded(httpcore.NetworkBackend):
    """Connects to nothing but judged addresses of one target, and ends everything by one deadline (monotonic seconds)."""

    def __init__(self, target: Target, deadline: float) -> None:
        self._target, self._deadline = target, deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Opens a connection to the first of the target's addresses that answers."""
        if (host.rstrip(".").lower(), port) != (self._target.host, self._target.port):
            raise httpcore.ConnectError("another host")
        try:
            addresses = resolve(self._target)
        except OSError as error:
            raise httpcore.ConnectError("no address") from error
        for address in addresses:
            try:
                stream = self._plain.connect_tcp(
                    address, port, _left(self._deadline, timeout), local_address, socket_options or ()
                )
            except httpcore.ConnectError:
                continue
            return _Timed(stream, self._deadline)
        raise httpcore.ConnectError("nobody answers")


class _Timed(httpcore.NetworkStream):
    """A stream that ends by a deadline, however slowly the other side goes on."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(
            self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline, timeout)), self._deadline
        )

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("took too long")
    return left if timeout is None else min(left, timeout)


def _check_public(parts: SplitResult, host: str) -> None:
    """What holds for hosts that nobody named: https, and no address or name that is plainly inside."""
    if parts.scheme != "https":
        raise _unusable("It has to begin with https.")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host:
            raise _inside() from None
    else:
        if not is_public(address):
            raise _inside()


def _inside() -> RequestError:
    return RequestError(
        "webhook_address",
        "Webhooks do not go to addresses inside a network.",
        "Give the https address of a public host, or ask the operator to name this one.",
    )


def _unusable(why: str) -> RequestError:
    return RequestError(
        "webhook_address", f"The address for webhooks cannot be used. {why}", "Give an https address of a public host."
    )
