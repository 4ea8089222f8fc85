from __future__ import annotations

import io
import json
import sqlite3
import tarfile
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from photoplay.errors import InputError, UnavailableError
from photoplay.safety.audit import AuditLog
from photoplay.service.ground.database import Database
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.storage import open_store
from photoplay.service.operations.backup import back_up, read_back


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """An installation with a database, two objects, a log and a ledger, a model and unfinished work."""
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    settings = Settings()
    settings.key("anything")
    with closing(Database(settings.database_url)) as database:
        database.migrate()
    store = open_store(settings)
    store.put("films/tenant_a/video_b/1/1/film.mp4", b"film" * 1000, "video/mp4")
    store.put("uploads/tenant_a/upload_b", b"photo", "image/jpeg")
    (settings.data / "store" / "uploads" / "tenant_a" / "upload_c#1").write_bytes(b"unfinished")
    for _ in range(3):
        AuditLog(tmp_path / "home" / "audit").append("admit", "allowed")
    (tmp_path / "home" / "works").mkdir()
    (tmp_path / "home" / "works" / "0123456789abcdef.jsonl").write_text("{}\n")
    (tmp_path / "home" / "models" / "big").mkdir(parents=True)
    (tmp_path / "home" / "models" / "big" / "weights").write_bytes(b"x")
    (settings.work / "video_b").mkdir(parents=True)
    (settings.work / "video_b" / "window").write_bytes(b"x")
    return settings


