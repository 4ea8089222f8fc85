from __future__ import annotations

import cv2
import pytest
import torch

from photoplay.errors import InputError
from photoplay.generation.backends.pocket.torch_runner import save
from photoplay.training.batches import Batches, Library, to_torch
from photoplay.training.config import OptimConfig, Recipe
from photoplay.training.logs import read_log
from photoplay.training.trainer import Trainer, learning_rate, resume
from tests.training import toys


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recipe(folder, steps: int, **changes) -> Recipe:
    data = {"folder": folder, "patch": 32, "frames": 3, "batch": 2, "whole": 0, "augment": False}
    optim = {"lr": 4e-3, "warmup_steps": 5, "ema": 0.9}
    rest = {"max_steps": steps, "minutes": 1e6, "device": "cpu", "dtype": "float32", **changes}
    return Recipe(network=toys.NETWORK, data=data, optim=optim, **rest)


def test_it_learns_two_examples_from_the_anchor_on(tmp_path):
    """The first loss is the anchor's own; at the end it is a small part of it, and the same frames are painted nearer."""
    folder = toys.dataset(tmp_path / "data")
    trainer, told = Trainer(recipe(folder, 90), tmp_path / "run"), []
    trainer.train(lambda step, done, terms: told.append((step, done, terms["pixels"])))
    assert [step for step, _, _ in told] == list(range(10, 91, 10))
    assert told[-1][1] == 1
    assert sum(pixels for *_, pixels in told[-3:]) < 0.55 * sum(pixels for *_, pixels in told[:3])
    rows = read_log(tmp_path / "run" / "losses.csv")
    assert [row["step"] for row in rows] == [step for step, _, _ in told]
    sheet = cv2.imread(str(tmp_path / "run" / "samples-0000090.png"))
    assert sheet.shape == (toys.SIZE, 6 * toys.SIZE, 3)
    assert (tmp_path / "run" / "losses.png").exists()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_resumed_run_makes_the_very_same_step(tmp_path, dtype):
    folder = toys.dataset(tmp_path / "data")
    batches = Batches(Library(folder, "train", 1.0), recipe(folder, 1).data, 0)
    trainer = Trainer(recipe(folder, 100, dtype=dtype), tmp_path / "run")
    for step in range(3):
        trainer.step(to_torch(batches[step], "cpu"))
    trainer.save()
    again = resume(tmp_path / "run")
    assert again.step_number == 3
    for step in (3, 4):
        uninterrupted = trainer.step(to_torch(batches[step], "cpu"))
        resumed = again.step(to_torch(batches[step], "cpu"))
        assert all(torch.equal(uninterrupted[name], resumed[name]) for name in uninterrupted)
    for ours, theirs in zip(trainer.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for name, mean in trainer.ema.state().items():
        assert torch.equal(mean, again.ema.state()[name])


def test_a_bfloat16_run_keeps_float32_weights(tmp_path):
    folder = toys.dataset(tmp_path / "data")
    trainer = Trainer(recipe(folder, 9, dtype="bfloat16"), tmp_path / "run")
    batch = to_torch(Batches(Library(folder, "train", 1.0), trainer.recipe.data, 0)[0], "cpu")
    trainer.step(batch)
    trainer.step(batch)
    for mine, its in zip(trainer.network.parameters(), trainer.worker.parameters(), strict=True):
        assert mine.dtype == torch.float32
        assert torch.equal(mine.bfloat16(), its)
    assert next(trainer.averaged().parameters()).dtype == torch.bfloat16


def test_an_interrupted_run_keeps_what_it_learnt(tmp_path):
    folder = toys.dataset(tmp_path / "data")

    def stop(step, _done, _terms):
        if step == 20:
            raise KeyboardInterrupt

    Trainer(recipe(folder, 1000), tmp_path / "run").train(stop)
    resumed = resume(tmp_path / "run", recipe(folder, 30))
    assert resumed.step_number == 20
    resumed.train(lambda *_: None)
    assert [row["step"] for row in read_log(tmp_path / "run" / "losses.csv")] == [10, 20, 30]


def test_a_step_without_a_finite_gradient_moves_nothing(tmp_path):
    folder = toys.dataset(tmp_path / "data")
    trainer = Trainer(recipe(folder, 9), tmp_path / "run")
    batch = to_torch(Batches(Library(folder, "train", 1.0), trainer.recipe.data, 0)[0], "cpu")
    before = [parameter.clone() for parameter in trainer.network.parameters()]
    batch.latents[0, 0, 0, 0, 0] = float("nan")
    trainer.step(batch)
    for was, now in zip(before, trainer.network.parameters(), strict=True):
        assert torch.equal(was, now)
    assert trainer.step_number == 1


def test_a_run_ends_at_its_time(tmp_path):
    folder = toys.dataset(tmp_path / "data")
    trainer = Trainer(recipe(folder, 10**6, minutes=1 / 60), tmp_path / "run")
    trainer.train(lambda *_: None)
    assert 1 <= trainer.seconds < 20
    assert 0 < trainer.step_number < 10**6


def test_the_rate_warms_up_and_falls():
    optim = OptimConfig(lr=1.0, warmup_steps=10, final=0.1)
    assert learning_rate(optim, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(optim, 9, 0.0) == pytest.approx(1.0)
    assert learning_rate(optim, 100, 0.5) == pytest.approx(0.55)
    assert learning_rate(optim, 100, 1.0) == pytest.approx(0.1)


def test_a_run_without_a_checkpoint_cannot_be_resumed(tmp_path):
    with pytest.raises(InputError):
        resume(tmp_path)


def test_a_run_starts_from_a_weights_file(tmp_path):
    folder = toys.dataset(tmp_path / "set")
    first = Trainer(recipe(folder, 1), tmp_path / "first")
    torch.nn.init.constant_(first.network.out.bias, 0.25)
    save(tmp_path / "start.safetensors", first.network)
    other = recipe(folder, 1, weights=tmp_path / "start.safetensors").model_copy(update={"network": "wide"})
    second = Trainer(other, tmp_path / "second")
    assert second.network.config == first.network.config
    assert (second.network.out.bias == 0.25).all()
