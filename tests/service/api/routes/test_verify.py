from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from photoplay.errors import UnavailableError
from photoplay.pipeline.line import animate
from photoplay.service.api.routes import verify as route
from tests.service.api.routes.looked import looked_stage, looker_of
from tests.service.stage import Stage, jpeg


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with looked_stage(tmp_path_factory.mktemp("verify"), max_upload_mb=2) as found:
        yield found


@pytest.fixture(scope="module")
def film(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("nudenet", reason="no content filter is installed: nothing can be made")
    photo = io.BytesIO()
    Image.fromarray(astronaut()[:400, 20:420]).save(photo, "PNG")
    out = tmp_path_factory.mktemp("film") / "film.mp4"
    film = animate(photo.getvalue(), consent="historical", template="nod", seconds=1.0, fps=12.0, size="128x128",
                   backend="anchor", out=out)  # fmt: skip
    return film.path.read_bytes()


def png() -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(data, "PNG")
    return data.getvalue()


def test_anybody_learns_where_a_film_comes_from(stage: Stage, film: bytes) -> None:
    looker = looker_of(stage)
    said = stage.client.post("/v1/verify", files={"file": ("x.mp4", film)}).json()
    assert (said["state"], said["source_type"], said["mark"]) == ("trusted", "algorithmicallyEnhanced", None)
    assert said["consent"][0]["statement"] == "historical"
    assert said["recipe"]["template"]["name"] == "nod"
    assert len(said["number"]) == 16
    assert looker.asked == []
    changed = bytearray(film)
    changed[len(film) // 2] ^= 1
    tampered = stage.client.post("/v1/verify", files={"file": ("x.mp4", bytes(changed))}).json()
    assert (tampered["state"], tampered["recipe"]) == ("tampered", None)


def test_where_there_is_no_seal_the_mark_is_looked_for(stage: Stage) -> None:
    looker = looker_of(stage)
    none = stage.client.post("/v1/verify", files={"file": ("x.png", png())})
    assert (none.status_code, none.json()["state"], none.json()["mark"]) == (200, "unsigned", None)
    assert none.json()["mark_sought"]
    looker.mark = {"number": "a" * 16, "known": True, "sentence": "It comes from here.", "created": ""}
    assert stage.client.post("/v1/verify", files={"file": ("x.png", png())}).json()["mark"] == looker.mark
    looker.trouble = UnavailableError("looker_down", "Down.", "Wait.")
    down = stage.client.post("/v1/verify", files={"file": ("x.png", png())}).json()
    assert (down["mark"], down["mark_sought"]) == (None, False)
    assert down["sentence"] == none.json()["sentence"] + route.UNSOUGHT


def test_a_screenshot_is_known_by_its_mark(stage: Stage) -> None:
    looker, photo = looker_of(stage), jpeg()
    looker.mark = None
    none = stage.client.post("/v1/verify", files={"file": ("x.jpg", photo)})
    assert (none.status_code, none.json()["code"]) == (422, "verify_unsupported")
    looker.mark = {"number": "b" * 16, "known": True, "sentence": "It comes from here.", "created": ""}
    said = stage.client.post("/v1/verify", files={"file": ("x.jpg", photo)}).json()
    assert (said["state"], said["mark"], said["recipe"]) == ("unsigned", looker.mark, None)
    looker.mark = None


def test_attack_strangers_take_one_place_before_the_looker_and_are_told_what_was_not_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looker, who = looker_of(stage), stage.someone()
    goes_on, looked = threading.Event(), threading.Semaphore(0)

    def slow(_: bytes) -> None:
        looked.release()
        assert goes_on.wait(20)

    monkeypatch.setattr(looker, "recover", slow)

    def ask(data: bytes, **headers: str) -> Any:
        return stage.client.post("/v1/verify", files={"file": ("x", data)}, headers=headers)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, png())
        assert looked.acquire(timeout=20)
        second = ask(png()).json()  # does not wait
        assert (second["state"], second["mark"], second["mark_sought"]) == ("unsigned", None, False)
        assert second["sentence"].endswith(route.UNSOUGHT)
        assert (ask(jpeg()).status_code, ask(jpeg()).json()["code"]) == (503, "looker_busy")
        mine = pool.submit(ask, png(), **who.headers)
        assert looked.acquire(timeout=20)  # whoever is signed in does not stand behind them
        goes_on.set()
        assert [one.result().json()["mark_sought"] for one in (first, mine)] == [True, True]
    assert ask(png()).json()["mark_sought"]  # the place is free again


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "file_empty"), (b"no film", "verify_unsupported"), (b"\x89PNG" + b"0" * 2_000_001, "upload_too_large")],
)
def test_attack_other_files(stage: Stage, data: bytes, code: str) -> None:
    answer = stage.client.post("/v1/verify", files={"file": ("x", data)})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_strangers_may_ask_only_so_often(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "TRIES", 0)
    answer = stage.client.post("/v1/verify", files={"file": ("x.png", png())})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
