from __future__ import annotations

import io
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from photoplay.errors import MediaError, RefusedError, SceneError, TemplateError, UnavailableError
from photoplay.safety.consent.store import local_store
from photoplay.safety.verify import verify
from photoplay.safety.watermark import detect
from photoplay.service.ground.errors import TooManyError
from photoplay.service.ground.settings import Settings
from photoplay.service.looking import looker as looking
from photoplay.service.looking.child import Eyes
from photoplay.service.looking.looker import Looker, PreviewOrder, Terms

SLOW_CHILD = """
import os, sys, time
from multiprocessing.connection import Connection
from photoplay.errors import MediaError
from photoplay.service.looking.looker import Enrolled, serve

class Tasks:
    def echo(self, value): return [sys.argv[1], value]
    def sleep(self, seconds): time.sleep(seconds); return os.getpid()
    def enrol_clip(self, clip, challenge, terms): time.sleep(float(clip)); return Enrolled(str(os.getpid()), 0.0)
    def end(self): os._exit(3)
    def refuse(self): raise MediaError("photo_broken", "It is broken.", "Copy it again.")
    def stumble(self): return 1 / 0
    def linger(self, clip):
        import tempfile
        from pathlib import Path
        with tempfile.TemporaryDirectory(prefix="photoplay-") as folder:
            (Path(folder) / "clip").write_bytes(clip)
            time.sleep(60)

serve(Connection(int(sys.argv[2])), Tasks().__getattribute__)
"""
TERMS = Terms(("face",), 3)


@pytest.fixture
def child(settings: Settings) -> Iterator[Looker]:
    looker = Looker(settings, (sys.executable, "-c", SLOW_CHILD), patience=30.0)
    yield looker
    looker.close()


def test_answers_and_errors_cross_from_the_child(child: Looker) -> None:
    assert child.ask("echo", b"\x00\x01") == ["own", b"\x00\x01"]
    with pytest.raises(MediaError) as caught:
        child.ask("refuse")
    assert (caught.value.code, caught.value.hint) == ("photo_broken", "Copy it again.")
    before = child.ask("sleep", 0)
    with pytest.raises(UnavailableError) as broken:
        child.ask("stumble")
    assert broken.value.code == "looker_down"
    assert child.ask("sleep", 0) == before  # a fault in one question ends nothing


def test_a_child_that_dies_or_takes_too_long_is_started_anew(child: Looker) -> None:
    first = child.ask("sleep", 0)
    with pytest.raises(UnavailableError) as died:
        child.ask("end")
    assert died.value.code == "looker_down"
    second = child.ask("sleep", 0)
    with pytest.raises(UnavailableError) as late:
        child.ask("sleep", 30, patience=0.3)
    assert late.value.code == "looker_late"
    third = child.ask("sleep", 0)
    assert len({first, second, third}) == 3
    assert not Path(f"/proc/{second}").exists()


