from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from photoplay.errors import RefusedError
from photoplay.safety.audit import AuditLog


def _filled(folder: Path, count: int = 6) -> AuditLog:
    log = AuditLog(folder)
    for index in range(count):
        log.append(
            "admit",
            "refused" if index % 2 else "allowed",
            "prompt_refused" if index % 2 else "",
            {"photo": f"{index:064x}"},
        )
    return log


def _lines(folder: Path) -> list[bytes]:
    return (folder / "audit.jsonl").read_bytes().splitlines(keepends=True)


def test_a_log_that_nobody_touched_is_whole(tmp_path: Path) -> None:
    log = _filled(tmp_path)
    verdict = AuditLog(tmp_path).verify()
    assert (verdict.intact, verdict.entries) == (True, 6)
    assert [entry["n"] for entry in log.entries()] == [1, 2, 3, 4, 5, 6]
    assert log.head().count == 6
    assert oct((tmp_path / "audit.key").stat().st_mode & 0o777) == "0o600"


def test_an_empty_log_is_whole(tmp_path: Path) -> None:
    assert AuditLog(tmp_path / "new").verify().intact


@pytest.mark.parametrize("at", range(6))
def test_an_edited_entry_is_found(tmp_path: Path, at: int) -> None:
    _filled(tmp_path)
    lines = _lines(tmp_path)
    entry = json.loads(lines[at])
    entry["decision"] = "allowed" if entry["decision"] == "refused" else "refused"
    lines[at] = json.dumps(entry, sort_keys=True).encode() + b"\n"
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines))
    verdict = AuditLog(tmp_path).verify()
    assert (verdict.intact, verdict.entry) == (False, at + 1)


@pytest.mark.parametrize("at", range(6))
def test_a_deleted_entry_is_found(tmp_path: Path, at: int) -> None:
    _filled(tmp_path)
    lines = _lines(tmp_path)
    del lines[at]
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines))
    assert not AuditLog(tmp_path).verify().intact


def test_a_reordered_log_is_found(tmp_path: Path) -> None:
    _filled(tmp_path)
    lines = _lines(tmp_path)
    lines[2], lines[3] = lines[3], lines[2]
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines))
    assert AuditLog(tmp_path).verify().entry == 3


@pytest.mark.parametrize("left", [0, 3, 5])
def test_a_cut_end_is_found_and_nothing_is_added_to_it(tmp_path: Path, left: int) -> None:
    log = _filled(tmp_path)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(_lines(tmp_path)[:left]))
    assert "cut off" in log.verify().sentence
    with pytest.raises(RefusedError) as refused:
        log.append("admit", "allowed")
    assert refused.value.code == "audit_failed"


def test_a_log_rolled_back_with_its_head_is_found_by_a_head_kept_elsewhere(tmp_path: Path) -> None:
    log = _filled(tmp_path, 3)
    early = {name: (tmp_path / name).read_bytes() for name in ("audit.jsonl", "audit.head")}
    for _ in range(3):
        log.append("seal", "done")
    known = log.head()
    for name, content in early.items():
        (tmp_path / name).write_bytes(content)
    assert log.verify().intact
    assert not log.verify(known).intact


def test_a_forged_chain_without_the_key_is_found(tmp_path: Path) -> None:
    _filled(tmp_path / "real")
    _filled(tmp_path / "forged")
    for name in ("audit.jsonl", "audit.head"):
        (tmp_path / "real" / name).write_bytes((tmp_path / "forged" / name).read_bytes())
    assert not AuditLog(tmp_path / "real").verify().intact


@pytest.mark.parametrize("left", range(6))
def test_a_cut_log_without_its_head_is_found(tmp_path: Path, left: int) -> None:
    log = _filled(tmp_path)
    (tmp_path / "audit.head").unlink()
    (tmp_path / "audit.jsonl").write_bytes(b"".join(_lines(tmp_path)[:left]))
    assert not log.verify().intact
    for ask in (log.head, lambda: log.append("admit", "allowed")):
        with pytest.raises(RefusedError) as refused:
            ask()
        assert refused.value.code == "audit_failed"
    assert len(_lines(tmp_path)) == left


