"""Tiny random checkpoints of the LTX-2 family, of the very classes that the published ones are made of.

As in :mod:`tests.generation.open_weights.checkpoints`: the same ``seed``, the same bytes. Strides (32 pixels, 8 frames,
4 mel frames), mel bins, hop and sampling rates are the published ones; widths and depths as small as they may be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.generation.open_weights.checkpoints import diffusers, seeded, transformers

LATENTS = 8
WIDTH = 24
SOUND_LATENTS, MELS = 2, 64
SOUND_WIDTH = SOUND_LATENTS * MELS // 4  # a sound token: all channels of all latent mel bins
TEXT, TEXT_LAYERS = 16, 2
REGISTERS = 8


def ltx2(folder: Path, seed: int = 0) -> Path:
    """As LTX-2 (19B): one projection of the text for pictures and sound, sound at 24 kHz, a schedule that shifts."""
    return _save(folder, seed, distilled=False, generation=2.0)


def ltx23(folder: Path, seed: int = 0, distilled: bool = False) -> Path:
    """As LTX-2.3 (22B): a projection of the text each for pictures and sound, sound at 48 kHz; perhaps distilled."""
    return _save(folder, seed, distilled, generation=2.3)


def ltx25(folder: Path, seed: int = 0) -> Path:
    """As LTX-2.5 (22B, distilled): as LTX-2.3, and a mark on tokens of single frames. (Its Gemma 4 is a Gemma 3 here.)"""
    return _save(folder, seed, distilled=True, generation=2.5)


def _save(folder: Path, seed: int, distilled: bool, generation: float) -> Path:
    pipe = diffusers().LTX2Pipeline(
        scheduler=scheduler(distilled),
        vae=vae(seed),
        audio_vae=audio_vae(seed),
        text_encoder=text_encoder(seed),
        tokenizer=tokenizer(),
        connectors=connectors(seed, generation),
        transformer=transformer(seed, generation),
        vocoder=vocoder(seed, wide=generation > 2.0),
    )
    pipe.save_pretrained(folder)
    return folder


def scheduler(distilled: bool) -> Any:
    """LTX's Euler: shifted by the number of tokens and ending at 0.1, or, distilled, as it is told."""
    shifting = (
        {}
        if distilled
        else {"use_dynamic_shifting": True, "shift_terminal": 0.1, "base_shift": 0.95, "max_shift": 2.05}
    )
    return diffusers().FlowMatchEulerDiscreteScheduler(base_image_seq_len=1024, max_image_seq_len=4096, **shifting)


def tokenizer() -> Any:
    """Gemma's kind of tokenizer, whose pieces are single characters."""
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁"]
    pieces += list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;'!?-")
    return transformers().GemmaTokenizer(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[])


