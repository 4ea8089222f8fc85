"""The service as people start it: processes, signals, a real film over HTTP."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from skimage.data import astronaut

PATIENCE = 100.0
UNFINISHED = re.compile(r".*(\.part|\.tmp|#\d+)|\.(fetching|check|backup)-.*")


@dataclass
class Serving:
    """A running ``photoplay serve`` and a browser that is signed in to it."""

    process: subprocess.Popen[str]
    home: Path
    client: httpx.Client
    csrf: str = ""
    seen: list[int] = field(default_factory=list)

    def workers(self) -> list[int]:
        """The worker processes of this serve, those that run now."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if int((place / "stat").read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    found.append(int(place.name))
        workers = [pid for pid in found if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
        self.seen += [pid for pid in found if pid not in self.seen]
        return workers

    def ask(self, **fields: str) -> dict[str, Any]:
        """Asks for a film of the astronaut."""
        picture = io.BytesIO()
        Image.fromarray(astronaut()[:400, 20:420]).save(picture, "JPEG", quality=92)
        answer = self.client.post(
            "/v1/videos",
            headers={"x-csrf-token": self.csrf},
            files={"input_reference": ("portrait.jpg", picture.getvalue(), "image/jpeg")},
            data={
                "template": "nod",
                "consent": "fictional",
                "model": "anchor",
                "size": "480p",
                "seconds": "1",
                **fields,
            },
        )
        assert answer.status_code == 200, answer.text
        asked: dict[str, Any] = answer.json()
        return asked

    def watch(self, id_: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of a job until its end."""
        kind = ""
        with self.client.stream("GET", f"/v1/jobs/{id_}/events", timeout=PATIENCE) as stream:
            assert stream.status_code == 200
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    yield kind, json.loads(line[6:])
                    if kind == "end":
                        return

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with started(tmp_path) as running:
        yield running


@contextmanager
def started(folder: Path) -> Iterator[Serving]:
    """A service at home in ``folder``, with a browser that came by the printed link; nothing of it is left afterwards."""
    home = folder / "home"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PHOTOPLAY_")},
        "PHOTOPLAY_HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "photoplay", "serve", "--port", port, "--backend", "anchor"]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    running = Serving(process, home, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
    try:
        assert process.stdout is not None
        link = re.search(r"/sign-in#(\S+)", process.stdout.readline())
        assert link, (folder / "log").read_text()
        signed_in = running.client.post("/v1/session", json={"token": link[1]})
        assert signed_in.status_code == 200, signed_in.text
        running.csrf = signed_in.json()["csrf"]
        assert running.client.post("/v1/session", json={"token": link[1]}).status_code == 401, "a link works once"
        yield running
    finally:
        for pid in [*running.workers(), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)
        running.client.close()
        assert process.stdout is not None
        process.stdout.close()


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def verified(serving: Serving, id_: str, tmp_path: Path) -> dict[str, Any]:
    """What ``photoplay verify`` tells of a film that is fetched."""
    film = tmp_path / f"{id_}.mp4"
    film.write_bytes(serving.client.get(f"/v1/videos/{id_}/content").content)
    command = [sys.executable, "-m", "photoplay", "verify", str(film), "--json"]
    environment = {**os.environ, "PHOTOPLAY_HOME": str(serving.home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_film_from_the_link_to_the_seal_although_a_worker_is_killed(serving: Serving, tmp_path: Path) -> None:
    (first,) = wait_for_workers(serving)
    asked = serving.ask()
    killed, attempts, stages = False, set(), set()
    for kind, data in serving.watch(asked["id"]):
        if kind == "stage":
            attempts.add(data["attempt"])
            stages.add(data["stage"])
            if data["stage"] == "generate" and not killed:
                os.kill(first, signal.SIGKILL)
                killed = True
        if kind == "end":
            assert data["state"] == "completed"
    assert killed
    assert attempts == {1, 2}
    assert {"admit", "perceive", "generate"} <= stages
    job = serving.client.get(f"/v1/jobs/{asked['id']}").json()
    assert (job["state"], job["attempt"], job["round"]) == ("completed", 2, 1)
    assert job["film"]["report"]["passed"]
    told = verified(serving, asked["id"], tmp_path)
    assert told["state"] == "trusted"
    assert serving.client.get(f"/v1/videos/{asked['id']}/content?variant=thumbnail").content[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(list((serving.home / "works").glob("*.jsonl"))) == 1, "one film, although it was begun twice"

    (second,) = serving.workers()
    assert second != first
    assert serving.stop() == 0
    assert not [pid for pid in serving.seen if runs(pid)], "a process is left"
    left = [path for path in serving.home.rglob("*") if UNFINISHED.fullmatch(path.name)]
    assert left == []
    assert [path for path in (serving.home / "service" / "work").rglob("*") if path.is_file()] == []


def wait_for_workers(serving: Serving) -> list[int]:
    """The workers, once one of them says that it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if serving.client.get("/readyz").json()["workers"]:
            return serving.workers()
        time.sleep(0.1)
    pytest.fail("no worker came up")


def begin_film(serving: Serving) -> dict[str, Any]:
    """A film that was asked for, as soon as its frames are made."""
    wait_for_workers(serving)
    asked = serving.ask()
    for kind, data in serving.watch(asked["id"]):
        if kind == "stage" and data["stage"] == "generate":
            break
    return asked


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_who_stops_the_service_waits_for_the_film_in_work(serving: Serving) -> None:
    begin_film(serving)
    serving.process.send_signal(signal.SIGTERM)
    time.sleep(1.0)
    with pytest.raises(httpx.TransportError):
        serving.client.get("/healthz")
    assert serving.process.wait(PATIENCE) == 0
    with closing(sqlite3.connect(serving.home / "service" / "photoplay.db")) as database:
        assert database.execute("SELECT state, attempt FROM jobs").fetchall() == [("completed", 1)]
        assert {state for (state,) in database.execute("SELECT state FROM workers")} == {"gone"}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_who_is_in_a_hurry_leaves_the_film_to_the_next_start_and_a_killed_service_leaves_no_worker(
    tmp_path: Path,
) -> None:
    with started(tmp_path) as serving:
        asked = begin_film(serving)
        serving.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        serving.process.send_signal(signal.SIGTERM)
        assert serving.process.wait(15) == 0
        assert not [pid for pid in serving.seen if runs(pid)]
    with started(tmp_path) as serving:
        *_, last = serving.watch(asked["id"])
        assert last == ("end", {"state": "completed"})
        assert serving.client.get(f"/v1/jobs/{asked['id']}").json()["attempt"] == 2
        workers = serving.workers()
        serving.process.kill()
        deadline = time.monotonic() + 20
        while any(runs(pid) for pid in workers):
            assert time.monotonic() < deadline, "a worker outlived its service"
            time.sleep(0.1)
