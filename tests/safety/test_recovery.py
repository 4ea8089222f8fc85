from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from photoplay.safety.certificates import data_home
from photoplay.safety.ledger import Ledger, work_id
from photoplay.safety.recovery import FRAMES, Recovered, recover
from photoplay.safety.watermark import DEFAULT_KEY, Marker
from photoplay.types import RgbStack
from tests.media.clips import greys, video
from tests.safety.conftest import SealIt

KEY = b"key"


@dataclass(frozen=True)
class Seen:
    payload: int
    confidence: float = 9.0


def finds(
    number: int | None,
) -> tuple[Callable[[Iterable[RgbStack], bytes], Seen | None], list[tuple[int, int, bytes]]]:
    """A detector that finds ``number`` in everything, and what it was shown: frames, sides and key."""
    shown: list[tuple[int, int, bytes]] = []

    def detect(windows: Iterable[RgbStack], key: bytes) -> Seen | None:
        frames = np.concatenate(list(windows))
        shown.append((len(frames), frames.shape[2], key))
        return None if number is None else Seen(number)

    return detect, shown


@pytest.fixture
def ledger(home: Path) -> Ledger:
    return Ledger(data_home() / "works")


@pytest.fixture
def stripped(unsigned: Path) -> Path:
    """The film as it is once somebody took the seal away."""
    return unsigned / "film.mp4"


def test_a_mark_leads_to_the_film_that_was_made_here(
    seal_it: SealIt, recipe: dict[str, Any], stripped: Path, ledger: Ledger
) -> None:
    seal_it()
    detect, shown = finds(int(work_id(recipe), 16))
    found = recover(stripped, ledger, KEY, detect)
    assert found is not None
    assert (found.known, found.number, found.template, found.consent) == (True, work_id(recipe), "smile", ("self",))
    assert found.source_photos == ("a" * 64,)
    assert found.created.startswith("20")
    assert "weaker than a seal" in found.sentence
    assert work_id(recipe) in found.sentence
    assert shown == [(4, 96, KEY)]


def test_a_mark_of_a_film_that_was_made_elsewhere(stripped: Path, ledger: Ledger) -> None:
    found = recover(stripped, ledger, KEY, finds(0xABC)[0])
    assert found == Recovered("0000000000000abc", 9.0, False, found.sentence if found else "")
    assert "not made here" in found.sentence


def test_no_mark(stripped: Path, ledger: Ledger) -> None:
    assert recover(stripped, ledger, KEY, finds(None)[0]) is None


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_pictures_are_looked_at_too(kind: str, unsigned: Path, ledger: Ledger) -> None:
    detect, shown = finds(None)
    recover(unsigned / f"film.{kind}", ledger, KEY, detect)
    assert shown[0][0] == (4 if kind == "gif" else 1)


def test_a_film_in_another_container_is_looked_at_too(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "film").write_bytes(video(greys(4), container="matroska"))
    detect, shown = finds(None)
    recover(tmp_path / "film", ledger, KEY, detect)
    assert shown[0][0] == 4


def test_what_cannot_be_decoded_has_no_mark(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "noise.mp4").write_bytes(b"\0\0\0\x14ftypisom" + bytes(200))
    assert recover(tmp_path / "noise.mp4", ledger, KEY, finds(1)[0]) is None


def test_a_damaged_ledger_is_told(stripped: Path, tmp_path: Path) -> None:
    (tmp_path / f"{5:016x}.jsonl").write_text("nonsense")
    found = recover(stripped, Ledger(tmp_path), KEY, finds(5)[0])
    assert found is not None
    assert not found.known
    assert "damaged" in found.sentence


def test_a_long_film_is_not_read_to_its_end(tmp_path: Path, ledger: Ledger) -> None:
    with av.open(str(tmp_path / "long.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(FRAMES + 30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(stream.encode())
    detect, shown = finds(None)
    recover(tmp_path / "long.mp4", ledger, KEY, detect)
    assert shown[0][0] == FRAMES


def test_the_real_mark_survives_a_new_encoding_and_leads_back(
    seal_it: SealIt, recipe: dict[str, Any], tmp_path: Path, ledger: Ledger
) -> None:
    seal_it()
    photo = np.asarray(Image.fromarray(astronaut()).resize((640, 640)))
    marked = Marker(int(work_id(recipe), 16)).mark(np.repeat(photo[None, :480], 6, 0))
    with av.open(str(tmp_path / "again.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "26"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for picture in marked:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    found = recover(tmp_path / "again.mp4", ledger, DEFAULT_KEY)
    assert found is not None
    assert (found.known, found.number) == (True, work_id(recipe))
    Image.fromarray(photo).save(tmp_path / "unmarked.png")
    assert recover(tmp_path / "unmarked.png", ledger, DEFAULT_KEY) is None
