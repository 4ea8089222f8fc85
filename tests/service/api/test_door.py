from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from photoplay.service.api import door
from photoplay.service.api.door import HEADERS, MOST_INSIDE, SMALL, Address, Door, addresses, allowed_hosts, is_loopback
from tests.service.groundwork import make_settings
from tests.service.stage import Someone, Stage

BASE = "http://127.0.0.1"


def an_address(path: str, *methods: str) -> Address:
    return Address(path, compile_path(path)[0], frozenset(methods))


def ask(stage: Stage, inner: ASGIApp, act: Callable[[httpx.AsyncClient, Door], Awaitable[Any]]) -> Any:
    """What comes of asking a door with ``inner`` behind it, where strangers may ask for their session."""
    table = [an_address("/v1/session", "GET", "POST"), an_address("/v1/videos", "GET", "POST")]
    outer = Door(inner, stage.hub, table, lambda: {"paths": {}})

    async def run() -> Any:
        transport = httpx.ASGITransport(outer, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await act(client, outer)

    return asyncio.run(run())


async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what is too long as the app does."""
    try:
        await reads(scope, receive, send)
    except HTTPException as error:
        await PlainTextResponse("", error.status_code)(scope, receive, send)


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells how many bytes came."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


def test_attack_one_caller_takes_so_many_places_and_leaves_the_others_theirs(stage: Stage, who: Someone) -> None:
    other = stage.someone()
    inside, go = 0, asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside
        inside += 1
        await go.wait()
        await PlainTextResponse("done")(scope, receive, send)

    async def act(client: httpx.AsyncClient, outer: Door) -> None:
        def get(asker: Someone) -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.get("/v1/videos", headers=asker.headers))

        waiting = [get(who) for _ in range(MOST_INSIDE)]
        while inside < MOST_INSIDE:
            await asyncio.sleep(0.01)
        refused = await get(who)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert int(refused.headers["retry-after"]) >= 1
        waiting += [get(other), asyncio.create_task(client.get("/v1/session"))]  # somebody else, and a stranger
        while inside < MOST_INSIDE + 2:
            await asyncio.sleep(0.01)
        go.set()
        assert {one.status_code for one in await asyncio.gather(*waiting)} == {200}
        assert outer.inside == {}
        assert (await get(who)).status_code == 200

    ask(stage, slow, act)


def test_attack_a_body_that_says_nothing_of_its_length_ends_where_it_is_too_long(stage: Stage) -> None:
    async def act(client: httpx.AsyncClient, _outer: Door) -> tuple[int, int]:
        async def parts(count: int) -> AsyncIterator[bytes]:
            for _ in range(count):
                yield bytes(1024)

        fits = await client.post("/v1/session", content=parts(SMALL // 1024))
        too_long = await client.post("/v1/session", content=parts(SMALL // 1024 + 1))
        assert fits.text == str(SMALL)
        return fits.status_code, too_long.status_code

    assert ask(stage, guarded, act) == (200, 413)


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", "9" * 40, ""])
def test_attack_a_length_that_is_none_is_refused(stage: Stage, length: str) -> None:
    async def act(client: httpx.AsyncClient, _outer: Door) -> httpx.Response:
        return await client.post("/v1/session", content=b"x", headers=[(b"content-length", length.encode())])

    assert ask(stage, reads, act).status_code == 413


def test_a_fault_inside_is_a_problem_that_says_nothing_of_it(stage: Stage) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("the secret path /etc/secret")

    async def act(client: httpx.AsyncClient, outer: Door) -> httpx.Response:
        answer = await client.get("/v1/session")
        assert outer.inside == {}
        return answer

    answer = ask(stage, broken, act)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert HEADERS.items() <= dict(answer.headers).items()
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.headers["x-request-id"]) >= 8


def test_the_table_has_plain_addresses_before_those_with_a_name_in_them() -> None:
    router = APIRouter()
    for path, method in (("/a/{id}", "GET"), ("/a/new", "POST"), ("/a/{id}", "DELETE"), ("/a/{id}/b/{c}", "GET")):
        router.add_api_route(path, lambda: None, methods=[method])
    table = addresses([one for one in router.routes if isinstance(one, APIRoute)])
    assert [one.path for one in table] == ["/a/new", "/a/{id}", "/a/{id}/b/{c}"]
    assert table[1].methods == {"GET", "DELETE"}
    assert next(one for one in table if one.pattern.match("/a/new")).methods == {"POST"}


def test_names_that_a_service_goes_by(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("hosts")
    assert allowed_hosts(make_settings(folder)) == door.HERE
    public = make_settings(folder, public_url="https://Films.example.org:8443/x", allowed_hosts=("Other.example",))
    assert allowed_hosts(public) == {"films.example.org", "other.example"}
    assert allowed_hosts(make_settings(folder, hosted=True)) == frozenset()


@pytest.mark.parametrize(
    ("host", "client", "more", "here"),
    [
        ("127.0.0.1:8188", "127.0.0.1", {}, True),
        ("[::1]:8188", "::1", {}, True),
        ("localhost", "127.0.0.1", {}, True),
        ("films.example.org", "127.0.0.1", {}, False),  # a proxy on this machine
        ("localhost", "127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, False),
        ("localhost", "127.0.0.1", {"via": "1.1 proxy"}, False),
        ("localhost", "203.0.113.9", {}, False),
        ("localhost", "a name", {}, False),
        ("localhost", None, {}, False),
        ("[broken", "127.0.0.1", {}, False),
    ],
)
def test_who_comes_from_this_very_machine(host: str, client: str | None, more: dict[str, str], here: bool) -> None:
    headers = [(name.encode(), value.encode()) for name, value in {"host": host, **more}.items()]
    scope = {"type": "http", "headers": headers, "client": (client, 1) if client else None}
    assert is_loopback(Request(scope)) is here