def text_encoder(seed: int) -> Any:
    """Gemma 3 with its image tower, 16 wide."""
    kinds = transformers()
    config = kinds.Gemma3Config(
        text_config={
            "vocab_size": len(tokenizer()), "hidden_size": TEXT, "intermediate_size": 32, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 8, "num_hidden_layers": TEXT_LAYERS, "sliding_window": 512,
        },
        vision_config={"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
    )  # fmt: skip
    with seeded(seed + 1):
        return kinds.Gemma3ForConditionalGeneration(config).eval()


def connectors(seed: int, generation: float) -> Any:
    """From the text encoder's layers to what pictures and sound attend to."""
    apart = generation > 2.0
    each: dict[str, Any] = {
        f"{stream}_connector_{name}": value
        for stream, width in (("video", WIDTH if apart else TEXT), ("audio", TEXT))
        for name, value in {"num_attention_heads": 2, "attention_head_dim": width // 2, "num_layers": 1,
                            "num_learnable_registers": REGISTERS}.items()
    }  # fmt: skip
    if apart:
        each |= {
            "per_modality_projections": True,
            "video_hidden_dim": WIDTH,
            "audio_hidden_dim": TEXT,
            "proj_bias": True,
        }
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors

    with seeded(seed + 2):
        return LTX2TextConnectors(
            caption_channels=TEXT, text_proj_in_factor=TEXT_LAYERS + 1, rope_type="split", **each
        ).eval()


def vae(seed: int) -> Any:
    """Pictures: 8 channels at a thirty-second of the size and an eighth of the frames; its pictures have contrast."""
    import torch

    with seeded(seed + 3), torch.no_grad():
        model = (
            diffusers()
            .AutoencoderKLLTX2Video(
                latent_channels=LATENTS,
                block_out_channels=(4, 8, 16, 32),
                decoder_block_out_channels=(8, 16, 32),
                layers_per_block=(1, 1, 1, 1, 1),
                decoder_layers_per_block=(1, 1, 1, 1),
                spatial_compression_ratio=32,
                temporal_compression_ratio=8,
                decoder_causal=False,
                encoder_spatial_padding_mode="zeros",
                decoder_spatial_padding_mode="reflect",
            )
            .eval()
        )
        model.latents_mean.copy_(torch.linspace(-0.2, 0.2, LATENTS))
        model.latents_std.copy_(torch.linspace(0.8, 1.2, LATENTS))
        pictures = model.decode(torch.randn(1, LATENTS, 2, 2, 2)).sample
        model.decoder.conv_out.conv.weight.mul_(0.4 / pictures.std())
    return model


def audio_vae(seed: int) -> Any:
    """Sound: 64 mel bins every 10 ms of 16 kHz stereo, four of each to one."""
    import torch

    with seeded(seed + 4), torch.no_grad():
        model = (
            diffusers()
            .AutoencoderKLLTX2Audio(
                base_channels=SOUND_WIDTH,
                ch_mult=(1, 1, 1),
                num_res_blocks=1,
                latent_channels=SOUND_LATENTS,
                mel_bins=MELS,
            )
            .eval()
        )
        model.latents_mean.copy_(torch.linspace(-0.1, 0.1, SOUND_WIDTH))
        model.latents_std.copy_(torch.linspace(0.9, 1.1, SOUND_WIDTH))
        spectra = model.decode(torch.randn(1, SOUND_LATENTS, 8, MELS // 4)).sample
        model.decoder.conv_out.conv.weight.mul_(2.0 / spectra.std())
    return model


def vocoder(seed: int, wide: bool) -> Any:
    """From mel to 24 kHz stereo, or ``wide`` to 16 kHz and on to 48 kHz; turned up until other mels sound different."""
    import torch
    from diffusers.pipelines.ltx2 import vocoder as kinds

    small: dict[str, Any] = {"in_channels": 2 * MELS, "hidden_channels": 16, "resnet_kernel_sizes": [3]}
    small |= {"resnet_dilations": [[1]]}
    with seeded(seed + 5), torch.no_grad():
        if wide:
            model = kinds.LTX2VocoderWithBWE(
                **small, upsample_kernel_sizes=[16, 15, 8], upsample_factors=[8, 5, 4],
                bwe_in_channels=2 * MELS, bwe_hidden_channels=16, bwe_resnet_kernel_sizes=[3], bwe_resnet_dilations=[[1]],
                bwe_upsample_kernel_sizes=[12, 11, 8], bwe_upsample_factors=[6, 5, 8],
            ).eval()  # fmt: skip
        else:
            shape = {"upsample_kernel_sizes": [16, 15, 8], "upsample_factors": [8, 5, 6]}
            model = kinds.LTX2Vocoder(**small, **shape, output_sampling_rate=24_000).eval()
        first = model.vocoder if wide else model
        still, sound = (first(mel) for mel in (torch.zeros(1, 2, 8, MELS), 2 * torch.randn(1, 2, 8, MELS)))
        first.conv_out.weight.mul_((0.05 if wide else 0.2) / (sound - still).std())
    return model


def transformer(seed: int, generation: float) -> Any:
    """Two blocks of both streams; every weight counts, so that guidance, text and the other stream change the result."""
    import torch

    config: dict[str, Any] = {
        "in_channels": LATENTS, "out_channels": LATENTS, "num_attention_heads": 2, "attention_head_dim": WIDTH // 2,
        "cross_attention_dim": WIDTH, "caption_channels": TEXT, "num_layers": 2,
        "audio_in_channels": SOUND_WIDTH, "audio_out_channels": SOUND_WIDTH, "audio_num_attention_heads": 2,
        "audio_attention_head_dim": 8, "audio_cross_attention_dim": TEXT, "rope_type": "split",
    }  # fmt: skip
    if generation > 2.0:
        config |= {"gated_attn": True, "audio_gated_attn": True, "cross_attn_mod": True, "audio_cross_attn_mod": True}
        config |= {"use_prompt_embeddings": False, "perturbed_attn": True}
    if generation > 2.4:
        config |= {"use_keyframes_abs_pos_embedding": True, "ff_bias": False}
    with seeded(seed + 6), torch.no_grad():
        model = diffusers().LTX2VideoTransformer3DModel(**config).eval()
        for name, weight in model.named_parameters():
            if "scale_shift" in name or weight.ndim < 2:
                weight.add_(torch.randn_like(weight) * 0.2)
    return model
