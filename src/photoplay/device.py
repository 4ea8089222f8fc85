"""What this machine offers: read once, told by ``photoplay doctor``, and asked where a choice depends on the processor; and
whose process this is, and what it may take from others."""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from photoplay.errors import UnavailableError

_PACKAGES = (
    "photoplay",
    "numpy",
    "pillow",
    "av",
    "mediapipe",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
    "dlib-bin",
    "numba",
    "c2pa-python",
    "cryptography",
    "pydantic",
    "pillow-heif",
    "nudenet",
    "openvino",
    "torch",
    "diffusers",
)
_VIDEO_ENCODERS = {"h264": "libx264", "av1": "libsvtav1"}
_working: int | None = None
"""The process in which photoplay works; a fork inherits that of its parent."""


@dataclass(frozen=True)
class Device:
    """A machine. Features are True, False, or None where the system does not tell.

    ``cores`` are those that this process may use (affinity and container quota), ``memory`` is in bytes (container limit
    included; None: unknown), ``packages`` maps a distribution to its version or None, ``encoders`` a codec to whether it
    can be written (None: PyAV does not load).
    """

    system: str
    python: str
    processor: str | None
    cores: int
    memory: int | None
    avx2: bool | None
    avx512: bool | None
    amx_bf16: bool | None
    packages: dict[str, str | None]
    torch: bool
    diffusers: bool
    encoders: dict[str, bool | None]


def read_device() -> Device:
    """Looks at this machine. Imports nothing heavy but PyAV, and that only here."""
    processor, flags = _processor(Path("/proc/cpuinfo"))
    return Device(
        system=f"{platform.system()} {platform.machine()}",
        python=".".join(str(part) for part in sys.version_info[:3]),
        processor=processor,
        cores=usable_cores(),
        memory=_memory(),
        avx2=None if flags is None else "avx2" in flags,
        avx512=None if flags is None else {"avx512f", "avx512bw", "avx512vl"} <= flags,
        amx_bf16=None if flags is None else {"amx_bf16", "amx_tile"} <= flags,
        packages={name: _version(name) for name in _PACKAGES},
        torch=find_spec("torch") is not None,
        diffusers=find_spec("diffusers") is not None,
        encoders=_encoders(),
    )


def describe() -> dict[str, Any]:
    """:func:`read_device` as plain data, for JSON."""
    return asdict(read_device())


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Processor cores that this process may keep busy, at least 1: affinity, and a container's quota rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed, _, period = _text(quota).partition(" ")
    if allowed.isdigit() and period.strip().isdigit() and int(period) > 0:
        cores = min(cores, -(-int(allowed) // int(period)))
    return max(1, cores)


def one_process() -> None:
    """Call it before any work with models and threads: neither outlives a fork, and the child would wait for them for ever.

    Raises:
        UnavailableError: ``process_forked``: photoplay worked in this process's parent before it was forked.
    """
    global _working
    if _working is None:
        _working = os.getpid()
    if _working != os.getpid():
        raise UnavailableError(
            "process_forked",
            "This process was forked from one in which photoplay had worked already, and cannot make films.",
            "Start processes by spawn: multiprocessing.get_context('spawn').",
        )


def openvino_options(threads: int) -> dict[str, Any]:
    """How OpenVINO compiles a network for ``threads`` threads of the CPU that the system places where there is room.

    Its own default pins them to the first cores, those of every process to the same ones: processes that look at pictures
    at once would take turns on one core (``python -m benchmarks.at_once``).
    """
    return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}


@contextmanager
def same_priority() -> Iterator[None]:
    """Gives this process's threads back the scheduling that they had, and new ones that of the caller, at the end.

    SVT-AV1 takes the highest real-time priority (``SCHED_FIFO`` 99) where it may, as root: for its own threads and for the
    one that opens it, which keeps it for good and hands it on to all that it starts. Whoever works for a while then stops
    everything else on its cores, the service's own answers too.
    """
    before, own = _scheduling(), threading.get_native_id()
    try:
        yield
    finally:
        for thread, now in _scheduling().items():
            wanted = before.get(thread, before[own])
            if now != wanted:
                with suppress(ProcessLookupError):
                    os.sched_setscheduler(thread, wanted[0], os.sched_param(wanted[1]))


def _scheduling() -> dict[int, tuple[int, int]]:
    """Policy and priority of each thread of this process; of the calling one alone where the system lists none."""
    if not hasattr(os, "sched_getscheduler"):
        return {threading.get_native_id(): (0, 0)}
    try:
        threads = [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
    except OSError:
        threads = [threading.get_native_id()]
    found = {}
    for thread in threads:
        with suppress(ProcessLookupError):
            found[thread] = os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority
    return found


def _text(path: Path) -> str:
    """A small system file, empty where it is absent."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _processor(path: Path) -> tuple[str | None, frozenset[str] | None]:
    """Model name and feature flags as Linux tells them (x86 says ``flags``, Arm ``Features``), each None where absent."""
    fields: dict[str, str] = {}
    for line in _text(path).splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags") or fields.get("Features")
    return fields.get("model name"), None if flags is None else frozenset(flags.split())


def _memory(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int | None:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    allowed = _text(limit).strip()
    return min(size, int(allowed)) if allowed.isdigit() else size


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _encoders() -> dict[str, bool | None]:
    try:
        from av.codec import codecs_available
    except ImportError:
        return dict.fromkeys(_VIDEO_ENCODERS)
    return {name: encoder in codecs_available for name, encoder in _VIDEO_ENCODERS.items()}
