"""An open installation with people on it, for tests of the API: no worker, films that are there at once, no network."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import update

from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import SCOPES, Principal
from photoplay.service.api.app import create_app
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import ending, job
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.requests import JobRequest
from tests.service import groundwork, rowmaking

FILM = bytes(range(256)) * 8
STILL = b"\x89PNG still"
SHEET = b"\x89PNG sheet"


@dataclass(frozen=True)
class Someone:
    """A tenant with a user and a key."""

    tenant_id: str
    user_id: str
    key_id: str
    token: str
    principal: Principal

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Stage:
    """An installation, its app, and a client that is nobody."""

    hub: Hub
    app: FastAPI
    client: TestClient

    def someone(self, plan: str = "ultra", scopes: frozenset[str] = SCOPES, *, operator: bool = False) -> Someone:
        now = time.time()
        with self.hub.database.begin() as conn:
            tenant = accounts.create_tenant(conn, "somebody", self.hub.plans[plan], now)
            user = accounts.create_user(conn, tenant.id, f"{tenant.id}@example.org", now, operator=operator)
            may = SCOPES | {accounts.OPERATE}
            wanted = scopes | ({accounts.OPERATE} if operator else frozenset())
            info, token = accounts.create_key(conn, tenant.id, "test", wanted, now, may=may)
            principal = accounts.check_key(conn, token, now)
        assert principal is not None
        return Someone(tenant.id, user.id, info.id, token, principal)

    def session(self, who: Someone) -> tuple[str, str]:
        """A session of somebody: its cookie header and its token against forged requests."""
        with self.hub.database.begin() as conn:
            token = accounts.start_session(conn, who.user_id, time.time())
        return f"photoplay_session={token}", accounts.csrf(self.hub.settings.key("csrf"), token)

    def photo(self, who: Someone) -> str:
        with self.hub.database.begin() as conn:
            return rowmaking.upload(conn, who.tenant_id, time.time())

    def queued(self, who: Someone, **asked: Any) -> str:
        """A job that waits."""
        request = JobRequest(
            **{"photos": (self.photo(who),), "template": "gentle_smile", "consent": ("self",), **asked}
        )
        return jobs.submit(self.hub, who.principal, request, now=time.time()).id

    def finish(self, id_: str) -> str:
        """Makes a film of a job at once, as a worker would tell it."""
        with self.hub.database.begin() as conn:
            found = job.find(conn, id_)
            assert found is not None
            keys = {name: job.film_key(found, name) for name in ("film.mp4", "thumbnail.png", "spritesheet.png")}
            film = {
                "key": keys["film.mp4"],
                "thumbnail": keys["thumbnail.png"],
                "spritesheet": keys["spritesheet.png"],
                "bytes": len(FILM),
                "sha256": "f" * 64,
                "width": 854,
                "height": 480,
                "seconds": 3.0,
                "recipe": {"backend": "pocket"},
                "report": {"passed": True, "sentence": "Good.", "metrics": {}},
                "notices": [],
            }
            conn.execute(update(rows).where(rows.c.id == id_).values(film=film, started_at=time.time()))
            for (name, key), data in zip(keys.items(), (FILM, STILL, SHEET), strict=True):
                self.hub.store.put(key, data, "video/mp4" if name.endswith("mp4") else "image/png")
            assert ending.end(conn, self.hub, found, "completed", time.time())
        return id_

    def completed(self, who: Someone, **asked: Any) -> str:
        """A job whose film is there."""
        return self.finish(self.queued(who, **asked))


@contextmanager
def open_stage(folder: Path, **given: object) -> Iterator[Stage]:
    """An installation in a folder."""
    hub = groundwork.open_new(folder, **given)
    logged = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False)
    try:
        app = create_app(hub)
        with TestClient(app, base_url="http://127.0.0.1:8188") as client:
            yield Stage(hub, app, client)
    finally:
        structlog.configure(**logged)
        hub.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of a real server of the app on loopback, until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        for _ in range(500):
            if server.started:
                break
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def jpeg(shade: int = 120, side: int = 256) -> bytes:
    """A small photo of nobody."""
    data = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).point(lambda value: (value + shade) % 256).save(data, "JPEG")
    return data.getvalue()
