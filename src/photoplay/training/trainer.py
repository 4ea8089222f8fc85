"""The training loop: float32 weights, a faster copy that does the work, their running mean, and a run folder to watch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from copy import deepcopy
from math import cos, isfinite, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photoplay.errors import InputError
from photoplay.generation.backends.pocket import config as networks
from photoplay.generation.backends.pocket.config import PocketConfig
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.generation.backends.pocket.torch_runner import fastest_dtype, read_net
from photoplay.training.batches import Batches, Library, TorchBatch
from photoplay.training.checkpoints import load_checkpoint, save_checkpoint
from photoplay.training.config import OptimConfig, Recipe
from photoplay.training.ema import Ema
from photoplay.training.features import load_features
from photoplay.training.logs import LossLog
from photoplay.training.objective import Objective, draw, step_inputs
from photoplay.training.samples import write_samples

LOG_STEPS = 10
Tell = Callable[[int, float, dict[str, float]], None]
"""Hears step, share of the run that is done, and the mean loss terms, every ``LOG_STEPS`` steps."""


def network_config(wanted: str | dict[str, Any]) -> PocketConfig:
    """A network by name (``small``, ``wide`` …) or by the fields that differ from the default.

    Raises:
        InputError: ``network_unknown``.
    """
    try:
        if isinstance(wanted, str):
            named: PocketConfig = getattr(networks, wanted.upper())
            return named
        return PocketConfig.from_dict({**PocketConfig().to_dict(), **wanted})
    except (AttributeError, ValueError) as error:
        raise InputError(
            "network_unknown", "There is no such network.", "Name small or wide, or its own sizes."
        ) from error


class Trainer:
    """One training run in the folder ``run``: losses.csv, losses.png, samples-*.png, checkpoints/, recipe.json.

    ``network`` holds the float32 weights that the optimizer moves. With bfloat16 another copy computes: everything in it,
    activations too, is bfloat16, and its gradients move the float32 ones (Micikevicius et al. 2018,
    https://arxiv.org/abs/1710.03740; bfloat16 needs no loss scale). Every random number is drawn from (seed, step), so that
    a resumed run goes on as if it had never stopped.
    """

    def __init__(self, recipe: Recipe, run: Path) -> None:
        self.recipe, self.run = recipe, run
        torch.manual_seed(recipe.seed)
        self.accelerator = _accelerator(recipe.device)
        self.device = "cpu" if self.accelerator is None else str(self.accelerator.device)
        self.rank = 0 if self.accelerator is None else int(self.accelerator.process_index)
        fresh = PocketNet(network_config(recipe.network)) if recipe.weights is None else read_net(recipe.weights)
        self.network = fresh.to(self.device)
        half = computes_in_bfloat16(recipe.dtype, self.device)
        self.worker = deepcopy(self.network).bfloat16() if half else self.network
        self.ema = Ema(self.network, recipe.optim.ema)
        self.optimizer = torch.optim.AdamW(
            _groups(self.network, recipe.optim), lr=recipe.optim.lr, betas=recipe.optim.betas, fused=True
        )
        features = None if recipe.features is None else load_features(recipe.features).to(self.device)
        objective: Any = Objective(self.worker, recipe.loss, features)
        if recipe.compile:
            objective.compile(dynamic=False)
        self.objective = objective if self.accelerator is None else self.accelerator.prepare_model(objective)
        self.step_number, self.seconds = 0, 0.0

    @property
    def done_share(self) -> float:
        """How much of the run lies behind, by time or by steps, 0..1."""
        return min(1.0, max(self.step_number / self.recipe.max_steps, self.seconds / (60 * self.recipe.minutes)))

    def step(self, batch: TorchBatch) -> dict[str, Tensor]:
        """One optimizer step; its loss terms and the gradient's ``norm``. Without a finite gradient no weight moves."""
        recipe = self.recipe
        generator = torch.Generator(self.device).manual_seed(
            recipe.seed * 1_000_003 + self.step_number * 257 + self.rank
        )
        correlation = self.network.config.noise_correlation
        drawn = draw(tuple(batch.latents.shape), correlation, recipe.sigma, generator, self.device)
        terms: dict[str, Tensor] = self.objective(**step_inputs(batch, drawn))
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        self._take_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.optim.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe.optim, self.step_number, self.done_share)
        if isfinite(float(norm)):
            self.optimizer.step()
            self._hand_weights()
            self.ema.update(self.network)
        self.optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
        return {**{name: term.detach() for name, term in terms.items()}, "norm": norm.detach()}

    def train(self, tell: Tell, pause_seconds: float = float("inf")) -> None:
        """Runs until the recipe's time or steps are over, or ``pause_seconds`` have passed, or it is told to stop (Ctrl-C).

        Ends with a checkpoint and samples; a paused or interrupted run is resumed from there.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        data = self.recipe.data
        if self.rank == 0:
            (self.run / "recipe.json").write_text(self.recipe.model_dump_json(indent=1))
        library = Library(data.folder, "train", data.memory_gb)
        log = LossLog(self.run / "losses.csv", self.step_number)
        stream = Batches(library, data, self.recipe.seed + 7919 * self.rank).stream(self.step_number)
        before, began = self.seconds, time.monotonic()
        saved = shown = began
        try:
            while self.done_share < 1 and self.seconds - before < pause_seconds:
                log.add(self.step(next(stream).on(self.device)))
                now = time.monotonic()
                self.seconds = self._agreed(before + now - began)
                if self.step_number % LOG_STEPS == 0:
                    tell(self.step_number, self.done_share, log.write(self.step_number, self.seconds, self._lr))
                if now - saved > 60 * self.recipe.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
                if now - shown > 60 * self.recipe.grid_minutes:
                    self._show(log)
                    shown = time.monotonic()
        except KeyboardInterrupt:
            pass  # what was learnt is kept: the checkpoint below
        finally:
            stream.close()
        self.save()
        self._show(log)

    def averaged(self) -> PocketNet:
        """A copy of the network with the mean weights, in the dtype that computes."""
        network = deepcopy(self.worker)
        self.ema.copy_to(network)
        return network.eval()

    def save(self) -> None:
        """Writes a checkpoint from which :meth:`restore` goes on exactly."""
        if self.rank:
            return
        state = {
            "step": self.step_number,
            "seconds": self.seconds,
            "recipe": self.recipe.model_dump_json(),
            "config": json.dumps(self.network.config.to_dict()),
            "network": self.network.state_dict(),
            "ema": self.ema.state(),
            "ema_step": self.ema.step,
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(self.run, self.step_number, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint's state."""
        self.step_number, self.seconds = int(state["step"]), float(state["seconds"])
        self.network.load_state_dict(state["network"])
        self.ema.restore(state["ema"], int(state["ema_step"]))
        self.optimizer.load_state_dict(state["optimizer"])
        self._hand_weights()

    @property
    def _lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _take_gradients(self) -> None:
        """Gradients of the copy that computes, as float32, to the weights that the optimizer moves."""
        if self.worker is not self.network:
            for mine, its in zip(self.network.parameters(), self.worker.parameters(), strict=True):
                mine.grad = None if its.grad is None else its.grad.float()
                its.grad = None

    @torch.no_grad()
    def _hand_weights(self) -> None:
        if self.worker is not self.network:
            for mine, its in zip(self.network.parameters(), self.worker.parameters(), strict=True):
                its.copy_(mine)

    def _agreed(self, seconds: float) -> float:
        """The same time in all processes, so that they stop at the same step."""
        if self.accelerator is None or self.accelerator.num_processes == 1:
            return seconds
        return float(self.accelerator.reduce(torch.tensor(seconds, device=self.device), "mean"))

    def _show(self, log: LossLog) -> None:
        if self.rank:
            return
        log.draw(self.run / "losses.png")
        write_samples(
            self.averaged(), self.recipe.data.folder, self.run / f"samples-{self.step_number:07d}.png", self.device
        )


