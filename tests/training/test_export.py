from __future__ import annotations

import hashlib

import pytest
import torch
from typer.testing import CliRunner

from photoplay.errors import InputError
from photoplay.generation.backends.pocket.torch_runner import read_net
from photoplay.training.__main__ import app
from photoplay.training.checkpoints import load_checkpoint
from photoplay.training.config import Recipe
from photoplay.training.export import averaged_network, export
from photoplay.training.trainer import Trainer
from tests.training import toys


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    data = {"folder": toys.dataset(folder / "data"), "patch": 32, "frames": 2, "batch": 1}
    recipe = Recipe(network=toys.NETWORK, data=data, max_steps=10, device="cpu", dtype="float32")
    Trainer(recipe, folder / "run").train(lambda *_: None)
    return folder / "run"


def test_exported_weights_are_the_mean_weights_within_half_precision(run, tmp_path):
    exported = export(run, tmp_path / "pocket.safetensors", "| table |")
    assert exported.sha256 == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    read, ours = read_net(exported.path), averaged_network(load_checkpoint(run))
    assert read.config == ours.config
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], weight, rtol=1e-3, atol=1e-6)
    card = exported.path.with_suffix(".md").read_text()
    assert exported.sha256 in card
    assert "2 for training, 1 held out" in card
    assert "| table |" in card


def test_weights_of_another_version_are_told(run):
    state = load_checkpoint(run)
    for broken in ({**state, "config": "{}"}, {**state, "ema": {}}):
        with pytest.raises(InputError) as told:
            averaged_network(broken)
        assert told.value.code == "checkpoint_unknown"


def test_the_command_line_from_training_to_export(run, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((run / "recipe.json").read_text())  # JSON is YAML
    runner, data = CliRunner(), str(run.parent / "data")

    def call(*words):
        result = runner.invoke(app, list(words), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    call("train", "--run", str(tmp_path / "run"), "--recipe", str(recipe))
    call("resume", "--run", str(tmp_path / "run"))
    table = call("evaluate", "--data", data, "--checkpoint", str(tmp_path / "run"), "--frames", "2")
    assert "| anchor |" in table
    out = tmp_path / "out.safetensors"
    told = call("export", "--checkpoint", str(tmp_path / "run"), "--out", str(out))
    assert hashlib.sha256(out.read_bytes()).hexdigest() in told
    again = call("evaluate", "--data", data, "--weights", str(out), "--frames", "2")
    assert again.splitlines()[2] == table.splitlines()[2]  # the anchor's own line
    assert runner.invoke(app, ["evaluate", "--data", data]).exit_code == 2
