"""From a run to what is shipped: half-precision weights with their SHA-256, and the facts for the model card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photoplay.errors import InputError
from photoplay.generation.backends.pocket.config import PocketConfig
from photoplay.generation.backends.pocket.network import PocketNet
from photoplay.generation.backends.pocket.torch_runner import read_net, save
from photoplay.training.checkpoints import load_checkpoint
from photoplay.training.config import Recipe
from photoplay.training.graphs import write_graphs
from photoplay.training.shards import list_examples


@dataclass(frozen=True)
class Exported:
    """A weights file: its SHA-256 in hex and its size in bytes."""

    path: Path
    sha256: str
    size: int


def averaged_network(state: dict[str, Any]) -> PocketNet:
    """The network of a checkpoint with its mean weights, float32, on the CPU.

    Raises:
        InputError: ``checkpoint_unknown``: it was written by another version.
    """
    try:
        network = PocketNet(PocketConfig.from_dict(json.loads(state["config"])))
        network.load_state_dict(state["ema"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            "checkpoint_unknown", "This checkpoint is of another version.", "Export it with the version that made it."
        ) from error
    return network.eval()


def export(checkpoint: Path, path: Path, table: str = "") -> Exported:
    """Writes ``path`` (fp16 safetensors with the network's config) and, beside it, ``path.md``, the model card's facts.

    ``checkpoint`` is a checkpoint's folder or a run's; ``table`` is the held-out table in Markdown.
    """
    state = load_checkpoint(checkpoint)
    network = averaged_network(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, network)
    write_graphs(read_net(path), path)
    written = path.read_bytes()
    exported = Exported(path, hashlib.sha256(written).hexdigest(), len(written))
    path.with_suffix(".md").write_text(card(exported, network, state, table))
    return exported


def card(exported: Exported, network: PocketNet, state: dict[str, Any], table: str) -> str:
    """What a model card must know of the training, as Markdown."""
    recipe = Recipe.model_validate_json(state["recipe"])
    parameters = sum(parameter.numel() for parameter in network.parameters())
    counts = {split: len(list(list_examples(recipe.data.folder, split))) for split in ("train", "held-out")}
    facts = {
        "parameters": f"{parameters / 1e6:.2f} million, fp16",
        "file": f"{exported.size / 1e6:.1f} MB, SHA-256 `{exported.sha256}`",
        "steps": f"{state['step']} in {state['seconds'] / 60:.1f} minutes",
        "batches": f"{recipe.data.batch} patches of {recipe.data.patch} px, {recipe.data.frames} frames",
        "examples": f"{counts['train']} for training, {counts['held-out']} held out",
        "mean of the weights": f"decay {recipe.optim.ema}",
        "licence": "Apache-2.0",
    }
    lines = ["# The pocket model", "", *(f"- {name}: {fact}" for name, fact in facts.items())]
    if table:
        lines += ["", "Held-out examples, PSNR dB / SSIM:", "", table]
    return "\n".join([*lines, "", "```json", recipe.model_dump_json(indent=1, exclude={"features"}), "```", ""])
