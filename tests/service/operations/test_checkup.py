from __future__ import annotations

from pathlib import Path

import pytest

from photoplay.service.engine import open_hub
from photoplay.service.ground.settings import Settings
from photoplay.service.operations.checkup import Finding, check_up
from tests.service.groundwork import make_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def found(settings: Settings) -> dict[str, Finding]:
    return {one.name: one for one in check_up(settings)}


def test_every_part_of_a_new_installation_is_looked_at(tmp_path: Path, home: Path) -> None:
    settings = make_settings(tmp_path / "data")
    before = found(settings)
    assert (before["database"].state, before["database"].hint) == ("failed", "Run `photoplay service migrate`.")
    open_hub(settings).close()
    after = found(settings)
    assert set(after) == {"settings", "database", "store", "trust folder", "signature", "pocket", "disk"}
    assert {name for name, one in after.items() if one.state == "failed"} <= {"settings"}  # no filter on this machine
    assert (after["database"].state, after["database"].message) == ("fine", "sqlite")
    assert list(home.glob(".check-*")) == []
    assert not (settings.data / "store" / "check").exists()


@pytest.mark.parametrize("written", ["{}", "file://{}"])
def test_a_store_in_a_folder_is_told_as_one(tmp_path: Path, written: str) -> None:
    store = found(make_settings(tmp_path / "data", storage_url=written.format(tmp_path / "kept")))["store"]
    assert (store.state, store.message) == ("fine", "a folder")
    assert (tmp_path / "kept").is_dir()


def test_a_store_that_is_neither_folder_nor_bucket_fails(tmp_path: Path) -> None:
    store = found(make_settings(tmp_path / "data", storage_url="ftp://elsewhere/kept"))["store"]
    assert (store.state, store.hint.startswith("Set PHOTOPLAY_STORAGE_URL")) == ("failed", True)


def test_a_trust_folder_that_cannot_be_written_fails(tmp_path: Path, home: Path) -> None:
    home.write_text("in the way")
    assert found(make_settings(tmp_path / "data"))["trust folder"].state == "failed"


def test_a_backend_that_is_unknown_fails(tmp_path: Path) -> None:
    assert found(make_settings(tmp_path / "data", backends=("no-such-thing",)))["no-such-thing"].state == "failed"
