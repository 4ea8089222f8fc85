"""``/v1/models``: the backends that films can be asked of, in the shape that openai's clients list."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from photoplay.service.api import problems
from photoplay.service.api.security import HubOf, Reader
from photoplay.service.api.shapes import Answer

router = APIRouter(tags=["videos"])


class FilmModel(Answer):
    """A backend. ``created`` is what openai's clients expect of a model; here it says nothing."""

    id: str = Field(description="What a film's `model` says.")
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: Literal["photoplay"] = "photoplay"


class FilmModels(Answer):
    """All that the plan includes, the default first."""

    object: Literal["list"] = "list"
    data: list[FilmModel]


@router.get("/v1/models", summary="List backends", response_model=FilmModels, responses=problems.documented(401, 403))
def list_models(hub: HubOf, who: Reader) -> FilmModels:
    """What makes films here, and may make yours."""
    return FilmModels(data=[FilmModel(id=name) for name in hub.backends(who.plan)])
