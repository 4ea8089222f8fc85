"""AnimateDiff is published in pieces: an image model, a motion module, a ControlNet, an image adapter. Here they are joined.

A model's folder is a diffusers folder whose index names ``unet`` (a UNet2DConditionModel), ``motion_adapter``,
``controlnet`` and ``image_encoder``, and beside them ``ip_adapter/`` with one safetensors file, which diffusers' index has
no entry for. Joining comes after reading and before placing, so that whatever is placed is all that will ever run.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from photoplay.errors import UnavailableError

FACES = "ip_adapter"
WINDOW, STRIDE = 16, 4
"""Frames that the motion module was trained on, and how far its window moves over a longer film: FreeNoise (Qiu et al. 2023,
https://arxiv.org/abs/2310.15169), with diffusers' own stride."""


def join(folder: Path, components: dict[str, Any]) -> None:
    """Makes ``components['unet']`` the model that runs: with motion, with the image adapter, with windows over long films.

    The motion adapter stays as a description without weights, since they are in the unet now. All has the unet's precision
    afterwards: the pipelines ask any one of their parts for it.

    Raises:
        UnavailableError: ``model_broken``: more than one image adapter.
    """
    import torch

    diffusers: Any = import_module("diffusers")
    unet, motion = components["unet"], components["motion_adapter"]
    device, dtype = unet.device, unet.dtype
    if (seer := components.get("image_encoder")) is not None:
        seer.to(dtype)
    pipe = diffusers.AnimateDiffPipeline(
        vae=components["vae"],
        text_encoder=components["text_encoder"],
        tokenizer=None,
        unet=unet,
        motion_adapter=motion,
        scheduler=None,
        image_encoder=seer,
    )
    for name in adapters(folder):
        pipe.load_ip_adapter(
            str(folder), subfolder=FACES, weight_name=name, image_encoder_folder=None, local_files_only=True
        )
    pipe.enable_free_noise(context_length=WINDOW, context_stride=STRIDE)
    components["unet"] = pipe.unet.to(device).eval()
    motion.down_blocks, motion.up_blocks, motion.mid_block = torch.nn.ModuleList(), torch.nn.ModuleList(), None
    motion.register_buffer("moved_to_unet", torch.ones(1, device=device, dtype=dtype))


def adapters(folder: Path) -> list[str]:
    """The name of a model's image adapter, if it has one; hidden files are not the model's.

    Raises:
        UnavailableError: ``model_broken``: more than one.
    """
    found = sorted(path.name for path in (folder / FACES).glob("*.safetensors") if not path.name.startswith("."))
    if len(found) > 1:
        raise UnavailableError(
            "model_broken",
            f"The model cannot be loaded: it has {len(found)} image adapters, and one is wanted.",
            f"Leave one file in its folder “{FACES}” and add it again.",
        )
    return found


def takes_faces(pipe: Any) -> bool:
    """Whether an image adapter was joined."""
    return getattr(pipe.unet, "encoder_hid_proj", None) is not None
