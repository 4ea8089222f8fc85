"""A LoRA adds w B A to its layers and nothing else, and goes without a trace."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from photoplay.errors import InputError, RequestError, UnavailableError
from photoplay.generation.backends.open_weights import loras
from photoplay.types import Lora
from tests.generation.open_weights import checkpoints
from tests.generation.open_weights.calls import pipeline

WIDTH = checkpoints.WIDTH
RANK = 4
LAYERS = {"attn1.to_q": "self_attn.q", "attn1.to_out.0": "self_attn.o", "attn2.to_k": "cross_attn.k"}
"""Layers of a block in diffusers' names and in the original's."""


@pytest.fixture(scope="module")
def pipe(built: Callable[..., Path]) -> Any:
    return pipeline("WanPipeline", built(checkpoints.wan_t2v))


@pytest.fixture(scope="module")
def pair(built: Callable[..., Path]) -> Any:
    """Two experts."""
    return pipeline("WanPipeline", built(checkpoints.wan_t2v, experts=2))


@pytest.fixture(autouse=True)
def bare(pipe: Any) -> None:
    loras.apply(pipe, ())


def matrices(seed: int) -> dict[str, tuple[Any, Any]]:
    """A and B of each layer of three blocks."""
    generator = torch.Generator().manual_seed(seed)
    names = [f"blocks.{block}.{layer}" for block in range(3) for layer in LAYERS]
    return {
        name: (torch.randn(RANK, WIDTH, generator=generator) / 4, torch.randn(WIDTH, RANK, generator=generator) / 4)
        for name in names
    }


def lora(folder: Path, seed: int = 0, name: str = "style", weight: float = 1.0) -> Lora:
    """A file in peft's format."""
    tensors = {}
    for layer, (down, up) in matrices(seed).items():
        tensors[f"transformer.{layer}.lora_A.weight"], tensors[f"transformer.{layer}.lora_B.weight"] = down, up
    save_file(tensors, folder / f"{name}.safetensors")
    return Lora(str(folder / f"{name}.safetensors"), weight)


def original(folder: Path, seed: int = 0, alpha: float | None = None) -> Lora:
    """The same in the format of Wan's authors, as most are published."""
    tensors = {}
    for layer, (down, up) in matrices(seed).items():
        block, inner = layer.split(".", 2)[1:]
        key = f"diffusion_model.blocks.{block}.{LAYERS[inner]}"
        tensors[f"{key}.lora_down.weight"], tensors[f"{key}.lora_up.weight"] = down, up
        if alpha is not None:
            tensors[f"{key}.alpha"] = torch.tensor(alpha)
    save_file(tensors, folder / "original.safetensors")
    return Lora(str(folder / "original.safetensors"))


@torch.no_grad()
def forward(model: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 16, 2, 8, 8, generator=generator)
    words = torch.randn(1, 6, checkpoints.TEXT, generator=generator)
    return model(latents, torch.tensor([500.0]), words, return_dict=False)[0]


def merged(model: Any, *changes: tuple[int, float]) -> Any:
    """The forward of a model whose weights have w B A added by hand, for each (seed, w)."""
    layers = dict(model.named_modules())
    with torch.no_grad():
        before = {name: layers[name].weight.clone() for name in matrices(0)}
        for seed, weight in changes:
            for name, (down, up) in matrices(seed).items():
                layers[name].weight += weight * up @ down
        made = forward(model)
        for name, weight in before.items():
            layers[name].weight.copy_(weight)
    return made


def test_each_weight_adds_its_share_and_removal_leaves_no_trace(pipe: Any, tmp_path: Path) -> None:
    model, first = pipe.transformer, lora(tmp_path)
    plain, half, whole = forward(model), merged(model, (0, 0.5)), merged(model, (0, 1.0))
    assert torch.equal(forward(model), plain)
    assert (half - whole).abs().max() > 1e-3
    loras.apply(pipe, (first,))
    torch.testing.assert_close(forward(model), whole, atol=1e-5, rtol=1e-4)
    loras.apply(pipe, (Lora(first.file, 0.5),))
    torch.testing.assert_close(forward(model), half, atol=1e-5, rtol=1e-4)
    loras.apply(pipe, (Lora(first.file, 0.0),))
    assert torch.equal(forward(model), plain)
    loras.apply(pipe, (first,))
    loras.apply(pipe, ())
    assert torch.equal(forward(model), plain)
    assert not any("lora" in name for name, _ in model.named_modules())


