"""What was decided and why, in a file that only grows: every entry is chained to the one before by a keyed hash.

An entry names an action, a decision and a reason by their codes, and what it was about by digests and ids: no names, faces
or prompts. An edited, deleted or reordered entry breaks the chain; a cut end is found by the head, a small file beside the
log that says how long it was. The head is there before the first entry and before the key, so a key or an entry without
a head is a log that somebody cut. Who holds the key and both files can roll both back to an earlier state, and who deletes
all three leaves nothing to find: a copy of the head kept elsewhere (:meth:`AuditLog.head`) finds that too.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from photoplay.errors import RefusedError
from photoplay.safety.private import locked, sync, write_new
from photoplay.safety.recipe import canonical

Decision: TypeAlias = Literal["allowed", "refused", "failed", "done"]

START = "0" * 64
"""What the first entry is chained to."""
MAX_LINE = 4_000
KEY_BYTES = 32
_CODE = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_REFERENCE = re.compile(r"[A-Za-z0-9_.:+=-]{0,200}")
_DRAFT = re.compile(r"audit\.[0-9a-f]{8}")
_FAULTS = (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""What reading files raises that somebody else wrote."""


@dataclass(frozen=True)
class Head:
    """How many entries there are, and the last one's hash."""

    count: int
    sha256: str


@dataclass(frozen=True)
class Verdict:
    """Whether a log is whole; ``entry`` is the first that is wrong, counted from 1 (None: none, or the end is cut)."""

    intact: bool
    entries: int
    sentence: str
    entry: int | None = None


