"""A small service that answers in the shapes of the real one, so that the studio can be driven without making films."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image

from tests.studio.pictures import FOUND, film, still, wobble

TOKEN = "open-sesame-open-sesame"
CSRF = "csrf-of-the-fake"
STAGES = ("admit", "perceive", "move", "generate", "review", "encode", "seal")
SEALED: dict[str, Any] = {
    "state": "trusted",
    "sentence": "Made by photoplay from one picture and unchanged since.",
    "signer": "photoplay development Signer",
    "development": True,
    "made_with": "photoplay 0.1.0",
    "created": "2026-11-21T17:31:06Z",
    "actions": ["opened a picture", "animated it"],
    "source_type": "compositeWithTrainedAlgorithmicMedia",
    "consent": [{"photo": "f14349d4", "statement": "self", "date": "2026-11-21"}],
    "records": [],
    "number": "f632faf157c09a7e",
    "content_filter": "nudenet-3.4.2-320n",
    "problems": [],
    "recipe": {"template": "smile", "seed": 0},
}


@dataclass
class World:
    """What the fake knows and how it behaves; tests turn these knobs."""

    hosted: bool = False
    sign_up: bool = False
    operator: bool = True
    signed_in: bool = False
    seconds: float = 1.5
    picture: str = "astronaut"
    advice: list[dict[str, Any]] = field(default_factory=list)
    fail: dict[str, Any] | None = None
    refuse: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    consents: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    counter: int = 0

    def id(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}_{chr(97 + self.counter % 26) * 2}{'a' * 24}"


class ProblemError(Exception):
    def __init__(self, status: int, code: str, detail: str, hint: str = "") -> None:
        self.status, self.code, self.detail, self.hint = status, code, detail, hint


def templates() -> list[dict[str, Any]]:
    """The real list of motions: their names and titles are what people see."""
    from photoplay.motion.library import list_templates as motions

    return [
        {
            "name": one.name,
            "title": one.title,
            "description": one.description,
            "category": one.category,
            "tags": list(one.tags),
            "duration": one.duration,
            "loop": "none",
            "people": one.people,
            "romantic": one.category.startswith("romantic") or one.category == "contact",
        }
        for one in motions()
    ]


def fake_app(world: World, studio: Path | None = None) -> FastAPI:
    """The fake with the studio's built files at its root, under the real headers."""
    from photoplay.service.door import HEADERS
    from photoplay.service.studio import Studio, read_studio

    app = FastAPI()

    @app.exception_handler(ProblemError)
    def problem(_: Request, error: ProblemError) -> JSONResponse:
        body = {"title": "", "status": error.status, "detail": error.detail, "code": error.code, "hint": error.hint}
        return JSONResponse(body, error.status, media_type="application/problem+json")

    @app.middleware("http")
    async def door(request: Request, call_next: Any) -> Response:
        path = request.url.path
        if path.startswith("/v1/"):
            open_ = path in ("/v1/session", "/v1/verify", "/v1/sign-up") or path.startswith("/v1/files/")
            refused = world.refuse.get(f"{request.method} {path}")
            if refused:
                return JSONResponse({"status": refused[0], **refused[1]}, refused[0])
            if not world.signed_in and not open_:
                return problem(request, ProblemError(401, "unauthorized", "Nobody is signed in.", "Sign in."))
            csrf = request.headers.get("x-csrf-token")
            if world.signed_in and request.method not in ("GET", "HEAD") and csrf != CSRF and not open_:
                return problem(request, ProblemError(403, "csrf", "This did not come from the studio.", "Load again."))
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    _sessions(app, world)
    _photos(app, world)
    _consents(app, world)
    _videos(app, world)
    _rest(app, world)
    app.mount("/", Studio(read_studio(studio)))
    return app


