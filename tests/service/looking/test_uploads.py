from __future__ import annotations

import io
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from photoplay.errors import MediaError
from photoplay.service.ground.errors import ConflictError, NotFoundError
from photoplay.service.ground.storage import Store
from photoplay.service.ground.tables import uploads as rows
from photoplay.service.looking import uploads
from tests.service.stage import Someone, Stage, jpeg, open_stage

NOW = time.time()
SECRET = b"GPS of my home"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("uploads") / "data", max_upload_mb=1) as found:
        yield found


@pytest.fixture
def who(stage: Stage) -> Someone:
    return stage.someone()


def keys(stage: Stage, who: Someone) -> list[str]:
    return [key for key in stage.hub.store.list() if who.tenant_id in key]


def with_exif() -> bytes:
    image = Image.new("RGB", (300, 2000), (200, 40, 40))
    exif = image.getexif()
    exif[0x9286] = SECRET.decode()
    exif[0x0112] = 6  # lies on its side
    data = io.BytesIO()
    image.save(data, "JPEG", exif=exif, comment=SECRET)
    return data.getvalue()


def gif(pictures: int) -> bytes:
    frames = [Image.new("L", (96, 96), 40 * k) for k in range(pictures)]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=1000 // pictures)
    return data.getvalue()


def sound(seconds: float = 0.5) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.zeros(int(8000 * seconds), np.int16).tobytes())
    return data.getvalue()


def clip(frames: int = 8, live: bool = False) -> bytes:
    """A clip; ``live``: as a browser records it, with clusters whose length nobody knew."""
    data = io.BytesIO()
    options = {"live": "1"} if live else {}
    with av.open(data, "w", format="webm" if live else "mp4", options=options) as container:
        stream = container.add_stream("libvpx" if live else "libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            picture = np.full((48, 64, 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return data.getvalue()


def test_a_photo_is_kept_as_it_came_and_handed_out_without_what_else_it_held(stage: Stage, who: Someone) -> None:
    data = with_exif()
    assert SECRET in data
    id_, new = uploads.take_in(stage.hub, who.principal, "photo", data, NOW)
    assert new
    with stage.hub.database.read() as conn:
        kept = uploads.get(conn, who.tenant_id, id_)
    assert (kept.width, kept.height, kept.bytes) == (2000, 300, len(data))  # upright
    assert stage.hub.store.get(kept.key) == data
    picture = stage.hub.store.get(uploads.picture_key(who.tenant_id, id_))
    assert SECRET not in picture
    shown = Image.open(io.BytesIO(picture))
    assert shown.size == (1024, 154)
    assert not shown.getexif()


def test_the_same_file_is_kept_once_for_each_tenant(stage: Stage, who: Someone) -> None:
    data, other = jpeg(7), stage.someone()
    first, new = uploads.take_in(stage.hub, who.principal, "photo", data, NOW)
    again, newer = uploads.take_in(stage.hub, who.principal, "photo", data, NOW + 100)
    theirs, theirs_new = uploads.take_in(stage.hub, other.principal, "photo", data, NOW)
    assert (new, newer, theirs_new) == (True, False, True)
    assert first == again != theirs
    with stage.hub.database.read() as conn:
        renewed = uploads.get(conn, who.tenant_id, first)
    assert renewed.expires_at == pytest.approx(NOW + 100 + stage.hub.settings.upload_days * 86400)
    uploads.drop(stage.hub, who.principal, first, NOW)
    assert keys(stage, who) == []
    assert len(keys(stage, other)) == 2
    third, anew = uploads.take_in(stage.hub, who.principal, "photo", data, NOW)
    assert anew
    assert third != first


def test_deleting_leaves_nothing_but_an_empty_row(stage: Stage, who: Someone) -> None:
    id_, _ = uploads.take_in(stage.hub, who.principal, "photo", jpeg(8), NOW)
    pair = uploads.preview_key(who.tenant_id, ("upload_" + "a" * 26, id_), "smile-1")
    stage.hub.store.put(pair, b"x", "image/webp")
    with stage.hub.database.begin() as conn:
        uploads.keep_found(conn, who.tenant_id, id_, {"people": 1})
    with pytest.raises(NotFoundError):
        uploads.drop(stage.hub, stage.someone().principal, id_, NOW)
    assert len(keys(stage, who)) == 3
    uploads.drop(stage.hub, who.principal, id_, NOW)
    assert keys(stage, who) == []
    with stage.hub.database.read() as conn:
        row = conn.execute(rows.select().where(rows.c.id == id_)).one()
        with pytest.raises(NotFoundError):
            uploads.get(conn, who.tenant_id, id_)
    assert (row.sha256, row.found, row.width) == ("", None, None)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (sound(), "audio"),
        (clip(), "video"),
        (clip(live=True), "video"),
        (jpeg(3), "photo"),
        (gif(1), "photo"),
        (gif(4), "video"),
    ],
)
def test_what_a_file_is_is_found_out(stage: Stage, who: Someone, data: bytes, kind: str) -> None:
    assert uploads.kind_of(data) == kind
    id_, _ = uploads.take_in(stage.hub, who.principal, uploads.kind_of(data), data, NOW)
    with stage.hub.database.read() as conn:
        kept = uploads.get(conn, who.tenant_id, id_)
        with pytest.raises(NotFoundError):
            uploads.get(conn, who.tenant_id, id_, "photo" if kind != "photo" else "video")
    assert (kept.width is not None) == (kind != "audio")
    if kind != "photo":
        assert kept.seconds == pytest.approx(0.5 if kind == "audio" else 1.0)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("photo", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("photo", jpeg()[:2000]),
        ("photo", clip()),
        ("video", jpeg()),
        ("video", b"#EXTM3U\nhttp://127.0.0.1/x.ts"),
        ("audio", jpeg()),
        ("photo", b"\x00" * 1_000_001),
        ("audio", sound(61)),
    ],
)
def test_attack_what_is_no_such_file_leaves_nothing(stage: Stage, who: Someone, kind: str, data: bytes) -> None:
    with pytest.raises(MediaError):
        uploads.take_in(stage.hub, who.principal, kind, data, NOW)  # type: ignore[arg-type]
    assert keys(stage, who) == []


