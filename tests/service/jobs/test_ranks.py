"""Films that several processes make together: one film or one clear error, and nobody is left."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import CancelledError, PhotoplayError
from photoplay.generation.backends.open_weights import parallel
from photoplay.service.ground import ids
from photoplay.service.jobs import ranks
from photoplay.service.jobs.job import Job
from photoplay.service.jobs.ranks import RankedMaker
from photoplay.service.jobs.requests import JobRequest
from photoplay.types import StageEvent
from photoplay.weights import store
from tests.generation.open_weights import checkpoints
from tests.service import lenders
from tests.service.makers import SimulatedMaker, content
from tests.service.opening import wait_for


def job(prompt: str = "", backend: str = "wan-t2v") -> Job:
    request = JobRequest(template="smile", seconds=1.0, backend=backend, prompt=prompt)
    return Job(
        id=ids.new_id("video"), tenant_id="somebody", plan="ultra", queue=f"films-{backend}", priority=1, request=request,
        state="running", stage="", percent=0, attempt=1, round=1, worker_id="worker", cost=1, charged=None, error=None,
        film=None, webhook=None, remixed_from=None, cancel_at=None, created_at=0.0, queued_at=0.0, started_at=0.0,
        finished_at=None, expires_at=None, deleted_at=None,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Processes are forked from one that has imported everything, except where the environment or torch matters."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(ranks, "START", ForkServerContext)
        ForkServerContext().set_forkserver_preload(["tests.service.lenders"])


@pytest.fixture(scope="module")
def maker() -> Iterator[RankedMaker]:
    made = RankedMaker(SimulatedMaker(10), 2, build=lenders.lending)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def pids(folder: Path) -> list[int]:
    """The processes that began with the film of this folder."""
    return [int((folder / f"0-{rank}.pid").read_text()) for rank in range(2)]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")


def make(maker: RankedMaker, folder: Path, prompt: str, progress: Callable[[StageEvent], None] | None = None) -> Job:
    asked = job(prompt)
    film = maker.make(asked, folder, progress or (lambda event: None), lambda png: None)
    assert film.path.read_bytes() == content(asked)
    return asked


def test_films_are_made_together_by_processes_that_stay(maker: RankedMaker, tmp_path: Path) -> None:
    told: list[object] = []
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    asked = job()
    film = maker.make(asked, folders[0], told.append, told.append)
    assert film.path == folders[0] / "film.mp4"
    assert film.path.read_bytes() == content(asked)
    begun = StageEvent(
        "admit", 0, 1
    )  # told again and again until they are there, so that it can be cancelled meanwhile
    seen = [one for one in dict.fromkeys(told) if one != begun]
    assert seen == [b"\x89PNG preview", *(StageEvent("denoise", done, 4) for done in range(4))]
    with pytest.raises(PhotoplayError) as refused:  # all of them alike: nobody waits for anybody
        make(maker, folders[1], "all fail")
    assert refused.value.code == "review_failed"
    make(maker, folders[2], "")
    assert pids(folders[0]) == pids(folders[1]) == pids(folders[2])
    assert not any(is_gone(pid) for pid in pids(folders[2]))


@pytest.mark.parametrize(
    ("prompt", "code"), [("dies 0", "gpu_process_ended"), ("dies 1", "gpu_process_ended"), ("fails 1", "review_failed")]
)
def test_one_that_fails_ends_them_all(
    maker: RankedMaker, folder: Path, tmp_path: Path, prompt: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "STRAGGLE", 0.3)
    with pytest.raises(PhotoplayError) as failed:
        make(maker, folder, prompt)
    assert failed.value.code == code
    assert all(is_gone(pid) for pid in pids(folder))
    assert not (folder / "film.mp4").exists()
    (tmp_path / "next").mkdir()
    make(maker, tmp_path / "next", "")  # others go on


def test_a_bug_in_one_of_them_is_one(maker: RankedMaker, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "STRAGGLE", 0.3)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        make(maker, folder, "breaks 0")
    assert all(is_gone(pid) for pid in pids(folder))


def test_a_cancelled_film_ends_them_although_they_hang(maker: RankedMaker, folder: Path) -> None:
    seen: list[StageEvent] = []

    def progress(event: StageEvent) -> None:
        if event in seen and event.done == 3:  # nothing new is told: it is asked whether to go on
            raise CancelledError()
        seen.append(event)

    with pytest.raises(CancelledError):
        make(maker, folder, "hangs 1", progress)
    assert all(is_gone(pid) for pid in pids(folder))
    assert not (folder / "film.mp4").exists()


def test_a_process_that_died_meanwhile_is_replaced_at_the_next_try(maker: RankedMaker, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
    make(maker, tmp_path / "first", "")
    os.kill(pids(tmp_path / "first")[1], signal.SIGKILL)
    wait_for(lambda: is_gone(pids(tmp_path / "first")[1]))
    with pytest.raises(PhotoplayError) as failed:
        make(maker, tmp_path / "second", "")
    assert failed.value.code == "gpu_process_ended"  # a passing one: the workflow tries again
    make(maker, tmp_path / "third", "")


def test_who_is_through_waits_for_the_first_and_ruins_nothing(
    maker: RankedMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "STRAGGLE", 0.1)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    make(maker, tmp_path / "first", "lender first")
    make(maker, tmp_path / "second", "lender fails")


def test_processes_meet_by_a_file_of_this_user_alone(folder: Path) -> None:
    """torch's own port is open to the whole network."""
    maker = RankedMaker(SimulatedMaker(10), 2, build=lenders.lending)
    try:
        make(maker, folder, "")
        (meeting,) = {(folder / f"{rank}.meeting").read_text() for rank in range(2)}
        assert stat.S_IMODE(Path(meeting).parent.stat().st_mode) == 0o700
    finally:
        maker.close()
    assert not Path(meeting).parent.exists()


