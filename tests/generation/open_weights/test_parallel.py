from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from photoplay.errors import UnavailableError
from photoplay.generation.backends.open_weights import parallel


def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert parallel.world() == 1
    assert parallel.leads()


def test_torchrun_says_who_writes_the_film(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert parallel.world() == 1  # another tool's variable: without a rank it is not torchrun
    monkeypatch.setenv("RANK", "2")
    assert parallel.world() == 4
    assert not parallel.leads()
    monkeypatch.setenv("RANK", "0")
    assert parallel.leads()


def test_more_processes_than_gpus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UnavailableError) as caught:
        parallel.join()
    assert caught.value.code == "gpus_missing"
    assert "2 processes" in str(caught.value)


def test_a_model_without_a_plan_for_it_is_told() -> None:
    pipe = SimpleNamespace(unet=SimpleNamespace(_cp_plan=None))
    with pytest.raises(UnavailableError) as caught:
        parallel.share_forwards(pipe)
    assert caught.value.code == "parallel_unsupported"


def test_models_are_shared_whole_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Wan's transformers diffusers has a plan for the plain one alone, as docs/speed.md says."""
    import diffusers

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(parallel, "join", lambda: None)
    asked: list[Any] = []

    class Shared(diffusers.WanTransformer3DModel):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def enable_parallelism(self, *, config: Any, cp_plan: Any = None) -> None:
            asked.append(config)

    parallel.share_forwards(SimpleNamespace(transformer=Shared(), transformer_2=Shared()))
    assert [(config.ulysses_degree, config.ring_degree, config.ulysses_anything) for config in asked] == [
        (3, 1, True)
    ] * 2
    for name in ("WanVACETransformer3DModel", "WanAnimateTransformer3DModel"):
        with pytest.raises(UnavailableError):
            parallel.share_forwards(SimpleNamespace(transformer=getattr(diffusers, name)))