@pytest.mark.parametrize("late", [True, False])
def test_attack_nothing_of_a_clip_stays_where_the_child_is_ended_in_its_work(
    child: Looker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child.ask("echo", 1)
    codes: list[str] = []

    def ask() -> None:
        with pytest.raises(UnavailableError) as caught:
            child.ask("linger", b"a person", patience=1.0 if late else 30.0)
        codes.append(caught.value.code)

    thread = threading.Thread(target=ask)
    thread.start()
    until = time.monotonic() + 10
    while not (seen := list(tmp_path.rglob("clip"))) and time.monotonic() < until:
        time.sleep(0.02)
    assert seen
    if not late:
        child.close()
    thread.join(10)
    assert codes == ["looker_late" if late else "looker_down"]
    assert list(tmp_path.iterdir()) == []


def test_a_clip_has_a_time_of_its_own(settings: Settings) -> None:
    looker = Looker(settings, (sys.executable, "-c", SLOW_CHILD), clip_patience=0.3)
    try:
        began = time.monotonic()
        with pytest.raises(UnavailableError) as late:
            looker.enrol_clip(b"30", "", TERMS)
        assert time.monotonic() - began < 8
    finally:
        looker.close()
    assert late.value.code == "looker_late"


def test_a_clip_holds_up_no_preview_and_its_process_ends_with_it(child: Looker) -> None:
    stays = child.ask("sleep", 0)
    clips: list[str] = []
    thread = threading.Thread(target=lambda: clips.append(child.enrol_clip(b"2", "", TERMS).id))
    thread.start()
    time.sleep(0.3)
    assert child.ask("sleep", 0) == stays
    assert clips == []  # it is still being looked at
    thread.join()
    assert clips != [str(stays)]
    assert not Path(f"/proc/{clips[0]}").exists()
    assert child.ask("sleep", 0) == stays


def test_only_so_many_clips_are_there_at_a_time_and_each_has_a_process_of_its_own(child: Looker) -> None:
    clips: list[str] = []
    threads = [
        threading.Thread(target=lambda: clips.append(child.enrol_clip(b"0.8", "", TERMS).id))
        for _ in range(looking.CLIPS_WAITING)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    began = time.monotonic()
    with pytest.raises(TooManyError) as caught:
        child.enrol_clip(b"0", "", TERMS)
    assert time.monotonic() - began < looking.CLIP_TURN_S / 2
    assert (caught.value.code, caught.value.retry_after) == ("looker_busy", 20)
    for thread in threads:
        thread.join()
    assert len(set(clips)) == looking.CLIPS_WAITING


def test_too_many_questions_are_told_to_come_again(child: Looker) -> None:
    child.ask("echo", 1)
    threads = [threading.Thread(target=child.ask, args=("sleep", 0.4)) for _ in range(looking.WAITING)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    with pytest.raises(TooManyError) as caught:
        child.ask("echo", 1)
    assert time.monotonic() - began < looking.TURN_S / 2
    assert (caught.value.code, caught.value.retry_after) == ("looker_busy", 5)
    for thread in threads:
        thread.join()
    assert child.ask("echo", 2) == ["own", 2]


def test_nobody_waits_for_a_turn_for_ever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "TURN_S", 0.1)
    looker = Looker(settings, (sys.executable, "-c", SLOW_CHILD))
    holder = threading.Thread(target=looker.ask, args=("sleep", 2.0))
    holder.start()
    time.sleep(0.5)
    with pytest.raises(TooManyError):
        looker.ask("echo", 1)
    holder.join()
    looker.close()


def test_closing_waits_for_nobody_and_the_child_knows_no_secrets(
    child: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOPLAY_SECRET", "s" * 40)
    monkeypatch.setenv("PHOTOPLAY_TOLD", "1")
    environment = Path(f"/proc/{child.ask('sleep', 0)}/environ").read_bytes()
    assert b"PHOTOPLAY_TOLD" in environment
    assert b"PHOTOPLAY_SECRET" not in environment
    told: list[str] = []

    def waits() -> None:
        with pytest.raises(UnavailableError) as caught:
            child.ask("sleep", 20, patience=20)
        told.append(caught.value.code)

    thread = threading.Thread(target=waits)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    child.close()
    thread.join()
    assert time.monotonic() - began < 5
    assert told == ["looker_down"]


@pytest.fixture(scope="module")
def photo() -> bytes:
    data = io.BytesIO()
    Image.fromarray(astronaut()[:400, 20:420]).save(data, "JPEG", quality=95)
    return data.getvalue()


@pytest.fixture(scope="module")
def looker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looker]:
    """The real child, with its models, in a home of its own."""
    pytest.importorskip("nudenet", reason="no content filter is installed: nothing can be made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOPLAY_HOME", str(tmp_path_factory.mktemp("home")))
        found = Looker(Settings(secret="s" * 40, data=tmp_path_factory.mktemp("data")))  # type: ignore[arg-type]
        yield found
        found.close()


def test_a_photo_is_inspected(looker: Looker, photo: bytes) -> None:
    found = looker.inspect(photo)
    (face,) = found["faces"]
    x0, y0, x1, y1 = face["box"]
    assert 0.3 < x0 < x1 < 0.75
    assert 0.05 < y0 < y1 < 0.6
    assert np.shape(face["landmarks"]) == (68, 2)
    assert abs(face["yaw"]) < 15
    assert found["people"] == 1
    with pytest.raises(MediaError):
        looker.inspect(b"no photo at all")


def test_a_preview_is_small_moves_and_is_sealed(looker: Looker, photo: bytes, tmp_path: Path) -> None:
    made = looker.preview(PreviewOrder((photo,), "laugh", ("historical",)))
    picture = Image.open(io.BytesIO(made))
    assert (picture.format, picture.size[0]) == ("WEBP", 240)
    frames = []
    for index in range(picture.n_frames):
        picture.seek(index)
        frames.append(np.asarray(picture.convert("RGB")))
    assert 20 <= len(frames) <= 26
    assert np.abs(frames[8].astype(int) - frames[0]).max() > 40
    (tmp_path / "preview.webp").write_bytes(made)
    verified = verify(tmp_path / "preview.webp")
    assert verified.state in ("trusted", "untrusted")  # signed in the child's own home
    mark = detect(np.stack(frames))
    assert mark is not None
    assert f"{mark.payload:016x}" == verified.number


def test_gates_and_scenes_speak_for_themselves(looker: Looker, photo: bytes) -> None:
    with pytest.raises(RefusedError) as unsaid:
        looker.preview(PreviewOrder((photo,), "smile"))
    assert unsaid.value.code == "consent_missing"
    with pytest.raises(SceneError) as armless:
        looker.preview(PreviewOrder((photo,), "wave_right", ("historical",)))
    assert armless.value.code.startswith("needs_")
    with pytest.raises(TemplateError):
        looker.preview(PreviewOrder((photo,), "no_such_motion", ("historical",)))


def test_a_hosted_service_asks_for_records(photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nudenet", reason="no content filter is installed: nothing can be made")
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path))
    eyes = Eyes(hosted=True)
    for records, code in (((), "consent_unnamed"), (("f" * 32,), "consent_unknown")):
        with pytest.raises(RefusedError) as caught:
            eyes.preview(PreviewOrder((photo,), "smile", ("self",), records))
        assert caught.value.code == code


def test_a_record_of_a_photo_stays_and_its_embedding_does_not_come_back(looker: Looker, photo: bytes) -> None:
    enrolled = looker.enrol_photo(photo, 0, Terms(("face",), 3, "known"))
    (record,) = local_store().records()
    assert (record.id, record.method, record.adult.method) == (enrolled.id, "operator", "known")
    assert set(vars(enrolled)) == {"id", "at"}
    assert looker.preview(PreviewOrder((photo,), "smile", ("self",), (record.id,)))
    assert looker.recover(photo) is None
