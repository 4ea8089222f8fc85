from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoplay.errors import PhotoplayError, RequestError, UnavailableError
from photoplay.generation.backends.open_weights import loading, memory, parallel
from photoplay.generation.backends.open_weights.loading import load_pipeline, shelf
from photoplay.generation.backends.open_weights.memory import Budget, ClipSize
from photoplay.generation.backends.open_weights.speed import SPEED
from photoplay.types import Lora, Sampling
from photoplay.weights import store
from tests.generation.open_weights import checkpoints

Built = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    yield
    shelf().clear()


@pytest.fixture
def model(built: Built) -> Sampling:
    return added(built(checkpoints.wan_t2v))


def added(folder: Path, name: str = "tiny") -> Sampling:
    store.add(name, folder, backend="wan-t2v", licence="none")
    return Sampling(model=name)


def film(pipe: Any, prompt: str = "a cat", frames: int = 5, steps: int = 2, **more: Any) -> np.ndarray[Any, Any]:
    import torch

    pipe.set_progress_bar_config(disable=True)
    call = {"negative_prompt": "bad", "height": 64, "width": 64, "num_frames": frames, "num_inference_steps": steps}
    generator = torch.Generator().manual_seed(3)
    made: np.ndarray[Any, Any] = pipe(prompt=prompt, guidance_scale=5.0, generator=generator, **call, **more).frames
    return made


def stock(folder: Path, pipeline: str = "WanPipeline") -> Any:
    return getattr(checkpoints.diffusers(), pipeline).from_pretrained(folder)


def test_exact_films_are_stock_diffusers_films_bit_for_bit(model: Sampling, built: Built) -> None:
    pipe = load_pipeline("WanPipeline", model)
    assert pipe.turned_on == ("prompt_cache", "lean_vae")
    theirs = film(stock(built(checkpoints.wan_t2v)))
    assert theirs.std() > 0.01
    assert np.array_equal(film(pipe), theirs)
    encoded = pipe.encode_prompt.encoded
    assert np.array_equal(film(pipe), theirs)  # from the remembered prompt
    assert pipe.encode_prompt.encoded == encoded > 0
    assert not np.array_equal(film(pipe, prompt="a dog"), theirs)


def test_vace_films_too(built: Built) -> None:
    """With hints between the blocks, and both guidance scales of two experts."""
    folder = built(checkpoints.wan_vace, experts=2)
    pipe = load_pipeline("WanVACEPipeline", added(folder))
    call = {"guidance_scale_2": 3.0, "conditioning_scale": 0.7}
    assert np.array_equal(film(pipe, **call), film(stock(folder, "WanVACEPipeline"), **call))


def test_a_model_is_loaded_once_and_gives_way_to_the_next(model: Sampling, built: Built) -> None:
    pipe = load_pipeline("WanPipeline", model)
    assert load_pipeline("WanPipeline", replace(model, num_inference_steps=7, guidance_scale=2.0)) is pipe
    other = load_pipeline("WanPipeline", replace(model, speed="preview"))
    assert other is not pipe
    loaded = shelf().loaded
    assert loaded is not None
    assert list(loaded.pipes.values()) == [other]
    assert other.turned_on == ("prompt_cache", "lean_vae", "step_cache")


