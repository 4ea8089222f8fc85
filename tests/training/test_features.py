from __future__ import annotations

import numpy as np
import pytest
import torch

from photoplay.errors import InputError
from photoplay.training.batches import Library
from photoplay.training.features import FeatureNet, frozen, load_features, save_features, shape_distance, train_features
from photoplay.types import Label
from tests.training import toys


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = toys.dataset(tmp_path_factory.mktemp("features") / "data", 4)
    told = []
    net = train_features(Library(folder, "train", 1.0), 60, 4, 32, 0, lambda _step, loss: told.append(loss))
    return net, told


def pictures(seed: int) -> torch.Tensor:
    target = toys.example(seed).target[:1]
    return torch.from_numpy(np.ascontiguousarray(target.transpose(0, 3, 1, 2), np.float32)) / 127.5 - 1


def test_it_learns_to_name_a_mouth(trained):
    net, told = trained
    assert np.mean(told[-10:]) < 0.5 * np.mean(told[:10])
    labels = toys.example(1).window.labels[0, ::2, ::2]
    named = net(pictures(1))[1][0].argmax(0).numpy()
    assert np.mean(named[labels == Label.MOUTH] == Label.MOUTH) > 0.7
    assert np.mean(named[labels == Label.SKIN] == Label.SKIN) > 0.7


def test_the_same_picture_is_no_distance_away_and_another_is(trained):
    net, _ = trained
    same = shape_distance(net, pictures(0), pictures(0))
    closed = pictures(0).clone()
    closed[:] = closed[..., :1, :1]  # the whole picture is skin: the mouth is gone
    other = shape_distance(net, closed, pictures(0))
    assert all(float(term) == pytest.approx(0, abs=1e-4) for term in same)
    assert all(float(term) > 0.01 for term in other)


def test_distance_pulls_on_the_picture_and_not_on_the_pyramid(trained):
    net, _ = trained
    made = torch.zeros_like(pictures(0)).requires_grad_()
    sum(shape_distance(net, made, pictures(0))).backward()
    assert float(made.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_is_saved_is_read(tmp_path):
    torch.manual_seed(1)
    net = frozen(FeatureNet())
    save_features(net, tmp_path / "features.safetensors")
    read = load_features(tmp_path / "features.safetensors")
    assert torch.equal(read(pictures(0))[1], net(pictures(0))[1])
    (tmp_path / "features.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError) as told:
        load_features(tmp_path / "features.safetensors")
    assert told.value.code == "features_unreadable"
