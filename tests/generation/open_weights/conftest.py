"""Checkpoints are built once a session."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from photoplay.weights import store


@pytest.fixture(autouse=True, scope="module")
def what_models_imported_stays() -> None:
    """As in tests/conftest: each film here searches for garbage, and libraries import much when a model is first read."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Callable[..., Path]) -> Callable[..., str]:
    """``installed(name, builder, **settings)`` puts a tiny checkpoint into an empty store under this name."""
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))

    def put(name: str, builder: Callable[..., Path], **settings: Any) -> str:
        store.add(name, built(builder, **settings), backend="a test's", licence="none")
        return name

    return put


@pytest.fixture
def loaded(built: Callable[..., Path]) -> Callable[..., Any]:
    """``loaded(pipeline, builder, **settings)`` is a tiny checkpoint in a pipeline."""

    def pipe(kind: str, builder: Callable[..., Path], **settings: Any) -> Any:
        import diffusers

        made = getattr(diffusers, kind).from_pretrained(built(builder, **settings), local_files_only=True)
        made.set_progress_bar_config(disable=True)
        return made

    return pipe
