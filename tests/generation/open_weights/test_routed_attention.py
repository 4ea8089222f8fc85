"""Attention by parts: the same numbers as with a mask, nothing of the other's reference, nothing changed where it is off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanAttnProcessor

from photoplay.generation.backends.open_weights.eight_bits import keep_in_8_bits
from photoplay.generation.backends.open_weights.guidance_pair import pair_guidance
from photoplay.generation.backends.open_weights.routed_attention import NAME, Route, RoutedProcessor, take_routes
from photoplay.generation.backends.open_weights.speed import use_attention
from photoplay.types import Array
from tests.generation.open_weights import checkpoints

FRAMES, ROWS, COLUMNS = 3, 3, 4
PLACES = ROWS * COLUMNS
REFERENCES = (1, 2)


class Dense(WanAttnProcessor):  # type: ignore[misc]
    """diffusers' own attention with a mask of queries times keys: the oracle."""

    def __init__(self, mask: Array) -> None:
        super().__init__()
        self.mask = torch.from_numpy(mask)[None, None]

    def __call__(self, attn: Any, hidden: Any, told: Any = None, mask: Any = None, turn: Any = None) -> Any:
        assert mask is None
        return super().__call__(attn, hidden, told, self.mask, turn)


def owners(seed: int = 0, people: int = 3) -> Array:
    return np.random.default_rng(seed).integers(0, people, (FRAMES, ROWS, COLUMNS)).astype(np.uint8)


def route(seed: int = 0, references: tuple[int, ...] = REFERENCES, people: int = 3) -> Route:
    return Route.of(references, owners(seed, people))


def fresh(seed: int = 0) -> Any:
    return checkpoints.transformer(seed, vace=True)


def dense(model: Any, told: Route) -> Any:
    for name, module in model.named_modules():
        if name.endswith("attn1"):
            module.set_processor(Dense(told.reads()))
    return model


def made(model: Any, told: Route | None = None, references: int = 2, seed: int = 0, words: Any = None) -> Any:
    """One forward of the transformer, with ``references`` latent frames before the picture's."""
    draw = torch.Generator().manual_seed(seed)
    latents = torch.randn(1, 16, references + FRAMES, 2 * ROWS, 2 * COLUMNS, generator=draw)
    hints = torch.randn(1, 96, *latents.shape[2:], generator=draw)
    prompt = torch.randn(1, 7, checkpoints.TEXT, generator=draw) if words is None else words
    more = {} if told is None else {"attention_kwargs": {NAME: told}}
    with torch.no_grad():
        (output,) = model(
            hidden_states=latents, timestep=torch.tensor([500]), encoder_hidden_states=prompt, control_hidden_states=hints,
            control_hidden_states_scale=torch.ones(2), return_dict=False, **more,
        )  # fmt: skip
    return output


def first_attention(model: Any) -> Any:
    return model.blocks[0].attn1


def attended(attention: Any, tokens: Any) -> Any:
    """Self-attention alone, without places."""
    with torch.no_grad():
        return attention(tokens, None, None, None)


# --- who reads what ---------------------------------------------------------------------------------------------------


def test_a_person_s_part_reads_all_but_the_other_s_reference() -> None:
    told = Route.of((1, 2, 0), owners())
    reads, kind = told.reads(), told.asks[3 * PLACES :]
    assert len(told.asks) == len(told.told) == (3 + FRAMES) * PLACES
    first, second, other, picture = (slice(k * PLACES, (k + 1) * PLACES) for k in (0, 1, 2, 3))
    picture = slice(3 * PLACES, None)
    assert reads[:, picture].all()
    assert reads[:, other].all()
    of = {who: np.flatnonzero(kind == who) + 3 * PLACES for who in (0, 1, 2)}
    assert reads[of[1], first].all()
    assert not reads[of[1], second].any()
    assert reads[of[2], second].all()
    assert not reads[of[2], first].any()
    assert reads[of[0]].all()
    assert not reads[first, second].any()
    assert not reads[second, first].any()
    assert reads[first, first].all()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("references", "people"), [((1, 2), 3), ((1, 2, 0), 3), ((1, 2), 1), ((2, 1), 2)])
