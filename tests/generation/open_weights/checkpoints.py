"""Tiny random checkpoints of the Wan family, of the very classes that the published ones are made of.

Every builder saves a whole pipeline by ``save_pretrained`` into a folder and returns it: the same ``seed``, the same bytes.
The shapes that the pipelines rely on are the published ones (latent channels, strides, patch sizes, channels of the VACE
hints, experts and their boundary); widths and depths are as small as they may be, so that a clip of 5 frames at 64 x 64
takes a second. ``test_checkpoints.py`` checks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

WIDTH = 48  # 4 heads of 12, as rotary embedding wants a multiple of 6
TEXT = 32
IMAGE = 32
VACE_LAYERS = (0, 2)
VAE_MEAN = [0.05 * (k % 5 - 2) for k in range(48)]
VAE_STD = [0.8 + 0.1 * (k % 4) for k in range(48)]


def wan_vace(folder: Path, seed: int = 0, experts: int = 1) -> Path:
    """As Wan2.1-VACE; with two ``experts`` as VACE-Fun for Wan 2.2 (boundary 0.875)."""
    return _save(diffusers().WanVACEPipeline, folder, seed, experts, vace=True)


def wan_t2v(folder: Path, seed: int = 0, experts: int = 1) -> Path:
    """As Wan2.1-T2V; with two ``experts`` as Wan2.2-T2V-A14B."""
    return _save(diffusers().WanPipeline, folder, seed, experts)


def wan_i2v(folder: Path, seed: int = 0, experts: int = 1, last: bool = False) -> Path:
    """As Wan2.1-I2V with a CLIP image encoder (``last``: as Wan2.1-FLF2V); two ``experts``: as Wan2.2-I2V-A14B, without."""
    if experts == 2:
        parts: dict[str, Any] = {"image_encoder": None, "image_processor": None}
        return _save(diffusers().WanImageToVideoPipeline, folder, seed, 2, parts, in_channels=36)
    parts = {"image_encoder": image_encoder(seed), "image_processor": image_processor()}
    positions = 2 * ((IMAGE // 8) ** 2 + 1) if last else None
    more: dict[str, Any] = {
        "in_channels": 36,
        "image_dim": IMAGE,
        "added_kv_proj_dim": WIDTH,
        "pos_embed_seq_len": positions,
    }
    return _save(diffusers().WanImageToVideoPipeline, folder, seed, 1, parts, **more)


def wan_ti2v(folder: Path, seed: int = 0, image: bool = True) -> Path:
    """As Wan2.2-TI2V-5B: latents of 48 channels at a sixteenth of the size, a timestep for every token.

    The published folder names WanPipeline; without ``image`` so does this one.
    """
    parts: dict[str, Any] = {"vae": vae_22(seed), "expand_timesteps": True}
    if image:
        parts |= {"image_encoder": None, "image_processor": None}
    kind = diffusers().WanImageToVideoPipeline if image else diffusers().WanPipeline
    return _save(kind, folder, seed, 1, parts, shift=5.0, in_channels=48, out_channels=48)


def wan_animate(folder: Path, seed: int = 0) -> Path:
    """As Wan2.2-Animate-14B; its face encoder takes faces of 16 x 16."""
    with seeded(seed + 4):
        transformer = diffusers().WanAnimateTransformer3DModel(
            **_small(in_channels=36, image_dim=IMAGE, added_kv_proj_dim=WIDTH),
            latent_channels=16, motion_encoder_size=16, motion_style_dim=8, motion_dim=4, motion_encoder_dim=16,
            motion_encoder_channel_sizes={"4": 8, "8": 8, "16": 8}, face_encoder_hidden_dim=16, face_encoder_num_heads=2,
            inject_face_latents_blocks=3,
        )  # fmt: skip
    parts = _parts(seed, 3.0) | {"image_encoder": image_encoder(seed), "image_processor": image_processor()}
    diffusers().WanAnimatePipeline(**parts, transformer=transformer).save_pretrained(folder)
    return folder


def diffusers() -> Any:
    """The package, loaded when a test wants it; its classes are untyped."""
    return import_module("diffusers")


def transformers() -> Any:
    """The package, loaded when a test wants it."""
    return import_module("transformers")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random weights by ``seed``, leaving the process's own randomness as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def tokenizer() -> Any:
    """T5's kind of tokenizer, whose pieces are single characters."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [
        (character, -3.0) for character in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;'!?-"
    ]
    return transformers().T5Tokenizer(vocab=pieces, extra_ids=0)


