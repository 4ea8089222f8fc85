"""The steps of the workflow, one at a time and as if they were killed anywhere: without a queue."""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from photoplay.errors import PhotoplayError, RefusedError, UnavailableError
from photoplay.service.engine import Hub
from photoplay.service.ground.tables import consents
from photoplay.service.ground.tables import jobs as rows
from photoplay.service.jobs import events, workflow
from photoplay.service.jobs import lifecycle as jobs
from photoplay.service.jobs.job import Job, film_key, preview_key
from photoplay.service.jobs.maker import Film
from photoplay.service.jobs.workflow import Work
from photoplay.types import Progress
from tests.service import hubs
from tests.service.makers import SimulatedMaker, content
from tests.service.opening import SMILE, audited, opened, somebody, told, until, wait_for

NOW = 1_790_000_000.0
hub, template = hubs.hub, hubs.template


@dataclass
class Scene:
    """A job in the queue and two workers that may make its film."""

    hub: Hub
    maker: SimulatedMaker
    left: list[str] = field(default_factory=list)

    def worker(self, name: str = "worker_a") -> Work:
        return Work(self.hub, self.maker, name, self.left.append)

    def job(self, prompt: str = "") -> Job:
        request = SMILE.model_copy(update={"prompt": prompt})
        return jobs.submit(self.hub, somebody(self.hub, amount=100), request, now=NOW)


