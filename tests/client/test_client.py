from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from photoplay.client import Client, ServiceError
from photoplay.client import client as module
from photoplay.client.client import _parsed
from photoplay.errors import CancelledError, ConsentError, MediaError, RequestError, TemplateError, UnavailableError
from photoplay.service.ground.tables import jobs as rows
from tests.service.api.routes.looked import looker_of
from tests.service.lookers import FOUND, PREVIEW
from tests.service.stage import FILM, STILL, Someone, Stage, jpeg


@pytest.fixture
def client(address: str, who: Someone) -> Iterator[Client]:
    with Client(address, who.token) as found:
        yield found


def right_digest(stage: Stage, id_: str) -> None:
    """A film of the stage has a digest of its own invention."""
    with stage.hub.database.begin() as conn:
        film = conn.execute(rows.select().where(rows.c.id == id_)).one().film
        film = {**film, "sha256": hashlib.sha256(FILM).hexdigest()}
        conn.execute(update(rows).where(rows.c.id == id_).values(film=film))


def test_from_a_photo_to_a_film_and_nothing_left(stage: Stage, client: Client, tmp_path: Path) -> None:
    looker_of(stage)
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    photo = client.upload(tmp_path / "a.jpg")
    assert client.upload(jpeg(1)).id == photo.id
    found = client.inspect(photo.id).found
    assert found is not None
    assert found.faces[0].box == tuple(FOUND["faces"][0]["box"])
    assert (found.advice[0].code, len(found.faces[0].landmarks)) == ("dark", 68)
    assert client.preview([photo.id], "smile", consent=["self"]) == PREVIEW
    assert any(one.name == "smile" and one.people == 1 for one in client.templates())
    asked = {"photos": [photo.id], "template": "smile", "seconds": 3.0, "consent": ["self"]}
    cost = client.estimate(**asked).cost
    video = client.create(idempotency_key="one", **asked)
    assert client.create(idempotency_key="one", **asked).id == video.id
    assert (video.status, client.job(video.id).cost) == ("queued", cost)

    told: list[str] = []
    maker = threading.Timer(0.4, stage.finish, (video.id,))
    maker.start()
    done = client.wait(video.id, lambda event: told.append(event.kind))
    maker.join()
    assert (done.status, done.review, done.notices) == ("completed", "Good.", ())
    assert told[-1] == "end"
    right_digest(stage, video.id)
    out = client.download(video.id, tmp_path / "film.mp4")
    assert out.read_bytes() == FILM
    assert client.download(video.id, tmp_path / "still.png", "thumbnail").read_bytes() == STILL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "film.mp4", "still.png"]
    assert httpx.get(client.link(video.id)).content == FILM
    assert [one.id for one in client.videos()] == [video.id]
    client.delete(video.id)
    client.delete_upload(photo.id)
    assert list(client.uploads()) == []
    for gone in (client.video, client.inspect):
        with pytest.raises(ServiceError) as caught:
            gone(video.id if gone == client.video else photo.id)
        assert caught.value.status == 404


def test_a_film_that_is_stopped_raises(client: Client) -> None:
    photo = client.upload(jpeg(2))
    video = client.create(photos=[photo.id], template="smile", consent=["self"])
    assert client.cancel(video.id).state == "cancelled"
    with pytest.raises(CancelledError):
        client.wait(video.id)


def test_errors_are_the_librarys_own(stage: Stage, client: Client, address: str) -> None:
    with pytest.raises(MediaError) as broken:
        client.upload(b"%PDF-1.7", "photo")
    assert broken.value.code == "photo_is_document"
    photo = client.upload(jpeg(3))
    with pytest.raises(TemplateError):
        client.preview([photo.id], "no_such_motion")
    with pytest.raises(ConsentError) as unsaid:
        client.enrol(jpeg(3), ["face"])
    assert unsaid.value.code == "consent_missing"
    with Client(address, "pp_wrong") as stranger, pytest.raises(ServiceError) as nobody:
        stranger.account()
    assert (nobody.value.status, nobody.value.code) == (401, "key_invalid")
    with Client("http://127.0.0.1:9", "x") as away, pytest.raises(UnavailableError):
        away.create(template="smile")