@pytest.mark.parametrize("gone", [["jsonl", "head"], ["jsonl"], ["key"], ["jsonl", "key"], ["head", "key"]])
def test_a_log_of_which_a_file_is_gone_is_broken(tmp_path: Path, gone: list[str]) -> None:
    log = _filled(tmp_path)
    for name in gone:
        (tmp_path / f"audit.{name}").unlink()
    for _ in range(2):
        assert not log.verify().intact
        with pytest.raises(RefusedError):
            log.append("admit", "allowed")


def test_an_older_head_is_found(tmp_path: Path) -> None:
    log = _filled(tmp_path, 2)
    older = (tmp_path / "audit.head").read_bytes()
    log.append("seal", "done")
    (tmp_path / "audit.head").write_bytes(older)
    assert log.verify().intact  # as a killed process may leave it
    log.append("seal", "done")
    (tmp_path / "audit.head").write_bytes(older)
    assert not log.verify().intact


@pytest.mark.parametrize("key", [b"", b"short", bytes(33)])
def test_a_key_of_another_length_is_none(tmp_path: Path, key: bytes) -> None:
    (tmp_path / "audit.key").write_bytes(key)
    with pytest.raises(RefusedError) as refused:
        AuditLog(tmp_path).append("admit", "allowed")
    assert refused.value.code == "audit_failed"
    assert not AuditLog(tmp_path).verify().intact


@pytest.mark.parametrize("at", range(5))
def test_a_log_that_was_begun_and_killed_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Killed at each rename of the first entry's way, and before the first."""
    renames = 0
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames > at:
            raise OSError("killed")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    log = AuditLog(tmp_path)
    if at < 3:
        with pytest.raises(RefusedError):
            log.append("admit", "allowed")
    monkeypatch.undo()
    assert log.verify().intact
    log.append("seal", "done")
    assert log.verify().intact
    assert [entry["action"] for entry in log.entries()][-1] == "seal"


def test_what_killed_processes_leave_is_swept(tmp_path: Path) -> None:
    log = _filled(tmp_path)
    (tmp_path / "audit.0123abcd").write_text("half")
    (tmp_path / "audit.backup").write_text("mine")
    log.append("seal", "done")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"audit.jsonl", "audit.head", "audit.key", "audit.backup"}


@pytest.mark.parametrize("garbage", [b"null\n", b"{}\n", b"\xff\xfe\n", b"[1]\n", b"[" * 3900 + b"\n", b"[" * 9000])
def test_garbage_is_found(tmp_path: Path, garbage: bytes) -> None:
    _filled(tmp_path)
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(garbage)
    assert not AuditLog(tmp_path).verify().intact
    with pytest.raises(RefusedError):
        AuditLog(tmp_path).append("admit", "allowed")


def test_a_half_written_line_is_replaced_by_the_next_entry(tmp_path: Path) -> None:
    log = _filled(tmp_path)
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"n": 7, "act')
    assert log.verify().intact
    log.append("seal", "done")
    assert log.verify().entries == 7


@pytest.mark.parametrize(
    "about", [{"prompt": "she laughs"}, {"photo": "a" * 300}, {"Photo": "ab"}, {"name": "Ada Lovelace"}]
)
def test_free_text_stays_out(tmp_path: Path, about: dict[str, str]) -> None:
    with pytest.raises(RefusedError):
        AuditLog(tmp_path).append("admit", "allowed", about=about)
    assert not list(AuditLog(tmp_path).entries())


WRITER = """
import sys
from pathlib import Path
from photoplay.safety.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
while True:
    log.append("admit", "allowed", about={"process": sys.argv[2]})
"""


def test_killed_writers_leave_a_whole_log(tmp_path: Path) -> None:
    for round_ in range(4):
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(k)]) for k in range(2)]
        before = len(list(AuditLog(tmp_path).entries()))
        deadline = time.monotonic() + 60
        while len(list(AuditLog(tmp_path).entries())) < before + 20 + 7 * round_ and time.monotonic() < deadline:
            time.sleep(0.01)
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
    log = AuditLog(tmp_path)
    assert log.verify().intact
    assert log.append("seal", "done").count == log.verify().entries >= 80
