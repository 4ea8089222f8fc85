"""The web application: the API under ``/v1``, and the studio's page everywhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from photoplay.motion.library import find
from photoplay.service.api import problems, security
from photoplay.service.api.asking import without_null
from photoplay.service.api.door import Door, addresses
from photoplay.service.api.routes import ROUTERS
from photoplay.service.api.routes.admin import Audited
from photoplay.service.api.routes.jobs import Watchers
from photoplay.service.api.studio import Studio, read_studio
from photoplay.service.engine import Hub
from photoplay.service.ground.mail import Mailer
from photoplay.service.looking.looker import Looker
from photoplay.version import __version__

DESCRIPTION = """photoplay turns a photograph into a short film, with the consent of the people in it.

Videos are made by `POST /v1/videos`, in the shape that openai's clients speak; `/v1/jobs/{id}/events` tells how it goes.
Every problem is `application/problem+json` with a stable `code`. Send an API key as `Authorization: Bearer pp_…`.
"""
TAGS = [
    {"name": "videos", "description": "Films: ask for one, watch it become, fetch it, delete it."},
    {"name": "jobs", "description": "The work behind a film in full: stages, events, cancel, resume, retry."},
    {"name": "photos", "description": "What films are made from, and what was found in it."},
    {"name": "consents", "description": "Who agreed to what, for how long."},
    {"name": "templates", "description": "Motions, and small previews of them on your photo."},
    {"name": "verify", "description": "Where a file comes from."},
    {"name": "account", "description": "Plan, credits, keys and sessions."},
    {"name": "admin", "description": "For whoever runs this installation."},
    {"name": "system", "description": "For machines that watch over it."},
]


def create_app(hub: Hub) -> FastAPI:
    """The app of an installation. Nothing is kept outside of it: two apps of two hubs live side by side."""
    app = FastAPI(
        title="photoplay",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,  # these pages load scripts of other sites
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_open,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the door tells, and no exception's text
        responses=problems.documented(413, 429, 503),
        generate_unique_id_function=_operation_id,
    )
    app.state.hub = hub
    app.state.watchers = Watchers()
    app.state.audited = Audited()
    app.state.looker = Looker(hub.settings)  # its process starts when it is needed
    app.state.mailer = Mailer.of(hub.settings)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.router.default = Studio(read_studio())
    describe(app)
    table = addresses([route for router in ROUTERS for route in _routes(router)])
    app.add_middleware(Door, hub=hub, table=table, document=app.openapi)
    return app


@asynccontextmanager
async def _open(app: FastAPI) -> AsyncIterator[None]:
    """While the app runs; what it started ends with it. The templates are read before somebody waits for them."""
    Thread(target=find, args=("gentle_smile",), daemon=True).start()
    yield
    await run_in_threadpool(app.state.looker.close)
    if app.state.mailer is not None:
        await run_in_threadpool(app.state.mailer.close)


def _routes(router: APIRouter) -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]


def _operation_id(route: Any) -> str:  # FastAPI hands in a route of its own kind
    return str(route.name)


def describe(app: FastAPI) -> None:
    """Lets the OpenAPI say what is true of every route: who may, the shape of problems, and that forms know no null."""
    made = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            shape = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(shape.pop("$defs", {}))
            schemas["Problem"] = shape
            for path, method, operation in _operations(document):
                if path.startswith("/v1/") and (method.upper(), path) not in security.OPEN:
                    operation.setdefault("security", [{"key": []}, {"session": []}])
                answers = operation.get("responses", {})
                if "HTTPValidationError" in str(answers.get("422", "")):
                    del answers["422"]
                if "requestBody" in operation:
                    answers.setdefault("415", problems.documented(415)[415])
                for kind, body in operation.get("requestBody", {}).get("content", {}).items():
                    if kind != "application/json":
                        _plain_fields(body["schema"], schemas)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def _plain_fields(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Takes null out of a form's fields: what is not said is left out."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    fields = schema.get("properties", {})
    fields.update({name: without_null(field) for name, field in fields.items()})
