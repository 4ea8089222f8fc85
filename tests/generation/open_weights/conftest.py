"""Checkpoints are built once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``built(builder, **settings)`` is the folder that ``builder(folder, **settings)`` wrote, once for each call."""
    root, made = tmp_path_factory.mktemp("checkpoints"), dict[Any, Path]()

    def folder(builder: Callable[..., Path], **settings: Any) -> Path:
        key = (builder.__module__, builder.__name__, *sorted(settings.items()))
        if key not in made:
            made[key] = builder(root / f"{builder.__name__}-{len(made)}", **settings)
        return made[key]

    return folder
