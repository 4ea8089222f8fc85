"""What a job can be, and from when on a worker counts as gone: for all who ask the database about them."""

from __future__ import annotations

from typing import Literal, TypeAlias

State: TypeAlias = Literal["queued", "running", "completed", "failed", "cancelled"]
LIVE: tuple[State, ...] = ("queued", "running")
"""States of a job that is not over."""
OVER: tuple[State, ...] = ("completed", "failed", "cancelled")
SILENT_S = 15.0
"""A worker that has said nothing for longer counts as gone."""
