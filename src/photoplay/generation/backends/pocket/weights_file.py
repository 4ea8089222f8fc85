"""Pocket weights files: safetensors with the network's config in their metadata."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from photoplay.errors import UnavailableError
from photoplay.generation.backends.pocket.config import PocketConfig

FORMAT = "photoplay-pocket-1"
GRAPHS = ("read", "denoise")
"""The network as two graphs: what is done once for a window, and what is done in every denoising step."""
EXTRA = "graph."
"""Beginning of the names of tensors that only the exported graphs use."""


def read_config(path: Path) -> PocketConfig:
    """The config of the network in a weights file.

    Raises:
        UnavailableError: ``weight_missing``, ``weight_altered`` (not ours, or damaged), ``pocket_version`` (made for another
            version of photoplay).
    """
    if not path.is_file():
        raise UnavailableError(
            "weight_missing", "There is no such pocket weights file.", "Give the path of a .safetensors file."
        )
    try:
        with safe_open(path, "np") as stored:
            told = stored.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise altered() from error
    try:
        config = PocketConfig.from_dict(json.loads(told["config"]))
        known = told["format"] == FORMAT and config.known
    except (KeyError, ValueError, TypeError) as error:
        raise _unknown_version() from error
    if not known:
        raise _unknown_version()
    return config


def graph_paths(path: Path) -> dict[str, Path]:
    """Where the exported graphs of the weights file ``path`` lie."""
    return {name: path.with_name(f"{path.stem}.{name}.xml") for name in GRAPHS}


def metadata(config: PocketConfig) -> dict[str, str]:
    """What :func:`read_config` reads."""
    return {"format": FORMAT, "config": json.dumps(config.to_dict())}


def altered() -> UnavailableError:
    """The error for a file that is not what it says."""
    return UnavailableError("weight_altered", "The pocket weights file is damaged or not ours.", "Fetch it again.")


def _unknown_version() -> UnavailableError:
    return UnavailableError(
        "pocket_version",
        "The pocket weights were made for another version of photoplay.",
        "Use the weights that come with this version.",
    )
