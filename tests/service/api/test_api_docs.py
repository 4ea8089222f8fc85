"""Every example of docs/service/api.md runs against a real server as it is written."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from photoplay import animate
from photoplay.pipeline.inputs import FilmOptions
from photoplay.service.api.problems import STATUSES
from photoplay.service.api.shapes import VideoAsk
from photoplay.service.ground.tables import jobs
from photoplay.types import Staging
from tests.media import clips
from tests.service.stage import FILM, Stage, jpeg, open_stage, served

PAGE = (Path(__file__).parents[3] / "docs" / "service" / "api.md").read_text(encoding="utf-8")
pytestmark = [pytest.mark.timeout(60), pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@contextmanager
def working(stage: Stage) -> Iterator[None]:
    """Somebody makes every film that waits."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            with stage.hub.database.read() as conn:
                waiting = list(conn.execute(select(jobs.c.id).where(jobs.c.state == "queued")).scalars())
            for id_ in waiting:
                stage.finish(id_)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "me.jpg").write_bytes(jpeg(11))
    (tmp_path / "dance.mp4").write_bytes(clips.video(clips.greys(12)))
    (tmp_path / "speech.wav").write_bytes(clips.sound(clips.tone(220.0)))
    monkeypatch.chdir(tmp_path)
    with open_stage(tmp_path / "data") as stage, served(stage.app) as found, working(stage):
        monkeypatch.setenv("PHOTOPLAY_URL", found)
        monkeypatch.setenv("PHOTOPLAY_KEY", stage.someone().token)
        yield found


@pytest.mark.parametrize("block", blocks("python"), ids=["openai", "httpx", "uploads"])
def test_python(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], block: str) -> None:
    exec(compile(block, "docs/service/api.md", "exec"), {})
    said = capsys.readouterr().out
    if "openai" in block:
        assert (tmp_path / "film.mp4").read_bytes() == FILM
        assert said == ""
    elif "/v1/uploads" in block:
        assert re.fullmatch(r"(video_[a-z2-7]{26}\n){2}", said)
    else:
        assert "event: end" in said
        assert said.strip().split("\n")[-1].startswith(f"{address}/v1/files/video_")


def test_curl(address: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    commands = blocks("bash")[1].replace("\\\n", " ").strip().split("\n")
    made = subprocess.run(["bash", "-c", commands[0]], capture_output=True, check=True, cwd=tmp_path, timeout=20)
    video = json.loads(made.stdout)["id"]
    for command in (commands[2], commands[1], commands[3]):  # the events first: they end with the film
        done = subprocess.run(
            ["bash", "-c", f"VIDEO={video}; {command}"], capture_output=True, check=True, cwd=tmp_path, timeout=20
        )
        assert b"request_invalid" not in done.stdout
    assert (tmp_path / "film.mp4").read_bytes() == FILM


def test_the_page_says_what_of_the_library_is_not_here() -> None:
    """``out`` and ``progress`` are the API's answers; what else is left out here it does by itself."""
    here = {"backend": "model", "photo": "photos", "records": "consents"}
    by_itself = {"out", "progress", "resume", "options", "sheet", "staging"}
    library = {*inspect.signature(animate).parameters, *FilmOptions.__annotations__} - by_itself
    missing = {one for one in library if here.get(one, one) not in VideoAsk.model_fields}
    missing |= {field.name for field in dataclasses.fields(Staging)} - VideoAsk.model_fields.keys()
    told = re.search(r"the API has no (.*?), nor templates", PAGE, re.DOTALL)
    assert told is not None
    assert {*re.findall(r"`([a-z_]+)`", told[1])} - {"staging"} == missing


def test_the_page_lists_every_status() -> None:
    listed = {int(status) for row in re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.MULTILINE) for status in row.split(",")}
    assert listed >= {status for _, status in STATUSES} | {400, 413, 415, 416}
