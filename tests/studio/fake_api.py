"""A small service that answers in the shapes of the real one, so that the studio can be driven without making films."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from PIL import Image

from tests.studio.fake_films import add_videos
from tests.studio.fake_world import ProblemError, World
from tests.studio.pictures import FOUND, still, wobble

TOKEN = "open-sesame-open-sesame"
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
    from photoplay.service.api.door import HEADERS
    from photoplay.service.api.studio import Studio, read_studio

    app = FastAPI()

    @app.exception_handler(ProblemError)
    def problem(_: Request, error: ProblemError) -> JSONResponse:
        body = {"title": "", "status": error.status, "detail": error.detail, "code": error.code, "hint": error.hint}
        return JSONResponse(body, error.status, media_type="application/problem+json")

    @app.middleware("http")
    async def door(request: Request, call_next: Any) -> Response:
        path = request.url.path
        if path.endswith(".woff2") and not world.fonts:
            return Response(status_code=404)
        if path.startswith("/v1/"):
            open_ = path in ("/v1/session", "/v1/verify", "/v1/sign-up") or path.startswith(
                ("/v1/files/", "/v1/letters")
            )
            refused = world.refuse.get(f"{request.method} {path}")
            if refused:
                return JSONResponse({"status": refused[0], **refused[1]}, refused[0])
            if not world.signed_in and not open_:
                return problem(request, ProblemError(401, "unauthorized", "Nobody is signed in.", "Sign in."))
            csrf = request.headers.get("x-csrf-token")
            if world.signed_in and request.method not in ("GET", "HEAD") and csrf != world.csrf and not open_:
                return problem(request, ProblemError(403, "csrf", "This did not come from the studio.", "Load again."))
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    _sessions(app, world)
    _photos(app, world)
    _consents(app, world)
    add_videos(app, world)
    _rest(app, world)
    app.mount("/", Studio(read_studio(studio)))
    return app


def _sessions(app: FastAPI, world: World) -> None:
    def told() -> dict[str, Any]:
        user = {
            "id": "user_a",
            "email": "you@home.example",
            "operator": world.operator,
            "has_password": world.password is not None,
        }
        sizes = ["480p"] if world.hosted else ["480p", "720p", "1080p"]
        return {
            "user": user if world.signed_in else None,
            "plan": ("free" if world.hosted else "home") if world.signed_in else None,
            "hosted": world.hosted,
            "sign_up": world.sign_up,
            "mail": world.mail,
            "csrf": world.csrf if world.signed_in else None,
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
        if asked not in ({"token": TOKEN}, {"email": "you@home.example", "password": world.password}):
            raise ProblemError(401, "sign_in", "That does not fit.", "Check both and try again.")
        world.signed_in = True
        return told()

    @app.post("/v1/sign-up", status_code=201)
    async def sign_up(request: Request) -> dict[str, Any]:
        world.asked.append(("POST", "/v1/sign-up", await request.json()))
        world.signed_in = True
        return told()

    @app.post("/v1/letters", status_code=202)
    async def letter(request: Request) -> dict[str, Any]:
        world.asked.append(("POST", "/v1/letters", await request.json()))
        return {"taken": True}

    @app.post("/v1/letters/open")
    async def open_letter(request: Request) -> dict[str, Any]:
        asked = await request.json()
        if asked["token"] != TOKEN:
            raise ProblemError(401, "letter_invalid", "This link does not hold (any more).", "Ask for a new one.")
        world.password, world.signed_in = asked["password"], True
        return told()

    @app.post("/v1/account/password")
    async def change_password(request: Request) -> dict[str, Any]:
        asked = await request.json()
        if asked.keys() != {"current", "password"} or asked["current"] != world.password:
            raise ProblemError(401, "sign_in_failed", "E-mail and password do not fit.", "Check both.")
        if len(asked["password"]) < 12 or asked["password"] == "aaaaaaaaaaaa":
            raise ProblemError(400, "password_weak", "This password cannot be used.", "Take some words.")
        world.password, world.csrf = asked["password"], "csrf-of-the-new-session"
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

    @app.get("/v1/photos")
    def kept() -> dict[str, Any]:
        return {"data": [get(id) for id in world.uploads]}

    @app.delete("/v1/photos/{id}")
    def delete(id: str) -> dict[str, Any]:
        del world.uploads[id]
        return {"id": id, "deleted": True}

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
            if asked["template"] in world.unfit:
                raise ProblemError(422, "arm_missing", "This needs an arm in the photo.", "Use another photo.")
            pictures = tuple(world.uploads[id]["picture"] for id in asked["photos"])
        finally:
            world.at_once -= 1
        return Response(wobble(pictures, 1.5 + len(asked["template"]) % 3), media_type="image/webp")


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
        async with request.form() as form:
            clip = form.get("file")
            size = 0 if clip is None or isinstance(clip, str) else len(await clip.read())
            scope, name, adult, unlike = form.getlist("scope"), form["name"], form.get("adult"), form.getlist("unlike")
            said = {"name": name, "scope": scope, "challenge": form.get("challenge"), "bytes": size, "unlike": unlike}
        world.asked.append(("POST", "/v1/consents", said))
        record = {
            "id": f"record{len(world.consents)}",
            "name": name,
            "state": "valid",
            "scope": scope,
            "expires": time.time() + 90 * 86400,
            "method": "live",
            "adult": adult,
            "weak": False,
            "created_at": time.time(),
            "unlike": unlike,
        }
        world.consents.append(record)
        return record

    @app.delete("/v1/consents/{id}")
    def revoke(id: str) -> dict[str, Any]:
        world.consents = [one for one in world.consents if one["id"] != id]
        return {"id": id, "state": "revoked"}


def _rest(app: FastAPI, world: World) -> None:
    @app.post("/v1/verify")
    async def verify(file: UploadFile) -> dict[str, Any]:
        data = await file.read()
        if data.startswith(b"nothing"):
            raise ProblemError(
                422, "verify_unsupported", "This is no film or picture.", "Use an mp4, PNG, GIF or WebP."
            )
        unsigned = {"state": "unsigned", "sentence": "No seal: nothing tells who made this file.", "mark_sought": True}
        if data.startswith(b"marked"):
            mark = {"number": "f632faf157c09a7e", "known": True, "sentence": "It was made here.", "created": ""}
            return {**unsigned, "mark": mark}
        if data.startswith(b"hurried"):
            return {**unsigned, "mark_sought": False}
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

    @app.get("/v1/account/webhook-secret")
    def webhook_secret() -> dict[str, Any]:
        world.asked.append(("GET", "/v1/account/webhook-secret", None))
        return {"secret": "whsec_" + "b" * 43}

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

    def worker(state: str, device: str, job: str | None, age: float) -> dict[str, Any]:
        said = {"id": f"worker_{device}aaaa", "queues": ["films-pocket"], "device": device}
        return {**said, "state": state, "job_id": job, "beat_age_s": age}

    @app.get("/v1/admin/overview")
    def overview() -> dict[str, Any]:
        return {
            "queues": [
                {"plan": "pro", "queue": "films-pocket", "waiting": 2, "running": 1, "oldest_wait_s": 14.0},
                {"plan": "free", "queue": "films-pocket", "waiting": 17, "running": 0, "oldest_wait_s": 312.0},
            ],
            "workers": [worker("up", "cpu", "video_bbbbbb", 1.2), worker("draining", "cuda", None, 40.0)],
            "failures": [
                {
                    "id": "video_dddddd",
                    "code": "review_failed",
                    "message": "The film did not pass its own review.",
                    "finished_at": time.time(),
                    "attempts": 1,
                }
            ],
            "ledger": {"balanced": True, "problems": []},
        }  # fmt: skip

    @app.post("/v1/admin/takedown")
    async def takedown(request: Request) -> dict[str, Any]:
        asked = await request.json()
        world.asked.append(("POST", "/v1/admin/takedown", asked))
        return {"works": [asked.get("id")], "blocked": 1, "removed": 1, "sources": [], "token": "receipt"}
