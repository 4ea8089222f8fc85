from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from photoplay.generation.backends.open_weights import speed
from photoplay.generation.backends.open_weights.guidance_pair import GuidancePair, pair_guidance
from photoplay.generation.backends.open_weights.lean_vae import channels_last, fuse_norms, lean
from photoplay.generation.backends.open_weights.memory import Placement
from photoplay.generation.backends.open_weights.prompt_cache import KEPT, PromptCache
from photoplay.generation.backends.open_weights.speed import ENTRIES, SPEED, Speed, turned_on
from tests.generation.open_weights import checkpoints

PAGE = Path(__file__).parents[3] / "docs" / "speed.md"
GRADES = {entry.name: entry.grade for entry in ENTRIES}


def random(*shape: int, seed: int = 0) -> Any:
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- the table


def test_every_setting_has_a_grade_and_a_place() -> None:
    assert [entry.name for entry in ENTRIES] == [field.name for field in fields(Speed)]


def test_exact_gives_nothing_up_and_step_caches_are_asked_for() -> None:
    assert "lossy" not in {GRADES[name] for name in turned_on(SPEED["exact"])}
    assert not SPEED["exact"].step_cache
    assert not SPEED["fast"].step_cache
    assert not Speed().step_cache
    assert set(turned_on(SPEED["exact"])) < set(turned_on(SPEED["fast"]))


def test_the_page_shows_the_table() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([\w ]+) \| (.+?) \| (.*?) \| (.*?) \| (.*?) \| (.+?) \|$", PAGE.read_text(), re.M
    )
    shown = [
        (
            entry.name,
            entry.grade,
            entry.where,
            *("on" if getattr(SPEED[name], entry.name) else "" for name in SPEED),
            entry.what,
        )
        for entry in ENTRIES
    ]
    assert rows == shown


# --- prompts


