"""Generators behind one Protocol, found by entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from photoplay.errors import PhotoplayError, UnavailableError
from photoplay.generation.backends.protocol import Backend

GROUP = "photoplay.backends"


def list_backends() -> tuple[str, ...]:
    """The names of all installed backends, sorted."""
    return tuple(sorted(_found()))


def get_backend(name: str) -> Backend:
    """The backend called ``name``. Raises UnavailableError when there is none or when it cannot be loaded."""
    found = _found()
    there = ", ".join(sorted(found)) or "none"
    if name not in found:
        raise UnavailableError("backend_unknown", f"There is no backend called “{name}”.", f"Installed are: {there}.")
    try:
        backend: Backend = found[name].load()()
    except PhotoplayError:
        raise
    except Exception as error:
        raise UnavailableError(
            "backend_broken",
            f"The backend “{name}” is installed but cannot be loaded ({type(error).__name__}).",
            f"Install it again, or choose another one. Installed are: {there}.",
        ) from error
    return backend


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
