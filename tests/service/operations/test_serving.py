from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from photoplay.errors import UnavailableError
from photoplay.service.ground.settings import Settings
from photoplay.service.operations.serving import (
    LONGEST_PAUSE,
    STEADY,
    Crew,
    Stop,
    base_url,
    hold,
    leash,
    listen,
    sign_in_url,
)


class Process:
    """A process that ends when it is told to."""

    pids = iter(range(1000, 2000))

    def __init__(self) -> None:
        self.pid = next(self.pids)
        self.status: int | None = None
        self.heard: list[int] = []

    def poll(self) -> int | None:
        return self.status

    def send_signal(self, sig: int) -> None:
        self.heard.append(sig)

    def kill(self) -> None:
        self.status = -signal.SIGKILL

    def wait(self, timeout: float | None = None) -> int:
        assert self.status is not None
        return self.status


class Company:
    """A crew of fake processes, and what was told of those who died."""

    def __init__(self, size: int = 2) -> None:
        self.started: dict[str, Process] = {}
        self.died: list[tuple[str, int, float | None]] = []
        self.crew = Crew(size, self.start, lambda *told: self.died.append(told))

    def start(self, name: str) -> Process:
        self.started[name] = Process()
        return self.started[name]

    def last(self) -> Process:
        return list(self.started.values())[-1]


def test_a_crew_is_started_once() -> None:
    company = Company(2)
    for now in (0.0, 1.0, 2.0):
        company.crew.tend(now)
    assert len(company.started) == len(company.crew.alive()) == 2
    assert all(name.startswith("worker_") for name in company.started)
    assert company.died == []


def test_who_dies_is_followed_by_another_under_a_new_name_after_a_pause() -> None:
    company = Company(1)
    company.crew.tend(0.0)
    (first,) = company.started
    company.last().status = -9
    company.crew.tend(5.0)
    assert company.died == [(first, -9, 1.0)]
    assert company.crew.alive() == []
    company.crew.tend(5.9)
    assert len(company.started) == 1
    company.crew.tend(6.0)
    assert len(company.started) == 2
    assert len(company.crew.alive()) == 1


def test_pauses_double_up_to_a_minute_and_are_short_again_after_a_steady_time() -> None:
    company, now = Company(1), 0.0
    for _ in range(9):
        company.crew.tend(now)
        company.last().status = 1
        company.crew.tend(now)
        now += company.died[-1][2] or 0.0
    assert [pause for *_, pause in company.died] == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    company.crew.tend(now)
    company.last().status = 1
    company.crew.tend(now + STEADY)
    assert company.died[-1][2] == 1.0


def test_a_worker_that_cannot_be_started_is_tried_again() -> None:
    company, tries = Company(1), 0

    def refused(name: str) -> Process:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise BlockingIOError("no process is left")
        return company.start(name)

    company.crew.start = refused
    for now in (0.0, 0.9, 1.0, 2.9, 3.0):
        company.crew.tend(now)
    assert [pause for *_, pause in company.died] == [1.0, 2.0]
    assert len(company.crew.alive()) == 1


def test_a_draining_crew_starts_nobody_and_is_told_each_time() -> None:
    company = Company(2)
    company.crew.tend(0.0)
    one, two = company.started.values()
    company.crew.drain()
    one.status = 0
    company.crew.tend(100.0)
    assert [pause for *_, pause in company.died] == [None]
    assert company.crew.alive() == [two.pid]
    company.crew.drain()
    assert (one.heard, two.heard) == ([signal.SIGTERM], [signal.SIGTERM] * 2)
    company.crew.kill()
    company.crew.tend(200.0)
    assert company.crew.alive() == []
    assert len(company.started) == 2


def test_signals_are_counted_and_handed_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stop = Stop()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert stop.asked == 2
    assert signal.getsignal(signal.SIGTERM) == before


HELD = """
import signal, sys, time
from photoplay.service.operations.serving import hold
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
hold(int(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def held(end: int) -> subprocess.Popen[str]:
    """A process on a leash, which exits with 7 when it is drained."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, str(end)],
        pass_fds=(end,),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_worker_on_a_leash_is_drained_when_its_master_is_gone() -> None:
    with leash() as end:
        process = held(end)
        time.sleep(0.2)
        assert process.poll() is None
    assert process.wait(10) == 7
    assert process.stdout is not None
    process.stdout.close()


def test_also_when_the_master_was_killed(tmp_path: Path) -> None:
    master = (
        "import subprocess, sys, time\n"
        "from photoplay.service.operations.serving import leash\n"
        f"held = {HELD!r}\n"
        "with leash() as end:\n"
        "    child = subprocess.Popen([sys.executable, '-c', held, str(end)], pass_fds=(end,), start_new_session=True)\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", master], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait(10)
    process.stdout.close()
    deadline = time.monotonic() + 10
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(child, 0)
            time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        pytest.fail("the worker outlived its master")


def test_a_port_that_is_taken_is_said_at_once() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(UnavailableError) as refused:
        listen("127.0.0.1", taken.getsockname()[1])
    assert refused.value.code == "port_taken"


def test_an_address_of_the_newer_kind() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine knows no IPv6")
    try:
        door = listen("::1", 0)
    except UnavailableError:
        pytest.skip("this machine has no IPv6 loopback")
    with door:
        assert base_url(Settings(host="::1"), *door.getsockname()[:2]) == f"http://[::1]:{door.getsockname()[1]}"


def test_a_link_keeps_its_token_out_of_requests() -> None:
    link = sign_in_url(base_url(Settings(public_url="https://films.example.org/"), "0.0.0.0", 1), "secret")
    assert link == "https://films.example.org/sign-in#secret"
    assert callable(hold)
