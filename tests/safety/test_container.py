from __future__ import annotations

from pathlib import Path

import pytest

from photoplay.safety.container import ContainerError, Kind, unsealed
from tests.safety.conftest import SealIt

KINDS: tuple[Kind, ...] = ("mp4", "png", "gif", "webp")


@pytest.mark.parametrize("kind", KINDS)
def test_without_its_seal_a_file_is_what_it_was(kind: Kind, seal_it: SealIt, unsigned: Path) -> None:
    before = (unsigned / f"film.{kind}").read_bytes()
    sealed = bytearray(seal_it(f"film.{kind}").path.read_bytes())
    assert len(sealed) > len(before)
    assert unsealed(memoryview(sealed), kind) == before
    assert unsealed(memoryview(before), kind) == before


@pytest.mark.parametrize("kind", ["mp4", "png", "webp"])
def test_a_broken_file_is_told(kind: Kind, unsigned: Path) -> None:
    data = (unsigned / f"film.{kind}").read_bytes()
    with pytest.raises(ContainerError):
        unsealed(memoryview(data[:-3] if kind != "webp" else data + b"xyz"), kind)
