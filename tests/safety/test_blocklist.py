from __future__ import annotations

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from photoplay.errors import RefusedError
from photoplay.safety.blocklist import Blocklist
from photoplay.safety.pdq import pdq, to_hex
from photoplay.types import Photo


@pytest.fixture
def photo() -> Photo:
    return Photo(data.astronaut(), hashlib.sha256(b"astronaut").hexdigest())


def _write(path: Path, text: str, later: int = 0) -> None:
    path.write_text(text)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + later))


def test_nothing_is_blocked_without_lists(tmp_path: Path, photo: Photo) -> None:
    Blocklist(tmp_path / "nowhere").check(photo)
    Blocklist(tmp_path).check(photo)


def test_the_very_file_is_blocked(tmp_path: Path, photo: Photo) -> None:
    others = [hashlib.sha256(bytes([n])).hexdigest() for n in range(50)]
    _write(tmp_path / "files.sha256", "\n".join([*others, photo.sha256]))
    with pytest.raises(RefusedError) as refused:
        Blocklist(tmp_path).check(photo)
    assert refused.value.code == "photo_blocked"
    Blocklist(tmp_path).check(Photo(photo.pixels, others[0][::-1]))


@pytest.mark.parametrize("turn", [lambda p: p, np.fliplr, np.rot90])
def test_near_copies_are_blocked(tmp_path: Path, photo: Photo, turn) -> None:
    _write(tmp_path / "pictures.pdq", f"# taken down\n{pdq(photo.pixels).hex}, case 12\n\n{'0' * 63}1\n")
    small = cv2.resize(np.ascontiguousarray(turn(photo.pixels)), (240, 240), interpolation=cv2.INTER_AREA)
    with pytest.raises(RefusedError):
        Blocklist(tmp_path).check(Photo(small, "0" * 64))
    Blocklist(tmp_path).check(Photo(data.coffee(), "0" * 64))


def test_lists_are_read_again_when_they_change(tmp_path: Path, photo: Photo) -> None:
    blocklist = Blocklist(tmp_path)
    blocklist.check(photo)
    _write(tmp_path / "a.sha256", photo.sha256 + "\n")
    with pytest.raises(RefusedError):
        blocklist.check(photo)
    _write(tmp_path / "a.sha256", "f" * 64 + "\n", later=10**9)
    blocklist.check(photo)
    (tmp_path / "a.sha256").unlink()
    blocklist.check(photo)


@pytest.mark.parametrize("text", ["not a hash", "ab" * 31, "ab" * 33, "ab" * 32 + "\nxyz", "zz" * 32])
@pytest.mark.parametrize("name", ["a.sha256", "a.pdq"])
def test_a_broken_list_blocks_everything(tmp_path: Path, photo: Photo, name: str, text: str) -> None:
    _write(tmp_path / name, text)
    blocklist = Blocklist(tmp_path)
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            blocklist.check(photo)
        assert refused.value.code == "blocklist_unreadable"


def test_plain_and_annotated_lists_say_the_same(tmp_path: Path) -> None:
    hashes = np.random.default_rng(3).integers(0, 2**63, (200, 4)).astype(np.uint64)
    lines = [to_hex(words) for words in hashes]
    (tmp_path / "plain").mkdir()
    (tmp_path / "noted").mkdir()
    _write(tmp_path / "plain" / "a.pdq", "\r\n".join(lines) + "\r\n")
    _write(tmp_path / "noted" / "a.pdq", "\n".join(f"{line} note" for line in lines))
    plain, noted = (Blocklist(tmp_path / name).lists().pictures for name in ("plain", "noted"))
    assert (plain == hashes).all()
    assert (noted == hashes).all()