def test_what_cannot_be_shared_is_made_by_the_worker_itself(folder: Path) -> None:
    alone = SimulatedMaker(10)
    made = RankedMaker(alone, 2, build=lenders.lending)
    asked = job(backend="echo")
    made.make(asked, folder, lambda event: None, lambda png: None)
    assert alone.made == [asked.id]
    assert list(folder.glob("*.pid")) == []


WORKER = """
import sys, threading
from pathlib import Path
from photoplay.service.jobs.ranks import RankedMaker
from tests.service import lenders
from tests.service.jobs.test_ranks import job
from tests.service.makers import SimulatedMaker

if __name__ == "__main__":
    maker = RankedMaker(SimulatedMaker(10), 2, build=lenders.lending)
    maker.make(job("hangs 1"), Path(sys.argv[1]), lambda event: None, lambda png: None)
"""


def test_nobody_outlives_a_worker_that_is_killed(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    root = str(Path(__file__).parents[3])
    worker = subprocess.Popen([sys.executable, str(script), str(folder)], env={**os.environ, "PYTHONPATH": root})
    try:
        wait_for(lambda: len(list(folder.glob("2-*.pid"))) == 2, 60)
        assert not any(is_gone(pid) for pid in pids(folder))
    finally:
        worker.kill()
        worker.wait(10)
    began = time.monotonic()
    wait_for(lambda: all(is_gone(pid) for pid in pids(folder)))
    assert time.monotonic() - began < 5
    assert not (folder / "film.mp4").exists()


@pytest.mark.slow
def test_two_processes_make_the_film_that_one_makes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every forward's tokens are split over two processors: to the bit, as each row is computed as before."""
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    store.add("tiny", checkpoints.wan_t2v(tmp_path / "tiny"), backend="a test's", licence="none")
    maker = RankedMaker(SimulatedMaker(10), 2, build=lenders.wan)
    try:
        maker.make(job(), folder, lambda event: None, lambda png: None)
    finally:
        maker.close()
    alone = lenders.wan_film(lambda event: None)
    assert alone.std() > 1
    for name in ("frames", "lent-1"):
        assert np.abs(np.load(folder / f"{name}.npy").astype(int) - alone).max() <= 1


def test_the_backends_that_can_be_shared_are_those_that_diffusers_can_split() -> None:
    import diffusers

    from photoplay.generation.backends import get_backend, list_backends

    def can(name: str) -> bool:
        signatures = [getattr(diffusers, one)._get_signature_types() for one in pipelines(name)]
        return bool(signatures) and all(
            any(getattr(kind, "_cp_plan", None) for kind in types.get("transformer", ())) for types in signatures
        )

    def pipelines(name: str) -> set[str]:
        return set(getattr(get_backend(name), "pipelines", {}).values())

    assert frozenset(name for name in list_backends() if can(name)) == parallel.SHARED