def test_parts_come_out_as_with_a_mask(seed: int, references: tuple[int, ...], people: int) -> None:
    told = route(seed, references, people)
    parts, whole = fresh(), dense(fresh(), told)
    take_routes(parts)
    given = made(parts, told, len(references), seed)
    torch.testing.assert_close(given, made(whole, None, len(references), seed), atol=2e-5, rtol=1e-4)
    if people > 1:
        assert (given - made(fresh(), None, len(references), seed)).abs().max() > 1e-3


def test_nothing_of_the_other_s_reference_comes_through() -> None:
    """Not a bit, where the other's face is another one."""
    model, told = fresh(), route()
    take_routes(model)
    made(model, told)  # prepares the route
    attention = first_attention(model)
    tokens = torch.randn(1, len(told.asks), checkpoints.WIDTH, generator=torch.Generator().manual_seed(0))
    other = tokens.clone()
    other[:, PLACES : 2 * PLACES] += 1  # the second person's reference
    same = (attended(attention, tokens) == attended(attention, other)).all(-1)[0].numpy()
    np.testing.assert_array_equal(same, told.asks == 1)


# --- off --------------------------------------------------------------------------------------------------------------


def test_without_a_route_every_bit_is_as_before() -> None:
    model = fresh()
    before = made(model)
    take_routes(model)
    assert torch.equal(made(model), before)
    assert not torch.equal(made(model, route()), before)
    assert torch.equal(made(model), before)


def test_routes_are_taken_up_once() -> None:
    model = fresh()
    take_routes(model)
    take_routes(model)
    assert isinstance(first_attention(model).processor.plain, WanAttnProcessor)
    assert len(model._forward_pre_hooks) == 1
    assert isinstance(model.blocks[0].attn2.processor, WanAttnProcessor)


def test_each_call_has_its_own_route() -> None:
    model = fresh()
    take_routes(model)
    one, other = made(model, route(0)), made(model, route(1))
    assert not torch.equal(one, other)
    assert torch.equal(made(model, route(0)), one)


# --- beside what makes models fast ------------------------------------------------------------------------------------


def test_guidance_in_one_forward_takes_the_route_along() -> None:
    """Both come out as two calls would, to rounding."""
    words = torch.randn(2, 1, 7, checkpoints.TEXT, generator=torch.Generator().manual_seed(1))
    apart, told = fresh(), route()
    take_routes(apart)
    expected = [made(apart, told, words=one) for one in words]
    paired = fresh()
    pair = pair_guidance(paired)
    assert pair is not None
    take_routes(paired)
    pair.told(tuple(words))
    for one, wanted in zip(words, expected, strict=True):
        torch.testing.assert_close(made(paired, told, words=one), wanted, atol=2e-5, rtol=1e-4)
    assert pair.forwards == 1


def test_the_chosen_kernel_computes_the_parts() -> None:
    model, told = fresh(), route()
    use_attention(model, "native")
    take_routes(model)
    processor = first_attention(model).processor
    assert isinstance(processor, RoutedProcessor)
    assert processor._attention_backend == "native"
    use_attention(model, "_native_math")
    assert processor.plain._attention_backend == "_native_math"
    torch.testing.assert_close(made(model, told), made(dense(fresh(), told)), atol=2e-5, rtol=1e-4)


def test_weights_in_eight_bits_are_routed_as_well() -> None:
    told = route()
    model, whole = fresh(), dense(fresh(), told)
    for one in (model, whole):
        keep_in_8_bits(one, "cpu")
    take_routes(model)
    torch.testing.assert_close(made(model, told), made(whole), atol=2e-5, rtol=1e-4)


def test_a_block_that_is_compiled_is_traced_through() -> None:
    """In one graph, with one route after another."""
    plain, model = fresh(), fresh()
    model.blocks[0].compile(backend="eager", fullgraph=True)
    for one in (plain, model):
        take_routes(one)
    for told in (None, route(0), route(1)):
        torch.testing.assert_close(made(model, told), made(plain, told), atol=2e-5, rtol=1e-4)
