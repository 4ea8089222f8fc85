"""Who asks, and what they may do. Nothing under ``/v1/`` is answered to a stranger except what :data:`OPEN` names.

The door (:mod:`photoplay.service.api.door`) asks :func:`whoever` before a request's body is read; routes
say with :func:`need` what a key must be allowed to do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer

from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import ForbiddenError, NotFoundError, UnauthorizedError

OPEN: Final[frozenset[tuple[str, str]]] = frozenset(
    {
        ("GET", "/v1/session"),
        ("POST", "/v1/session"),
        ("POST", "/v1/sign-up"),
        ("POST", "/v1/letters"),
        ("POST", "/v1/letters/open"),
        ("POST", "/v1/verify"),
        ("GET", "/v1/files/{token}"),
    }
)
"""Operations of ``/v1/`` that nobody has to be signed in for."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE = "photoplay_session"
CSRF_HEADER = "x-csrf-token"

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key: `Authorization: Bearer pp_…`.")
cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    scheme_name="session",
    description="A browser's session; requests that change something carry `X-CSRF-Token` as well.",
)


def hub_of(request: Request) -> Hub:
    """The installation that the app was made for."""
    hub: Hub = request.app.state.hub
    return hub


HubOf = Annotated[Hub, Depends(hub_of)]


def cookie_name(secure: bool) -> str:
    """The session cookie's name: ``__Host-`` holds it to this very host and to https."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def session_token(request: Request, hub: Hub) -> str | None:
    """The browser's session token, if it sent one."""
    return request.cookies.get(cookie_name(bool(hub.settings.cookie_secure)))


def csrf_of(hub: Hub, token: str) -> str:
    """What the page of this session sends along when it changes something."""
    return accounts.csrf(hub.settings.key("csrf"), token)


def whoever(request: Request, hub: Hub) -> Principal | None:
    """Who asks; None if nobody says who they are.

    Raises:
        UnauthorizedError: ``key_invalid``, ``session_invalid``: it is said, and does not hold.
        ForbiddenError: ``csrf``: a browser's request that did not come from our page.
    """
    now = time.time()
    said = request.headers.get("authorization")
    if said is not None:
        kind, _, token = said.partition(" ")
        principal = None
        if kind.lower() == "bearer" and 0 < len(token) <= 200:
            with hub.database.read() as conn:
                principal = accounts.check_key(conn, token.strip(), now)
        if principal is None or principal.key_id is None:
            raise UnauthorizedError("key_invalid", "This API key is not valid.", "Make a new one on the account page.")
        accounts.note_use(hub.database, principal.key_id, now)
        return principal
    token = session_token(request, hub) or ""
    if not token:
        return None
    with hub.database.read() as conn:
        principal = accounts.check_session(conn, token, now)
    if principal is None:
        raise UnauthorizedError("session_invalid", "This session is over.", "Sign in again.")
    if request.method not in SAFE:
        check_same_origin(request)
        if not accounts.csrf_holds(hub.settings.key("csrf"), token, request.headers.get(CSRF_HEADER, "")):
            raise ForbiddenError("csrf", "This request did not come from the studio's page.", "Load the page again.")
    return principal


def check_same_origin(request: Request) -> None:
    """Refuses what another site's page sends through somebody's browser.

    Raises:
        ForbiddenError: ``csrf``.
    """
    origin = request.headers.get("origin")
    crossed = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if crossed or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
        raise ForbiddenError("csrf", "This request came from another site's page.", "Use the studio's own page.")


def maybe(request: Request) -> Principal | None:
    """Who asks, where nobody has to: what does not hold counts as nobody."""
    principal: Principal | None = request.scope.get("photoplay.principal")
    return principal


def principal(
    request: Request,
    _key: Annotated[object, Depends(bearer)] = None,
    _session: Annotated[object, Depends(cookie)] = None,
) -> Principal:
    """Who asks.

    Raises:
        UnauthorizedError: ``sign_in``: nobody says who they are.
    """
    found = maybe(request)
    if found is None:
        raise stranger()
    return found


def stranger() -> UnauthorizedError:
    """For whoever does not say who they are."""
    return UnauthorizedError(
        "sign_in", "Nobody is signed in.", "Send an API key as `Authorization: Bearer …`, or sign in."
    )


def need(*scopes: str) -> Callable[[Principal], Principal]:
    """A dependency: who asks, and may do ``scopes``.

    ``who: Annotated[Principal, Depends(need("videos:write"))]``
    """

    def allowed(who: Annotated[Principal, Depends(principal)]) -> Principal:
        for scope in scopes:
            if scope not in who.scopes:
                raise ForbiddenError(
                    "scope_missing", f"This key may not do that: it lacks {scope}.", "Make a key that has this scope."
                )
        return who

    return allowed


def session_only(who: Annotated[Principal, Depends(principal)]) -> Principal:
    """A dependency: a person at a browser, not a key.

    Raises:
        ForbiddenError: ``session_needed``.
    """
    if not who.session:
        raise ForbiddenError("session_needed", "An API key may not do that.", "Sign in on the studio's page.")
    return who


def operator(who: Annotated[Principal, Depends(principal)]) -> Principal:
    """A dependency: whoever runs this installation. To everybody else there is nothing here."""
    if not who.operator:
        raise NotFoundError(
            "not_found", "There is nothing at this address.", "The addresses are listed in /openapi.json."
        )
    return who


Reader = Annotated[Principal, Depends(need("videos:read"))]
Writer = Annotated[Principal, Depends(need("videos:write"))]
Operator = Annotated[Principal, Depends(operator)]


def start_session(response: Response, hub: Hub, token: str, seconds: int) -> None:
    """Lets the browser keep a session."""
    secure = bool(hub.settings.cookie_secure)
    response.set_cookie(
        cookie_name(secure), token, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax"
    )


def forget_session(response: Response, hub: Hub) -> None:
    """Lets the browser forget its session."""
    secure = bool(hub.settings.cookie_secure)
    response.delete_cookie(cookie_name(secure), path="/", secure=secure, httponly=True, samesite="lax")


def _mac(hub: Hub, said: str) -> bytes:
    return hmac.new(hub.settings.key("files"), f"photoplay file 1\n{said}".encode(), hashlib.sha256).digest()


def sign_link(hub: Hub, tenant_id: str, video_id: str, variant: str, expires: int) -> str:
    """A token that opens one file of a video to whoever has it, until ``expires`` (seconds since 1970)."""
    said = f"{video_id}.{variant}.{expires}"
    mac = base64.urlsafe_b64encode(_mac(hub, f"{tenant_id}.{said}")[:24]).decode()
    return f"{said}.{mac}"


def read_link(token: str) -> tuple[str, str, int]:
    """Video, variant and end of a link. Says nothing about whether it holds.

    Raises:
        NotFoundError: it is none.
    """
    parts = token.split(".")
    if len(parts) != 4 or not (parts[2].isascii() and parts[2].isdecimal() and len(parts[2]) <= 12):
        raise dead_link()
    return parts[0], parts[1], int(parts[2])


def link_holds(hub: Hub, token: str, tenant_id: str, now: float) -> bool:
    """Whether a link was signed for this tenant's file and is not over yet."""
    video_id, variant, expires = read_link(token)
    right = sign_link(hub, tenant_id, video_id, variant, expires)
    return hmac.compare_digest(token.encode(), right.encode()) and now < expires


def dead_link() -> NotFoundError:
    """For every link that opens nothing, whatever the reason."""
    return NotFoundError("link_invalid", "This link opens nothing (any more).", "Ask for a new one.")
