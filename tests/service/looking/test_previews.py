from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from photoplay.errors import RefusedError, TemplateError
from photoplay.safety.blocklist import Blocklist
from photoplay.safety.certificates import data_home
from photoplay.service.ground.errors import NotFoundError
from photoplay.service.looking import previews, uploads
from photoplay.service.looking.looker import PreviewOrder
from tests.service.api.routes.looked import looked_stage
from tests.service.lookers import PREVIEW, FakeLooker
from tests.service.stage import Someone, Stage, jpeg


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with looked_stage(tmp_path_factory.mktemp("previews")) as found:
        yield found


@pytest.fixture
def who(stage: Stage) -> Someone:
    return stage.someone()


@pytest.fixture
def looker() -> FakeLooker:
    return FakeLooker()


def a_photo(stage: Stage, who: Someone, shade: int = 1) -> str:
    return uploads.take_in(stage.hub, who.principal, "photo", jpeg(shade), time.time())[0]


def preview(
    stage: Stage, looker: FakeLooker, who: Someone, *photos: str, template: str = "smile", **more: object
) -> bytes:
    said: dict[str, object] = {"consent": ("self",), "records": (), **more}
    return previews.preview(stage.hub, looker, who.principal, photos, template, now=time.time(), **said)  # type: ignore[arg-type]


def kept(stage: Stage, who: Someone) -> list[str]:
    return sorted(key for key in stage.hub.store.list(f"previews/{who.tenant_id}") if "/moving/" in key)


def test_the_same_wish_is_looked_at_once(stage: Stage, who: Someone, looker: FakeLooker) -> None:
    photo = a_photo(stage, who)
    assert preview(stage, looker, who, photo) == preview(stage, looker, who, photo) == PREVIEW
    assert looker.asked == [("preview", PreviewOrder((jpeg(1),), "smile", ("self",), ()))]
    preview(stage, looker, who, photo, template="nod")
    preview(stage, looker, who, photo, consent=("historical",))
    assert len(looker.asked) == 3
    assert len(kept(stage, who)) == 3


def test_other_lists_of_pictures_are_another_preview_and_the_older_one_goes(
    stage: Stage, who: Someone, looker: FakeLooker
) -> None:
    photo = a_photo(stage, who)
    preview(stage, looker, who, photo)
    (before,) = kept(stage, who)
    Blocklist(data_home() / "blocklist").add(["f" * 64], [])
    preview(stage, looker, who, photo)
    (after,) = kept(stage, who)
    assert before != after
    assert len(looker.asked) == 2


def test_nobody_sees_what_is_somebody_else_s_or_no_photo(stage: Stage, who: Someone, looker: FakeLooker) -> None:
    theirs = a_photo(stage, stage.someone())
    for photo in (theirs, f"upload_{'a' * 26}"):
        with pytest.raises(NotFoundError):
            preview(stage, looker, who, photo)
    with pytest.raises(TemplateError):
        preview(stage, looker, who, a_photo(stage, who), template="no_such_motion")
    with pytest.raises(RefusedError):
        preview(stage, looker, who, a_photo(stage, who), records=("f" * 32,))
    assert looker.asked == []


def test_what_is_refused_is_not_kept_and_asked_again(stage: Stage, who: Someone, looker: FakeLooker) -> None:
    photo = a_photo(stage, who)
    looker.trouble = RefusedError("content_refused", "No.", "Take another.")
    with pytest.raises(RefusedError):
        preview(stage, looker, who, photo)
    assert kept(stage, who) == []
    assert preview(stage, looker, who, photo) == PREVIEW


def test_attack_a_photo_that_is_deleted_meanwhile_leaves_no_preview(
    stage: Stage, who: Someone, looker: FakeLooker, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = a_photo(stage, who)
    reached, go = threading.Event(), threading.Event()

    def slow(order: PreviewOrder) -> bytes:
        reached.set()
        go.wait(20)
        return PREVIEW

    monkeypatch.setattr(looker, "preview", slow)
    told: list[type[BaseException]] = []

    def ask() -> None:
        with pytest.raises(NotFoundError) as caught:
            preview(stage, looker, who, photo)
        told.append(caught.type)

    thread = threading.Thread(target=ask)
    thread.start()
    assert reached.wait(20)
    uploads.drop(stage.hub, who.principal, photo, time.time())
    go.set()
    thread.join(20)
    assert told == [NotFoundError]
    assert list(stage.hub.store.list(f"previews/{who.tenant_id}")) == []


def test_two_photos_take_the_template_for_two(stage: Stage, who: Someone, looker: FakeLooker) -> None:
    one, two = a_photo(stage, who, 1), a_photo(stage, who, 2)
    assert previews.template_of("handshake", 2).people == 2
    preview(stage, looker, who, one, two, template="handshake")
    ((_, order),) = looker.asked
    assert order.photos == (jpeg(1), jpeg(2))
    (key,) = kept(stage, who)
    assert f"{one}/{two}" in key  # whichever of the two is deleted takes it along
    uploads.drop(stage.hub, who.principal, two, time.time())
    assert kept(stage, who) == []
