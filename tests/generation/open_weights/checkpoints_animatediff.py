"""A tiny random AnimateDiff checkpoint of the classes and in the layout of the published one.

Stable Diffusion 1.5's unet with a motion adapter, a ControlNet, CLIP's text and image towers, an autoencoder and, in
``ip_adapter/``, an image adapter in the published format: ``plus`` (a resampler, as ip-adapter-plus-face_sd15) or plain (as
ip-adapter_sd15).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from photoplay.generation.backends.open_weights.loading import shelf
from photoplay.weights import store
from tests.generation.open_weights.checkpoints import diffusers, image_processor, seeded, transformers

MODEL = "animatediff-sd15"
CHANNELS = (32, 64)
TEXT = 32
IMAGE = 32
TOKENS = 4


def animatediff(folder: Path, seed: int = 0) -> Path:
    """The published layout in ``folder``, with the ``plus`` image adapter."""
    unet, motion = _unet(seed), _motion(seed)
    controlnet = _controlnet(seed, unet)
    for model in (motion, controlnet):
        _stir(model, seed)
    parts = {
        "unet": unet, "motion_adapter": motion, "controlnet": controlnet, "vae": _vae(seed),
        "text_encoder": _text_encoder(seed), "tokenizer": tokenizer(folder / "tokenizer"),
        "scheduler": diffusers().PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        "feature_extractor": image_processor(), "image_encoder": image_encoder(seed),
    }  # fmt: skip
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    index = {
        name: ["diffusers" if type(part).__module__.startswith("diffusers") else "transformers", type(part).__name__]
        for name, part in parts.items()
    }
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["scheduler"] = ["diffusers", "DDIMScheduler"]
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "AnimateDiffControlNetPipeline", **index}))
    write_faces(folder, True, seed=seed)
    return folder


@contextmanager
def stocked(root: Path, whole: Path) -> Iterator[None]:
    """A store at ``root`` with the checkpoint in ``whole``, and as it is with a plain image adapter, none, and two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOPLAY_MODELS", str(root / "store"))
        store.add(MODEL, whole, backend="animatediff", licence="none")
        for name, faces in (("plain", [False]), ("faceless", []), ("two-faced", [False, True])):
            copytree(whole, root / name)
            write_faces(root / name, *faces)
            store.add(name, root / name, backend="animatediff", licence="none")
        yield
        shelf().clear()


