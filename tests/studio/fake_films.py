"""Films of the small service: each takes some seconds of wall time, and its events tell so."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from tests.studio.fake_world import STAGES, ProblemError, World
from tests.studio.pictures import film, still

UNWATCHED = 4.0
"""Seconds that a film waits at half its way for a slow page to watch it."""


def job_of(world: World, id: str) -> dict[str, Any]:
    """A job as it is by now: its film takes ``world.seconds`` of wall time from when it is first watched."""
    if id not in world.jobs:
        raise ProblemError(404, "not_found", "There is nothing here by that name.", "See whether it was deleted.")
    job = world.jobs[id]
    if job["state"] in ("queued", "running"):
        share = (time.time() - job["started_at"]) / max(1e-3, world.seconds)
        if not job.get("watched") and time.time() - job["started_at"] < UNWATCHED:
            share = min(share, 0.5)
        job["percent"] = int(min(99, max(0, share * 100)))
        job["state"] = "running" if share >= 0 else "queued"
        job["stage"] = STAGES[min(len(STAGES) - 1, int(max(0.0, share) * len(STAGES)))] if share >= 0 else ""
        job["left_s"] = max(0.0, (1 - share) * world.seconds)
        if share >= 1:
            job.update(finished_at=time.time(), left_s=None, made_s=world.seconds, percent=100)
            if world.fail:
                job.update(state="failed", error=world.fail, charged=0)
            else:
                job.update(state="completed", charged=job["cost"], film=_film(world, job))
    return job


def _film(world: World, job: dict[str, Any]) -> dict[str, Any]:
    width, height, data = film(world.uploads[job["request"]["photos"][0]]["picture"])
    return {
        "width": width,
        "height": height,
        "seconds": 2.0,
        "bytes": len(data),
        "sha256": "0" * 64,
        "report": {"passed": True, "sentence": "Still the same person, steady, no seams.", "metrics": {}},
        "notices": [],
        "recipe": {"template": job["request"]["template"], "seed": 0, "photos": ["f14349d4"]},
    }


def checked(asked: dict[str, Any]) -> dict[str, Any]:
    """A request that the real service would read too."""
    from photoplay.service.api.shapes import VideoAsk

    try:
        VideoAsk.model_validate(asked)
    except ValidationError as error:
        raise ProblemError(400, "request_invalid", str(error), "See /openapi.json.") from None
    return asked


def _video(world: World, id: str) -> dict[str, Any]:
    job = job_of(world, id)
    names = {"queued": "queued", "running": "in_progress", "completed": "completed"}
    return {
        "id": id,
        "object": "video",
        "created_at": int(job["created_at"]),
        "completed_at": job["finished_at"] and int(job["finished_at"]),
        "expires_at": None,
        "status": names.get(job["state"], "failed"),
        "progress": job["percent"],
        "model": "pocket",
        "prompt": None,
        "seconds": "3",
        "size": "854x480",
        "error": job["error"],
        "template": job["request"]["template"],
        "job": {"state": job["state"], "stage": job["stage"], "attempt": 1, "round": job["round"], "cost": job["cost"]},
    }


def add_videos(app: FastAPI, world: World) -> None:
    def submit(request: dict[str, Any], remixed_from: str | None = None) -> dict[str, Any]:
        id = world.id("video")
        now = time.time()
        world.jobs[id] = {
            "id": id, "state": "queued", "stage": "", "percent": 0, "attempt": 1, "round": 1, "cost": 4, "charged": None,
            "wait_s": 1.0, "made_s": None, "left_s": None, "error": None, "film": None, "created_at": now,
            "started_at": now + 0.2, "finished_at": None, "expires_at": now + 30 * 86400, "remixed_from": remixed_from,
            "request": {"backend": "pocket", "seed": 0, "who": "all", "prompt": "", **request},
        }  # fmt: skip
        return _video(world, id)

    @app.post("/v1/videos/estimate")
    async def estimate(request: Request) -> dict[str, Any]:
        world.asked.append(("POST", "/v1/videos/estimate", checked(await request.json())))
        left = 52 if world.hosted else None
        return {"cost": 4, "wait_s": 0.0, "make_s": 38.0, "credits_left": left}

    @app.post("/v1/videos")
    async def create(request: Request) -> dict[str, Any]:
        asked = checked(await request.json())
        world.asked.append(("POST", "/v1/videos", asked))
        world.asked.append(("KEY", "/v1/videos", request.headers.get("idempotency-key")))
        return submit(
            {name: value for name, value in asked.items() if name != "remixed_from"}, asked.get("remixed_from")
        )

    @app.get("/v1/videos")
    def listed(limit: int = 20, after: str | None = None, order: str = "desc") -> dict[str, Any]:
        ids = sorted(world.jobs, key=lambda id: world.jobs[id]["created_at"], reverse=order == "desc")
        ids = ids[ids.index(after) + 1 :] if after else ids
        data = [_video(world, id) for id in ids[:limit]]
        return {
            "object": "list",
            "data": data,
            "has_more": len(ids) > limit,
            "last_id": data[-1]["id"] if data else None,
        }

    @app.delete("/v1/videos/{id}")
    def delete(id: str) -> dict[str, Any]:
        del world.jobs[id]
        return {"id": id, "object": "video.deleted", "deleted": True}

    @app.post("/v1/videos/{id}/remix")
    async def remix(id: str, request: Request) -> dict[str, Any]:
        return submit({**world.jobs[id]["request"], **await request.json()}, id)

    @app.post("/v1/videos/{id}/link")
    def link(id: str) -> dict[str, Any]:
        return {"url": "/v1/files/signed", "expires_at": int(time.time()) + 3600}

    @app.get("/v1/videos/{id}/content")
    def content(id: str, request: Request, variant: str = "video") -> Response:
        picture = world.uploads[world.jobs[id]["request"]["photos"][0]]["picture"]
        if variant != "video":
            return Response(still(picture, "PNG"), media_type="image/png")
        data = film(picture)[2]
        headers = {"accept-ranges": "bytes"}
        asked = request.headers.get("range")
        if not asked:
            return Response(data, media_type="video/mp4", headers=headers)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first or 0), min(int(last) if last else len(data) - 1, len(data) - 1)
        headers["content-range"] = f"bytes {start}-{end}/{len(data)}"
        return Response(data[start : end + 1], 206, headers, "video/mp4")

    @app.get("/v1/jobs/{id}")
    def job(id: str) -> dict[str, Any]:
        return job_of(world, id)

    @app.get("/v1/jobs/{id}/preview")
    def frame(id: str) -> Response:
        picture = world.uploads[world.jobs[id]["request"]["photos"][0]]["picture"]
        return Response(still(picture, "PNG"), media_type="image/png")

    @app.get("/v1/jobs/{id}/events")
    async def events(id: str) -> StreamingResponse:
        return StreamingResponse(_events(world, id), media_type="text/event-stream")

    @app.post("/v1/jobs/{id}/{act}")
    def act(id: str, act: str) -> dict[str, Any]:
        job = job_of(world, id)
        world.asked.append(("POST", f"/v1/jobs/{act}", id))
        if act == "cancel":
            job.update(state="cancelled", finished_at=time.time(), left_s=None)
        else:
            again = {"state": "queued", "error": None, "finished_at": None, "started_at": time.time() + 0.2}
            job.update(again, percent=0, round=job["round"] + 1)
        return job


async def _events(world: World, id: str) -> AsyncIterator[str]:
    seq, told = 0, ""
    job = world.jobs.get(id)
    if job and not job.get("watched"):
        job.update(watched=True, started_at=max(job["started_at"], time.time()))

    def event(kind: str, data: dict[str, Any]) -> str:
        nonlocal seq
        seq += 1
        return f"event: {kind}\nid: {seq}\ndata: {json.dumps(data)}\n\n"

    while id in world.jobs:
        job = job_of(world, id)
        if job["state"] != told:
            told = job["state"]
            yield event("state", {"state": told, "error": job["error"]})
        if told == "running":
            stage = {name: job[name] for name in ("stage", "percent", "left_s", "attempt")}
            yield event("stage", {**stage, "done": job["percent"], "total": 100, "note": ""})
            if job["percent"] > 40:
                yield event("preview", {"seq": seq})
        if told not in ("queued", "running"):
            yield event("end", {"state": told})
            return
        await asyncio.sleep(0.1)
