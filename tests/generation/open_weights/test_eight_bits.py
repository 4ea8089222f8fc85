from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from photoplay.generation.backends.open_weights.eight_bits import LEVELS, Int8Linear, keep_in_8_bits
from photoplay.generation.backends.open_weights.speed import compiled
from tests.generation.open_weights import checkpoints, checkpoints_animatediff, checkpoints_ltx2


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_is_the_one_whose_weights_are_the_nearest_of_its_levels(precision: torch.dtype, bias: bool) -> None:
    linear = torch.nn.Linear(96, 40, bias=bias)
    with torch.no_grad():
        linear.weight[0] *= 100  # a row of large weights coarsens no other
        linear.weight[1] = 0
    linear = linear.to(precision)
    layer, x = Int8Linear(linear, "cpu"), random(2, 5, 96).to(precision)
    kept = layer.weight.float() * layer.scale.float()[:, None]
    step = linear.weight.float().abs().amax(1, keepdim=True) / LEVELS
    assert layer.weight.dtype is torch.int8
    assert layer.weight.nbytes == linear.weight.numel()
    assert ((kept - linear.weight.float()).abs() <= 0.51 * step + (0.5 / 256) * step * LEVELS).all()
    whole = torch.nn.functional.linear(x.float(), kept, None if linear.bias is None else linear.bias.float())
    made = layer(x)
    assert made.dtype is precision
    torch.testing.assert_close(made.float(), whole, rtol=1e-5 if precision is torch.float32 else 2e-2, atol=2e-2)


def forward(model: Any) -> torch.Tensor:
    told = {
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": random(1, 16, checkpoints.TEXT),
        "return_dict": False,
    }
    more = {"control_hidden_states": random(1, 96, 2, 8, 8)} if hasattr(model, "vace_blocks") else {}
    with torch.no_grad():
        result: torch.Tensor = model(hidden_states=random(1, 16, 2, 8, 8), **told, **more)[0]
    return result


def apart(found: torch.Tensor, true: torch.Tensor) -> float:
    return float((found - true).square().mean().sqrt() / true.square().mean().sqrt())


@pytest.mark.parametrize("vace", [False, True])
def test_int8_is_nearer_than_float8_with_as_many_bytes(vace: bool) -> None:
    model = checkpoints.transformer(0, vace=vace)
    true, whole, half = forward(model), copy.deepcopy(model), copy.deepcopy(model)
    keep_in_8_bits(model, "cpu")
    half.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    error = apart(forward(model), true)
    assert 0 < error < 0.005
    assert error < 0.2 * apart(forward(half), true)
    layers = [one for one in whole.blocks.modules() if type(one) is torch.nn.Linear]
    kept = [one for one in model.blocks.modules() if isinstance(one, Int8Linear)]
    assert len(kept) == len(layers) > 0
    assert model.condition_embedder.time_embedder.linear_1.weight.dtype is torch.float32
    assert model.proj_out.weight.dtype is torch.float32
    assert model.dtype is whole.dtype


@pytest.mark.parametrize(
    "build",
    [lambda: checkpoints_ltx2.transformer(0, 2.0), lambda: checkpoints.transformer(0, vace=True)],
    ids=["ltx2", "vace"],
)
def test_most_of_a_transformer_is_kept_in_a_byte_a_number(build: Callable[[], Any]) -> None:
    model = build()
    numbers = sum(one.numel() for one in model.parameters())
    keep_in_8_bits(model, "cpu")
    in_bytes = sum(one.weight.numel() for one in model.modules() if isinstance(one, Int8Linear))
    assert in_bytes > 0.5 * numbers  # of tiny models embeddings are a large part


def test_the_matrices_of_a_lora_stay_as_they_are() -> None:
    from peft import LoraConfig

    model = checkpoints.transformer(0)
    model.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q"], init_lora_weights=False))
    true = forward(model)
    keep_in_8_bits(model, "cpu")
    query = model.blocks[0].attn1.to_q
    assert isinstance(query.base_layer, Int8Linear)
    assert type(query.lora_A["default"]) is torch.nn.Linear
    assert 0 < apart(forward(model), true) < 0.05


def test_a_network_with_convolutions_is_kept_in_float8() -> None:
    network = checkpoints_animatediff._unet(0)
    keep_in_8_bits(network, "cpu")
    assert not [one for one in network.modules() if isinstance(one, Int8Linear)]
    assert network.down_blocks[0].resnets[0].conv1.weight.dtype is torch.float8_e4m3fn
    assert not compiled(network)


def test_a_block_that_is_compiled_is_traced_through() -> None:
    model = checkpoints.transformer(0)
    keep_in_8_bits(model, "cpu")
    plain = forward(model)
    for block in model.blocks:
        block.compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(forward(model), plain)
