"""The command line: parse, call, print. Nothing is decided here."""

from __future__ import annotations

from photoplay.cli.app import main

__all__ = ["main"]