def _sessions(app: FastAPI, world: World) -> None:
    def told() -> dict[str, Any]:
        user = {"id": "user_a", "email": "you@home.example", "operator": world.operator}
        sizes = ["480p"] if world.hosted else ["480p", "720p", "1080p"]
        return {
            "user": user if world.signed_in else None,
            "plan": ("free" if world.hosted else "home") if world.signed_in else None,
            "hosted": world.hosted,
            "sign_up": world.sign_up,
            "csrf": CSRF if world.signed_in else None,
            "backends": ["pocket"],
            "sizes": sizes,
            "max_seconds": 5 if world.hosted else 30,
        }

    @app.get("/v1/session")
    def who() -> dict[str, Any]:
        return told()

    @app.post("/v1/session")
    async def sign_in(request: Request) -> dict[str, Any]:
        asked = await request.json()
        if asked not in ({"token": TOKEN}, {"email": "you@home.example", "password": "correct horse"}):
            raise ProblemError(401, "sign_in", "That does not fit.", "Check both and try again.")
        world.signed_in = True
        return told()

    @app.post("/v1/sign-up", status_code=201)
    async def sign_up(request: Request) -> dict[str, Any]:
        world.asked.append(("POST", "/v1/sign-up", await request.json()))
        world.signed_in = True
        return told()

    @app.delete("/v1/session", status_code=204)
    def sign_out() -> None:
        world.signed_in = False


def _photos(app: FastAPI, world: World) -> None:
    @app.post("/v1/photos", status_code=201)
    async def add(file: UploadFile) -> dict[str, Any]:
        data = await file.read()
        try:
            with Image.open(io.BytesIO(data)) as picture:
                width, height = picture.size
        except OSError:
            raise ProblemError(
                422, "photo_unreadable", "This file is not a photo that can be read.", "Use a JPEG, PNG, WebP or HEIC."
            ) from None
        name = Path(file.filename or "").stem
        upload = {
            "id": world.id("upload"),
            "kind": "photo",
            "bytes": len(data),
            "width": width,
            "height": height,
            "seconds": None,
            "created_at": time.time(),
            "expires_at": time.time() + 86400,
            "found": None,
        }
        world.uploads[upload["id"]] = {**upload, "picture": name if name in FOUND else world.picture}
        return upload

    @app.post("/v1/uploads", status_code=201)
    async def sound(file: UploadFile) -> dict[str, Any]:
        return {"id": world.id("upload"), "kind": "audio", "bytes": len(await file.read()), "found": None}

    @app.post("/v1/photos/{id}/inspect")
    def inspect(id: str) -> dict[str, Any]:
        kept = world.uploads[id]
        faces = FOUND[kept["picture"]]["faces"]
        found = {"faces": faces, "advice": world.advice, "people": len(faces)}
        kept["found"] = found
        return found

    @app.get("/v1/photos/{id}")
    def get(id: str) -> dict[str, Any]:
        if id not in world.uploads:
            raise ProblemError(404, "not_found", "There is nothing here by that name.")
        return {name: value for name, value in world.uploads[id].items() if name != "picture"}

    @app.get("/v1/photos/{id}/picture")
    def picture(id: str) -> Response:
        return Response(still(world.uploads[id]["picture"], "JPEG"), media_type="image/jpeg")

    @app.get("/v1/templates")
    def list_templates() -> dict[str, Any]:
        return {"data": templates()}

    @app.post("/v1/previews")
    async def preview(request: Request) -> Response:
        asked = await request.json()
        world.asked.append(("POST", "/v1/previews", asked))
        world.at_once += 1
        world.most_at_once = max(world.most_at_once, world.at_once)
        try:
            await asyncio.sleep(0.05)
            pictures = tuple(world.uploads[id]["picture"] for id in asked["photos"])
        finally:
            world.at_once -= 1
        return Response(wobble(pictures, asked["template"]), media_type="image/webp")


