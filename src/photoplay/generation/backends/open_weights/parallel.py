"""Several GPUs for one film: under torchrun every process holds the model and computes its share of each forward.

The share is of the tokens (diffusers' context parallelism); for attention they are exchanged, so that each GPU does all
tokens of some heads (Ulysses, https://arxiv.org/abs/2309.14509), whether tokens and heads divide evenly or not. Everything
else is done by every process alike, from the same seed. Many films are better served by a process for each GPU.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from photoplay.errors import UnavailableError
from photoplay.generation.backends.open_weights.memory import DENOISERS

SHARED = frozenset({"wan-t2v", "wan-i2v", "ltx2"})
"""The backends whose models diffusers can compute on several GPUs."""


MEETING = "PHOTOPLAY_MEETING"
"""Environment variable with the file by which processes meet. torchrun's port is open to the network and asks nobody who
they are; a file is this user's alone."""


def world() -> int:
    """How many processes make this film: torchrun says so in the environment."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def leads() -> bool:
    """Whether this process writes the film; the others only lend their GPUs."""
    return world() == 1 or os.environ["RANK"] == "0"


def device() -> str:
    """The device that this process computes on: its own GPU under torchrun, the first one otherwise, else the processor."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) if world() > 1 else 0}"


def join() -> None:
    """Meets the other processes, once.

    Raises:
        UnavailableError: ``gpus_missing``, where there are fewer GPUs here than processes.
    """
    import torch
    from torch import distributed

    if torch.cuda.device_count() <= int(os.environ.get("LOCAL_RANK", "0")):
        raise UnavailableError(
            "gpus_missing",
            f"torchrun started {world()} processes, and this machine has {torch.cuda.device_count()} GPUs.",
            "Start as many processes as there are GPUs: torchrun --nproc-per-node.",
        )
    if not distributed.is_initialized():
        torch.cuda.set_device(device())
        distributed.init_process_group("nccl", **meeting())


def meeting() -> dict[str, Any]:
    """What torch has to be told of where the processes meet: nothing under torchrun."""
    file = os.environ.get(MEETING)
    if not file:
        return {}
    store: Any = import_module("torch.distributed").FileStore
    return {"store": store(file, world()), "rank": int(os.environ["RANK"]), "world_size": world()}


def share_forwards(pipe: Any) -> None:
    """Splits every forward of a pipeline's transformers over the processes.

    Raises:
        UnavailableError: ``gpus_missing``, ``parallel_unsupported`` where diffusers has no plan for this model.
    """
    models = [model for name in DENOISERS if (model := getattr(pipe, name, None)) is not None]
    if not models or any(getattr(model, "_cp_plan", None) is None for model in models):
        raise UnavailableError(
            "parallel_unsupported",
            "This model cannot be computed by several GPUs together.",
            "Run it on one GPU, without torchrun; give each GPU a film of its own.",
        )
    join()
    share: Any = import_module("diffusers").ContextParallelConfig
    for model in models:
        model.enable_parallelism(config=share(ulysses_degree=world(), ulysses_anything=True))
