"""A real film through the queue: from the upload of a photo to the sealed film in the store."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32
from PIL import Image
from skimage.data import astronaut
from structlog.testing import capture_logs

from photoplay.errors import MediaError, PhotoplayError, RefusedError, UnavailableError
from photoplay.generation.backends.anchor import AnchorBackend
from photoplay.media import probe_video
from photoplay.pipeline import line
from photoplay.pipeline.outputs import write_film
from photoplay.safety.classifiers import Pictures
from photoplay.safety.consent.record import Terms
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import work_id
from photoplay.safety.verify import verify
from photoplay.service.accounts.principals import Principal
from photoplay.service.engine import Hub
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.jobs import checking, events
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.maker import LineMaker, open_guard
from photoplay.service.jobs.requests import JobRequest
from photoplay.service.upkeep.worker import Worker
from photoplay.types import Array, Frames, StageEvent
from tests.safety.consent.people import person
from tests.service import rowmaking
from tests.service.opening import audited, free_plan, opened, somebody, until, with_plans


class Harmless:
    """A content filter that has nothing against astronauts."""

    name = "stand-in of the tests"

    def unsafe(self, pictures: Pictures) -> Float32[Array, n]:  # type: ignore[name-defined]
        return np.zeros(len(pictures), np.float32)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates and the audit log of tests stay among the tests."""
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path_factory.getbasetemp() / "home"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with opened(tmp_path, backends=("echo", "anchor")) as found:
        yield found


@pytest.fixture
def guard(hub: Hub) -> Guard:
    return open_guard(hub.settings, Harmless())