def test_there_is_an_end_to_what_is_kept(stage: Stage, who: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST", 2)
    ids = [uploads.take_in(stage.hub, who.principal, "photo", jpeg(n), NOW + n)[0] for n in (1, 2)]
    with pytest.raises(ConflictError) as caught:
        uploads.take_in(stage.hub, who.principal, "photo", jpeg(3), NOW)
    assert caught.value.code == "uploads_full"
    assert len(keys(stage, who)) == 4
    with stage.hub.database.read() as conn:
        listed = uploads.list_uploads(conn, who.tenant_id, "photo", 10, None)
        after = uploads.list_uploads(conn, who.tenant_id, None, 10, ids[1])
        with pytest.raises(NotFoundError):
            uploads.list_uploads(conn, stage.someone().tenant_id, None, 10, ids[1])
    assert [one.id for one in listed] == [*reversed(ids)]
    assert [one.id for one in after] == [ids[0]]


def test_attack_a_plan_bounds_the_bytes_that_are_kept(stage: Stage, who: Someone) -> None:
    data = [jpeg(n, 64) for n in range(3)]
    small = stage.hub.plans["ultra"].model_copy(update={"uploads_mb": 1})
    hub = replace(stage.hub, plans={**stage.hub.plans, "ultra": small})
    first, _ = uploads.take_in(hub, who.principal, "photo", data[0], NOW)
    with stage.hub.database.begin() as conn:  # as if it were nearly all that the plan includes
        conn.execute(rows.update().where(rows.c.id == first).values(bytes=1_000_000 - len(data[1])))
    uploads.take_in(hub, who.principal, "photo", data[1], NOW)
    with pytest.raises(ConflictError) as caught:
        uploads.take_in(hub, who.principal, "photo", data[2], NOW)
    assert caught.value.code == "uploads_full"
    assert "1 MB" in caught.value.message
    assert len(keys(stage, who)) == 4
    assert not uploads.take_in(hub, who.principal, "photo", data[1], NOW)[1]  # what is here already takes no room
    uploads.take_in(hub, stage.someone().principal, "photo", data[2], NOW)
    uploads.drop(hub, who.principal, first, NOW)
    assert uploads.take_in(hub, who.principal, "photo", data[2], NOW)[1]


def test_a_store_that_fails_leaves_no_row(stage: Stage, who: Someone, tmp_path: Path) -> None:
    class Full(Store):
        def put(self, *_: object) -> int:
            raise OSError("no space")

    full = Full(stage.hub.store._backing)
    with pytest.raises(OSError, match="no space"):
        uploads.take_in(replace(stage.hub, store=full), who.principal, "photo", jpeg(1), NOW)
    with stage.hub.database.read() as conn:
        assert uploads.list_uploads(conn, who.tenant_id, None, 10, None) == []
