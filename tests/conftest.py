"""Shapes and types of every annotated function are checked while the tests run."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import tests.typecheck  # noqa: F401  (the hook below looks it up by name)

# Numba compiles plain Python functions, so modules with kernels stay unwrapped; typer reads the signatures of cli.
UNWRAPPED = ("photoplay.cli", "photoplay.__main__")
KERNELS = "kernels"  # modules named *kernels*.py hold numba code


def _hooked_modules() -> list[str]:
    root = Path(__file__).parents[1] / "src"
    names = []
    for path in (root / "photoplay").rglob("*.py"):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        if name.endswith("__init__") or name.startswith(UNWRAPPED) or KERNELS in path.stem:
            continue
        names.append(name)
    return names


install_import_hook(_hooked_modules(), "tests.typecheck.checked")

logging.getLogger("dbos").addHandler(logging.NullHandler())  # where it finds none, DBOS adds one to standard error

# Only now: what it imports of the package is to be checked too.
from photoplay.device import same_priority  # noqa: E402
from tests import remembering  # noqa: E402
from tests.remembering import Memory  # noqa: E402

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, for tests of services and pages wait for other processes; each takes up to 2.6 GB."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores + 1, memory // 2_600_000_000))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of licensed test material that lies beside the checkout, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is not here: this test needs its photos, clips or reference head")
    return SHARED


def pytest_collection_finish() -> None:
    """What was imported stays: a search for garbage need not go through a million objects (0.8 s) again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def remembered() -> Iterator[Memory]:
    """See tests/remembering.py."""
    with remembering.remembered() as memory:
        yield memory


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """No test leaves a log handler behind, nor gets one of a fixture that lives longer: pytest closes their streams."""
    known = logging.Logger.manager.loggerDict.values()
    loggers = [logging.getLogger(), *(one for one in known if isinstance(one, logging.Logger))]
    before = [(one, [h for h in one.handlers if not _is_closed(h)], one.level, one.propagate) for one in loggers]
    for one, handlers, _, _ in before:
        one.handlers[:] = handlers
    yield
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        if one.level != level:
            one.setLevel(level)  # looks at every logger there is: most of a test's time, were it done for each


@pytest.fixture(autouse=True)
def priority_as_it_was() -> Iterator[None]:
    """No test leaves its process a real-time priority: it would starve those that run beside it."""
    policy = getattr(os, "sched_getscheduler", lambda _: None)
    with same_priority():
        before = policy(0)
        yield
        after = policy(0)
    assert after == before, "the scheduling of this process changed: was AV1 encoded outside device.same_priority?"


def _is_closed(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False)
