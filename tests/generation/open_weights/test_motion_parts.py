"""The pieces of AnimateDiff, joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photoplay.errors import UnavailableError
from photoplay.generation.backends.open_weights import animatediff
from photoplay.generation.backends.open_weights.loading import load_pipeline
from photoplay.generation.backends.open_weights.motion_parts import STRIDE, adapters, join, takes_faces
from photoplay.types import Sampling
from photoplay.weights import store
from tests.generation.open_weights.checkpoints import diffusers, transformers
from tests.generation.open_weights.checkpoints_animatediff import CHANNELS, MODEL, face_adapter, stocked
from tests.generation.open_weights.checkpoints_animatediff import animatediff as checkpoint


@pytest.fixture(scope="module", autouse=True)
def installed(built: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with stocked(tmp_path_factory.mktemp("models"), built(checkpoint)):
        yield


def pipe_of(kind: str, model: str = MODEL) -> Any:
    return load_pipeline(kind, Sampling(model))


def test_the_unet_has_motion_and_the_motion_adapter_is_only_a_description() -> None:
    pipe = pipe_of("AnimateDiffPipeline")
    assert type(pipe.unet).__name__ == "UNetMotionModel"
    assert pipe_of("AnimateDiffControlNetPipeline").unet is pipe.unet
    assert sum(tensor.numel() for tensor in pipe.motion_adapter.parameters()) == 0
    assert pipe.motion_adapter.config.motion_max_seq_length == 32


@pytest.mark.parametrize(("model", "faces"), [(MODEL, "plus"), ("plain", "plain")])
def test_the_image_adapter_s_tensors_are_where_the_published_order_puts_them(model: str, faces: str) -> None:
    pipe = pipe_of("AnimateDiffPipeline", model)
    told = face_adapter(0, faces == "plus")
    order = [
        "down_blocks.1.attentions.0",
        "up_blocks.0.attentions.0",
        "up_blocks.0.attentions.1",
        "mid_block.attentions.0",
    ]
    for place, name in enumerate(order):
        processor = pipe.unet.attn_processors[f"{name}.transformer_blocks.0.attn2.processor"]
        assert torch.equal(processor.to_k_ip[0].weight, told[f"ip_adapter.{2 * place + 1}.to_k_ip.weight"])
        assert torch.equal(processor.to_v_ip[0].weight, told[f"ip_adapter.{2 * place + 1}.to_v_ip.weight"])
        assert processor.to_k_ip[0].weight.shape[0] == CHANNELS[1]


def test_frames_are_those_of_the_stock_pipeline() -> None:
    stock: Any = diffusers().AnimateDiffPipeline.from_pretrained(store.folder("faceless"), local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    stock.scheduler = animatediff.scheduler_of(stock)
    pipe = pipe_of("AnimateDiffPipeline", "faceless")
    pipe.scheduler = animatediff.scheduler_of(pipe)
    pipe.enable_free_noise(context_length=8, context_stride=STRIDE)
    assert not takes_faces(pipe)
    # The same noise for both: windows over long films deal it out anew.
    call = {
        "prompt": "she smiles",
        "num_frames": 8,
        "width": 64,
        "height": 64,
        "num_inference_steps": 2,
        "output_type": "np",
    }
    noise = torch.randn(1, 4, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    ours, theirs = (one(**call, latents=noise.clone()).frames[0] for one in (pipe, stock))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert ours.std() > 0.02


def test_two_image_adapters_are_one_too_many() -> None:
    with pytest.raises(UnavailableError, match="2 image adapters") as refused:
        pipe_of("AnimateDiffPipeline", "two-faced")
    assert refused.value.code == "model_broken"


def test_every_part_has_the_unet_s_precision() -> None:
    folder, half = store.folder(MODEL), torch.bfloat16
    names = {"unet": "UNet2DConditionModel", "motion_adapter": "MotionAdapter", "vae": "AutoencoderKL"}
    parts: dict[str, Any] = {
        name: getattr(diffusers(), kind).from_pretrained(folder / name, torch_dtype=half)
        for name, kind in names.items()
    }
    for name, kind in (("text_encoder", "CLIPTextModel"), ("image_encoder", "CLIPVisionModelWithProjection")):
        dtype = half if name == "text_encoder" else torch.float32  # as it is loaded
        parts[name] = getattr(transformers(), kind).from_pretrained(folder / name, dtype=dtype)
    join(folder, parts)
    assert {tensor.dtype for part in parts.values() for tensor in part.parameters()} == {half}
    assert {tensor.dtype for tensor in parts["unet"].buffers()} == {half}


def test_a_hidden_file_is_no_image_adapter(tmp_path: Path) -> None:
    (tmp_path / "ip_adapter").mkdir()
    for name in ("._faces.safetensors", "faces.safetensors"):
        (tmp_path / "ip_adapter" / name).write_bytes(b"")
    assert adapters(tmp_path) == ["faces.safetensors"]