def _consents(app: FastAPI, world: World) -> None:
    @app.get("/v1/consents")
    def listed() -> dict[str, Any]:
        return {"data": world.consents}

    @app.post("/v1/consents/challenges")
    def challenge() -> dict[str, Any]:
        actions = ["nod", "turn_left", "smile", "blink_twice"]
        return {"id": "challenge_a", "actions": actions, "words": actions, "expires": time.time() + 600}

    @app.post("/v1/consents", status_code=201)
    async def enrol(request: Request) -> dict[str, Any]:
        form = await request.form()
        clip = form["file"]
        size = len(await clip.read()) if not isinstance(clip, str) else 0
        said = {"name": form["name"], "scope": form.getlist("scope"), "challenge": form.get("challenge"), "bytes": size}
        world.asked.append(("POST", "/v1/consents", said))
        record = {
            "id": f"record{len(world.consents)}",
            "name": form["name"],
            "state": "valid",
            "scope": form.getlist("scope"),
            "expires": time.time() + 90 * 86400,
            "method": "live",
            "adult": form.get("adult"),
            "weak": False,
            "created_at": time.time(),
        }
        world.consents.append(record)
        return record

    @app.delete("/v1/consents/{id}")
    def revoke(id: str) -> dict[str, Any]:
        world.consents = [one for one in world.consents if one["id"] != id]
        return {"id": id, "state": "revoked"}


def _job(world: World, id: str) -> dict[str, Any]:
    """A job as it is by now: its film takes ``world.seconds`` of wall time."""
    if id not in world.jobs:
        raise ProblemError(404, "not_found", "There is nothing here by that name.", "See whether it was deleted.")
    job = world.jobs[id]
    if job["state"] in ("queued", "running"):
        share = (time.time() - job["started_at"]) / max(1e-3, world.seconds)
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


def _video(world: World, id: str) -> dict[str, Any]:
    job = _job(world, id)
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


def _videos(app: FastAPI, world: World) -> None:
    def submit(request: dict[str, Any]) -> dict[str, Any]:
        id = world.id("video")
        now = time.time()
        world.jobs[id] = {
            "id": id, "state": "queued", "stage": "", "percent": 0, "attempt": 1, "round": 1, "cost": 4, "charged": None,
            "wait_s": 1.0, "made_s": None, "left_s": None, "error": None, "film": None, "created_at": now,
            "started_at": now + 0.2, "finished_at": None, "expires_at": now + 30 * 86400, "remixed_from": None,
            "request": {"backend": "pocket", "seed": 0, "who": "all", "prompt": "", **request},
        }  # fmt: skip
        return _video(world, id)

    @app.post("/v1/videos/estimate")
    async def estimate(request: Request) -> dict[str, Any]:
        world.asked.append(("POST", "/v1/videos/estimate", await request.json()))
        left = 52 if world.hosted else None
        return {"cost": 4, "wait_s": 0.0, "make_s": 38.0, "credits_left": left}

    @app.post("/v1/videos")
    async def create(request: Request) -> dict[str, Any]:
        asked = await request.json()
        world.asked.append(("POST", "/v1/videos", asked))
        world.asked.append(("KEY", "/v1/videos", request.headers.get("idempotency-key")))
        return submit(asked)

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
        return submit({**world.jobs[id]["request"], **await request.json()})

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
        return _job(world, id)

    @app.get("/v1/jobs/{id}/preview")
    def frame(id: str) -> Response:
        picture = world.uploads[world.jobs[id]["request"]["photos"][0]]["picture"]
        return Response(still(picture, "PNG"), media_type="image/png")

    @app.get("/v1/jobs/{id}/events")
    async def events(id: str) -> StreamingResponse:
        return StreamingResponse(_events(world, id), media_type="text/event-stream")

    @app.post("/v1/jobs/{id}/{act}")
    def act(id: str, act: str) -> dict[str, Any]:
        job = _job(world, id)
        world.asked.append(("POST", f"/v1/jobs/{act}", id))
        if act == "cancel":
            job.update(state="cancelled", finished_at=time.time(), left_s=None)
        else:
            again = {"state": "queued", "error": None, "finished_at": None, "started_at": time.time() + 0.2}
            job.update(again, percent=0, round=job["round"] + 1)
        return job


