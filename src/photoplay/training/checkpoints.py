"""Checkpoints as folders of parts under 16 MiB with a manifest, because borrowed machines give back only small files."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from photoplay.errors import InputError

PART_BYTES = 15 * 1024 * 1024
MANIFEST = "manifest.json"


def split(data: bytes, folder: Path, name: str, part_bytes: int = PART_BYTES) -> None:
    """Writes ``data`` as numbered parts and, last, a manifest with every SHA-256; the folder appears only when whole."""
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    parts = []
    for number, start in enumerate(range(0, max(1, len(data)), part_bytes)):
        piece = data[start : start + part_bytes]
        file = f"{name}.{number:03d}"
        (unfinished / file).write_bytes(piece)
        parts.append({"file": file, "sha256": hashlib.sha256(piece).hexdigest()})
    whole = {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "parts": parts}
    (unfinished / MANIFEST).write_text(json.dumps(whole, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def join(folder: Path) -> bytes:
    """What :func:`split` was given.

    Raises:
        InputError: ``checkpoint_damaged``: a part is missing, or its digest is another.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        pieces = []
        for part in manifest["parts"]:
            piece = (folder / Path(part["file"]).name).read_bytes()
            if hashlib.sha256(piece).hexdigest() != part["sha256"]:
                raise ValueError("digest")
            pieces.append(piece)
        data = b"".join(pieces)
        if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
            raise ValueError("digest")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "checkpoint_damaged", "A checkpoint is missing parts or was changed.", "Fetch all its parts again."
        ) from error
    return data


def save_checkpoint(run: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Writes ``state`` (tensors, numbers, texts) into ``run/checkpoints`` and deletes all but the ``keep`` newest."""
    stream = io.BytesIO()
    torch.save(state, stream)
    folder = run / "checkpoints" / f"step-{step:07d}"
    split(stream.getvalue(), folder, "state")
    for old in list_checkpoints(run)[:-keep]:
        shutil.rmtree(old)
    return folder


def list_checkpoints(run: Path) -> list[Path]:
    """Whole checkpoints of a run, the newest last."""
    return sorted(path.parent for path in (run / "checkpoints").glob(f"step-*/{MANIFEST}") if path.parent.suffix == "")


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The state in a checkpoint's folder, or the newest one in a run's folder, on the CPU.

    Raises:
        InputError: ``checkpoint_missing`` or ``checkpoint_damaged``.
    """
    if not (folder / MANIFEST).is_file():
        found = list_checkpoints(folder)
        if not found:
            raise InputError(
                "checkpoint_missing", "There is no checkpoint there.", "Name the folder of a training run."
            )
        folder = found[-1]
    state: dict[str, Any] = torch.load(io.BytesIO(join(folder)), map_location="cpu", weights_only=True)
    return state
