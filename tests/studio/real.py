"""The service as people start it: a process of its own, with one worker."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START = 45.0


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START)
    return process.stdout.readline() if ready else ""


@contextmanager
def started(home: Path, backend: str) -> Iterator[str]:
    """The link that signs in, of a service that keeps everything in ``home``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOPLAY_")}
    environment = {**kept, "PHOTOPLAY_HOME": str(home), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "photoplay", "serve", "--port", port, "--backend", backend]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    try:
        found = re.search(r"http://\S+/sign-in#\S+", _first_line(process))
        assert found, (home / "log").read_text()
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
