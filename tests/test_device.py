"""What the machine says, against files that are written here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import photoplay
from photoplay import device


def test_this_machine() -> None:
    told = json.loads(json.dumps(device.describe()))
    assert 1 <= told["cores"] <= (os.cpu_count() or 1)
    assert told["memory"] > 1 << 28
    assert told["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert told["packages"]["numpy"].startswith("1.")
    assert told["packages"]["photoplay"] == photoplay.__version__
    assert told["encoders"] == {"h264": True, "av1": True}
    for name in ("torch", "diffusers"):
        assert told[name] == (told["packages"][name] is not None)


@pytest.mark.parametrize(
    ("text", "model", "avx2", "amx"),
    [
        (
            "processor : 0\nmodel name\t: Xeon\nflags\t\t: fpu avx2 avx512f avx512bw avx512vl amx_tile amx_bf16\n",
            "Xeon",
            True,
            True,
        ),
        ("model name : Old\nflags : fpu sse2\n", "Old", False, False),
        ("processor : 0\nFeatures : fp asimd\n", None, False, False),
        ("", None, None, None),
    ],
)
def test_processor_features(
    text: str, model: str | None, avx2: bool | None, amx: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    found = device._processor(cpuinfo)
    monkeypatch.setattr(device, "_processor", lambda path: found)
    told = device.read_device()
    assert (told.processor, told.avx2, told.amx_bf16) == (model, avx2, amx)
    assert told.avx512 == amx


def test_processor_is_unknown_where_there_is_no_such_file(tmp_path: Path) -> None:
    assert device._processor(tmp_path / "none") == (None, None)


@pytest.mark.parametrize(
    ("quota", "most"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_container_quota_counts(quota: str, most: int | None, tmp_path: Path) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    everything = len(os.sched_getaffinity(0))
    assert device.usable_cores(path) == (everything if most is None else min(everything, most))


def test_a_container_memory_limit_counts(tmp_path: Path) -> None:
    path = tmp_path / "memory.max"
    path.write_text("123456789\n")
    assert device._memory(path) == 123456789
    path.write_text("max\n")
    assert device._memory(path) == device._memory(tmp_path / "none")


def test_looking_loads_nothing_heavy() -> None:
    program = (
        "import sys; from photoplay import device; early = 'av' in sys.modules; device.describe(); "
        "print(early, [m for m in ('torch', 'mediapipe', 'numba', 'cv2', 'dlib', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False []"


def test_what_was_forked_after_work_is_told_so() -> None:
    code = (
        "import os\nfrom photoplay.device import one_process\nfrom photoplay.errors import UnavailableError\n"
        "def child():\n"
        "    if (pid := os.fork()):\n        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
        "    try:\n        one_process()\n    except UnavailableError as error:\n"
        "        os._exit(9 if error.code == 'process_forked' and 'spawn' in error.hint else 1)\n"
        "    os._exit(0)\n"
        "before = child()\none_process()\none_process()\nprint(before, child())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "9"]


def test_a_librarys_priority_ends_with_its_work() -> None:
    before, policies = os.sched_getscheduler(0), {}
    begun, done = threading.Event(), threading.Event()

    def beside() -> None:
        begun.set()
        done.wait(10)
        policies["beside"] = os.sched_getscheduler(0)

    with device.same_priority():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        thread = threading.Thread(target=beside)  # it inherits what the library took
        thread.start()
        begun.wait(10)
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    done.set()
    thread.join()
    assert os.sched_getscheduler(0) == policies["beside"] == before != os.SCHED_BATCH