class AuditLog:
    """The log in ``folder``: ``audit.jsonl``, its head and its key. Processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._log, self._head, self._key = folder / "audit.jsonl", folder / "audit.head", folder / "audit.key"

    def append(self, action: str, decision: Decision, reason: str = "", about: Mapping[str, str] | None = None) -> Head:
        """Adds an entry and returns the new head once both are on the disk.

        Args:
            action: what was asked, as a code: ``admit``, ``seal``, ``takedown`` …
            decision: what was answered.
            reason: the error's code where it was refused or failed.
            about: ids and digests by name; whatever looks like free text is refused.

        Raises:
            RefusedError: ``audit_failed``: nothing may happen that cannot be written down.
        """
        try:
            with self._locked() as file:
                last = self._recover(file)
                entry = _checked(action, decision, reason, about or {})
                entry |= {"n": last.count + 1, "before": last.sha256}
                line = json.dumps(entry | {"hash": self._hash(entry)}, sort_keys=True).encode() + b"\n"
                if len(line) > MAX_LINE:
                    raise ValueError("an entry that is too long")
                file.seek(0, os.SEEK_END)
                file.write(line)
                sync(file)
                head = Head(last.count + 1, self._hash(entry))
                self._keep(head)
                return head
        except _FAULTS as error:
            raise RefusedError(
                "audit_failed",
                "The audit log cannot be written, and nothing is made that is not written down.",
                "Run `photoplay audit verify`, and see whether the disk is full or the log was changed.",
            ) from error

    def head(self) -> Head:
        """How long the log is, and its last hash: keep a copy elsewhere to find a log that was rolled back.

        Raises:
            RefusedError: ``audit_failed``: the head is gone or was changed.
        """
        try:
            return self._known_head()
        except _FAULTS as error:
            raise RefusedError(
                "audit_failed",
                "The audit log's head is gone or was changed, so nobody knows how long the log was.",
                "Run `photoplay audit verify`.",
            ) from error

    def verify(self, known: Head | None = None) -> Verdict:
        """Reads the whole log against its chain and head, and against a head that was ``known`` before.

        An end that a killed process left half written is no fault: the next entry takes its place.
        """
        last, count = Head(0, START), 0
        try:
            kept, size = self._state()
            for count, entry in enumerate(self._entries(size), 1):
                wrong = entry["n"] != count or entry["before"] != last.sha256
                if wrong or not hmac.compare_digest(entry["hash"], self._hash(_unhashed(entry))):
                    return Verdict(False, count, f"Entry {count} was changed, moved, or follows a deleted one.", count)
                last = Head(count, entry["hash"])
                for mark in (kept, known):
                    if mark is not None and mark.count == count and mark.sha256 != last.sha256:
                        return Verdict(False, count, f"Entry {count} is another one than it was.", count)
        except _FAULTS:
            return Verdict(False, count, f"The log cannot be read after entry {count}.", count + 1)
        longest = max(kept.count, known.count if known else 0)
        if count < longest:
            return Verdict(False, count, f"The log ends after {count} of {longest} entries: its end was cut off.")
        if count > kept.count + 1:  # one more is what a process leaves that is killed between the two
            return Verdict(False, count, f"The log's head knows {kept.count} of {count} entries: it is an older one.")
        return Verdict(True, count, f"The log is whole: {count} entries.")

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every whole entry, the oldest first. Raises ValueError where a line is none."""
        try:
            yield from self._entries(self._log.stat().st_size if self._log.exists() else 0)
        except RecursionError as error:
            raise ValueError("a line that is no entry") from error

    def _entries(self, size: int) -> Iterator[dict[str, Any]]:
        """The whole entries in the log's first ``size`` bytes."""
        if not size:
            return
        with self._log.open("rb") as file:
            while line := file.readline(min(MAX_LINE + 1, size - file.tell())):
                if len(line) > MAX_LINE:
                    raise ValueError("a line that is too long")
                if not line.endswith(b"\n"):
                    return  # what a killed process left
                entry = json.loads(line)
                if not isinstance(entry, dict):
                    raise ValueError("a line that is no entry")
                yield entry

    def _state(self) -> tuple[Head, int]:
        """The head and the log's size at one moment."""
        try:
            file = self._log.open("rb")
        except FileNotFoundError:
            return self._known_head(), 0
        with file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return self._known_head(), file.seek(0, os.SEEK_END)

    def _known_head(self) -> Head:
        """What the head's file says.

        Raises:
            ValueError: it was changed, or it is gone while there is a key or an entry; the key is gone.
        """
        filled = self._log.exists() and self._log.stat().st_size > 0
        if not self._head.exists():
            if self._key.exists() or filled:
                raise ValueError("a head that is gone")
            return Head(0, START)
        plain = json.loads(self._head.read_bytes())
        head = Head(int(plain["n"]), str(plain["hash"]))
        if not self._key.exists() and head == Head(0, START) and not filled:
            return head  # a process was killed as it began the log
        if not hmac.compare_digest(str(plain["proof"]), _proof(self._secret(), head)):
            raise ValueError("a head that was changed")
        return head

    def _recover(self, file: BinaryIO) -> Head:
        """The last whole entry. A half line after it, which a killed process left, is taken away.

        Raises:
            ValueError: the log is shorter than its head says, or its last entry is not genuine.
        """
        head = self._known_head()
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 3 * MAX_LINE))
        lines = file.read().split(b"\n")
        if len(lines[-1]) > MAX_LINE:
            raise ValueError("a half line that is too long")
        whole = [line for line in lines[:-1] if line]
        if not whole:
            last = Head(0, START)
        else:
            entry = json.loads(whole[-1])
            if not hmac.compare_digest(entry["hash"], self._hash(_unhashed(entry))):
                raise ValueError("a last entry that was changed")
            last = Head(entry["n"], entry["hash"])
        if last.count == head.count + 1:
            self._keep(last)  # a process was killed between the two; were it not mended now, a second one could follow
        elif last != head:
            raise ValueError("a log that does not fit its head")
        if lines[-1]:
            file.truncate(size - len(lines[-1]))
        return last

    def _keep(self, head: Head) -> None:
        self._draft(_head_file(self._secret(), head)).replace(self._head)

    def _begin(self) -> None:
        """A new key, after the head that says that there is no entry yet."""
        if self._known_head() != Head(0, START):
            raise ValueError("a log whose key is gone")
        key = secrets.token_bytes(KEY_BYTES)
        fresh = self._draft(key)
        self._draft(_head_file(key, Head(0, START))).replace(self._head)
        fresh.replace(self._key)

    def _draft(self, data: bytes) -> Path:
        """A new private file that holds ``data`` for good: what is then given its name appears whole or not at all."""
        path = self._log.with_suffix(f".{secrets.token_hex(4)}")
        write_new(path, data)
        return path

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        self._log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self._log) as file:
            for name in filter(_DRAFT.fullmatch, os.listdir(self._log.parent)):
                (self._log.parent / name).unlink()  # a killed process left it: whoever makes one holds the lock
            if not self._key.exists():
                self._begin()
            yield file

    def _secret(self) -> bytes:
        key = self._key.read_bytes()
        if len(key) != KEY_BYTES:
            raise ValueError("a key that is none")
        return key

    def _hash(self, entry: Mapping[str, Any]) -> str:
        return _keyed(self._secret(), entry)


def _keyed(key: bytes, entry: Mapping[str, Any]) -> str:
    return hmac.new(key, canonical(dict(entry)).encode(), hashlib.sha256).hexdigest()


def _proof(key: bytes, head: Head) -> str:
    return _keyed(key, {"head": head.count, "hash": head.sha256})


def _head_file(key: bytes, head: Head) -> bytes:
    return canonical({"n": head.count, "hash": head.sha256, "proof": _proof(key, head)}).encode()


def _unhashed(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "hash"}


def _checked(action: str, decision: str, reason: str, about: Mapping[str, str]) -> dict[str, Any]:
    codes = (action, decision, *([reason] if reason else ()), *about)
    if not all(_CODE.fullmatch(code) for code in codes):
        raise ValueError("a code that is none")
    if not all(_REFERENCE.fullmatch(value) for value in about.values()):
        raise ValueError("free text")
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": now, "action": action, "decision": decision, "reason": reason, "about": dict(about)}