def picture(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def upload(hub: Hub, who: Principal, data: bytes, **given: object) -> str:
    with hub.database.begin() as conn:
        id_ = rowmaking.upload(conn, who.tenant_id, time.time(), **given)
    hub.store.put(f"uploads/{who.tenant_id}/{id_}", data, "image/jpeg")
    return id_


def asked(hub: Hub, who: Principal, photo: str, **changed: object) -> Job:
    request = JobRequest.model_validate(
        {
            "photos": (photo,),
            "template": "smile",
            "consent": ("historical",),
            "seconds": 1.0,
            "size": "480p",
            "backend": "anchor",
            **changed,
        }
    )
    return jobs.submit(hub, who, request, now=time.time())


@pytest.mark.slow
def test_a_photo_becomes_a_sealed_film_in_the_store(
    hub: Hub, guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at, really = [], checking.check_film
    monkeypatch.setattr(checking, "check_film", lambda *given: (looked_at.append(given), really(*given)))
    who = somebody(hub)
    job = asked(hub, who, upload(hub, who, picture(astronaut()[:400, 20:420])))
    left: list[int] = []
    worker = Worker(hub, ("films-anchor",), LineMaker(hub, guard), leave=left.append)
    worker.start()
    try:
        after = until(hub, job.id, "completed", "failed", seconds=120)
    finally:
        worker.stop(10)
    assert left == []
    assert after.error is None
    assert [request for _, request in looked_at] == [job.request]
    assert after.film is not None
    kept = {name: tmp_path / f"{name}{Path(after.film[name]).suffix}" for name in ("key", "thumbnail", "spritesheet")}
    for name, path in kept.items():
        hub.store.fetch(after.film[name], path)
        found = verify(path)
        assert found.state == "trusted", name
        assert found.consent[0]["statement"] == "historical"
        assert found.content_filter == Harmless.name
        assert found.number
    info = probe_video(kept["key"])
    assert (info.width, info.height) == (after.film["width"], after.film["height"]) == (480, 480)
    assert info.seconds == pytest.approx(1.0, abs=0.05)
    assert after.film["report"]["passed"] is True
    assert after.film["recipe"]["template"]["name"] == "smile"
    assert (after.charged, audited(hub)) == (job.cost, [])
    told = events.follow(hub, job.id)
    percents = [one.data["percent"] for one in told if one.kind == "stage"]
    assert percents == sorted(percents)
    assert percents[-1] > 12
    assert [one.data["seq"] for one in told if one.kind == "preview"][:1] == [1]
    assert told[-1].kind == "end"
    assert len(list(hub.store.list("films"))) == 3
    assert list(hub.settings.work.iterdir()) == []


class Notes:
    """Takes progress and previews, and stops the work before the first frame where it shall."""

    def __init__(self, stop_at: str = "generate") -> None:
        self.stages: list[str] = []
        self.previews: list[bytes] = []
        self.stop_at = stop_at

    def __call__(self, event: StageEvent) -> None:
        self.stages.append(event.stage)
        if event.stage == self.stop_at:
            raise KeyError(self.stop_at)


def test_a_photo_that_is_none_is_refused_in_the_worker(hub: Hub, guard: Guard, tmp_path: Path) -> None:
    who, notes = somebody(hub), Notes()
    job = asked(hub, who, upload(hub, who, b"not a photo at all"))
    with pytest.raises(MediaError):
        LineMaker(hub, guard).make(job, tmp_path, notes, notes.previews.append)
    assert notes.stages == []


def test_an_upload_that_was_deleted_since_is_missing(hub: Hub, guard: Guard, tmp_path: Path) -> None:
    who, notes = somebody(hub), Notes()
    job = asked(hub, who, upload(hub, who, b"x"))
    gone = replace(job, request=job.request.model_copy(update={"photos": ("upload_" + "a" * 26,)}))
    stolen = replace(job, tenant_id=somebody(hub).tenant_id)
    for bad in (gone, stolen):
        with pytest.raises(NotFoundError) as found:
            LineMaker(hub, guard).make(bad, tmp_path, notes, notes.previews.append)
        assert found.value.code == "upload_missing"


def test_the_line_is_asked_for_what_the_job_says(hub: Hub, guard: Guard) -> None:
    hub = with_plans(hub, free=free_plan(backends="*"))
    who = somebody(hub, "free")
    photo, other = (upload(hub, who, picture(astronaut()[at : at + 300, :300])) for at in (0, 100))
    job = asked(
        hub,
        who,
        photo,
        photos=(photo, other),
        template="",
        prompt="they wave",
        consent=("self", "granted"),
        seed=4,
        intensity=0.5,
        speed=2.0,
        left=1,
        first=1,
        codec="av1",
        label="top-left",
    )
    request = LineMaker(hub, guard)._request(job)
    assert (request.seed, request.intensity, request.speed, request.codec) == (4, 0.5, 2.0, "av1")
    assert (request.staging.left, request.staging.first, request.staging.backdrop) == (1, 1, "auto")
    assert request.consent == ("self", "granted")
    assert request.label == hub.plans["free"].label != "top-left"
    assert len(request.photos) == 2
    single = asked(hub, who, photo, photos=(photo, other), consent=("self",), template="", prompt="they wave")
    assert LineMaker(hub, guard)._request(single).consent == ("self", "self")


def test_somebody_in_a_clip_is_replaced_where_that_is_asked(hub: Hub, guard: Guard, tmp_path: Path) -> None:
    hub = replace(hub, settings=hub.settings.model_copy(update={"backends": ("wan-animate",)}))
    frames = np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), np.uint8)
    write_film(iter([Frames(frames, 24.0)]), tmp_path / "clip.mp4", "h264")
    who = somebody(hub)
    clip = upload(hub, who, (tmp_path / "clip.mp4").read_bytes(), kind="video", seconds=1.0)
    said = {"backend": "wan-animate", "template": "", "video": clip, "consent": ("self", "granted")}
    photo = upload(hub, who, picture(astronaut()[:300, :300]))
    for asked_for in (True, False):
        request = LineMaker(hub, guard)._request(asked(hub, who, photo, **said, replace=asked_for))
        assert request.replace is asked_for
        assert request.consent == ("self", "granted")
        assert request.video is not None


def test_the_guard_of_a_hosted_service_believes_no_statement(tmp_path: Path) -> None:
    with opened(tmp_path / "open", hosted=True) as hosted, opened(tmp_path / "home") as home:
        assert open_guard(hosted.settings, Harmless()).hosted
        assert not open_guard(home.settings, Harmless()).hosted
        who = somebody(home)
        job = asked(home, who, upload(home, who, picture(astronaut()[:400, 20:420])), backend="echo")
        maker = LineMaker(home, open_guard(hosted.settings, Harmless()))
        with pytest.raises(PhotoplayError) as found:
            maker.make(job, tmp_path, lambda event: None, lambda png: None)
        assert found.value.code == "consent_unnamed"


