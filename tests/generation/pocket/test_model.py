"""Weights files and the making of a window."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from photoplay.errors import UnavailableError
from photoplay.generation.backends.pocket import conditioning, model
from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.generation.backends.pocket.config import PocketConfig
from photoplay.generation.backends.pocket.model import PocketModel
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.generation.backends.pocket.openvino_runner import OpenVinoRunner
from photoplay.generation.backends.pocket.torch_runner import TorchRunner, read_net, save
from photoplay.generation.backends.pocket.weights_file import FORMAT
from photoplay.training.graphs import write_graphs
from photoplay.types import Array

TINY = PocketConfig(
    channels=(8, 16, 32, 32), blocks=(1, 1, 1, 1), reference_channels=(8, 8, 16, 16), head_channels=16, embedding=16
)


@pytest.fixture(scope="module")
def net() -> PocketNet:
    torch.manual_seed(0)
    made = PocketNet(TINY)
    for module in made.modules():
        if (weight := getattr(module, "weight", None)) is not None and not weight.any():
            torch.nn.init.normal_(weight, std=0.1)
    return made.requires_grad_(False)


@pytest.fixture(scope="module")
def pocket(net: PocketNet) -> PocketModel:
    return PocketModel(TorchRunner(deepcopy(net), torch.float32), TINY)


@pytest.fixture(autouse=True)
def _planes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planes of the right shapes that need no face: this file tests the model, not what it is told."""

    def cond(window: CropWindow) -> Array:
        shown = window.anchor.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        return np.concatenate([shown, np.repeat(shown[:, :1], 21, 1)], 1)

    def reference(window: CropWindow) -> Array:
        return np.tile(window.reference.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1, (3, 1, 1))

    monkeypatch.setattr(conditioning, "cond_planes", cond)
    monkeypatch.setattr(conditioning, "reference_planes", reference)


def _window(frames: int = 5, size: int = 32) -> CropWindow:
    draw = np.random.default_rng(2)
    picture = draw.integers(40, 200, (frames, size, size, 3)).astype(np.uint8)
    marks = draw.random((frames, 478, 3)).astype(np.float32)
    grey = np.full((frames, size, size), 9, np.uint8)
    return CropWindow(picture, grey, grey, marks, picture[0], marks[0])


def test_a_saved_network_comes_back(net: PocketNet, tmp_path: Path) -> None:
    save(tmp_path / "full.safetensors", net, half=False)
    save(tmp_path / "half.safetensors", net)
    full, half = read_net(tmp_path / "full.safetensors"), read_net(tmp_path / "half.safetensors")
    assert full.config == half.config == TINY
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(full.state_dict()[name], tensor, atol=0, rtol=0)
        torch.testing.assert_close(half.state_dict()[name], tensor.half().float(), atol=0, rtol=0)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.7 * (tmp_path / "full.safetensors").stat().st_size


def test_bad_files_are_refused_in_words(net: PocketNet, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    save(good, net)
    tensors = {name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}

    def code(path: Path) -> str:
        with pytest.raises(UnavailableError) as raised:
            PocketModel.load(path)
        return raised.value.code

    assert code(tmp_path / "nowhere") == "weight_missing"
    bad.write_bytes(good.read_bytes()[:-100])
    assert code(bad) == "weight_altered"
    save_file(tensors, bad)
    assert code(bad) == "pocket_version"
    save_file(tensors, bad, {"format": FORMAT, "config": "{}"})
    assert code(bad) == "pocket_version"
    strange = PocketNet(replace(TINY, reference_planes=(*TINY.reference_planes[:-1], "depth_z")[:9]))
    strange.config = replace(TINY, cond_planes=("red", *TINY.cond_planes[1:]))
    save(bad, strange)
    assert code(bad) == "pocket_version"
    wider = PocketNet(replace(TINY, embedding=32))
    wider.config = TINY
    save(bad, wider)
    assert code(bad) == "weight_altered"
    broken = PocketNet(TINY)
    torch.nn.init.constant_(broken.out.bias, float("nan"))
    save(bad, broken)
    assert code(bad) == "weight_altered"


def test_without_packaged_weights_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.weights, "WEIGHTS", {})
    with pytest.raises(UnavailableError, match="no pocket weights"):
        PocketModel.load()


def test_an_untrained_network_leaves_the_anchor(tmp_path: Path) -> None:
    save(tmp_path / "new.safetensors", PocketNet(TINY))
    made = PocketModel.load(tmp_path / "new.safetensors").generate(
        _window(), None, seed=1, start=0, num_inference_steps=2
    )
    np.testing.assert_array_equal(made, _window().anchor)


def test_same_arguments_same_frames_and_known_ones_stay(pocket: PocketModel) -> None:
    window = _window()
    first = pocket.generate(window, None, seed=1, start=4, num_inference_steps=2)
    np.testing.assert_array_equal(first, pocket.generate(window, None, seed=1, start=4, num_inference_steps=2))
    assert (first != pocket.generate(window, None, seed=2, start=4, num_inference_steps=2)).any()
    known = np.full((2, 32, 32, 3), 77, np.uint8)
    after = pocket.generate(window, known, seed=1, start=4, num_inference_steps=2)
    np.testing.assert_array_equal(after[:2], known)
    assert (after[2:] != first[2:]).any()  # what is known tells something about what follows


def test_ablations_hide_what_they_say(pocket: PocketModel) -> None:
    window = _window()
    made = pocket.generate(window, None, seed=1, start=0, num_inference_steps=1)
    other_photo = replace(window, reference=255 - window.reference)
    assert (made != pocket.generate(other_photo, None, seed=1, start=0, num_inference_steps=1)).any()
    blind = pocket.without(reference=True)
    np.testing.assert_array_equal(
        blind.generate(window, None, seed=1, start=0, num_inference_steps=1),
        blind.generate(other_photo, None, seed=1, start=0, num_inference_steps=1),
    )
    assert (made != pocket.without(guide=True).generate(window, None, seed=1, start=0, num_inference_steps=1)).any()


def test_the_exported_graphs_make_the_same_film_within_40_db(
    pocket: PocketModel, net: PocketNet, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    save(path, net)
    write_graphs(read_net(path), path)
    graphs = PocketModel.load(path)
    assert isinstance(graphs.runner, OpenVinoRunner)
    for frames, size in ((5, 32), (1, 48)):  # graphs take any length and size
        window = _window(frames, size)
        ours, theirs = (one.generate(window, None, seed=1, start=0, num_inference_steps=2) for one in (pocket, graphs))
        error = np.mean((ours.astype(float) - theirs) ** 2)
        assert (ours != window.anchor).any()
        assert 10 * np.log10(255**2 / max(error, 1e-9)) > 40
        np.testing.assert_array_equal(theirs, graphs.generate(window, None, seed=1, start=0, num_inference_steps=2))
    for compiled in graphs.runner._compiled.values():
        assert not compiled.get_property("ENABLE_CPU_PINNING"), "every process would take the same cores"
    assert read_net(path).config == TINY  # the graphs' own constants do not disturb the network


def test_a_crop_must_fit_the_network(pocket: PocketModel) -> None:
    with pytest.raises(ValueError, match="divisible"):
        pocket.generate(_window(size=40), None, seed=0, start=0, num_inference_steps=1)
