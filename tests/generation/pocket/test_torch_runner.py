"""The number format in which PyTorch computes."""

import numpy as np
import pytest
import torch

from photoplay.generation.backends.pocket import torch_runner
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.generation.backends.pocket.torch_runner import TorchRunner, fastest_dtype
from tests.generation.pocket.test_model import TINY


def test_bfloat16_is_near_float32() -> None:
    made = []
    told = [np.random.default_rng(k).random((1, n, *f, 32, 32)).astype(np.float32) for k, (n, f) in enumerate(
        (((24), (4,)), ((4), (4,)), ((9), ())))]  # fmt: skip
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        net = PocketNet(TINY)
        torch.nn.init.normal_(net.out.weight, std=0.1)
        runner = TorchRunner(net, dtype)
        made.append(runner.denoise(np.ones((1, 3, 4, 32, 32), np.float32), 0.5, runner.read(*told)))
    assert np.square(made[0] - made[1]).mean() < 1e-3 * np.square(made[0]).mean()


def test_the_dtype_is_bfloat16_only_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.bfloat16: 1.0, torch.float32: 2.0}
    monkeypatch.setattr(torch_runner, "_conv_seconds", seconds.__getitem__)

    def probed(**able: bool) -> torch.dtype:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
        fastest_dtype.cache_clear()
        return fastest_dtype()

    try:
        assert probed(avx512_bf16=True) == probed(amx_bf16=True) == torch.bfloat16
        assert probed(avx2=True) == torch.float32
        seconds[torch.bfloat16] = 3.0
        assert probed(amx_bf16=True) == torch.float32
    finally:
        fastest_dtype.cache_clear()
