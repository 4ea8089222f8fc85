"""The parent's side of decoding: start a confined child, hand it one file, believe only what is checked."""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from time import monotonic
from typing import Any, BinaryIO

from photoplay.errors import UnavailableError
from photoplay.media.refusals import REFUSALS, refusal

_HEADER_LIMIT = 65_536


def open_source(source: Path | bytes, limit: int, kind: str) -> BinaryIO:
    """An open regular file of 1 .. ``limit`` bytes that holds ``source``; the caller closes it.

    Raises MediaError ``file_missing``, ``file_not_regular``, ``file_unreadable``, ``file_empty`` or
    ``<kind>_too_many_bytes``.
    """
    if isinstance(source, bytes) and len(source) > limit:
        raise refusal(f"{kind}_too_many_bytes")
    file = spooled(source) if isinstance(source, bytes) else _opened(source)
    size = os.fstat(file.fileno()).st_size
    if 0 < size <= limit:
        return file
    file.close()
    raise refusal("file_empty" if size == 0 else f"{kind}_too_many_bytes")


def spooled(data: bytes) -> BinaryIO:
    """An open file in memory that holds ``data`` and that nobody else can change."""
    file: BinaryIO = os.fdopen(os.memfd_create("photoplay"), "w+b")
    file.write(data)
    file.flush()
    file.seek(0)
    return file


def _opened(path: Path) -> BinaryIO:
    try:
        if not S_ISREG(os.stat(path).st_mode):  # before opening: opening a device can already act on it
            raise refusal("file_not_regular")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a zero byte in the name
        raise refusal("file_missing") from None
    except OSError:
        raise refusal("file_unreadable") from None
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refusal("file_not_regular")
    return os.fdopen(descriptor, "rb")


class Child:
    """One running decoder. ``kind`` (photo, video, audio) prefixes the codes of its failures.

    ``seconds`` is spent by waiting only: a caller may take its time between two frames.
    """

    def __init__(self, process: subprocess.Popen[bytes], kind: str, seconds: float) -> None:
        self._process = process
        self._kind = kind
        self._seconds = seconds
        assert process.stdout is not None
        self._pipe = process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        with suppress(OSError):  # refused where a user has many large pipes; then it is only slower
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, 1 << 20)

    def header(self) -> dict[str, Any]:
        """The next header. Raises the refusal that it holds, or the one that explains why there is none."""
        size = int.from_bytes(self._exactly(4), "big")
        if size > _HEADER_LIMIT:
            raise refusal(f"{self._kind}_broken")
        try:
            fields = json.loads(self._exactly(size))
        except ValueError:
            raise refusal(f"{self._kind}_broken") from None
        if not isinstance(fields, dict):
            raise refusal(f"{self._kind}_broken")
        if "error" in fields:
            code = fields["error"]
            raise refusal(code if code in REFUSALS else f"{self._kind}_broken")
        return fields

    def body_into(self, target: memoryview) -> None:
        """Fills ``target`` with the bytes that follow a header."""
        filled = 0
        while filled < len(target):
            self._wait()
            count = os.readv(self._pipe, [target[filled:]])
            if count == 0:
                raise refusal(self._reason())
            filled += count

    def _exactly(self, size: int) -> bytes:
        buffer = bytearray(size)
        self.body_into(memoryview(buffer))
        return bytes(buffer)

    def _wait(self) -> None:
        began = monotonic()
        ready = self._poll.poll(max(self._seconds, 0.0) * 1000)
        self._seconds -= monotonic() - began
        if not ready:
            raise refusal(f"{self._kind}_too_slow")

    def _reason(self) -> str:
        """Why a child went silent: the processor limit ends it with a signal, anything else is a broken file."""
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return f"{self._kind}_too_slow"
        return f"{self._kind}_too_slow" if status in _CPU_SIGNALS else f"{self._kind}_broken"


_CPU_SIGNALS = (-24, -9)  # SIGXCPU at the soft limit, SIGKILL at the hard one


@contextmanager
def decoder(module: str, arguments: list[str], file: BinaryIO, kind: str, seconds: float) -> Iterator[Child]:
    """Runs ``photoplay.media.<module>`` on an open file for at most ``seconds`` of wall time, then ends it.

    The child gets the file as standard input, an answer pipe, no other descriptor and no environment but where Python's
    modules lie. Raises UnavailableError ``decoder_unavailable`` where no child can be started.
    """
    command = [sys.executable, "-P", "-s", "-m", f"photoplay.media.{module}", *arguments]
    environment = {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry),
        "LC_ALL": "C.UTF-8",
    }
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        process = subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
    except OSError:
        raise UnavailableError(
            "decoder_unavailable",
            "photoplay could not start the process that reads files safely.",
            "Check that the machine has memory left and allows new processes.",
        ) from None
    try:
        yield Child(process, kind, seconds)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
