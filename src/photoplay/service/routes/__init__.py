"""The API's routes, one module for each kind of thing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter

from photoplay.service.routes import account, admin, files, jobs, session, system, videos

ROUTERS: tuple[APIRouter, ...] = (
    videos.router,
    jobs.router,
    files.router,
    account.router,
    session.router,
    admin.router,
    system.router,
    *(
        import_module(f"{__name__}.{name}").router
        for name in ("photos", "consents", "templates", "verify")
        if find_spec(f"{__name__}.{name}")
    ),
)
"""All of them; what is not here has no address."""