async def _events(world: World, id: str) -> AsyncIterator[str]:
    seq, told = 0, ""

    def event(kind: str, data: dict[str, Any]) -> str:
        nonlocal seq
        seq += 1
        return f"event: {kind}\nid: {seq}\ndata: {json.dumps(data)}\n\n"

    while id in world.jobs:
        job = _job(world, id)
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


def _rest(app: FastAPI, world: World) -> None:
    @app.post("/v1/verify")
    async def verify(file: UploadFile) -> dict[str, Any]:
        data = await file.read()
        if data.startswith(b"nothing"):
            raise ProblemError(
                422, "verify_unsupported", "This is no film or picture.", "Use an mp4, PNG, GIF or WebP."
            )
        unsigned = {"state": "unsigned", "sentence": "No seal: nothing tells who made this file."}
        return SEALED if b"ftyp" in data[:32] else unsigned

    @app.get("/v1/account")
    def account() -> dict[str, Any]:
        plan = {
            "name": "free" if world.hosted else "home",
            "title": "Free" if world.hosted else "At home",
            "sizes": ["480p"] if world.hosted else ["480p", "720p", "1080p"],
            "max_seconds": 5 if world.hosted else 60,
            "label": "bottom-right" if world.hosted else None,
            "monthly_credits": 60 if world.hosted else 0,
            "concurrency": 2,
            "per_hour": 10,
            "retention_days": 7 if world.hosted else 3650,
            "unmetered": not world.hosted,
        }
        return {
            "tenant": "you",
            "plan": plan,
            "credits": {"available": 52, "held": 4, "unmetered": not world.hosted},
            "usage": {"jobs_this_month": 3, "seconds_this_month": 9.0},
            "keys": world.keys,
        }

    @app.post("/v1/account/keys", status_code=201)
    async def new_key(request: Request) -> dict[str, Any]:
        asked = await request.json()
        world.asked.append(("POST", "/v1/account/keys", asked))
        key = {
            "id": world.id("key"), "name": asked["name"], "start": "pp_Abc123", "scopes": asked["scopes"],
            "created_at": time.time(), "expires_at": None, "used_at": None, "revoked_at": None,
        }  # fmt: skip
        world.keys.append(key)
        return {**key, "key": "pp_" + "A" * 43}

    @app.delete("/v1/account/keys/{id}")
    def revoke(id: str) -> dict[str, Any]:
        for key in world.keys:
            if key["id"] == id:
                key["revoked_at"] = time.time()
        return {"id": id, "revoked": True}

    @app.get("/v1/admin/overview")
    def overview() -> dict[str, Any]:
        return {
            "queues": [
                {"plan": "pro", "queue": "films-pocket", "waiting": 2, "running": 1, "oldest_wait_s": 14.0},
                {"plan": "free", "queue": "films-pocket", "waiting": 17, "running": 0, "oldest_wait_s": 312.0},
            ],
            "workers": [
                {"id": "worker_aaaaaa", "queues": ["films-pocket"], "device": "cpu", "state": "up", "job_id": "video_bbbbbb", "beat_age_s": 1.2},
                {"id": "worker_cccccc", "queues": ["films-pocket"], "device": "cuda", "state": "draining", "job_id": None, "beat_age_s": 40.0},
            ],
            "failures": [
                {"id": "video_dddddd", "code": "review_failed", "message": "The film did not pass its own review.", "finished_at": time.time(), "attempts": 1},
            ],
            "ledger": {"balanced": True, "problems": []},
        }  # fmt: skip

    @app.post("/v1/admin/takedown")
    async def takedown(request: Request) -> dict[str, Any]:
        asked = await request.json()
        world.asked.append(("POST", "/v1/admin/takedown", asked))
        return {"works": [asked.get("id")], "blocked": 1, "removed": 1, "sources": [], "token": "receipt"}
