from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from photoplay.motion.speech import network as numpy_network
from photoplay.motion.speech.spectrum import BANDS
from photoplay.training.speech.mixing import Mixer
from photoplay.training.speech.network import VisemeNet, exported
from photoplay.training.speech.train import objective, train, write
from tests.training.speech.made_up import corpus


def _stirred() -> VisemeNet:
    """A network whose normalisation is not the identity."""
    torch.manual_seed(0)
    net = VisemeNet()
    net.train()
    for _ in range(3):
        net(torch.randn(4, BANDS, 60) * 2 + 1)
    return net.eval()


def test_numpy_and_torch_agree(tmp_path: Path) -> None:
    net = _stirred()
    digest = write(net, tmp_path / "made.safetensors")
    assert digest == hashlib.sha256((tmp_path / "made.safetensors").read_bytes()).hexdigest()
    layers = numpy_network.read(tmp_path / "made.safetensors")
    features = np.random.default_rng(0).standard_normal((130, BANDS)).astype(np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(features.T[None]))[0].T.numpy()
    made = numpy_network.logits(layers, features)
    assert expected.std() > 0.1
    np.testing.assert_allclose(made, expected, atol=0.01 * float(np.abs(expected).max()))
    assert all(layer.dtype == np.float16 for layer in exported(net).values())


def test_the_loss_is_least_where_the_truth_is_likely() -> None:
    labels = torch.arange(15).reshape(1, 15)
    sure = torch.nn.functional.one_hot(labels, 15).float().transpose(1, 2) * 4
    level = torch.zeros(1, 15, 15)
    assert objective(sure, labels) < objective(level, labels) < objective(-sure, labels)
    assert objective(level, labels).item() == pytest.approx(np.log(15), rel=1e-3)


def test_it_learns_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    mixer = Mixer(corpus(0), corpus(1, silent=True), frames=64)
    losses: list[float] = []

    def tell(step: int, done: float, terms: dict[str, float]) -> None:
        losses.append(terms["loss"])

    checkpoint = tmp_path / "run.pt"
    train(mixer, minutes=10, seed=0, checkpoint=checkpoint, tell=tell, max_steps=50)
    assert losses[-1] < losses[0]
    stored = torch.load(checkpoint, weights_only=True)
    assert stored["step"] == 50
    net = train(mixer, minutes=10, seed=0, checkpoint=checkpoint, tell=tell, max_steps=50)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, stored["network"][name]), "a finished run is not trained further"