@pytest.fixture
def archive(settings: Settings, tmp_path: Path) -> Path:
    back_up(settings, tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


def moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings of another machine, where nothing is yet."""
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "elsewhere"))
    return Settings()


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_comes_back_to_the_byte(
    settings: Settings, archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = moved(monkeypatch, tmp_path)
    done = read_back(other, archive)
    assert done.files == len(names(archive)) - 1
    store = open_store(other)
    assert store.get("films/tenant_a/video_b/1/1/film.mp4") == b"film" * 1000
    assert sorted(store.list()) == ["films/tenant_a/video_b/1/1/film.mp4", "uploads/tenant_a/upload_b"]
    assert other.key("anything") == settings.key("anything")
    verdict = AuditLog(tmp_path / "elsewhere" / "audit").verify()
    assert verdict.intact
    with closing(Database(other.database_url)) as database:
        database.check()
    for path in (tmp_path / "elsewhere").rglob("*"):
        assert path.is_dir() or not path.stat().st_mode & 0o077 or "photoplay.db" in path.name, path


def test_only_what_cannot_be_made_again_is_in_it(archive: Path) -> None:
    assert not [name for name in names(archive) if "models" in name or "work/" in name or "#" in name]
    assert {"database/photoplay.db", "database/secret", "manifest.json", "trust/audit/audit.key"} <= names(archive)


def test_nobody_else_reads_it_and_nothing_else_is_left(archive: Path, tmp_path: Path) -> None:
    assert archive.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "home"]


def test_a_backup_while_somebody_writes(settings: Settings, tmp_path: Path) -> None:
    url = settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(url)) as live:
        live.execute("CREATE TABLE more (x)")
        live.commit()
        live.execute("INSERT INTO more VALUES (1)")  # not committed
        back_up(settings, tmp_path / "live.tar")
        live.rollback()
    with tarfile.open(tmp_path / "live.tar") as tar:
        tar.extract("database/photoplay.db", tmp_path / "out", filter="data")
    with closing(sqlite3.connect(tmp_path / "out" / "database" / "photoplay.db")) as copy:
        assert copy.execute("SELECT count(*) FROM more").fetchone() == (0,)


def test_a_backup_while_somebody_writes_all_the_time(settings: Settings, tmp_path: Path) -> None:
    """It ends, keeps no writer waiting, and is of one moment."""
    url = settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(url)) as live:
        live.execute("CREATE TABLE pairs (n INTEGER, filler BLOB)")
        live.executemany("INSERT INTO pairs VALUES (?, zeroblob(4000))", [(n,) for n in range(4000)])
        live.commit()
    stop, written = Event(), []

    def write() -> None:
        with closing(sqlite3.connect(url, timeout=1)) as own:
            while not stop.is_set():
                with own:
                    own.execute("INSERT INTO pairs VALUES (1, NULL)")
                    own.execute("INSERT INTO pairs VALUES (-1, NULL)")
                written.append(1)

    thread = Thread(target=write)
    thread.start()
    try:
        back_up(settings, tmp_path / "live.tar", ["database"])
        after = len(written)
        while len(written) == after:
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
    with tarfile.open(tmp_path / "live.tar") as tar:
        tar.extract("database/photoplay.db", tmp_path / "out", filter="data")
    with closing(sqlite3.connect(tmp_path / "out" / "database" / "photoplay.db")) as copy:
        assert copy.execute("SELECT sum(n) FROM pairs WHERE filler IS NULL").fetchone()[0] in (0, None)


def test_where_there_is_no_database_none_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "service").mkdir(parents=True)
    with pytest.raises(UnavailableError) as refused:
        back_up(Settings(), tmp_path / "no.tar")
    assert refused.value.code == "backup_failed"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("part", ["trust", "store", "database"])
def test_a_part_alone(settings: Settings, tmp_path: Path, part: str) -> None:
    back_up(settings, tmp_path / "part.tar", [part])  # type: ignore[list-item]
    assert {name.split("/")[0] for name in names(tmp_path / "part.tar")} == {part, "manifest.json"}


def test_what_was_changed_is_found(archive: Path, settings: Settings, tmp_path: Path) -> None:
    """One bit, in any member, header or the manifest."""
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        members = list(tar)
    changed = tmp_path / "changed.tar"
    places = {place for one in members for place in (one.offset, one.offset + 100, one.offset + 136)}
    for one in members:
        places |= (
            {one.offset_data, one.offset_data + one.size // 2, one.offset_data + one.size - 1} if one.size else set()
        )
    for place in sorted(places):
        data = bytearray(whole)
        data[place] ^= 1
        changed.write_bytes(data)
        with pytest.raises(InputError, match="manifest"):
            read_back(settings, changed, check_only=True)
    assert read_back(settings, archive, check_only=True).files == len(members) - 1


@pytest.mark.parametrize("cut", [0, 100, 5_000, -2_000])
def test_an_archive_that_was_cut_short(
    archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cut: int
) -> None:
    (tmp_path / "cut.tar").write_bytes(archive.read_bytes()[:cut])
    other = moved(monkeypatch, tmp_path)
    with tarfile.open(archive) as tar:
        end = max(member.offset_data + member.size for member in tar)
    if cut < 0:
        (tmp_path / "cut.tar").write_bytes(archive.read_bytes()[: end - 1])
    with pytest.raises(InputError) as refused:
        read_back(other, tmp_path / "cut.tar")
    assert refused.value.code == "backup_damaged"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/outside", "trust/../../outside", "trust/./x", "other/x", "trust/a\\b", "manifest.json/x"],
)
def test_attack_members_that_want_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    archive = forged(tmp_path / "forged.tar", {name: b"x"})
    with pytest.raises(InputError) as refused:
        read_back(moved(monkeypatch, tmp_path), archive)
    assert refused.value.code == "backup_damaged"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forged.tar", "home"]


def test_attack_links_and_doubles(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = moved(monkeypatch, tmp_path)
    with tarfile.open(forged(tmp_path / "link.tar", {"trust/a": b"x"}), "a") as tar:
        link = tarfile.TarInfo("trust/b")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with tarfile.open(forged(tmp_path / "double.tar", {"trust/a": b"x"}), "a") as tar:
        second = tarfile.TarInfo("trust/a")
        second.size = 1
        tar.addfile(second, io.BytesIO(b"y"))
    for name in ("link.tar", "double.tar"):
        with pytest.raises(InputError):
            read_back(other, tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


def forged(path: Path, files: dict[str, bytes]) -> Path:
    """An archive with a manifest that is right about its members."""
    from hashlib import sha256

    told = {name: {"bytes": len(data), "sha256": sha256(data).hexdigest()} for name, data in files.items()}
    manifest = json.dumps({"format": 1, "parts": ["trust"], "files": told}).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in {**files, "manifest.json": manifest}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_nothing_is_written_over(settings: Settings, archive: Path, tmp_path: Path) -> None:
    before = contents(tmp_path / "home")
    with pytest.raises(InputError) as refused:
        read_back(settings, archive)
    assert refused.value.code == "restore_taken"
    assert contents(tmp_path / "home") == before


def test_a_restore_that_fails_leaves_nothing(archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = moved(monkeypatch, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "works").write_text("a file where a folder has to be")
    (tmp_path / "elsewhere" / "works").rename(tmp_path / "elsewhere" / "lists")
    (tmp_path / "elsewhere" / "works").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises((UnavailableError, InputError)):
        read_back(other, archive)
    left = {name for name in contents(tmp_path / "elsewhere") if not name.startswith("lists")}
    assert left == set()


def test_servers_and_buckets_have_their_own_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    server = Settings(database_url="postgresql://u:hidden@db/x")
    bucket = Settings(storage_url="s3://bucket/x")
    for settings, word in ((server, "pg_dump"), (bucket, "bucket")):
        with pytest.raises(UnavailableError, match=word) as refused:
            back_up(settings, tmp_path / "no.tar")
        assert refused.value.code == "backup_elsewhere"
        assert "hidden" not in str(refused.value)
    assert list(tmp_path.glob("*.tar")) == []


@pytest.mark.parametrize("kind", ["nothing", "folder", "text"])
def test_what_is_no_archive(settings: Settings, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "archive"
    if kind == "folder":
        path.mkdir()
    if kind == "text":
        path.write_text("no archive at all " * 100)
    with pytest.raises(InputError):
        read_back(settings, path)
