from __future__ import annotations

import numpy as np
import pytest
import torch

from photoplay.errors import InputError
from photoplay.training.checkpoints import join, list_checkpoints, load_checkpoint, save_checkpoint, split


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2500])
def test_what_was_split_is_joined(tmp_path, size):
    data = np.random.default_rng(size).bytes(size)
    split(data, tmp_path / "whole", "state", part_bytes=1000)
    parts = sorted((tmp_path / "whole").glob("state.*"))
    assert len(parts) == max(1, -(-size // 1000))
    assert all(part.stat().st_size <= 1000 for part in parts)
    assert join(tmp_path / "whole") == data


def test_a_changed_or_lost_part_is_told(tmp_path):
    split(bytes(2500), tmp_path / "whole", "state", part_bytes=1000)
    part = tmp_path / "whole" / "state.001"
    part.write_bytes(b"\1" + bytes(999))
    with pytest.raises(InputError, match="missing parts"):
        join(tmp_path / "whole")
    part.unlink()
    with pytest.raises(InputError) as told:
        join(tmp_path / "whole")
    assert told.value.code == "checkpoint_damaged"


def test_the_newest_of_the_kept_is_loaded(tmp_path):
    for step in (1, 20, 300):
        save_checkpoint(tmp_path, step, {"step": step, "weights": torch.full((3,), float(step))})
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-0000020", "step-0000300"]
    assert load_checkpoint(tmp_path)["step"] == 300
    assert load_checkpoint(list_checkpoints(tmp_path)[0])["weights"].tolist() == [20.0] * 3


def test_no_checkpoint(tmp_path):
    with pytest.raises(InputError) as told:
        load_checkpoint(tmp_path)
    assert told.value.code == "checkpoint_missing"
