from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photoplay.errors import RefusedError
from photoplay.finishing.encode import encode
from photoplay.media import read_video
from photoplay.safety.container import ContainerError, Kind
from photoplay.safety.counting import count_frames
from photoplay.safety.guard import Guard
from photoplay.types import Admitted, Audio, Frames
from tests.safety.conftest import GREY, SealIt

NAMES: tuple[Kind, ...] = ("mp4", "png", "gif", "webp")


def counted(data: bytes, kind: Kind) -> int:
    return count_frames(memoryview(data), kind)


@pytest.mark.parametrize("kind", NAMES)
def test_every_frame_is_counted(kind: Kind, unsigned: Path, seal_it: SealIt) -> None:
    shown = 1 if kind == "png" else 4
    assert counted((unsigned / f"film.{kind}").read_bytes(), kind) == shown
    assert counted(seal_it(f"film.{kind}").path.read_bytes(), kind) == shown


@pytest.mark.parametrize("codec", ["h264", "av1"])
@pytest.mark.parametrize("count", [1, 7, 50])
def test_of_an_encoded_film_with_sound(codec: Any, count: int, tmp_path: Path) -> None:
    rgb = np.random.default_rng(count).integers(0, 255, (count, 64, 64, 3), np.uint8)
    sound = Audio(np.zeros(9000, np.float32), 16_000, "")
    encode([Frames(rgb, 24.0)], tmp_path / "film.mp4", codec=codec, audio=sound)
    assert counted((tmp_path / "film.mp4").read_bytes(), "mp4") == count == len(read_video(tmp_path / "film.mp4").rgb)


def test_a_film_in_fragments_is_not_counted(tmp_path: Path) -> None:
    encode([Frames(np.zeros((30, 64, 64, 3), np.uint8), 24.0)], tmp_path / "film.mp4", fragmented=True)
    with pytest.raises(ContainerError):
        counted((tmp_path / "film.mp4").read_bytes(), "mp4")


def test_an_animated_png_is_no_still(unsigned: Path) -> None:
    still = (unsigned / "film.png").read_bytes()
    control = b"acTL" + struct.pack(">II", 2, 0)
    chunk = struct.pack(">I", 8) + control + struct.pack(">I", zlib.crc32(control))
    with pytest.raises(ContainerError):
        counted(still[:33] + chunk + still[33:], "png")


@pytest.mark.parametrize("save", [{"lossless": True}, {"quality": 60}, {"lossless": True, "exif": b"Exif\0\0"}])
def test_a_webp_still_is_one(save: dict[str, Any], tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "still.webp", **save)
    assert counted((tmp_path / "still.webp").read_bytes(), "webp") == 1


@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_a_file_that_is_cut_short_is_told(kind: Kind, unsigned: Path) -> None:
    data = (unsigned / f"film.{kind}").read_bytes()
    for cut in (20, len(data) // 2, len(data) - 1):
        with pytest.raises(ContainerError):
            counted(data[:cut], kind)


def test_another_handler_is_not_passed_over(unsigned: Path) -> None:
    data = (unsigned / "film.mp4").read_bytes()
    with pytest.raises(ContainerError):
        counted(data.replace(b"vide", b"meta"), "mp4")
    assert counted(data.replace(b"vide", b"soun"), "mp4") == 0


@pytest.mark.parametrize("kind", ["mp4", "gif", "webp"])
def test_more_frames_than_were_screened_are_not_sealed(
    kind: Kind, seal_it: SealIt, admitted: Admitted, tmp_path: Path
) -> None:
    screen = Guard.local().content.screened
    with pytest.raises(RefusedError) as caught:
        seal_it(f"film.{kind}", screened=screen([GREY] * 3, admitted))
    assert caught.value.code == "content_unchecked"
    assert list(tmp_path.iterdir()) == []
    assert seal_it(f"film.{kind}", screened=screen([GREY] * 4, admitted)).path.exists()
