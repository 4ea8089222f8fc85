from __future__ import annotations

import errno
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photoplay.errors import PhotoplayError, RequestError
from photoplay.pipeline.outputs import check_out, check_sound, disk_told, keep_stills
from photoplay.types import Audio
from tests.finishing.clips import moving, windows


def test_single_frames_are_exact_and_pass_on(tmp_path: Path) -> None:
    stack = moving(5, 40, 60)
    passed = list(keep_stills(iter(windows(stack, 2)), tmp_path / "stills"))
    assert np.array_equal(np.concatenate([window.rgb for window in passed]), stack)
    files = sorted((tmp_path / "stills").iterdir())
    assert [file.name for file in files] == [f"frame_{index:05d}.png" for index in range(5)]
    for file, picture in zip(files, stack, strict=True):
        with Image.open(file) as image:
            assert (np.asarray(image) == picture).all()


@pytest.mark.parametrize(
    ("out", "stills", "sheet", "code"),
    [
        ("film.exe", None, None, "out_kind"),
        ("there/film.mp4", None, None, "out_folder_missing"),
        ("film.mp4", "there/stills", None, "out_folder_missing"),
        ("film.mp4", None, "sheet.jpg", "sheet_not_png"),
        ("film.gif", None, "sheet.png", "sheet_needs_mp4"),
    ],
)
def test_names_are_checked_before_any_work(
    tmp_path: Path, out: str, stills: str | None, sheet: str | None, code: str
) -> None:
    with pytest.raises(RequestError) as caught:
        check_out(tmp_path / out, tmp_path / stills if stills else None, tmp_path / sheet if sheet else None)
    assert caught.value.code == code


def test_a_folder_is_no_name_for_a_film(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(RequestError) as caught:
        check_out(tmp_path / "film.mp4")
    assert caught.value.code == "out_is_folder"


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that not even root can write to")
def test_a_folder_that_takes_nothing_is_known_before_any_work(tmp_path: Path) -> None:
    nowhere, film = Path("/proc"), tmp_path / "film.mp4"
    for given in ({"out": nowhere / "film.mp4"}, {"stills": nowhere / "stills"}, {"resume": nowhere / "a" / "b"}):
        with pytest.raises(RequestError) as caught:
            check_out(**{"out": film, **given})
        assert caught.value.code == "out_unwritable"
        assert "/proc" not in str(caught.value)
    check_out(film, tmp_path / "stills", resume=tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "folder", "code"),
    [(errno.ENOSPC, "", "disk_full"), (errno.EDQUOT, "", "disk_full"), (errno.ENOENT, "gone", "out_folder_missing")],
)
def test_what_a_disk_refuses_on_the_way_is_told(tmp_path: Path, number: int, folder: str, code: str) -> None:
    with pytest.raises(PhotoplayError) as caught, disk_told(tmp_path / folder / "film.mp4"):
        raise OSError(number, "no")
    assert caught.value.code == code


def test_what_is_no_fault_of_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no wire"), disk_told(tmp_path / "film.mp4"):
        raise OSError(errno.EPIPE, "no wire")


@pytest.mark.parametrize(
    ("name", "heard", "seconds", "codes"),
    [
        ("a.mp4", 2.0, 2.0, []),
        ("a.mp4", 2.05, 2.0, []),
        ("a.mp4", 2.5, 2.0, ["sound_cut"]),
        ("a.mp4", 75.0, 60.0, ["sound_cut"]),
        ("a.gif", 2.0, 2.0, ["sound_dropped"]),
        ("a.WEBP", 75.0, 60.0, ["sound_dropped"]),
    ],
)
def test_sound_that_is_lost_is_told(name: str, heard: float, seconds: float, codes: list[str]) -> None:
    sound = Audio(np.zeros(round(heard * 8000), np.float32), 8000, "")
    found = check_sound(sound, Path(name), seconds)
    assert [notice.code for notice in found] == codes
    assert all(notice.severity == "warning" and notice.hint for notice in found)
    assert check_sound(None, Path(name), seconds) == ()
