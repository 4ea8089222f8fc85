"""The tiny checkpoints load through their pipelines and make clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.generation.open_weights import checkpoints

FAMILY: dict[str, tuple[Callable[..., Path], dict[str, Any], str]] = {
    "vace": (checkpoints.wan_vace, {}, "WanVACEPipeline"),
    "vace, two experts": (checkpoints.wan_vace, {"experts": 2}, "WanVACEPipeline"),
    "t2v": (checkpoints.wan_t2v, {}, "WanPipeline"),
    "t2v, two experts": (checkpoints.wan_t2v, {"experts": 2}, "WanPipeline"),
    "i2v": (checkpoints.wan_i2v, {}, "WanImageToVideoPipeline"),
    "i2v, first and last": (checkpoints.wan_i2v, {"last": True}, "WanImageToVideoPipeline"),
    "i2v, two experts": (checkpoints.wan_i2v, {"experts": 2}, "WanImageToVideoPipeline"),
    "ti2v": (checkpoints.wan_ti2v, {}, "WanImageToVideoPipeline"),
    "ti2v from text": (checkpoints.wan_ti2v, {"image": False}, "WanPipeline"),
    "animate": (checkpoints.wan_animate, {}, "WanAnimatePipeline"),
}


def call(name: str, seed: int) -> dict[str, Any]:
    picture = np.linspace(0, 1, 64 * 64 * 3).reshape(64, 64, 3)
    told: dict[str, Any] = {"prompt": "A woman smiles.", "width": 64, "height": 64, "num_inference_steps": 2}
    told |= {"generator": torch.Generator().manual_seed(seed), "output_type": "np", "guidance_scale": 2.0}
    if name.startswith("animate"):
        from PIL import Image

        still = Image.fromarray((picture * 255).astype(np.uint8))
        return told | {"image": still, "pose_video": [still] * 5, "face_video": [still.resize((16, 16))] * 5,
                       "segment_frame_length": 5, "prev_segment_conditioning_frames": 1}  # fmt: skip
    if "i2v" in name and "text" not in name:
        from PIL import Image

        told["image"] = Image.fromarray((picture * 255).astype(np.uint8))
        if "last" in name:
            told["last_image"] = told["image"].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return told | {"num_frames": 5}


@pytest.mark.parametrize("name", FAMILY)
def test_a_clip_is_made_with_the_seed_s_pictures(name: str, built: Callable[..., Path]) -> None:
    import diffusers

    builder, settings, kind = FAMILY[name]
    pipe = getattr(diffusers, kind).from_pretrained(built(builder, **settings), local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    first, again, other = (pipe(**call(name, seed)).frames[0] for seed in (1, 1, 2))
    assert first.shape == (5, 64, 64, 3)
    assert np.isfinite(first).all()
    assert 0.05 < first.std() < 0.5
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_the_same_seed_gives_the_same_bytes(built: Callable[..., Path], tmp_path: Path) -> None:
    mine = built(checkpoints.wan_vace)
    again = checkpoints.wan_vace(tmp_path / "again")
    other = checkpoints.wan_vace(tmp_path / "other", seed=1)
    for part in ("transformer", "vae", "text_encoder"):
        files = sorted((mine / part).glob("*.safetensors"))
        assert files
        assert files[0].read_bytes() == (again / part / files[0].name).read_bytes()
        assert files[0].read_bytes() != (other / part / files[0].name).read_bytes()
