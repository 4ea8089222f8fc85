from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import pytest

from photoplay.errors import UnavailableError
from photoplay.generation.backends.open_weights import memory
from photoplay.generation.backends.open_weights.memory import Allowed, Budget, ClipSize, Part, Placement, place

GB = 2**30
# Wan 2.1 14B in bfloat16, its autoencoder in float32; the 40 blocks are 0.7 GB each.
WAN = (
    Part("text_encoder", 11 * GB, 2 * GB, every_step=False),
    Part("vae", GB // 2, GB // 16, every_step=False),
    Part("transformer", 28 * GB, GB * 7 // 10, every_step=True),
)
EXPERTS = (*WAN, Part("transformer_2", 28 * GB, GB * 7 // 10, every_step=True))
WORKING = {False: 6 * GB, True: 4 * GB}
LOSSY = Allowed(eight_bits=True, tiles=True)


def gpu(free: float, host: float = 200) -> Budget:
    return Budget("cuda:0", int(free * GB), int(host * GB))


@pytest.mark.parametrize(
    ("parts", "budget", "allowed", "streamed", "eight_bits", "tiles"),
    [
        (WAN, gpu(80), Allowed(), set(), False, False),
        (WAN, gpu(44), Allowed(), {"text_encoder"}, False, False),
        (WAN, gpu(24), Allowed(), {"text_encoder", "vae", "transformer"}, False, False),
        (WAN, gpu(24), Allowed(eight_bits=True), {"text_encoder"}, True, False),
        (WAN, gpu(7), Allowed(tiles=True), {"text_encoder", "vae", "transformer"}, False, True),
        (WAN, gpu(80, host=1), Allowed(), set(), False, False),
        (EXPERTS, gpu(72), Allowed(), {"text_encoder"}, False, False),
        (EXPERTS, gpu(48), Allowed(), {"text_encoder", "vae", "transformer_2"}, False, False),
        (EXPERTS, gpu(48), LOSSY, {"text_encoder"}, True, False),
        (WAN, Budget("cpu", 64 * GB, 64 * GB), LOSSY, set(), False, False),
    ],
)
def test_what_stands_where(
    parts: tuple[Part, ...], budget: Budget, allowed: Allowed, streamed: set[str], eight_bits: bool, tiles: bool
) -> None:
    placement = place(parts, WORKING, budget, allowed)
    assert (placement.streamed, placement.eight_bits, placement.tiles) == (streamed, eight_bits, tiles)
    assert placement.needed <= budget.free


@pytest.mark.parametrize("allowed", [Allowed(), LOSSY])
def test_more_memory_never_streams_more(allowed: Allowed) -> None:
    placements = [place(EXPERTS, WORKING, gpu(free), allowed) for free in range(12, 120, 4)]
    for less, more in pairwise(placements):
        lossy = [(one.tiles, one.eight_bits) for one in (less, more)]
        assert lossy[0] > lossy[1] or len(more.streamed) <= len(less.streamed)


def test_nothing_is_given_up_that_was_not_allowed() -> None:
    for free in range(10, 100, 3):
        placement = place(WAN, WORKING, gpu(free), Allowed())
        assert not placement.eight_bits
        assert not placement.tiles


@pytest.mark.parametrize(
    ("budget", "allowed", "said"),
    [
        (gpu(4), Allowed(), ("GPU memory", "4.0 GiB", "`--quality fast` needs less")),
        (gpu(4), LOSSY, ("GPU memory", "4.0 GiB", "GPU with more memory")),
        (gpu(24, host=60), Allowed(), ("39.5 GiB", "24.0 GiB on the GPU", "60.0 beside")),
        (Budget("cpu", 16 * GB, 16 * GB), Allowed(), ("45.5 GiB of memory", "16.0 GiB", "a machine with a GPU")),
    ],
)
def test_what_does_not_fit_says_how_much_is_missing(budget: Budget, allowed: Allowed, said: tuple[str, ...]) -> None:
    with pytest.raises(UnavailableError) as caught:
        place(WAN, WORKING, budget, allowed)
    assert caught.value.code == "model_too_large"
    assert all(words in str(caught.value) for words in said), str(caught.value)


def test_only_whole_denoisers_are_compiled() -> None:
    assert Placement(frozenset({"text_encoder", "vae"})).resident
    assert not Placement(frozenset({"transformer_2"})).resident
    assert Placement(eight_bits=True).resident


def test_tokens_are_those_of_the_published_models() -> None:
    wan = {"transformer": {"patch_size": [1, 2, 2]}, "vae": {"scale_factor_spatial": 8, "scale_factor_temporal": 4}}
    assert memory.tokens(wan, ClipSize()) == 32760  # 21 x 30 x 52
    assert memory.tokens(wan, ClipSize(1280, 720)) == 75600
    ltx = {"transformer": {"patch_size": 1}, "vae": {"spatial_compression_ratio": 32, "temporal_compression_ratio": 8}}
    assert memory.tokens(ltx, ClipSize(768, 512, 121)) == 16 * 24 * 16


def test_tiles_bound_what_decoding_takes() -> None:
    small, large = (memory.decoding_bytes(ClipSize(side, side), 4, tiles=False) for side in (256, 1024))
    assert large == 16 * small
    assert memory.decoding_bytes(ClipSize(256, 256), 4, tiles=True) == small
    assert memory.decoding_bytes(ClipSize(1024, 1024), 4, tiles=True) < large / 2


def safetensors(path: Path, shapes: dict[str, list[int]]) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, path)


def test_sizes_come_from_the_headers(tmp_path: Path) -> None:
    safetensors(tmp_path / "transformer" / "a.safetensors", {"blocks.0.w": [4, 5], "blocks.0.b": [5], "proj.w": [3]})
    safetensors(tmp_path / "transformer" / "b.safetensors", {"blocks.1.w": [4, 5], "blocks.1.b": [6]})
    safetensors(tmp_path / "transformer" / "a.fp16.safetensors", {"blocks.0.w": [4, 5]})
    assert memory.part_of(tmp_path, "transformer", 2) == Part("transformer", 2 * 54, 2 * 26, every_step=True)
    safetensors(tmp_path / "text_encoder" / "model.safetensors", {"layers.0.a": [7], "layers.0.b": [9]})
    assert memory.part_of(tmp_path, "text_encoder", 4) == Part("text_encoder", 4 * 16, 4 * 9, every_step=False)


@pytest.mark.parametrize("content", [b"", b"abc", struct.pack("<Q", 9) + b"not json!", struct.pack("<Q", 2) + b"[]"])
def test_a_file_without_a_header_is_a_broken_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "m.safetensors").write_bytes(content)
    with pytest.raises(UnavailableError) as caught:
        memory.part_of(tmp_path, "vae", 4)
    assert caught.value.code == "model_broken"


def test_free_memory_is_the_containers_where_that_is_less(tmp_path: Path) -> None:
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:   50 kB\n")
    assert memory.host_memory(meminfo, group) == 50 * 1024
    group.mkdir()
    (group / "memory.current").write_text("40000\n")
    (group / "memory.max").write_text("max\n")
    assert memory.host_memory(meminfo, group) == 50 * 1024
    (group / "memory.max").write_text("60000\n")
    (group / "memory.stat").write_text("anon 39000\ninactive_file 1000\n")
    assert memory.host_memory(meminfo, group) == 21000
    assert memory.host_memory(tmp_path / "none", tmp_path / "none") > 2**60


def test_running_out_while_it_loads_is_told() -> None:
    import torch

    with pytest.raises(UnavailableError) as caught, memory.within("wan"):
        raise torch.OutOfMemoryError
    assert caught.value.code == "model_too_large"
