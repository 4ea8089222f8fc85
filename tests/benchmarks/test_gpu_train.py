"""What runs on a borrowed GPU runs here first, on the smallest parts: an hour there is not for finding typing errors."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_train
from photoplay.errors import InputError, UnavailableError
from photoplay.training.checkpoints import load_checkpoint
from photoplay.training.export import averaged_network
from tests.training import toys


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def asked(tmp_path: Path, **changes: object) -> argparse.Namespace:
    told = {"data": tmp_path / "data", "run": tmp_path / "run", "out": tmp_path / "out", "head": None, "tiny": True}
    return argparse.Namespace(**{**told, "minutes": gpu_train.TINY_HOME + 0.01, "total": 1.0, **changes})


def test_a_second_call_trains_the_same_network_and_what_comes_home_is_exported(tmp_path: Path) -> None:
    toys.dataset(tmp_path / "data")
    gpu_train.work(asked(tmp_path))
    first = int((tmp_path / "out" / "held-out.md").read_text().split()[0])
    gpu_train.work(asked(tmp_path))
    facts, _, *table = (tmp_path / "out" / "held-out.md").read_text().splitlines()
    assert int(facts.split()[0]) > first > 0
    assert facts.endswith("examples: {'train': 2, 'held-out': 1}")
    assert any(line.startswith("| 4 steps |") for line in table)
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(found) <= 8
    assert all(path.stat().st_size < 16 * 2**20 for path in found)
    there, here = (averaged_network(load_checkpoint(tmp_path / name)) for name in ("run", "out/checkpoint"))
    for carried, kept in zip(here.parameters(), there.parameters(), strict=True):
        assert torch.equal(carried.half(), kept.half())


def test_without_examples_held_out_nothing_is_trained(tmp_path: Path) -> None:
    toys.dataset(tmp_path / "data", held_out=0)
    with pytest.raises(InputError) as caught:
        gpu_train.work(asked(tmp_path))
    assert caught.value.code == "dataset_empty"
    assert not (tmp_path / "run").exists()


def test_another_opencv_is_refused_before_any_minute_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toys.dataset(tmp_path / "data")
    monkeypatch.setattr(gpu_train.cv2, "__version__", "5.0.0")
    with pytest.raises(UnavailableError) as caught:
        gpu_train.work(asked(tmp_path))
    assert caught.value.code == "opencv_unsuited"
    assert not (tmp_path / "run").exists()