class Encoder:
    """A text encoder that counts, and whose answers depend on everything that it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def encode(
        self, prompt: Any, negative: Any = None, guided: bool = True, embeds: Any = None, device: Any = None
    ) -> tuple[Any, Any]:
        self.heard.append((prompt, negative, guided))
        answer = embeds if embeds is not None else random(1, 4, 8, seed=abs(hash((str(prompt), guided))) % 1000)
        return answer, random(1, 4, 8, seed=len(negative)) if guided and negative else None


def test_the_same_words_are_encoded_once() -> None:
    encoder = Encoder()
    cache = PromptCache(encoder.encode)
    first = cache("a cat", "bad", device="cpu")
    again = cache(prompt="a cat", negative="bad", device="cpu")
    assert len(encoder.heard) == cache.encoded == 1
    assert all(bool((one == other).all()) for one, other in zip(first, again, strict=True))
    cache("a cat", "worse", device="cpu")
    cache("a cat", "bad", guided=False, device="cpu")
    cache(["a cat"], "bad", device="cpu")
    assert cache.encoded == len(encoder.heard) == 4
    cache.forget()
    cache("a cat", "bad", device="cpu")
    assert cache.encoded == 5


def test_what_a_pipeline_does_to_an_answer_is_not_remembered() -> None:
    cache = PromptCache(Encoder().encode)
    first = cache("a cat", device="cpu")[0]
    kept = first.clone()
    first.zero_()
    assert (cache("a cat", device="cpu")[0] == kept).all()


def test_embeddings_of_ones_own_pass_through_and_old_prompts_go() -> None:
    encoder = Encoder()
    cache = PromptCache(encoder.encode)
    own = random(1, 4, 8)
    assert cache(None, embeds=own, device="cpu")[0] is own
    assert cache(None, embeds=own, device="cpu")[0] is own
    assert len(encoder.heard) == 2
    for number in range(KEPT + 1):
        cache(f"prompt {number}", device="cpu")
    cache("prompt 0", device="cpu")
    assert cache.encoded == KEPT + 2


# --- guidance in one forward


@pytest.fixture(scope="module")
def transformers() -> dict[str, Any]:
    return {"plain": checkpoints.transformer(0), "vace": checkpoints.transformer(0, vace=True)}


def call(embeddings: Any, kind: str, latents: Any, time: float = 500.0) -> dict[str, Any]:
    import torch

    told: dict[str, Any] = {
        "hidden_states": latents,
        "timestep": torch.tensor([time]),
        "encoder_hidden_states": embeddings,
    }
    if kind == "vace":
        hints = random(1, 96, *latents.shape[2:], seed=5)
        told |= {"control_hidden_states": hints, "control_hidden_states_scale": torch.tensor([1.0, 0.5])}
    return told | {"attention_kwargs": None, "return_dict": False}


@pytest.mark.parametrize("kind", ["plain", "vace"])
def test_a_pair_is_both_forwards_within_rounding(transformers: dict[str, Any], kind: str) -> None:
    import torch

    model = transformers[kind]
    words, no_words, latents = random(1, 16, 32), random(1, 16, 32, seed=1), random(1, 16, 2, 8, 8)
    pair = GuidancePair(model)
    pair.told((words, no_words))
    told = call(words, kind, latents)
    with torch.no_grad():
        apart = [model(**told)[0], model(**told | {"encoder_hidden_states": no_words})[0]]
        together = [pair(**told)[0], pair(**told | {"encoder_hidden_states": no_words})[0]]
    assert pair.forwards == 1
    assert (apart[0] - apart[1]).abs().max() > 0.01
    for one, other in zip(apart, together, strict=True):
        assert (one - other).abs().max() < 1e-5 * one.abs().max()


def test_a_pair_answers_only_what_it_computed(transformers: dict[str, Any]) -> None:
    import torch

    model = transformers["plain"]
    words, no_words, latents = random(1, 16, 32), random(1, 16, 32, seed=1), random(1, 16, 2, 8, 8)
    pair = GuidancePair(model)
    pair.told((words, no_words))
    told = call(words, "plain", latents)
    with torch.no_grad():
        pair(**told)
        later = call(no_words, "plain", latents, time=400.0)
        assert torch.equal(pair(**later)[0], model(**later)[0])  # another time: computed anew
        pair(**told)
        other = call(no_words, "plain", latents + 1)
        assert torch.equal(pair(**other)[0], model(**other)[0])
        assert pair.forwards == 4


def test_large_clips_and_strange_words_are_not_paired(transformers: dict[str, Any]) -> None:
    import torch

    model = transformers["plain"]
    words, no_words, latents = random(1, 16, 32), random(1, 16, 32, seed=1), random(1, 16, 2, 8, 8)
    small, large = GuidancePair(model, max_tokens=32), GuidancePair(model, max_tokens=31)
    for pair in (small, large):
        pair.told((words, no_words))
    with torch.no_grad():
        for pair, forwards in ((small, 1), (large, 2)):
            for embeddings in (words, no_words):
                pair(**call(embeddings, "plain", latents))
            assert pair.forwards == forwards
        unasked = call(words + 1, "plain", latents)
        assert torch.equal(small(**unasked)[0], model(**unasked)[0])
        small.told((words, None))
        assert torch.equal(small(**call(words, "plain", latents))[0], model(**call(words, "plain", latents))[0])


def test_only_wans_transformers_are_paired() -> None:
    assert pair_guidance(SimpleNamespace(config=SimpleNamespace(patch_size=1))) is None


# --- the autoencoder


@pytest.mark.parametrize("make", [checkpoints.vae, checkpoints.vae_22])
@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_leaner_autoencoder_has_the_same_bits(make: Callable[[int], Any], frames: int) -> None:
    import torch

    stock = make(0)
    ours = copy.deepcopy(stock)
    assert lean(ours)
    latents = random(1, stock.config.z_dim, frames, 6, 4)
    with torch.no_grad():
        film, film_too = stock.decode(latents).sample, ours.decode(latents).sample
        assert torch.equal(film, film_too)
        assert torch.equal(film, ours.decode(latents, return_dict=False)[0])
        assert torch.equal(stock.encode(film).latent_dist.mean, ours.encode(film).latent_dist.mean)


def test_a_leaner_autoencoder_still_decodes_in_tiles() -> None:
    import torch

    stock = checkpoints.vae(0)
    ours = copy.deepcopy(stock)
    lean(ours)
    for model in (stock, ours):
        model.enable_tiling(32, 32, 24, 24)
    latents = random(1, 16, 2, 6, 6)
    with torch.no_grad():
        assert torch.equal(stock.decode(latents).sample, ours.decode(latents).sample)


def test_another_layout_and_fused_norms_are_the_same_within_rounding() -> None:
    import torch

    stock = checkpoints.vae(0)
    turned, fused = copy.deepcopy(stock), copy.deepcopy(stock)
    lean(turned)
    channels_last(turned)
    assert fuse_norms(fused, compiler=lambda function, dynamic: function)
    latents = random(1, 16, 3, 6, 4)
    with torch.no_grad():
        film = stock.decode(latents).sample
        assert (film - turned.decode(latents).sample).abs().max() < 1e-5
        assert (film - fused.decode(latents).sample).abs().max() < 1e-6
        there = turned.encode(film).latent_dist.mean
        assert (stock.encode(film).latent_dist.mean - there).abs().max() < 1e-5
    assert turned.decoder.conv_in.weight.is_contiguous(memory_format=torch.channels_last_3d)


def test_other_autoencoders_are_left_alone() -> None:
    assert not lean(SimpleNamespace())
    assert not fuse_norms(SimpleNamespace())


# --- what applies where


def test_on_a_processor_only_the_same_bits_are_left() -> None:
    for name in ("exact", "fast"):
        pipe = SimpleNamespace(
            transformer=checkpoints.transformer(0), vae=checkpoints.vae(0), encode_prompt=Encoder().encode
        )
        shaped = speed.shape_up(pipe.vae, SPEED[name], Placement(), "cpu")
        on = speed.ordered((*speed.speed_up(pipe, SPEED[name], Placement(), "cpu"), *shaped))
        assert on == ("prompt_cache", "lean_vae")
        assert {GRADES[one] for one in on} == {"same bits"}


def test_tiles_and_streaming_are_told_when_memory_asked_for_them() -> None:
    pipe = SimpleNamespace(vae=checkpoints.vae(0))
    placement, wanted = Placement(frozenset({"vae"}), tiles=True), Speed(prompt_cache=False)
    assert speed.shape_up(pipe.vae, wanted, placement, "cpu") == ("lean_vae", "tiled_vae")
    assert speed.speed_up(pipe, wanted, placement, "cpu") == ("streaming",)
    assert pipe.vae.use_tiling


def test_steps_are_cached_for_the_plain_transformer_alone() -> None:
    """VACE adds hints between the blocks, which diffusers' cache would add twice."""
    import torch

    model = checkpoints.transformer(0)
    told = call(random(1, 16, 32), "plain", random(1, 16, 2, 8, 8))
    nearly = told | {"hidden_states": told["hidden_states"] * 1.001}
    with torch.no_grad():
        true = model(**nearly)[0]
        assert speed.cache_steps(model, threshold=0.5)
        with model.cache_context("cond"):
            first = model(**told)[0]
            second = model(**nearly)[0]
    assert not torch.equal(second, true)  # blocks were skipped
    assert (second - true).abs().max() < (first - true).abs().max() + 0.05 * true.abs().max()
    assert not speed.cache_steps(checkpoints.transformer(0, vace=True))


def test_a_kernel_is_for_self_attention_and_leaves_the_process_as_it_was() -> None:
    import torch
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    before = _AttentionBackendRegistry.get_active_backend()[0]
    model = checkpoints.transformer(0)
    told = call(random(1, 16, 32), "plain", random(1, 16, 2, 8, 8))
    with torch.no_grad():
        true = model(**told)[0]
        assert speed.use_attention(model, "_native_math")
        found = model(**told)[0]
    assert model.blocks[0].attn1.processor._attention_backend is AttentionBackendName._NATIVE_MATH
    assert model.blocks[0].attn2.processor._attention_backend is None
    assert _AttentionBackendRegistry.get_active_backend()[0] is before
    assert (found - true).abs().max() < 1e-5 * true.abs().max()
    assert not speed.use_attention(model, None)
