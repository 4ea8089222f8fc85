from __future__ import annotations

from types import SimpleNamespace

import pytest

from photoplay.errors import UnavailableError
from photoplay.generation.backends.open_weights import parallel


@pytest.mark.parametrize(
    ("count", "heads", "shares"),
    [
        (1, 40, (1, 1)),
        (2, 40, (2, 1)),  # Wan 14B
        (8, 40, (8, 1)),
        (8, 12, (4, 2)),  # Wan 1.3B
        (3, 40, (1, 3)),
        (6, 40, (2, 3)),
        (16, 32, (16, 1)),
    ],
)
def test_heads_are_shared_as_far_as_they_divide(count: int, heads: int, shares: tuple[int, int]) -> None:
    assert parallel.degrees(count, heads) == shares


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


def test_diffusers_has_a_plan_for_wans_transformer() -> None:
    import diffusers

    assert diffusers.WanTransformer3DModel._cp_plan
