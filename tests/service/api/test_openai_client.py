"""The openai client as it is installed, unchanged, drives the API."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator

import openai
import pytest

from tests.service.stage import FILM, SHEET, STILL, Someone, Stage, jpeg

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture
def client(address: str, who: Someone) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=who.token, max_retries=0) as found:
        yield found


def test_create_retrieve_poll_download_delete(stage: Stage, client: openai.OpenAI) -> None:
    video = client.videos.create(
        prompt="she smiles and nods",
        input_reference=("me.jpg", jpeg()),
        seconds="4",
        size="1280x720",
        extra_body={"consent": "self"},
    )
    assert (video.object, video.status, video.progress, video.model) == ("video", "queued", 0, "pocket")
    assert (video.seconds, video.size, video.prompt) == ("4", "720p", "she smiles and nods")  # its shape is the photo's
    assert client.videos.retrieve(video.id).id == video.id
    threading.Timer(0.3, stage.finish, [video.id]).start()
    began = time.monotonic()
    done = client.videos.poll(video.id)
    assert time.monotonic() - began < 5
    assert (done.status, done.progress, done.error) == ("completed", 100, None)
    assert done.size == "854x480"
    assert done.model_extra is not None
    assert (done.model_extra["review"], done.model_extra["notices"]) == ("Good.", [])
    assert done.completed_at is not None
    assert done.expires_at is not None
    assert client.videos.download_content(video.id).read() == FILM
    assert client.videos.download_content(video.id, variant="thumbnail").read() == STILL
    assert client.videos.download_content(video.id, variant="spritesheet").read() == SHEET
    gone = client.videos.delete(video.id)
    assert (gone.id, gone.deleted, gone.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError) as caught:
        client.videos.retrieve(video.id)
    assert caught.value.code == "not_found"


def test_models_are_the_backends_of_the_plan(stage: Stage, client: openai.OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert listed == [name for name in stage.hub.settings.backends if name in listed]
    video = client.videos.create(
        model=listed[0], prompt="she smiles", input_reference=("me.jpg", jpeg()), extra_body={"consent": "self"}
    )
    assert video.model == listed[0]


def test_photos_as_data_urls_by_id_and_two_of_them(stage: Stage, client: openai.OpenAI, who: Someone) -> None:
    url = "data:image/jpeg;base64," + base64.b64encode(jpeg(30)).decode()
    inline = {
        "input_reference": {"image_url": url},
        "consent": "self",
    }  # the client takes files alone in its own argument
    first = client.videos.create(prompt="she smiles", extra_body=inline)
    again = client.videos.create(prompt="she smiles", extra_body=inline)
    kept = [stage.client.get(f"/v1/jobs/{one.id}", headers=who.headers).json()["request"] for one in (first, again)]
    assert kept[0]["photos"] == kept[1]["photos"]  # the same bytes are kept once
    known = {"input_reference": {"file_id": kept[0]["photos"][0]}, "consent": "self"}
    by_id = client.videos.create(prompt="she smiles", extra_body=known)
    assert (
        stage.client.get(f"/v1/jobs/{by_id.id}", headers=who.headers).json()["request"]["photos"] == kept[0]["photos"]
    )
    two = client.post(
        "/videos",
        body={"template": "wave_together", "consent": ["self", "granted"]},
        files=[("input_reference[]", ("a.jpg", jpeg(1))), ("input_reference[]", ("b.jpg", jpeg(2)))],
        options={"headers": {"Content-Type": "multipart/form-data"}},
        cast_to=openai.types.Video,
    )
    asked = stage.client.get(f"/v1/jobs/{two.id}", headers=who.headers).json()["request"]
    assert len(set(asked["photos"])) == 2
    assert asked["consent"] == ["self", "granted"]


def test_our_own_fields_go_along(stage: Stage, client: openai.OpenAI, who: Someone) -> None:
    extra = {"photos": [stage.photo(who)], "template": "gentle_smile", "seed": 7, "consent": "self", "intensity": 0.5}
    video = client.videos.create(prompt="", extra_body=extra, seconds="4")
    asked = stage.client.get(f"/v1/jobs/{video.id}", headers=who.headers).json()["request"]
    assert (asked["seed"], asked["intensity"], asked["consent"], asked["seconds"]) == (7, 0.5, ["self"], 4.0)


def test_pages_follow_one_another(stage: Stage, client: openai.OpenAI, who: Someone) -> None:
    photo = stage.photo(who)
    made = [stage.queued(who, photos=(photo,), seed=seed) for seed in range(5)]
    assert [video.id for video in client.videos.list(limit=2)] == made[::-1]  # it turns the pages by itself
    assert [video.id for video in client.videos.list(limit=3, order="asc")] == made
    page = client.videos.list(limit=5)
    assert (len(page.data), page.has_more) == (5, False)


def test_remix(stage: Stage, client: openai.OpenAI, who: Someone) -> None:
    id_ = stage.completed(who)
    remixed = client.videos.remix(id_, prompt="she laughs")
    assert (remixed.remixed_from_video_id, remixed.prompt, remixed.status) == (id_, "she laughs", "queued")


def test_cancelled_is_failed_with_its_code(stage: Stage, client: openai.OpenAI, who: Someone) -> None:
    id_ = stage.queued(who)
    assert stage.client.post(f"/v1/jobs/{id_}/cancel", headers=who.headers).status_code == 200
    video = client.videos.poll(id_)
    assert video.error is not None
    assert (video.status, video.error.code) == ("failed", "cancelled")


@pytest.mark.parametrize(
    ("asked", "error", "code"),
    [
        ({"model": "sora-9"}, openai.UnprocessableEntityError, "model_unknown"),
        ({"seconds": "three"}, openai.BadRequestError, "request_invalid"),
        ({"size": "9999x9999"}, openai.UnprocessableEntityError, "size_unsupported"),
        ({"input_reference": b"no photo"}, openai.UnprocessableEntityError, None),
        ({"extra_body": {"photos": ["upload_" + "a" * 26]}}, openai.NotFoundError, "upload_missing"),
        ({"extra_body": {"nonsense": 1}}, openai.BadRequestError, "request_invalid"),
    ],
)
def test_errors_are_raised_as_such(client: openai.OpenAI, asked: dict, error: type, code: str | None) -> None:
    with pytest.raises(error) as caught:
        client.videos.create(**{"prompt": "she smiles", **asked})
    assert code is None or caught.value.code == code
    assert caught.value.body["message"]


def test_who_may_not_enter(address: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="pp_" + "a" * 43, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.videos.list()
        assert caught.value.code == "key_invalid"


def test_too_much_at_once_says_when_to_come_again(stage: Stage, address: str) -> None:
    free = stage.someone("free")
    photo = stage.photo(free)
    for seed in range(stage.hub.plans["free"].concurrency):
        stage.queued(free, photos=(photo,), seed=seed)
    with openai.OpenAI(base_url=f"{address}/v1", api_key=free.token, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.videos.create(prompt="she smiles", extra_body={"photos": [photo], "consent": "self"})
        assert int(caught.value.response.headers["retry-after"]) >= 1
