"""What every request passes before any route sees it: its id, its host, whether there is such an address, and who asks.

Outside in: the answer gets its headers and is counted whatever happens inside; then the host; then the table of addresses
(405 with everything that an address does, 404 for what is none); then the caller. All of it before the body is read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photoplay.errors import PhotoplayError
from photoplay.service.accounts.limits import network
from photoplay.service.accounts.principals import Principal
from photoplay.service.api import problems, security
from photoplay.service.engine import Hub
from photoplay.service.ground import telemetry
from photoplay.service.ground.errors import TooManyError
from photoplay.service.ground.settings import Settings

CSP = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(self), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
MOST_INSIDE = 12
"""Requests of one caller at a time: nobody takes all threads of the process."""
SMALL = 65_536
"""Bytes of a body that holds no file: it is read at once, and by one thread for everybody."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by machines that know an address only, no name."""
HERE = frozenset({"localhost", "127.0.0.1", "::1"})
"""This machine's own names."""


@dataclass(frozen=True)
class Address:
    """One path of the API and everything that can be done there."""

    path: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


def addresses(routes: Sequence[APIRoute]) -> tuple[Address, ...]:
    """The table of addresses, those without parameters first."""
    found: dict[str, set[str]] = {}
    for route in routes:
        found.setdefault(route.path, set()).update(route.methods or ())
    ordered = sorted(found, key=lambda path: (path.count("{"), path))
    return tuple(Address(path, compile_path(path)[0], frozenset(found[path])) for path in ordered)


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The names that a request may call this service by; empty: any (a hosted service that was told none)."""
    names = {name.lower() for name in settings.allowed_hosts}
    if settings.public_url and (host := urlsplit(settings.public_url).hostname):
        names.add(host)
    if not settings.hosted:
        names |= HERE
    return frozenset(names)


class Door:
    """The ASGI middleware around the whole app."""

    def __init__(
        self, app: ASGIApp, hub: Hub, table: Sequence[Address], document: Callable[[], dict[str, Any]]
    ) -> None:
        self.app, self.hub, self.table, self.document = app, hub, tuple(table), document
        self.most = hub.settings.max_upload_mb * 1_400_000 + 65_536  # base64 needs a third more
        self.inside: dict[str, int] = {}  # on the event loop alone
        self.hosts = allowed_hosts(hub.settings)
        self.headers = dict(HEADERS)
        if hub.settings.cookie_secure:
            self.headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        address = self._address(scope["path"])
        most = self._most(request, address)
        began, status, started, read = time.perf_counter(), 500, False, 0

        async def sealed(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                self._dress(MutableHeaders(scope=message), scope["path"])
            await send(message)

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(413)
            return message

        route = address.path if address else "web"
        with (
            telemetry.request_id(request.headers.get("x-request-id")),
            telemetry.span("request", route=route, method=request.method) as traced,
        ):
            try:
                await self._let_in(request, address, bounded, sealed)
            except Exception as error:
                telemetry.logger().exception("request_failed", error=type(error).__name__)
                if started:
                    raise
                await problems.broken()(scope, receive, sealed)
            finally:
                traced.set_attribute("http.response.status_code", status)
                self._count(request, address, status, time.perf_counter() - began)

    async def _let_in(self, request: Request, address: Address | None, receive: Receive, send: Send) -> None:
        """Answers at the door, or hands the request on."""
        answer = self._refusal(request, address)
        if answer is not None or not request.scope["path"].startswith("/v1/"):
            await (answer or self.app)(request.scope, receive, send)
            return
        assert address is not None
        answer = await self._identified(request, (request.method, address.path) in security.OPEN)
        if answer is not None or address.path.endswith(
            "/events"
        ):  # streams hold no thread and are counted where they are
            await (answer or self.app)(request.scope, receive, send)
            return
        caller = self._caller(request)
        if self.inside.get(caller, 0) >= MOST_INSIDE:
            await problems.answer(_crowded())(request.scope, receive, send)
            return
        self.inside[caller] = self.inside.get(caller, 0) + 1
        try:
            await self.app(request.scope, receive, send)
        finally:
            self.inside[caller] -= 1
            if not self.inside[caller]:
                del self.inside[caller]

    def _caller(self, request: Request) -> str:
        """Whose share of the threads a request takes: the tenant's, or that of a stranger's network."""
        who: Principal | None = request.scope.get("photoplay.principal")
        return who.tenant_id if who else f"from {network(request.client.host if request.client else None)}"

    def _refusal(self, request: Request, address: Address | None) -> Response | None:
        path = request.scope["path"]
        if self.hosts and path not in PROBES and _hostname(request.headers.get("host", "")) not in self.hosts:
            return problems.problem(
                400, "host_unknown", "This service does not go by that name.", "Use its own address."
            )
        if address is None:
            return problems.nowhere() if path == "/v1" or path.startswith("/v1/") else None
        length = request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or int(length[:20]) > self._most(request, address):
            return problems.problem(413, *problems.HTTP_CODES[413])
        if request.method not in address.methods:
            allow = {"allow": ", ".join(sorted(address.methods))}
            return problems.problem(405, *problems.HTTP_CODES[405], allow)
        return None if self._is_readable(request, address) else problems.problem(415, *problems.HTTP_CODES[415])

    def _most(self, request: Request, address: Address | None) -> int:
        """Bytes that a body may have: files come in forms alone, and in the data URLs of a film that is asked for."""
        kind = _kind(request)
        inline = kind == "application/json" and address is not None and address.path == "/v1/videos"
        return self.most if kind == "multipart/form-data" or inline else SMALL

    def _is_readable(self, request: Request, address: Address) -> bool:
        """Whether a body is of a kind that the OpenAPI says is read there."""
        kind = _kind(request)
        operation = self.document()["paths"].get(address.path, {}).get(request.method.lower(), {})
        accepted = operation.get("requestBody", {}).get("content")
        comes = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        return not accepted or not (comes or kind) or kind in accepted

    async def _identified(self, request: Request, is_open: bool) -> Response | None:
        """Says who asks, for the routes; an answer where nobody does or may."""
        try:
            who = await run_in_threadpool(security.whoever, request, self.hub)
            if who is None and not is_open:
                raise security.stranger()
        except PhotoplayError as error:
            if not is_open:
                return problems.answer(error)
            who = None
        request.scope["photoplay.principal"] = who
        return None

    def _address(self, path: str) -> Address | None:
        return next((one for one in self.table if one.pattern.match(path)), None)

    def _dress(self, headers: MutableHeaders, path: str) -> None:
        headers["x-request-id"] = telemetry.current_request()
        for name, value in self.headers.items():
            headers.setdefault(name, value)
        if path.startswith("/v1/"):
            headers.setdefault("cache-control", "no-store")

    def _count(self, request: Request, address: Address | None, status: int, seconds: float) -> None:
        route = address.path if address else "other"
        method = request.method if request.method in METHODS else "other"
        self.hub.metrics.requests.labels(route=route, status=str(status)).inc()
        self.hub.metrics.request_seconds.labels(route=route).observe(seconds)
        telemetry.logger().info("request", method=method, route=route, status=status, seconds=round(seconds, 4))


def _crowded() -> TooManyError:
    return TooManyError(
        "too_many_requests", f"More than {MOST_INSIDE} requests at a time are too many.", "Send fewer at a time.", 1
    )


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _hostname(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(request: Request) -> bool:
    """Whether the request comes from this very machine and through nobody: a proxy that says nothing of itself passes on
    the name that the service is known by."""
    if _hostname(request.headers.get("host", "")) not in HERE:
        return False
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via"))
    if request.client is None or forwarded:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