def test_a_larger_clip_is_made_where_there_is_room_and_read_anew_where_not(
    model: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = ClipSize(64, 64, 5), ClipSize(640, 480, 81)
    pipe = load_pipeline("WanPipeline", model, large)
    assert load_pipeline("WanPipeline", model, small) is pipe
    loaded = shelf().loaded
    assert loaded is not None
    size = loaded.work.size(large, tiles=False)
    monkeypatch.setattr(memory, "budget", lambda _: Budget("cpu", 2 * size, 2 * size))
    shelf().clear()
    pipe = load_pipeline("WanPipeline", model, small)
    assert load_pipeline("WanPipeline", model, large) is pipe
    monkeypatch.setattr(memory, "budget", lambda _: Budget("cpu", size // 2, size // 2))
    with pytest.raises(UnavailableError) as caught:
        load_pipeline("WanPipeline", model, large)
    assert caught.value.code == "model_too_large"


def test_two_pipelines_of_a_model_share_its_weights(model: Sampling) -> None:
    film_pipe, video_pipe = (load_pipeline(name, model) for name in ("WanPipeline", "WanVideoToVideoPipeline"))
    assert video_pipe.transformer is film_pipe.transformer
    assert type(video_pipe).__name__ == "WanVideoToVideoPipeline"
    assert load_pipeline("WanPipeline", model) is film_pipe


def test_streamed_components_make_the_same_film(model: Sampling, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(*_: Any) -> memory.Placement:
        return memory.Placement(frozenset({"text_encoder", "vae", "transformer"}))

    monkeypatch.setattr(loading, "plan", everything)
    pipe = load_pipeline("WanPipeline", model)
    assert pipe.turned_on == ("prompt_cache", "lean_vae", "streaming")
    assert np.array_equal(film(pipe), film(stock(built(checkpoints.wan_t2v))))


def test_eight_bits_and_tiles_where_memory_asks_for_them(model: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    true = film(load_pipeline("WanPipeline", model))
    monkeypatch.setattr(loading, "plan", lambda *_: memory.Placement(eight_bits=True, tiles=True))
    pipe = load_pipeline("WanPipeline", replace(model, speed="fast"))
    assert {"eight_bit_weights", "tiled_vae"} <= set(pipe.turned_on)
    found = film(pipe)
    assert 0 < np.abs(found - true).mean() < 0.05


def test_a_plan_is_made_of_the_real_sizes(model: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(memory, "place", lambda *arguments: asked.append(arguments) or memory.Placement())
    pipe = load_pipeline("WanPipeline", model, ClipSize(64, 64, 5))
    parts, working, budget, allowed = asked[0]
    for part in parts:
        true = sum(tensor.nbytes for tensor in getattr(pipe, part.name).parameters())
        assert part.size == true, part.name
    assert {part.name for part in parts if part.every_step} == {"transformer"}
    assert working[True] <= working[False]
    assert budget.device == "cpu"
    assert not allowed.eight_bits


def test_a_model_that_does_not_fit_is_not_read(model: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "budget", lambda _: Budget("cpu", 2**20, 2**20))
    monkeypatch.setattr(loading, "_component", None)
    with pytest.raises(UnavailableError) as caught:
        load_pipeline("WanPipeline", model)
    assert caught.value.code == "model_too_large"


def test_loras_come_and_go_and_leave_no_trace(model: Sampling, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "look.safetensors"
    names = [f"transformer.blocks.{block}.attn1.to_q" for block in range(3)]
    tensors = {}
    for name in names:
        tensors[f"{name}.lora_A.weight"] = torch.ones(2, checkpoints.WIDTH)
        tensors[f"{name}.lora_B.weight"] = torch.ones(checkpoints.WIDTH, 2)
    save_file(tensors, path)
    plain = film(load_pipeline("WanPipeline", model))
    pipe = load_pipeline("WanPipeline", replace(model, loras=(Lora(str(path), 0.5),)))
    assert not np.array_equal(film(pipe), plain)
    again = load_pipeline("WanPipeline", model)
    assert again is pipe
    assert np.array_equal(film(again), plain)


def test_hooks_that_stream_wrap_what_is_there_by_then(model: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    shape_up, settle = loading.shape_up, memory.settle
    monkeypatch.setattr(loading, "shape_up", lambda *told: order.append("shape") or shape_up(*told))
    monkeypatch.setattr(memory, "settle", lambda *told: order.append("settle") or settle(*told))
    load_pipeline("WanPipeline", model)
    assert order == ["shape", "settle", "settle", "settle"]


# --- errors


def broken(built: Built, tmp_path: Path, spoil: Callable[[Path], None]) -> PhotoplayError:
    folder = tmp_path / "broken"
    shutil.copytree(built(checkpoints.wan_t2v), folder)
    spoil(folder)
    sampling = added(folder, "broken")
    with pytest.raises(PhotoplayError) as caught:
        load_pipeline("WanPipeline", sampling)
    assert str(tmp_path) not in str(caught.value)
    assert shelf().loaded is None
    return caught.value


def without_a_tensor(component: str, key: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        (path,) = (folder / component).glob("*.safetensors")
        tensors = load_file(path)
        del tensors[key]
        save_file(tensors, path, metadata={"format": "pt"})

    return spoil


def narrower(folder: Path) -> None:
    path = folder / "transformer" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ffn_dim": 32}))


def of_nobody(folder: Path) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"transformer": ["diffusers", "NobodysModel"]}))


@pytest.mark.parametrize(
    "spoil",
    [
        without_a_tensor("transformer", "blocks.1.ffn.net.2.weight"),
        without_a_tensor("text_encoder", "encoder.block.0.layer.0.SelfAttention.q.weight"),
        without_a_tensor("vae", "decoder.conv_in.weight"),
        narrower,
    ],
    ids=["transformer", "text_encoder", "vae", "shape"],
)
def test_what_lacks_tensors_is_broken_and_not_filled_with_noise(
    built: Built, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    assert broken(built, tmp_path, spoil).code == "model_broken"


def test_an_index_that_names_nobodys_class(built: Built, tmp_path: Path) -> None:
    assert broken(built, tmp_path, of_nobody).code in {"model_broken", "model_unsafe"}


def test_a_model_of_another_kind(built: Built) -> None:
    sampling = added(built(checkpoints.wan_vace))
    with pytest.raises(RequestError) as caught:
        load_pipeline("WanPipeline", sampling)
    assert caught.value.code == "model_mismatch"


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(UnavailableError) as caught:
        load_pipeline("WanPipeline", Sampling(model="nowhere"))
    assert caught.value.code == "model_missing"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    there = loading.find_spec
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == "diffusers" else there(name))
    with pytest.raises(UnavailableError) as caught:
        load_pipeline("WanPipeline", Sampling(model="tiny"))
    assert caught.value.code == "extra_missing"
    assert "pip install 'photoplay[gpu]'" in caught.value.hint
    assert "diffusers" in caught.value.message


def test_a_preparation_that_fails_leaves_nothing_behind(model: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loading, "speed_up", fails)
        with pytest.raises(KeyboardInterrupt):
            load_pipeline("WanPipeline", model)
    assert shelf().loaded is None
    assert load_pipeline("WanPipeline", model).turned_on


# --- precision


def test_the_processor_computes_in_float32_and_a_gpu_in_bfloat16_if_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert loading.compute_dtype("cpu") is torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert loading.compute_dtype("cuda:0") is torch.float32


def test_what_its_authors_run_in_float32_stays_so_unless_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(loading, "compute_dtype", lambda _: torch.bfloat16)
    wan, clip, other = (type(name, (), {}) for name in ("AutoencoderKLWan", "CLIPVisionModel", "AutoencoderKL"))
    exact, fast = (loading.Key("tiny", "", "cuda:0", SPEED[name]) for name in ("exact", "fast"))
    found = [[loading._dtype(kind, key) for kind in (wan, clip, other)] for key in (exact, fast)]
    assert found == [[torch.float32, torch.float32, torch.bfloat16], [torch.bfloat16, torch.float32, torch.bfloat16]]


def test_the_device_is_the_processor_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert parallel.device() == "cpu"
