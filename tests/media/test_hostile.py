"""200 hostile files at the doors: an answer each, in time, without a word too much."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from photoplay.errors import MediaError, PhotoplayError
from photoplay.media import load_photo, probe_video, read_audio, read_video
from tests.media import hostile
from tests.media.clips import sleeper
from tests.media.hostile import Hostile, hostile_files, write_hostile_files

PATIENCE_S = 20.0
"""Finds a door that hangs; on a busy machine a process alone takes seconds to start."""
DOORS = {"photo": load_photo, "video": read_video, "audio": read_audio}


def outcome(path: Path, case: Hostile) -> tuple[str, float, str]:
    """Code (or ok), seconds and text."""
    began = monotonic()
    try:
        result = DOORS[case.kind](path)
    except PhotoplayError as error:
        return error.code, monotonic() - began, f"{error} {error.message} {error.hint}"
    pixels = {"photo": "pixels", "video": "rgb", "audio": "samples"}[case.kind]
    assert getattr(result, pixels).size > 0
    return "ok", monotonic() - began, ""


def test_every_hostile_file_gets_its_answer(tmp_path: Path) -> None:
    written = write_hostile_files(tmp_path)
    assert len(written) >= 200
    assert len({path for path, _ in written}) == len(written)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda item: outcome(*item), written))
    wrong = []
    for (_, case), (code, seconds, text) in zip(written, answers, strict=True):
        right = code in case.expect or ("*" in case.expect and code != "ok")
        clean = str(tmp_path) not in text and "0x" not in text and "Traceback" not in text and "Error" not in text
        if not (right and clean and seconds < PATIENCE_S):
            wrong.append((case.name, code, round(seconds, 1)))
    assert wrong == []
    assert Counter(code for code, _, _ in answers)["ok"] < 80


def test_the_files_are_the_same_on_every_run() -> None:
    first = hostile_files()
    hostile._photos.cache_clear()
    hostile._streams.cache_clear()
    second = hostile_files()
    differing = [a.name for a, b in zip(first, second, strict=True) if a.data != b.data]
    assert [
        name for name in differing if not name.startswith(("opus", "mkv"))
    ] == []  # these carry a random serial number


@pytest.mark.parametrize("door", [load_photo, read_video, probe_video, read_audio])
def test_what_is_not_a_file(door, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("x")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        cases = {
            tmp_path: "file_not_regular",
            tmp_path / "fifo": "file_not_regular",
            tmp_path / "socket": "file_not_regular",
            Path("/dev/zero"): "file_not_regular",
            Path("/dev/tty"): "file_not_regular",
            Path("/proc/self/status"): "file_empty",
            tmp_path / "nothing": "file_missing",
            tmp_path / "dangling": "file_missing",
            tmp_path / "file" / "below": "file_missing",
            Path("a\0b"): "file_missing",
            tmp_path / "loop": "file_unreadable",
            tmp_path / ("n" * 5_000): "file_unreadable",
        }
        for path, code in cases.items():
            with pytest.raises(MediaError) as caught:
                door(path)
            assert caught.value.code == code
            assert str(tmp_path) not in str(caught.value)


def test_a_file_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff")

    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))  # root may read everything, so this is staged

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MediaError) as caught:
        load_photo(path)
    assert caught.value.code == "file_unreadable"
    assert str(path) not in str(caught.value)


def confined(code: str) -> str:
    """What a confined child prints (its last line, or its exit signal)."""
    program = f"import os, socket, time\nfrom photoplay.media.confine import confine\nconfine(1 << 30, 1)\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20)
    return done.stderr.strip().splitlines()[-1] if done.stderr else str(done.returncode)


def test_a_confined_child_has_no_rights_left(tmp_path: Path) -> None:
    assert "Too many open files" in confined("open('/etc/passwd')")
    assert "Too many open files" in confined("socket.socket()")
    assert "Too many open files" in confined("os.pipe()")
    assert "MemoryError" in confined("bytearray(2 << 30)")
    with (tmp_path / "out").open("wb") as out:
        program = "from photoplay.media.confine import confine\nconfine(1 << 30, 1)\nimport os\nos.write(1, b'x')"
        done = subprocess.run([sys.executable, "-c", program], stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode != 0
    assert (tmp_path / "out").read_bytes() == b""


def test_a_confined_child_that_never_ends_is_ended() -> None:
    assert confined("while True: pass") in ("-24", "-9")


def test_the_child_inherits_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from photoplay.media.child import decoder, open_source
    from tests.media.clips import greys, video

    monkeypatch.setenv("PHOTOPLAY_SECRET", "hunter2")
    with (tmp_path / "open").open("wb") as leak:
        os.set_inheritable(leak.fileno(), True)
        with open_source(video(greys(30, 640, 480)), 1 << 30, "video") as file:
            settings = '{"max_seconds": 9, "max_side": 640, "fps": null}'
            with decoder("decode_stream", ["frames", "mp4", "9", settings], file, "video", 9.0) as child:
                child.header()  # it now waits: the pipe cannot hold a frame
                process = child._process.pid
                environment = Path(f"/proc/{process}/environ").read_bytes()
                held = {int(entry.name) for entry in Path(f"/proc/{process}/fd").iterdir()}
    assert b"hunter2" not in environment
    assert b"HOME=" not in environment
    assert held == {0, 1, 2}


def test_a_lying_child_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    from photoplay.media.child import Child

    good = np.zeros(3, np.uint8).tobytes()
    headers = [{}, {"width": -1, "height": -1}, {"width": 1 << 20, "height": 1 << 20}, {"width": "1", "height": 1}]
    png = next(h.data for h in hostile_files() if h.name == "jpeg-that-is-also-html")
    for header in headers:
        monkeypatch.setattr(Child, "header", lambda self, header=header: header)
        monkeypatch.setattr(Child, "body_into", lambda self, target: good)
        with pytest.raises(MediaError) as caught:
            load_photo(png)
        assert caught.value.code == "photo_broken"


def test_without_the_extra_heic_photos_say_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pillow_heif.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MediaError) as caught:
        load_photo(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100))
    assert caught.value.code == "photo_needs_heic"
    assert "photoplay[heic]" in caught.value.hint


def test_a_photo_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jpeg = next(h.data for h in hostile_files() if h.name == "jpeg-that-is-also-html")
    monkeypatch.setattr(sys, "executable", sleeper(tmp_path))
    with pytest.raises(MediaError) as caught:
        load_photo(jpeg, seconds=0.05)
    assert caught.value.code == "photo_too_slow"
