"""photoplay turns a photograph into a short film, with the consent of the people in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from photoplay.version import __version__

__all__ = ["__version__", "animate"]

if TYPE_CHECKING:
    from photoplay.pipeline import animate


def __getattr__(name: str) -> Any:
    """Loads the pipeline only when somebody asks for it: ``import photoplay`` stays fast."""
    if name == "animate":
        from photoplay.pipeline import animate

        return animate
    raise AttributeError(f"module 'photoplay' has no attribute {name!r}")
