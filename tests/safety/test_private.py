from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from photoplay.errors import RequestError
from photoplay.safety.private import FORGOTTEN, HIDDEN, unsealed_folder

KILLED = """
import sys, time
from pathlib import Path
from photoplay.safety.private import unsealed_folder
with unsealed_folder(Path(sys.argv[1]), Path(sys.argv[2])) as folder:
    (folder / "film.mp4").write_bytes(b"frames")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return tmp_path / "films"


def names(home: Path) -> list[str]:
    return [link.name for link in (home / "unsealed").iterdir()]


def test_only_its_owner_can_open_it_and_it_goes(place: Path, home: Path) -> None:
    with unsealed_folder(place, home) as folder:
        (folder / "film.mp4").write_bytes(b"frames")
        assert (folder.parent, folder.name.startswith(HIDDEN)) == (place, True)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "unsealed").stat().st_mode) == 0o700
        assert names(home) == [folder.name]
    assert list(place.iterdir()) == names(home) == []
    with pytest.raises(ValueError, match="stop"), unsealed_folder(place, home):
        raise ValueError("stop")
    assert list(place.iterdir()) == names(home) == []


def test_a_place_that_takes_no_folder_is_told_as_such(tmp_path: Path, home: Path) -> None:
    with pytest.raises(RequestError) as caught, unsealed_folder(tmp_path / "gone", home):
        pass
    assert caught.value.code == "out_unwritable"


def test_what_a_killed_process_left_goes_with_the_next_film_of_any_place(
    place: Path, home: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(place), str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        with unsealed_folder(tmp_path, home):
            assert (left / "film.mp4").exists()  # its owner lives
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (left / "film.mp4").exists()
    with unsealed_folder(tmp_path, home) as folder:
        assert not left.exists()
        assert names(home) == [folder.name]
    assert list(place.iterdir()) == names(home) == []


def test_only_folders_that_were_made_so_are_removed(place: Path, home: Path) -> None:
    (home / "unsealed").mkdir(parents=True)
    (place / "mine").mkdir()
    (place / "film.mp4").write_bytes(b"sealed")
    for target in (place, place / "mine", place / "film.mp4", place / "link"):
        (home / "unsealed" / f"{HIDDEN}{target.name}").symlink_to(target)
    with unsealed_folder(place, home):
        pass
    assert (place / "mine").is_dir()
    assert (place / "film.mp4").exists()


def test_a_folder_that_is_elsewhere_is_forgotten_after_a_day(place: Path, home: Path) -> None:
    (home / "unsealed").mkdir(parents=True)
    young, old = (home / "unsealed" / f"{HIDDEN}{age}" for age in ("young", "old"))
    for link in (young, old):
        link.symlink_to(Path("/nowhere/at/all") / link.name)
    long_ago = time.time() - FORGOTTEN - 10
    os.utime(old, (long_ago, long_ago), follow_symlinks=False)
    with unsealed_folder(place, home):
        pass
    assert names(home) == [young.name]


def test_a_home_that_cannot_be_written_keeps_nobody_from_working(place: Path, home: Path) -> None:
    home.write_text("a file")
    with unsealed_folder(place, home) as folder:
        assert folder.is_dir()
    assert list(place.iterdir()) == []
