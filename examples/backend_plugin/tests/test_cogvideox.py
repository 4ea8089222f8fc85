"""The plugin without installing it: found by its entry point, and a film on a tiny random checkpoint."""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoplay.errors import RequestError
from photoplay.generation import backends
from photoplay.generation.backends.open_weights.native import Grid
from photoplay.types import Photo, RenderPlan, Sampling, Scene
from photoplay.weights import store

PLUGIN = Path(__file__).parents[1]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package were installed: its modules and its entry points are there."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = project["entry-points"][backends.GROUP]
    mine = tuple(EntryPoint(name, value, backends.GROUP) for name, value in named.items())
    there = metadata.entry_points

    def found(*, group: str) -> tuple[EntryPoint, ...]:
        return (*there(group=group), *(point for point in mine if point.group == group))

    monkeypatch.setattr(backends, "entry_points", found)
    monkeypatch.syspath_prepend(str(PLUGIN / "src"))
    monkeypatch.delitem(sys.modules, "photoplay_cogvideox", raising=False)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny random CogVideoX in a store of its own."""
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        *((c, -3.0) for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    blocks = 4
    parts: dict[str, Any] = {
        "tokenizer": T5Tokenizer(vocab=pieces, extra_ids=0),
        "text_encoder": T5EncoderModel(T5Config(vocab_size=30, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)),
        "vae": AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * blocks, up_block_types=("CogVideoXUpBlock3D",) * blocks,
            block_out_channels=(8,) * blocks, latent_channels=4, layers_per_block=1, norm_num_groups=2,
        ),
        "transformer": CogVideoXTransformer3DModel(
            num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=4, time_embed_dim=8, text_embed_dim=32,
            num_layers=1, sample_width=8, sample_height=8, sample_frames=9,
        ),
        "scheduler": CogVideoXDDIMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True),
    }  # fmt: skip
    CogVideoXPipeline(**parts).save_pretrained(tmp_path / "tiny")
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    store.add("cogvideox-2b", tmp_path / "tiny", backend="cogvideox", licence="none")


def scene() -> Scene:
    return Scene(Photo(np.full((64, 64, 3), 127, np.uint8), "", "none"), (), np.zeros((64, 64), np.uint8))


def plan(**more: Any) -> RenderPlan:
    sampling = Sampling(num_inference_steps=2, guidance_scale=1.0)
    box = (0.0, 0.0, 64.0, 64.0)
    return RenderPlan(64, 64, box, 24.0, 12, prompt="a panda", mode="text-to-video", sampling=sampling, **more)


@pytest.mark.usefixtures("installed")
def test_it_is_found_by_its_name_and_says_what_it_can() -> None:
    assert "cogvideox" in backends.list_backends()
    backend = backends.get_backend("cogvideox")
    assert isinstance(backend, backends.Backend)
    assert set(backend.capabilities.modes) == set(backend.pipelines)  # type: ignore[attr-defined]
    assert "torch" in backend.version


@pytest.mark.usefixtures("installed", "model")
def test_it_makes_a_film_that_is_the_seed_s() -> None:
    backend: Any = backends.get_backend("cogvideox")
    backend.grid = Grid(frame_step=8, max_frames=9, fps=8.0, area=64 * 64, overlap=1)
    first, again, other = (
        np.concatenate([window.rgb for window in backend.generate(scene(), (), plan(seed=seed))]) for seed in (1, 1, 2)
    )
    assert first.shape == (12, 64, 64, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.usefixtures("installed")
def test_it_refuses_what_it_cannot_make() -> None:
    backend: Any = backends.get_backend("cogvideox")
    with pytest.raises(RequestError, match="cannot make image-to-video"):
        list(backend.generate(scene(), (), RenderPlan(64, 64, (0, 0, 64, 64), 24.0, 12)))