def test_a_file_or_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9", "x") as away:
        for file, code in ((tmp_path / "nope.jpg", "file_missing"), (tmp_path, "file_not_regular")):
            for ask in (away.upload, away.verify, lambda named: away.enrol(named, ["face"])):
                with pytest.raises(MediaError) as caught:
                    ask(file)
                assert caught.value.code == code
                assert str(tmp_path) not in str(caught.value)
        with pytest.raises(RequestError) as nowhere:
            away.download("video_1", tmp_path / "nope" / "film.mp4")
    assert nowhere.value.code == "out_folder_missing"


def test_consents_account_and_verify(stage: Stage, client: Client, who: Someone) -> None:
    made = client.enrol(jpeg(4), ["face", "head"], agreed=True, name="Me", days=3, adult="declared")
    assert (made.scope, made.state, made.weak) == (("face", "head"), "valid", True)
    assert client.consents() == (made,)
    twin = client.enrol(jpeg(5), ["face"], agreed=True, unlike=(made.id,))
    assert (twin.unlike, made.unlike) == ((made.id,), ())
    assert len(client.challenge().words) == 4
    assert client.revoke(made.id).state == "revoked"
    account = client.account()
    assert (account.tenant, account.plan["name"]) == ("somebody", "ultra")
    with pytest.raises(MediaError):
        client.verify(b"nothing at all")


def test_a_download_goes_on_where_it_broke(
    stage: Stage, client: Client, who: Someone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = stage.completed(who)
    right_digest(stage, id_)
    asked: list[str] = []
    real = client._wire.http.stream

    class Broken:
        """Hands out the first 700 bytes and breaks."""

        def __init__(self, inner: httpx.Response) -> None:
            self.status_code, self.headers, self.is_success = inner.status_code, inner.headers, inner.is_success
            self.inner = inner

        def iter_bytes(self, _: int) -> Iterator[bytes]:
            yield self.inner.read()[:700]
            raise httpx.ReadError("broken")

    def stream(method: str, path: str, *, headers: dict[str, str], timeout: object) -> object:
        asked.append(headers.get("range", ""))
        inner = real(method, path, headers=headers, timeout=timeout)
        if len(asked) > 1:
            return inner

        class Held:
            def __enter__(self) -> Broken:
                return Broken(inner.__enter__())

            def __exit__(self, *what: object) -> None:
                inner.__exit__(None, None, None)

        return Held()

    monkeypatch.setattr(client._wire.http, "stream", stream)
    assert client.download(id_, tmp_path / "film.mp4").read_bytes() == FILM
    assert asked == ["", "bytes=700-"]
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_attack_a_download_that_is_not_what_was_made(
    stage: Stage, client: Client, who: Someone, tmp_path: Path
) -> None:
    id_ = stage.completed(who)  # its digest is not that of its bytes
    with pytest.raises(MediaError) as caught:
        client.download(id_, tmp_path / "film.mp4")
    assert caught.value.code == "download_broken"
    assert list(tmp_path.iterdir()) == []
    queued = stage.queued(who)
    with pytest.raises(ServiceError):
        client.download(queued, tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


def test_events_are_read_as_they_are_written() -> None:
    lines = [
        ": beat",
        "",
        "event: stage",
        "id: 7",
        'data: {"a":',
        "data: 1}",
        "",
        "event: end",
        "data:{}",
        "",
        "data: x",
    ]
    events = list(_parsed(iter(lines)))
    assert [(one.kind, one.seq, one.data) for one in events] == [("stage", 7, {"a": 1}), ("end", 7, {})]
    with pytest.raises(UnavailableError):
        list(_parsed(iter(["data: {", ""])))


def test_a_stream_that_breaks_goes_on_after_the_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        if len(asked) == 1:
            return httpx.Response(200, text="event: stage\nid: 4\ndata: {}\n\n")
        if len(asked) == 2:
            raise httpx.ReadTimeout("quiet")
        return httpx.Response(200, text="event: end\nid: 5\ndata: {}\n\n")

    with Client("http://service", "k", transport=httpx.MockTransport(answer)) as client:
        assert [event.seq for event in client.events("video_x")] == [4, 5]
    assert asked == ["after=0", "after=4", "after=4"]
    began = time.monotonic()
    with (
        Client("http://service", "k", transport=httpx.MockTransport(lambda _: httpx.Response(200))) as silent,
        pytest.raises(UnavailableError),
    ):
        list(silent.events("video_x"))
    assert time.monotonic() - began < 10