def resume(run: Path, recipe: Recipe | None = None) -> Trainer:
    """The trainer of an earlier run at its newest checkpoint; ``recipe`` replaces the run's own (more time, another rate).

    Raises:
        InputError: ``checkpoint_missing`` or ``checkpoint_damaged``.
    """
    state = load_checkpoint(run)
    trainer = Trainer(recipe or Recipe.model_validate_json(state["recipe"]), run)
    trainer.restore(state)
    return trainer


def learning_rate(optim: OptimConfig, step: int, done_share: float) -> float:
    """Linear warm-up over steps, times half a cosine over the run from 1 to ``final`` (Loshchilov & Hutter 2017)."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup_steps))
    fall = optim.final + (1 - optim.final) * 0.5 * (1 + cos(pi * done_share))
    return optim.lr * warm * fall


def computes_in_bfloat16(wanted: str, device: str) -> bool:
    """Whether to compute in bfloat16: as ``wanted``, or, for ``auto``, where it is faster on this device."""
    if wanted == "auto":
        return fastest_dtype() == torch.bfloat16 if device == "cpu" else torch.cuda.is_bf16_supported()
    return wanted == "bfloat16"


def _accelerator(device: str) -> Any:
    """Accelerate's view of the GPUs, None where the training runs on the CPU."""
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return None
    from accelerate import Accelerator

    return Accelerator()


def _groups(network: PocketNet, optim: OptimConfig) -> list[dict[str, Any]]:
    """Matrices decay; biases and gains do not."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": optim.weight_decay}, {"params": others, "weight_decay": 0.0}]
