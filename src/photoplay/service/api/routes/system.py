"""What machines ask: is it alive, can it work, what are its figures."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import func, select
from starlette.responses import Response

from photoplay.errors import PhotoplayError
from photoplay.service.api import problems
from photoplay.service.api.door import is_loopback
from photoplay.service.api.security import HubOf, whoever
from photoplay.service.api.shapes_account import Health, Readiness
from photoplay.service.engine import Hub
from photoplay.service.ground.metrics import MEDIA_TYPE
from photoplay.service.ground.states import SILENT_S
from photoplay.service.ground.tables import workers
from photoplay.version import __version__

router = APIRouter(tags=["system"])
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Figures for Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/healthz", summary="Alive?", response_model=Health)
async def healthz() -> Health:  # needs no thread: it answers however busy the process is
    """This process answers."""
    return Health(version=__version__)


@router.get(
    "/readyz",
    summary="Able to work?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "headers": problems.RETRY}},
)
def readyz(hub: HubOf, response: Response) -> Readiness:
    """Whether the database and the store answer, and how many workers there are. 503 where it cannot take requests."""
    database, alive = _workers(hub)
    storage = _answers(hub)
    ready = database and storage
    if not ready:
        response.status_code = 503
        response.headers["retry-after"] = str(problems.RETRY_S)
    return Readiness(status="ok" if ready else "degraded", database=database, storage=storage, workers=alive)


def _workers(hub: Hub) -> tuple[bool, int]:
    """Whether the database answers, and how many workers were heard of lately."""
    lately = workers.c.beat_at > time.time() - SILENT_S
    try:
        with hub.database.read() as conn:
            alive = conn.execute(select(func.count()).select_from(workers).where(lately, workers.c.state == "up"))
            return True, int(alive.scalar_one())
    except PhotoplayError:
        return False, 0


def _answers(hub: Hub) -> bool:
    try:
        hub.store.check()
    except PhotoplayError:
        return False
    return True


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={**_TEXT, **problems.documented(404)},
)
def metrics(hub: HubOf, request: Request) -> Response:
    """Shown to this very machine, and to an operator's key; to everybody else there is nothing here."""
    if not is_loopback(request) and not _is_operator(request, hub):
        return problems.nowhere()
    return Response(hub.metrics.render(), media_type=MEDIA_TYPE)


def _is_operator(request: Request, hub: Hub) -> bool:
    try:
        who = whoever(request, hub)
    except PhotoplayError:
        return False
    return who is not None and who.operator
