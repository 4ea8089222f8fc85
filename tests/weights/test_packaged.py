from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from photoplay import weights
from photoplay.errors import UnavailableError


@pytest.fixture(autouse=True)
def _forget() -> None:
    weights.find.cache_clear()


def _install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    """A package named toy_models with one file, and a weight that expects the bytes ``right``."""
    package = tmp_path / "toy_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('must never be imported')")
    if content is not None:
        (package / "models" / "toy.dat").write_bytes(content)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    digest = "5bfe5bde3f9cca3d00b43c4a7a98b4a02d9d9ba2c4c5ea7c9f3ddc9d9f1e4b1b"
    weight = replace(weights.WEIGHTS["face_identity"], package="toy_models", file="models/toy.dat", sha256=digest)
    monkeypatch.setitem(weights.WEIGHTS, "toy", weight)


def test_the_identity_weight_is_found_and_has_the_recorded_size() -> None:
    path = weights.find("face_identity")
    assert path.stat().st_size == 22_466_066


def test_an_altered_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, b"wrong")
    with pytest.raises(UnavailableError) as caught:
        weights.find("toy")
    assert caught.value.code == "weight_altered"
    assert str(tmp_path) not in str(caught.value)


def test_a_right_file_is_found_without_importing_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    _install(tmp_path, monkeypatch, b"right")
    weight = replace(weights.WEIGHTS["toy"], sha256=hashlib.sha256(b"right").hexdigest())
    monkeypatch.setitem(weights.WEIGHTS, "toy", weight)
    path = weights.find("toy")
    assert path.read_bytes() == b"right"
    path.write_bytes(b"later")
    assert weights.find("toy") == path, "hashed once per process"


@pytest.mark.parametrize("installed", [True, False])
def test_a_missing_file_or_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    _install(tmp_path, monkeypatch, None)
    if not installed:
        weight = replace(weights.WEIGHTS["toy"], package="no_such_package_here")
        monkeypatch.setitem(weights.WEIGHTS, "toy", weight)
    with pytest.raises(UnavailableError) as caught:
        weights.find("toy")
    assert caught.value.code == "weight_missing"
    assert "Install the package" in caught.value.hint


def test_an_unknown_name_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        weights.find("no such weight")