def write_faces(folder: Path, *plus: bool, seed: int = 0) -> None:
    """Puts these image adapters into a checkpoint in place of what it had."""
    from safetensors.torch import save_file

    place = folder / "ip_adapter"
    place.mkdir(exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    for kind in plus:
        save_file(face_adapter(seed, kind), place / f"ip-adapter{'-plus' if kind else ''}_sd15.safetensors")


def tokenizer(folder: Path) -> Any:
    """CLIP's kind of tokenizer, whose pieces are single characters."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,'"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: k for k, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers().CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def image_encoder(seed: int) -> Any:
    """CLIP's image tower for pictures of 32 x 32, with its projection."""
    config = transformers().CLIPVisionConfig(
        hidden_size=IMAGE, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=IMAGE,
        patch_size=8, projection_dim=IMAGE,
    )  # fmt: skip
    with seeded(seed + 21):
        return transformers().CLIPVisionModelWithProjection(config).eval()


def face_adapter(seed: int, plus: bool) -> dict[str, Any]:
    """An image adapter's tensors by their published names: odd numbers count the unet's cross attentions."""
    import torch

    with seeded(seed + 22):
        tensors = {f"image_proj.{name}": tensor for name, tensor in (_resampler() if plus else _projection()).items()}
        for order, width in enumerate(_cross_attentions()):
            for kind in ("k", "v"):
                tensors[f"ip_adapter.{2 * order + 1}.to_{kind}_ip.weight"] = torch.randn(width, TEXT) / 4
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _cross_attentions() -> list[int]:
    """Widths of the unet's cross attentions in the order of the published adapters: down, up, middle."""
    return [CHANNELS[1], CHANNELS[1], CHANNELS[1], CHANNELS[1]]


def _projection() -> dict[str, Any]:
    import torch

    return {
        "proj.weight": torch.randn(TOKENS * TEXT, IMAGE) / 6, "proj.bias": torch.zeros(TOKENS * TEXT),
        "norm.weight": torch.ones(TEXT), "norm.bias": torch.zeros(TEXT),
    }  # fmt: skip


def _resampler() -> dict[str, Any]:
    """Four layers of one head of 64, as in ip-adapter-plus-face_sd15 but for the widths."""
    import torch

    wide = 64
    tensors = {
        "latents": torch.randn(1, TOKENS, wide), "proj_in.weight": torch.randn(wide, IMAGE) / 6,
        "proj_in.bias": torch.zeros(wide), "proj_out.weight": torch.randn(TEXT, wide) / 8,
        "proj_out.bias": torch.zeros(TEXT),
        "norm_out.weight": torch.ones(TEXT), "norm_out.bias": torch.zeros(TEXT),
    }  # fmt: skip
    for layer in range(4):
        at = f"layers.{layer}"
        for norm in ("norm1", "norm2"):
            tensors |= {f"{at}.0.{norm}.weight": torch.ones(wide), f"{at}.0.{norm}.bias": torch.zeros(wide)}
        tensors |= {
            f"{at}.0.to_q.weight": torch.randn(wide, wide) / 8,
            f"{at}.0.to_out.weight": torch.randn(wide, wide) / 8,
        }
        tensors |= {f"{at}.0.to_kv.weight": torch.randn(2 * wide, wide) / 8}
        tensors |= {f"{at}.1.0.weight": torch.ones(wide), f"{at}.1.0.bias": torch.zeros(wide)}
        tensors |= {
            f"{at}.1.1.weight": torch.randn(4 * wide, wide) / 8,
            f"{at}.1.3.weight": torch.randn(wide, 4 * wide) / 16,
        }
    return tensors


def _unet(seed: int) -> Any:
    """Stable Diffusion 1.5's unet with two levels instead of four."""
    with seeded(seed + 23):
        return diffusers().UNet2DConditionModel(
            block_out_channels=CHANNELS, layers_per_block=1, sample_size=8, cross_attention_dim=TEXT, norm_num_groups=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
        ).eval()  # fmt: skip


def _motion(seed: int) -> Any:
    with seeded(seed + 24):
        return diffusers().MotionAdapter(
            block_out_channels=CHANNELS, motion_layers_per_block=1, motion_norm_num_groups=8, motion_num_attention_heads=4,
            use_motion_mid_block=False,
        ).eval()  # fmt: skip


def _controlnet(seed: int, unet: Any) -> Any:
    """As the published ones, it shrinks pictures by 8 before the unet's own levels."""
    with seeded(seed + 25):
        return diffusers().ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 8, 8)).eval()


def _vae(seed: int) -> Any:
    with seeded(seed + 26):
        return diffusers().AutoencoderKL(
            block_out_channels=(8, 8, 8, 8), latent_channels=4, norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ).eval()  # fmt: skip


def _text_encoder(seed: int) -> Any:
    config = transformers().CLIPTextConfig(
        vocab_size=80, hidden_size=TEXT, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=77, bos_token_id=78, eos_token_id=79, pad_token_id=79,
    )  # fmt: skip
    with seeded(seed + 27):
        return transformers().CLIPTextModel(config).eval()


def _stir(model: Any, seed: int) -> None:
    """Gives layers that begin as zero (a fresh ControlNet's and motion module's last ones) something to say."""
    import torch

    with seeded(seed + 28), torch.no_grad():
        for tensor in model.parameters():
            if not tensor.any():
                tensor.normal_(std=0.1)