def text_encoder(seed: int) -> Any:
    """UMT5's encoder, 32 wide."""
    size = len(tokenizer())
    config = transformers().UMT5Config(
        vocab_size=size, d_model=TEXT, d_kv=8, d_ff=64, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"
    )
    with seeded(seed + 1):
        encoder = transformers().UMT5EncoderModel(config).eval()
        encoder.shared.weight.data.normal_()
    return encoder


def image_encoder(seed: int) -> Any:
    """CLIP's image tower for pictures of 32 x 32."""
    config = transformers().CLIPVisionConfig(
        hidden_size=IMAGE,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=IMAGE,
        patch_size=8,
    )
    with seeded(seed + 2):
        return transformers().CLIPVisionModel(config).eval()


def image_processor() -> Any:
    """CLIP's way of preparing pictures, at 32 x 32."""
    return transformers().models.clip.image_processing_pil_clip.CLIPImageProcessorPil(
        size={"shortest_edge": IMAGE}, crop_size={"height": IMAGE, "width": IMAGE}
    )


def vae(seed: int) -> Any:
    """Wan 2.1's video autoencoder: 16 channels at an eighth of the size and a quarter of the frames."""
    return _autoencoder(seed, z_dim=16, base_dim=8, dim_mult=[1, 1, 1, 1], num_res_blocks=1)


def vae_22(seed: int) -> Any:
    """Wan 2.2's (TI2V-5B): 48 channels at a sixteenth of the size, patches of 2 x 2 pixels."""
    return _autoencoder(
        seed, z_dim=48, base_dim=8, decoder_base_dim=8, dim_mult=[1, 2, 2, 2], num_res_blocks=1,
        is_residual=True, in_channels=12, out_channels=12, patch_size=2, scale_factor_spatial=16,
    )  # fmt: skip


def scheduler(shift: float = 3.0) -> Any:
    """The flow-matching UniPC that Wan's published folders name."""
    return diffusers().UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


def transformer(seed: int, vace: bool = False, **more: Any) -> Any:
    """Wan's transformer with three blocks; with ``vace`` two hint blocks beside it."""
    with seeded(seed + 4):
        if vace:
            return (
                diffusers()
                .WanVACETransformer3DModel(**_small(**more), vace_layers=list(VACE_LAYERS), vace_in_channels=96)
                .eval()
            )
        return diffusers().WanTransformer3DModel(**_small(**more)).eval()


def _small(**more: Any) -> dict[str, Any]:
    config: dict[str, Any] = {
        "num_attention_heads": 4,
        "attention_head_dim": WIDTH // 4,
        "in_channels": 16,
        "out_channels": 16,
    }
    config |= {"text_dim": TEXT, "freq_dim": 32, "ffn_dim": 64, "num_layers": 3, "rope_max_seq_len": 64}
    return config | more


def _autoencoder(seed: int, z_dim: int, **config: Any) -> Any:
    """An autoencoder whose pictures have contrast: its last layer is turned up until they fill the range."""
    import torch

    with seeded(seed + 3), torch.no_grad():
        model = (
            diffusers()
            .AutoencoderKLWan(z_dim=z_dim, latents_mean=VAE_MEAN[:z_dim], latents_std=VAE_STD[:z_dim], **config)
            .eval()
        )
        pictures = model.decode(torch.randn(1, z_dim, 2, 4, 4)).sample
        model.decoder.conv_out.weight.mul_(0.4 / pictures.std())
    return model


def _parts(seed: int, shift: float) -> dict[str, Any]:
    return {
        "tokenizer": tokenizer(),
        "text_encoder": text_encoder(seed),
        "vae": vae(seed),
        "scheduler": scheduler(shift),
    }


def _save(
    kind: Any,
    folder: Path,
    seed: int,
    experts: int,
    parts: dict[str, Any] | None = None,
    vace: bool = False,
    shift: float = 3.0,
    **config: Any,
) -> Path:
    models: dict[str, Any] = {"transformer": transformer(seed, vace, **config), "transformer_2": None}
    if experts == 2:
        models |= {"transformer_2": transformer(seed + 10, vace, **config), "boundary_ratio": 0.875}
    kind(**(_parts(seed, shift) | models | (parts or {}))).save_pretrained(folder)
    return folder
