from __future__ import annotations

import hashlib
import os
import random
import re
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from photoplay.errors import RefusedError
from photoplay.safety.blocklist import Blocklist, _packed
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


LINE = re.compile(rb"[ \t]*([0-9A-Fa-f]{64})(?:[ \t,;][^\r\n]*)?\r?|[ \t]*(?:#[^\r\n]*)?\r?")
PIECES = (
    b"0f" * 32,
    b"A9" * 32,
    b"a" * 63,
    b"g" * 64,
    b"0",
    b" ",
    b"\t",
    b",",
    b";",
    b"#",
    b"\r",
    b"\n",
    b"\n",
    b"x",
    b"\xff",
    b"\0",
)


def test_a_line_is_what_the_expression_says() -> None:
    """Texts put together by chance, read by the kernel and by a regular expression."""
    chance, sound = random.Random(5), 0
    for _ in range(20_000):
        text = b"".join(chance.choices(PIECES, k=chance.randrange(9)))
        lines = [LINE.fullmatch(line) for line in text.split(b"\n")]
        if None in lines:
            with pytest.raises(ValueError, match="no hash"):
                _packed(text)
        else:
            sound += 1
            hashes = b"".join(line[1] or b"" for line in lines if line)
            assert _packed(text).tobytes() == bytes.fromhex(hashes.decode()), text
    assert sound > 2000


@pytest.mark.parametrize("how", ["gone", "gone for another", "dangling", "loop", "file", "fifo", "parent"])
def test_lists_that_are_out_of_reach_block_everything(tmp_path: Path, photo: Photo, how: str) -> None:
    folder = tmp_path / "mounted" / "blocklist"
    folder.mkdir(parents=True)
    blocklist = Blocklist(folder)
    if how.startswith("gone"):
        blocklist.check(photo)
        folder.rmdir()
        blocklist = Blocklist(folder) if "another" in how else blocklist
    elif how == "fifo":
        os.mkfifo(folder / "a.pdq")
    else:
        folder.rmdir()
        if how == "parent":
            folder.parent.rmdir()
        place = folder.parent if how == "parent" else folder
        {"file": place.touch}.get(how, lambda: place.symlink_to(place if how == "loop" else tmp_path / "nowhere"))()
    with pytest.raises(RefusedError) as refused:
        blocklist.check(photo)
    assert refused.value.code == "blocklist_unreadable"
    with suppress(OSError, ValueError):
        blocklist.add({photo.sha256}, ())
    with pytest.raises(RefusedError):
        blocklist.check(photo)


def test_a_change_of_the_same_size_and_time_is_seen(tmp_path: Path, photo: Photo) -> None:
    path, other = tmp_path / "a.sha256", tmp_path / "other"
    path.write_text("f" * 64 + "\n")
    os.utime(path, ns=(10**18, 10**18))
    blocklist = Blocklist(tmp_path)
    blocklist.check(photo)
    time.sleep(0.15)
    blocklist.check(photo)
    other.write_text(photo.sha256 + "\n")
    os.utime(other, ns=(10**18, 10**18))
    other.replace(path)
    with pytest.raises(RefusedError):
        blocklist.check(photo)
    path.write_text("f" * 64 + "\n")
    blocklist.check(photo)
    path.write_text(photo.sha256 + "\n")  # within one tick of the file system's clock
    os.utime(path, ns=(10**18, 10**18))
    with pytest.raises(RefusedError):
        blocklist.check(photo)


def test_the_case_of_a_suffix_does_not_matter(tmp_path: Path, photo: Photo) -> None:
    _write(tmp_path / "FILES.SHA256", photo.sha256.upper())
    with pytest.raises(RefusedError):
        Blocklist(tmp_path).check(photo)


@pytest.mark.parametrize("fill", [" ", "\t", "\r"])
def test_blanks_are_no_digits(tmp_path: Path, photo: Photo, fill: str) -> None:
    _write(tmp_path / "a.pdq", ("ab" * 24 + fill * 16 + "\n") * 4)
    with pytest.raises(RefusedError) as refused:
        Blocklist(tmp_path).check(photo)
    assert refused.value.code == "blocklist_unreadable"


def test_lines_are_added_to_what_was_written_by_hand(tmp_path: Path, photo: Photo) -> None:
    _write(tmp_path / "takedown.sha256", "# von Hand hinzugefügt\n" + "E" * 64)
    blocklist = Blocklist(tmp_path)
    assert blocklist.add({photo.sha256, "e" * 64}, {"0" * 64}) == 2
    assert blocklist.add({photo.sha256}, {"0" * 64}) == 0
    assert blocklist.lists().holds("e" * 64)
    assert blocklist.lists().holds(photo.sha256)


@pytest.mark.parametrize("contrast", [0.5, 0.1, 0.03])
def test_a_pale_copy_is_blocked(tmp_path: Path, photo: Photo, contrast: float) -> None:
    _write(tmp_path / "a.pdq", pdq(photo.pixels).hex)
    pale = (120 + contrast * (photo.pixels.astype(np.float32) - 128)).astype(np.uint8)
    with pytest.raises(RefusedError):
        Blocklist(tmp_path).check(Photo(pale, "0" * 64))


def test_a_blank_picture_is_on_no_list(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    walls = [np.full((300, 200, 3), 90, np.uint8), rng.integers(88, 93, (300, 200, 3), dtype=np.uint8)]
    _write(tmp_path / "a.pdq", "\n".join(["0" * 64, "f" * 64, *(pdq(wall).hex for wall in walls)]))
    for wall in walls:
        Blocklist(tmp_path).check(Photo(wall, "0" * 64))
