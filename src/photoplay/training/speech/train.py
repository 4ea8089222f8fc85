"""Teaches the network on the processor of one machine in minutes, and writes the weights that are shipped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn import functional as nn

from photoplay.generation.backends.pocket.torch_runner import fastest_dtype
from photoplay.motion.speech.visemes import VISEMES
from photoplay.training.speech.generate import build, load
from photoplay.training.speech.mixing import Mixer
from photoplay.training.speech.network import VisemeNet, exported

BATCH, LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 24, 3e-3, 1e-2, 0.03
SMOOTHING = 0.05
IMPORTANCE = (0.9, 1.15, 1.3, 1.8, 1.0, 1.2, 1.1, 1.1, 1.1, 1.2, 1.0, 1.0, 1.0, 1.1, 1.2)
"""What a mistake weighs in each viseme: rare ones more; sil less, for a mouth that stays shut in
speech is a worse sight than one that moves to a song."""
LOG_STEPS, SAVE_STEPS = 25, 500
Tell = Callable[[int, float, dict[str, float]], None]
"""Hears step, share of the run that is done, and the mean loss and accuracy since it last heard."""


def teach(out: Path, *, data: Path, minutes: float, hours: float = 3.0, seed: int = 0, tell: Tell) -> str:
    """Builds ``hours`` of speech in ``data`` unless it lies there, trains for ``minutes``, writes ``out``.

    Returns the SHA-256 of the weights file. A run that is stopped goes on from ``out``'s checkpoint beside it.

    Raises:
        UnavailableError: ``espeak_missing``, where speech has to be made first.
    """
    if not (data / "speech.npz").is_file():
        build(data, hours, seed, lambda share: tell(0, 0.0, {"speech made": share}))
    mixer = Mixer(load(data / "speech.npz"), load(data / "noise.npz"))
    network = train(mixer, minutes=minutes, seed=seed, checkpoint=out.with_suffix(".pt"), tell=tell)
    return write(network, out)


def train(
    mixer: Mixer, *, minutes: float, seed: int, checkpoint: Path | None, tell: Tell, max_steps: int = 1_000_000
) -> VisemeNet:
    """The trained network: AdamW, a short warm-up, then a cosine to zero over the time that is given."""
    torch.manual_seed(seed)
    network = VisemeNet()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    step, spent = _restored(checkpoint, network, optimizer)
    began = time.monotonic() - spent
    half = fastest_dtype() == torch.bfloat16
    sums: dict[str, float] = {}
    network.train()
    while (done := max((time.monotonic() - began) / (60 * minutes), step / max_steps)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, done / WARM_UP + 0.02) * 0.5 * (1 + cos(pi * done))
        features, labels = mixer.batch(BATCH, np.random.default_rng((seed, step)))
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            made = network(torch.from_numpy(features).transpose(1, 2)).float()
        told = torch.from_numpy(labels.astype(np.int64))
        loss = objective(made, told)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        step += 1
        right = float((made.detach().argmax(1) == told).float().mean())
        sums = {"loss": sums.get("loss", 0.0) + float(loss.detach()), "accuracy": sums.get("accuracy", 0.0) + right}
        if step % LOG_STEPS == 0:
            tell(step, done, {name: total / LOG_STEPS for name, total in sums.items()})
            sums = {}
        if checkpoint is not None and step % SAVE_STEPS == 0:
            _save(checkpoint, network, optimizer, step, time.monotonic() - began)
    if checkpoint is not None:
        _save(checkpoint, network, optimizer, step, time.monotonic() - began)
    return network.eval()


def objective(logits: Float[Tensor, "b 15 n"], labels: Int[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Cross entropy with smoothed labels, weighted by what a mistake costs to the eye."""
    weight = torch.tensor(IMPORTANCE)
    assert len(weight) == len(VISEMES)
    return nn.cross_entropy(logits, labels, weight=weight, label_smoothing=SMOOTHING)


def write(network: VisemeNet, path: Path) -> str:
    """Writes the folded half-precision weights; returns their SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(exported(network), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save(path: Path, network: VisemeNet, optimizer: Any, step: int, seconds: float) -> None:
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def _restored(path: Path | None, network: VisemeNet, optimizer: Any) -> tuple[int, float]:
    """Steps and seconds of the checkpoint that was found, 0 and 0 where there is none."""
    if path is None or not path.is_file():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"]), float(state["seconds"])