def test_a_finished_film_is_handed_out_only_while_everybody_agrees(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    guard, who = open_guard(hub.settings, Harmless()), somebody(hub)
    record, _ = guard.records.enrol(person(1), Terms(("face",), 30), datetime.now(UTC))
    recipe = {"photos": ["a" * 64], "seed": 1}
    ledger = tmp_path / "home" / "works" / f"{work_id(recipe)}.jsonl"
    ledger.parent.mkdir()
    release = {"sha256": "1" * 64, "path": "/nowhere/film.mp4", "created": "2026-11-21T12:00:00+00:00", "records": []}
    lines = [{"recipe": recipe, "sources": []}, release]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked_for = asked(hub, who, upload(hub, who, b"x"))
    job = replace(asked_for, request=asked_for.request.model_copy(update={"consents": (record.id,)}))
    film, maker = {"recipe": recipe, "sha256": "1" * 64}, LineMaker(hub, guard)

    def refusal(film: dict[str, object] = film) -> str:
        with pytest.raises(RefusedError) as refused:
            maker.still_agreed(job, film)
        return refused.value.code

    maker.still_agreed(job, film)
    assert refusal(film | {"sha256": "2" * 64}) == "consent_revoked"
    assert refusal(film | {"recipe": recipe | {"seed": 2}}) == "consent_revoked"  # erased: nobody knows it any more
    guard.blocklist.add(["a" * 64], [])
    assert refusal() == "photo_blocked"
    (tmp_path / "home" / "blocklist" / "takedown.sha256").write_text("")
    maker.still_agreed(job, film)
    kept = ledger.read_text()
    ledger.write_text("torn\n")
    assert refusal() == "consent_revoked"
    ledger.write_text(kept)
    guard.records.revoke(record.id, "", datetime.now(UTC))
    assert refusal() == "consent_revoked"
    job = asked_for  # at home nobody names records: those that admission found are in the ledger
    maker.still_agreed(job, film)
    later = release | {"records": [record.id]}
    ledger.write_text("".join(json.dumps(line) + "\n" for line in ({"recipe": recipe, "sources": []}, later)))
    assert refusal() == "consent_revoked"
    lines.insert(1, later | {"sha256": "3" * 64})  # the same film, made while another record held
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    maker.still_agreed(job, film)


def test_models_are_read_before_the_first_film_and_what_is_missing_stops_nothing(
    hub: Hub, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[str] = []
    rehearsed: list[str] = []

    class Cold:
        def __init__(self, name: str, needs_gpu: bool = False) -> None:
            self.name, self.capabilities = name, replace(AnchorBackend.capabilities, needs_gpu=needs_gpu)

    class Backend(Cold):
        def warm(self) -> None:
            if self.name == "absent":
                raise UnavailableError("model_missing", "It is not there.", "Pull it.")
            warmed.append(self.name)

    found = {
        "first": Backend("first"),
        "absent": Backend("absent"),
        "cold": Cold("cold"),
        "last": Backend("last", True),
    }
    made = [*found, "unknown"]
    found["anchor"] = Cold("anchor")
    monkeypatch.setattr("photoplay.generation.backends.get_backend", found.__getitem__)
    monkeypatch.setattr("photoplay.pipeline.rehearsal.rehearse", lambda backend: rehearsed.append(backend.name))
    with capture_logs() as logged:
        LineMaker(hub, guard).warm(made)
    assert warmed == ["first", "last"]
    assert rehearsed == ["first", "cold", "anchor"]  # a model on a graphics card paints over the anchor
    told = [(one["event"], one["backend"], one["code"]) for one in logged]
    assert told == [("not_warmed", "absent", "model_missing"), ("not_warmed", "unknown", "KeyError")]


@pytest.mark.slow
def test_who_lends_its_graphics_card_seals_nothing(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    guard, who, folder = open_guard(hub.settings, Harmless()), somebody(hub), tmp_path / "work"
    (folder / "resume").mkdir(parents=True)
    (folder / "resume" / "kept").write_text("by the first process")
    job = asked(hub, who, upload(hub, who, picture(astronaut()[:400, 20:420])))
    written, really = [], line.write_film
    monkeypatch.setattr(line, "write_film", lambda *given: (really(*given), written.append(given[1].stat().st_size)))
    LineMaker(hub, guard).lend(job, folder)
    assert len(written) == 1  # it went through the whole film
    assert guard.ledger.survey() == ((), ())
    assert [path.name for path in sorted(folder.rglob("*"))] == ["resume", "kept"]
    assert "lent" in str(list(guard.audit.entries())[-1])