@pytest.fixture
def scene(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(workflow, "PAUSE", 0.0)
    monkeypatch.setattr(workflow, "PATIENCE", 0.2)
    return Scene(hub, SimulatedMaker(20))


def film_of(scene: Scene, id_: str) -> bytes:
    film = told(scene.hub, id_).film
    assert film is not None
    assert set(scene.hub.store.list(f"films/{told(scene.hub, id_).tenant_id}")) == {
        film["key"],
        film["thumbnail"],
        film["spritesheet"],
    }
    return scene.hub.store.get(film["key"])


def test_a_film_is_made_kept_finished_and_cleaned(scene: Scene) -> None:
    job, work = scene.job(), scene.worker()
    assert work.make(job.id, 1) == "made"
    running = told(scene.hub, job.id)
    assert (running.state, running.attempt, running.worker_id, running.film) == ("running", 1, "worker_a", None)
    assert work.keep(job.id, 1) == "kept"
    assert told(scene.hub, job.id).film is None
    assert work.finish(job.id, 1) == "over"
    assert work.clean(job.id, 1) == "over"
    after = told(scene.hub, job.id)
    assert (after.state, after.percent, after.charged, after.error) == ("completed", 100, job.cost, None)
    assert film_of(scene, job.id) == content(job)
    assert after.film is not None
    assert (after.film["bytes"], after.film["seconds"]) == (len(content(job)), 1.0)
    assert not (scene.hub.settings.work / job.id).exists()
    assert audited(scene.hub) == []
    kinds = [one.kind for one in events.follow(scene.hub, job.id)]
    assert kinds[:2] == ["state", "state"]
    assert kinds[-2:] == ["state", "end"]


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("step", ["make", "keep", "finish", "clean"])
def test_every_step_may_run_again(scene: Scene, step: str, times: int) -> None:
    job, work = scene.job(), scene.worker()
    for name in ("make", "keep", "finish", "clean"):
        for _ in range(times if name == step else 1):
            getattr(work, name)(job.id, 1)
    assert told(scene.hub, job.id).state == "completed"
    assert film_of(scene, job.id) == content(job)
    assert len(scene.maker.made) == 1  # what lies finished in the folder is not made again
    assert audited(scene.hub) == []


def test_another_machine_makes_the_film_again(scene: Scene) -> None:
    job = scene.job()
    assert scene.worker().make(job.id, 1) == "made"
    shutil.rmtree(scene.hub.settings.work)
    other = scene.worker("worker_b")
    assert other.keep(job.id, 1) == "lost"
    assert other.make(job.id, 1) == "made"
    assert (other.keep(job.id, 1), other.finish(job.id, 1)) == ("kept", "over")
    assert told(scene.hub, job.id).film["key"].endswith("/1/2/film.mp4")  # type: ignore[index]
    assert len(scene.maker.made) == 2


def test_two_that_hold_the_same_job_hand_out_one_film(scene: Scene) -> None:
    """A worker that was taken for dead goes on behind the back of its successor."""
    job, first, second = scene.job(), scene.worker("worker_a"), scene.worker("worker_b")
    assert first.make(job.id, 1) == "made"
    assert first.keep(job.id, 1) == "kept"
    shutil.rmtree(scene.hub.settings.work)
    assert second.make(job.id, 1) == "made"
    assert first.finish(job.id, 1) == "over"
    completed = told(scene.hub, job.id)
    assert second.keep(job.id, 1) == "over"
    assert second.finish(job.id, 1) == "over"
    second.clean(job.id, 1)
    assert told(scene.hub, job.id) == completed
    assert film_of(scene, job.id) == content(job)
    assert audited(scene.hub) == []


@pytest.mark.parametrize(("prompt", "code"), [("fails scene", "face_missing"), ("fails refused", "photo_blocked")])
def test_a_refusal_ends_the_job_and_gives_the_credits_back(scene: Scene, prompt: str, code: str) -> None:
    job, work = scene.job(prompt), scene.worker()
    assert work.make(job.id, 1) == "over"
    work.clean(job.id, 1)
    after = told(scene.hub, job.id)
    assert (after.state, after.attempt, after.charged, after.film) == ("failed", 1, 0, None)
    assert after.error is not None
    assert (after.error["code"], set(after.error)) == (code, {"code", "message", "hint"})
    assert list(scene.hub.store.list("films")) == []
    assert not (scene.hub.settings.work / job.id).exists()
    assert audited(scene.hub) == []


def test_a_bug_is_tried_three_times_and_told_without_its_words(scene: Scene) -> None:
    job, work = scene.job("fails bug"), scene.worker()
    with capture_logs() as logged:
        assert [work.make(job.id, 1) for _ in range(3)] == ["again", "again", "over"]
    assert [(one["event"], one["job_id"], one["attempt"]) for one in logged] == [
        ("attempt_failed", job.id, attempt) for attempt in (1, 2, 3)
    ]
    after = told(scene.hub, job.id)
    assert (after.state, after.attempt) == ("failed", 3)
    assert after.error is not None
    assert after.error["code"] == "internal_error"
    assert "bug" not in str(after.error)
    assert audited(scene.hub) == []


def test_a_job_that_kills_its_workers_is_put_aside(scene: Scene) -> None:
    job = scene.job()
    with scene.hub.database.begin() as conn:
        conn.execute(update(rows).values(state="running", attempt=3))
    assert scene.worker().make(job.id, 1) == "over"
    after = told(scene.hub, job.id)
    assert (after.state, after.error and after.error["code"]) == ("failed", "job_poisoned")
    assert scene.maker.begun == []
    assert audited(scene.hub) == []


def test_what_is_over_before_it_begins_is_not_made(scene: Scene) -> None:
    cancelled, deleted, asked = scene.job(), scene.job(), scene.job()
    work = scene.worker()
    with scene.hub.database.begin() as conn:
        conn.execute(update(rows).where(rows.c.id == cancelled.id).values(state="cancelled"))
        conn.execute(update(rows).where(rows.c.id == deleted.id).values(deleted_at=NOW))
        conn.execute(update(rows).where(rows.c.id == asked.id).values(cancel_at=NOW))
    for job in (cancelled, deleted, asked):
        assert work.make(job.id, 1) == "over"
    assert work.make(asked.id, 2) == "over"
    assert work.make("video_nothing", 1) == "over"
    assert told(scene.hub, asked.id).state == "cancelled"
    assert scene.maker.begun == []


def test_a_cancellation_between_make_and_finish_holds(scene: Scene) -> None:
    job, work = scene.job(), scene.worker()
    work.make(job.id, 1)
    work.keep(job.id, 1)
    with scene.hub.database.begin() as conn:
        conn.execute(update(rows).values(cancel_at=NOW))
    assert work.finish(job.id, 1) == "over"
    work.clean(job.id, 1)
    assert told(scene.hub, job.id).state == "cancelled"
    assert list(scene.hub.store.list("films")) == []
    assert audited(scene.hub) == []


@pytest.mark.parametrize("last", ["make", "keep"])
def test_consent_that_is_withdrawn_after_a_film_was_made_holds(scene: Scene, last: str) -> None:
    """The worker that made it died; whoever takes over finds it finished."""
    who = somebody(scene.hub, amount=100)
    with scene.hub.database.begin() as conn:
        conn.execute(consents.insert().values(id="ada", tenant_id=who.tenant_id, name="", created_at=NOW))
    job = jobs.submit(scene.hub, who, SMILE.model_copy(update={"consents": ("ada",)}), now=NOW)
    scene.worker("worker_a").make(job.id, 1)
    if last == "keep":
        scene.worker("worker_a").keep(job.id, 1)
    with scene.hub.database.begin() as conn:
        conn.execute(update(consents).values(revoked_at=NOW + 1))
    check_refused(scene, job, "consent_revoked")


def test_what_the_maker_refuses_after_all_is_not_handed_out(scene: Scene) -> None:
    job = scene.job()
    scene.worker("worker_a").make(job.id, 1)
    scene.maker.withdrawn = RefusedError("photo_blocked", "It was taken down.", "Use another photo.")
    check_refused(scene, job, "photo_blocked")


def check_refused(scene: Scene, job: Job, code: str) -> None:
    other = scene.worker("worker_b")
    assert other.make(job.id, 1) == "made"
    assert (other.keep(job.id, 1), other.finish(job.id, 1), other.finish(job.id, 1)) == ("kept", "over", "over")
    other.clean(job.id, 1)
    after = told(scene.hub, job.id)
    assert (after.state, after.error and after.error["code"], after.charged) == ("failed", code, 0)
    assert len(scene.maker.made) == 1
    assert list(scene.hub.store.list("films")) == []
    assert not (scene.hub.settings.work / job.id).exists()
    assert audited(scene.hub) == []


def test_what_comes_after_a_film_was_deleted_is_cleaned_away(scene: Scene) -> None:
    """Its worker did not know yet, and went on telling how far it is."""
    job, other, work = scene.job(), scene.job(), scene.worker()
    for made in (job, other):
        work.make(made.id, 1)
    assert jobs.forget(scene.hub, job.id, NOW)
    scene.hub.store.put(preview_key(job), b"a face", "image/png")
    scene.hub.store.put(film_key(job, "film.mp4"), b"a film", "video/mp4")
    work.clean(job.id, 1)
    assert list(scene.hub.store.list("films")) == [preview_key(other)]


def test_a_running_film_is_cancelled_within_a_second(scene: Scene) -> None:
    job, work = scene.job("takes 8000"), scene.worker()
    thread = threading.Thread(target=work.make, args=(job.id, 1))
    thread.start()
    until(scene.hub, job.id, "running")
    with scene.hub.database.begin() as conn:
        conn.execute(update(rows).values(cancel_at=NOW))
    until(scene.hub, job.id, "cancelled", seconds=1.5)
    thread.join(2)
    assert not thread.is_alive()
    assert scene.maker.made == []
    assert audited(scene.hub) == []


def test_a_deleted_film_is_stopped_and_leaves_nothing(scene: Scene) -> None:
    job, work = scene.job("takes 8000"), scene.worker()
    thread = threading.Thread(target=lambda: (work.make(job.id, 1), work.clean(job.id, 1)))
    thread.start()
    until(scene.hub, job.id, "running")
    assert jobs.forget(scene.hub, job.id, NOW)
    thread.join(3)
    assert not thread.is_alive()
    assert list(scene.hub.store.list("films")) == []
    assert not (scene.hub.settings.work / job.id).exists()
    assert audited(scene.hub) == []


def test_a_worker_whose_job_was_taken_over_stops(scene: Scene) -> None:
    job, first = scene.job("takes 8000"), scene.worker("worker_a")
    thread = threading.Thread(target=first.make, args=(job.id, 1))
    thread.start()
    until(scene.hub, job.id, "running")
    with scene.hub.database.begin() as conn:
        conn.execute(update(rows).values(attempt=2, worker_id="worker_b"))
    thread.join(3)
    assert not thread.is_alive()
    assert told(scene.hub, job.id).state == "running"


class Stopped:
    """A maker that gives no sign of progress."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def make(self, job: Job, folder: Path, progress: Progress, preview: Callable[[bytes], None]) -> Film:
        self.go.wait(30)
        raise PhotoplayError("let_go", "It was let go.", "")

    def still_agreed(self, job: Job, film: dict[str, object]) -> None:
        raise AssertionError("there is no film")

    def warm(self, backends: Collection[str]) -> None:
        raise AssertionError("it is no worker")


def test_a_film_that_stands_still_fails_and_its_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from photoplay.service.jobs import watching

    monkeypatch.setattr(watching, "GRACE", 0.3)
    with opened(tmp_path, step_minutes=0.4 / 60) as hub:
        maker, left = Stopped(), threading.Event()
        job = jobs.submit(hub, somebody(hub), SMILE, now=NOW)
        thread = threading.Thread(target=Work(hub, maker, "worker_a", lambda why: left.set()).make, args=(job.id, 1))
        thread.start()
        after = until(hub, job.id, "failed", seconds=5)
        assert after.error is not None
        assert after.error["code"] == "step_late"
        assert left.wait(5)
        maker.go.set()
        thread.join(5)
        assert told(hub, job.id) == after
        assert audited(hub) == []


def test_a_store_that_is_away_for_a_while_costs_an_attempt_only(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job, work, real = scene.job(), scene.worker(), scene.maker.make

    def away(*given: object) -> Film:
        monkeypatch.setattr(scene.maker, "make", real)
        raise UnavailableError("storage_down", "The store is away.", "Try again.")

    monkeypatch.setattr(scene.maker, "make", away)
    assert work.make(job.id, 1) == "again"
    assert work.make(job.id, 1) == "made"
    assert told(scene.hub, job.id).attempt == 2


def test_a_disk_that_is_full_is_the_operators_business(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    job, work = scene.job(), scene.worker()

    def full(*given: object) -> Film:
        raise UnavailableError("disk_full", "The disk is full.", "Make room.")

    monkeypatch.setattr(scene.maker, "make", full)
    with capture_logs() as logged:
        assert [work.make(job.id, 1) for _ in range(3)] == ["again", "again", "over"]
    assert [(one["log_level"], one["code"]) for one in logged] == [("error", "disk_full")] * 3
    after = told(scene.hub, job.id)
    assert after.error is not None
    assert after.error["code"] == "internal_error"


def test_a_folder_that_another_process_still_holds_is_left_alone(scene: Scene) -> None:
    job, work = scene.job(), scene.worker()
    folder = scene.hub.settings.work / job.id
    folder.mkdir(parents=True)
    (folder / "film.mp4").write_bytes(b"half of the other's")
    with (folder / workflow.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert work.make(job.id, 1) == "made"
        assert (folder / "film.mp4").read_bytes() == b"half of the other's"
        assert work.keep(job.id, 1) == "kept"
    work.finish(job.id, 1)
    work.clean(job.id, 1)
    assert film_of(scene, job.id) == content(job)
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["cut", "gone", "nonsense", "round"])
def test_half_a_film_is_never_kept(scene: Scene, damage: str) -> None:
    job, work = scene.job(), scene.worker()
    work.make(job.id, 1)
    folder = scene.hub.settings.work / job.id
    if damage == "cut":
        (folder / "film.mp4").write_bytes(b"fil")
    elif damage == "gone":
        (folder / "thumbnail.png").unlink()
    elif damage == "nonsense":
        (folder / workflow.RESULT).write_text('{"round": 1, "film"')
    else:
        text = (folder / workflow.RESULT).read_text()
        (folder / workflow.RESULT).write_text(text.replace('"round": 1', '"round": 7'))
    assert work.keep(job.id, 1) == "lost"
    assert list(scene.hub.store.list("films")) == [f"films/{job.tenant_id}/{job.id}/1/preview.png"]
    assert work.make(job.id, 1) == "made"
    assert work.keep(job.id, 1) == "kept"


def test_a_resumed_job_finds_its_folder(scene: Scene) -> None:
    who = somebody(scene.hub)
    job = jobs.submit(scene.hub, who, SMILE.model_copy(update={"prompt": "takes 8000"}), now=NOW)
    work = scene.worker()
    thread = threading.Thread(target=lambda: (work.make(job.id, 1), work.clean(job.id, 1)))
    thread.start()
    until(scene.hub, job.id, "running")
    kept = scene.hub.settings.work / job.id / "kept.bin"
    wait_for(kept.parent.is_dir)
    kept.write_bytes(b"a window that was denoised")
    jobs.cancel(scene.hub, who, job.id, NOW)
    thread.join(3)
    assert told(scene.hub, job.id).state == "cancelled"
    jobs.resume(scene.hub, who, job.id, NOW)
    with scene.hub.database.begin() as conn:
        conn.execute(update(rows).values(request=SMILE.model_dump(mode="json")))
    assert work.make(job.id, 1) == "over"
    assert work.make(job.id, 2) == "made"
    assert kept.read_bytes() == b"a window that was denoised"
    assert (work.keep(job.id, 2), work.finish(job.id, 2)) == ("kept", "over")
    assert told(scene.hub, job.id).state == "completed"
    assert audited(scene.hub) == []