def test_several_add_up_and_a_different_set_takes_their_place(pipe: Any, tmp_path: Path) -> None:
    one, two = lora(tmp_path, 0, "one", 0.75), lora(tmp_path, 1, "two", -0.5)
    both = merged(pipe.transformer, (0, 0.75), (1, -0.5))
    alone = merged(pipe.transformer, (1, -0.5))
    loras.apply(pipe, (one, two))
    torch.testing.assert_close(forward(pipe.transformer), both, atol=1e-5, rtol=1e-4)
    loras.apply(pipe, (two,))
    torch.testing.assert_close(forward(pipe.transformer), alone, atol=1e-5, rtol=1e-4)
    assert len(pipe.transformer.peft_config) == 1
    loras.apply(pipe, (two, two))  # named twice: twice the weight
    twice = forward(pipe.transformer)
    loras.apply(pipe, ())
    torch.testing.assert_close(twice, merged(pipe.transformer, (1, -1.0)), atol=1e-5, rtol=1e-4)


def test_the_same_set_is_not_read_again(pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = lora(tmp_path, 0, "one"), lora(tmp_path, 1, "two")
    loras.apply(pipe, (one, two))
    before = forward(pipe.transformer)
    monkeypatch.setattr("safetensors.torch.load_file", None)
    loras.apply(pipe, (one, two))
    assert torch.equal(forward(pipe.transformer), before)
    loras.apply(pipe, (Lora(one.file, 0.3), two))
    assert not torch.equal(forward(pipe.transformer), before)


@pytest.mark.parametrize("alpha", [None, 2.0])
def test_the_authors_format_is_read_with_its_alpha(alpha: float | None, pipe: Any, tmp_path: Path) -> None:
    expected = merged(pipe.transformer, (0, 1.0 if alpha is None else alpha / RANK))
    loras.apply(pipe, (original(tmp_path, alpha=alpha),))
    torch.testing.assert_close(forward(pipe.transformer), expected, atol=1e-5, rtol=1e-4)


def test_of_two_experts_each_gets_its_own_and_both_what_is_named_for_neither(pair: Any, tmp_path: Path) -> None:
    high, low = pair.transformer, pair.transformer_2
    one, two = lora(tmp_path, 0, "light_high_noise_v1"), lora(tmp_path, 1, "light-Low-Noise-v1", 0.5)
    both = lora(tmp_path, 2, "style")
    expected = merged(high, (0, 1.0), (2, 1.0)), merged(low, (1, 0.5), (2, 1.0))
    loras.apply(pair, (one, two, both))
    for model, wanted in zip((high, low), expected, strict=True):
        torch.testing.assert_close(forward(model), wanted, atol=1e-5, rtol=1e-4)
    only = merged_without(pair, low)
    loras.apply(pair, (one,))
    assert torch.equal(forward(low), only)


def merged_without(pipe: Any, model: Any) -> Any:
    """The forward of a part of a pipeline without any LoRA."""
    loras.apply(pipe, ())
    return forward(model)


def test_a_lora_of_the_store_is_named_and_verified(pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from photoplay.weights import store

    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    (tmp_path / "new").mkdir()
    lora(tmp_path / "new")
    store.add("style-lora", tmp_path / "new", backend="wan-t2v", licence="Apache-2.0", copy=True)
    expected = merged(pipe.transformer, (0, 1.0))
    loras.apply(pipe, (Lora("style-lora"),))
    torch.testing.assert_close(forward(pipe.transformer), expected, atol=1e-5, rtol=1e-4)
    assert loras.digests([Lora("style-lora")]) == loras.digests([lora(tmp_path)])
    assert loras.digests([Lora("style-lora", 0.0)]) == ()
    with pytest.raises(UnavailableError) as caught:
        loras.apply(pipe, (Lora("nobody-knows"),))
    assert caught.value.code == "model_missing"


def test_a_file_that_changes_is_another_lora(tmp_path: Path) -> None:
    before = loras.digests([lora(tmp_path, 0)])
    time.sleep(0.02)  # a file system's clock ticks slower than files are written
    assert loras.digests([lora(tmp_path, 1)]) != before


@pytest.mark.parametrize("kind", ["other layers", "other width", "one layer more", "no lora at all", "half a layer"])
def test_a_lora_for_another_model_is_refused_and_nothing_stays(kind: str, pipe: Any, tmp_path: Path) -> None:
    plain = forward(pipe.transformer)
    layer = "transformer.blocks.0.attn1.to_q"
    good = {f"{layer}.lora_A.weight": torch.ones(2, WIDTH), f"{layer}.lora_B.weight": torch.ones(WIDTH, 2)}
    bad: dict[str, dict[str, Any]] = {
        "other layers": {key.replace("blocks", "layers"): value for key, value in good.items()},
        "other width": {
            f"{layer}.lora_A.weight": torch.ones(2, WIDTH + 6),
            f"{layer}.lora_B.weight": torch.ones(WIDTH + 6, 2),
        },
        "one layer more": good | {key.replace("blocks.0", "blocks.7"): value.clone() for key, value in good.items()},
        "no lora at all": {"transformer.blocks.0.attn1.to_q.weight": torch.ones(WIDTH, WIDTH)},
        "half a layer": {f"{layer}.lora_A.weight": torch.ones(2, WIDTH)},
    }
    save_file(bad[kind], tmp_path / "bad.safetensors")
    with pytest.raises(InputError, match="bad") as caught:
        loras.apply(pipe, (lora(tmp_path, name="good"), Lora(str(tmp_path / "bad.safetensors"))))
    assert caught.value.code == "lora_mismatch"
    assert str(tmp_path) not in str(caught.value)
    assert torch.equal(forward(pipe.transformer), plain)


def test_only_safetensors_are_opened(pipe: Any, tmp_path: Path) -> None:
    (tmp_path / "style.pt").write_bytes(b"\x80\x04anything")
    (tmp_path / "style.safetensors").write_bytes(b"\x80\x04K\x01.")
    codes = []
    for name in ("style.pt", "style.safetensors", "absent.safetensors", "folder/absent"):
        with pytest.raises(InputError) as caught:
            loras.apply(pipe, (Lora(str(tmp_path / name)),))
        codes.append(caught.value.code)
        assert str(tmp_path) not in str(caught.value)
    assert codes == ["lora_format", "model_unsafe", "lora_missing", "lora_format"]


def test_a_pipeline_without_loras_says_so(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        loras.apply(object(), (lora(tmp_path),))
    assert caught.value.code == "setting_unsupported"
    loras.apply(object(), ())


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Wan22_A14B_T2V_HIGH_Lightning_rank64_fp16", ["transformer"]),
        ("style_LOW_fp16", ["transformer_2"]),
        ("style-high", ["transformer"]),
        ("low_noise_v1", ["transformer_2"]),
        ("High-Noise", ["transformer"]),
        ("style_high_low", ["transformer", "transformer_2"]),
        ("highlights_slow_motion", ["transformer", "transformer_2"]),
        ("low-poly_v2", ["transformer", "transformer_2"]),
        ("low_poly_HIGH_fp16", ["transformer"]),
        ("style", ["transformer", "transformer_2"]),
    ],
)
def test_a_name_says_for_which_expert_a_file_is(name: str, parts: list[str]) -> None:
    assert loras.experts(Path(f"high_low/{name}.safetensors")) == parts


def test_hidden_files_of_the_store_are_no_loras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from photoplay.weights import store

    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / ".models"))
    (tmp_path / "new" / ".cache").mkdir(parents=True)
    lora(tmp_path / "new")
    store.add("style-lora", tmp_path / "new", backend="wan-t2v", licence="Apache-2.0")
    for hidden in ("._style", ".cache/style"):
        (tmp_path / "new" / f"{hidden}.safetensors").write_bytes(b"anything")
    assert loras.files(Lora("style-lora")) == (tmp_path / "new" / "style.safetensors",)
