"""The API's routes, one module for each kind of thing."""

from __future__ import annotations

from fastapi import APIRouter

from photoplay.service.api.routes import (
    account,
    admin,
    consents,
    files,
    jobs,
    models,
    photos,
    session,
    system,
    templates,
    verify,
    videos,
)

ROUTERS: tuple[APIRouter, ...] = (
    videos.router,
    models.router,
    jobs.router,
    files.router,
    photos.router,
    consents.router,
    templates.router,
    verify.router,
    account.router,
    session.router,
    admin.router,
    system.router,
)
"""All of them; what is not here has no address."""
