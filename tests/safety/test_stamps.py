"""Time stamps: an authority of our own, one that is down, slow or lies, and what of a stamp can be changed unseen."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import SealError
from photoplay.safety.certificates import default_signer
from photoplay.safety.reading import read_seal
from photoplay.safety.verify import verify
from photoplay.types import Clip
from tests.safety.conftest import SealIt
from tests.safety.stamping import authority, make_authority


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clock")
    make_authority(folder)
    return folder


@pytest.fixture
def stamped(seal_it: SealIt, clock: Path, monkeypatch: pytest.MonkeyPatch) -> Clip:
    monkeypatch.setenv("PHOTOPLAY_TSA_ANCHOR", str(clock / "root.pem"))
    with authority(clock) as url:
        monkeypatch.setenv("PHOTOPLAY_TSA_URL", url)
        return seal_it()


def test_a_stamped_film_says_when(stamped: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    found = verify(stamped.path)
    assert (found.state, found.stamp_trusted) == ("trusted", True)
    assert found.stamped.startswith("20")
    monkeypatch.delenv("PHOTOPLAY_TSA_ANCHOR")
    stranger = verify(stamped.path)
    assert (stranger.state, stranger.stamp_trusted, stranger.stamped) == ("trusted", False, found.stamped)


def test_the_root_of_a_clock_vouches_for_no_film(stamped: Clip, clock: Path) -> None:
    root = (clock / "root.pem").read_text()
    assert read_seal(stamped.path, "mp4", root, root).state == "untrusted"


@pytest.mark.parametrize("answers", ["nonsense", "error", "stale"])
def test_an_authority_that_lies_gets_no_film(answers: str, clock: Path, seal_it: SealIt, tmp_path: Path) -> None:
    before = set(os.listdir(tmp_path))
    with authority(clock, answers) as url, pytest.raises(SealError) as caught:
        seal_it(signer=replace(default_signer(), tsa_url=url))
    assert caught.value.code in ("seal_failed", "seal_not_stamped", "seal_not_trusted")
    assert set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "ftp://127.0.0.1/", "nowhere"])
def test_an_authority_that_is_down_gets_no_film(url: str, seal_it: SealIt, tmp_path: Path) -> None:
    before = set(os.listdir(tmp_path))
    with pytest.raises(SealError) as caught:
        seal_it(signer=replace(default_signer(), tsa_url=url))
    assert caught.value.code == "seal_failed"
    assert "127" not in str(caught.value)
    assert set(os.listdir(tmp_path)) == before


def test_an_authority_that_is_not_ours_gets_no_film(clock: Path, seal_it: SealIt, tmp_path: Path) -> None:
    with authority(clock) as url, pytest.raises(SealError) as caught:
        seal_it(signer=replace(default_signer(), tsa_url=url, tsa_anchors=default_signer().anchors))
    assert caught.value.code == "seal_not_stamped"


def test_roots_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in (None, "nonsense"):
        if content:
            (tmp_path / "root.pem").write_text(content)
        monkeypatch.setenv("PHOTOPLAY_TSA_ANCHOR", str(tmp_path / "root.pem"))
        with pytest.raises(SealError) as caught:
            default_signer()
        assert caught.value.code == "certificate_unusable"


def test_no_changed_bit_makes_it_another_time(stamped: Clip, tmp_path: Path) -> None:
    data, anchors = stamped.path.read_bytes(), default_signer().anchors
    value = data.index(b"cval", data.index(b"tstTokens")) + 4
    (size,) = struct.unpack_from(">H", data, value + 1)
    assert 500 < size < 4000
    honest = read_seal(stamped.path, "mp4", anchors).stamped
    changed, rng, unseen = tmp_path / "changed.mp4", np.random.default_rng(2), 0
    for place in rng.choice(size, 150, replace=False):
        flipped = bytearray(data)
        flipped[value + 3 + int(place)] ^= 1 << int(rng.integers(8))
        changed.write_bytes(flipped)
        found = read_seal(changed, "mp4", anchors)
        assert found.state == "tampered" or found.stamped == honest
        unseen += found.state == "trusted"
    assert unseen < 150 / 2  # the certificates in it, which come after the signature and are not under it


def test_a_second_stamp_or_an_empty_one_is_no_stamp(stamped: Clip) -> None:
    data = stamped.path.read_bytes()
    for old, new in ((b"tstTokens", b"tstTokenz"), (b"gsigTst2", b"gsigTst1"), (b"cval", b"cvam")):
        assert data.count(old) == 1
        stamped.path.write_bytes(data.replace(old, new))
        assert verify(stamped.path).state == "tampered"
