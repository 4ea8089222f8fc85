"""What the pocket network must do before it has learnt anything."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from photoplay.generation.backends.pocket.config import SMALL, WIDE, PocketConfig
from photoplay.generation.backends.pocket.network import PocketNet, Tokens

TINY = PocketConfig(
    channels=(8, 16, 32, 32), blocks=(1, 1, 1, 1), reference_channels=(8, 8, 16, 16), head_channels=16, embedding=16
)


def _net(config: PocketConfig = TINY, silent: bool = False) -> PocketNet:
    """A network with random weights everywhere, or as it starts."""
    torch.manual_seed(0)
    net = PocketNet(config).eval()
    if not silent:
        for module in net.modules():
            if (weight := getattr(module, "weight", None)) is not None and not weight.any():
                torch.nn.init.normal_(weight, std=0.1)
    return net


def _inputs(frames: int, size: int, batch: int = 1) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(frames * 1000 + size)
    shape = (frames, size, size)
    return {
        "latents": torch.randn(batch, 3, *shape, generator=draw),
        "sigma": torch.linspace(1, 0.5, batch),
        "cond": torch.rand(batch, 24, *shape, generator=draw) * 2 - 1,
        "previous": torch.rand(batch, 4, *shape, generator=draw),
    }


def _photo(net: PocketNet, size: int = 32, batch: int = 1) -> Tokens:
    return net.encode(torch.rand(batch, 9, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1)


@pytest.mark.parametrize(("config", "millions"), [(SMALL, 15), (WIDE, 30)])
def test_untrained_it_predicts_the_anchor_and_its_size_is_bounded(config: PocketConfig, millions: float) -> None:
    net = _net(config, silent=True)
    assert sum(parameter.numel() for parameter in net.parameters()) < millions * 1e6
    with torch.inference_mode():
        made = net(**_inputs(2, 32), tokens=_photo(net))
    assert made.shape == (1, 3, 2, 32, 32)
    assert not made.any()


@pytest.mark.parametrize("frames", [1, 6, 24, 32])
def test_any_number_of_frames(frames: int) -> None:
    net = _net()
    with torch.inference_mode():
        made = net(**_inputs(frames, 16), tokens=_photo(net))
    assert made.shape == (1, 3, frames, 16, 16)
    assert made.isfinite().all()


def test_a_patch_of_the_crop_gives_what_the_crop_gives() -> None:
    net, size, patch = _net(), 320, slice(48, 272)
    inputs = _inputs(1, size)
    with torch.inference_mode():
        tokens = _photo(net)
        whole = net(**inputs, tokens=tokens)[..., patch, patch]
        cut = {k: v[..., patch, patch] if v.ndim == 5 else v for k, v in inputs.items()}
        alone = net(**cut, tokens=tokens)
    inner = slice(108, 116)  # further from the cut than a pixel sees
    torch.testing.assert_close(whole[..., inner, inner], alone[..., inner, inner], atol=1e-4, rtol=0)
    assert (whole - alone).abs().max() > 0.01  # at the cut it does see it


def test_samples_of_a_batch_do_not_touch() -> None:
    net = _net()
    inputs = _inputs(3, 32, batch=2)
    with torch.inference_mode():
        both = net(**inputs, tokens=_photo(net, batch=2))
        tokens = _photo(net, batch=2)
        second = Tokens(tuple(v[1:] for v in tokens.values), tuple(p[1:] for p in tokens.places), tokens.appearance[1:])
        alone = net(**{name: value[1:] for name, value in inputs.items()}, tokens=second)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)


def _gradient(net: PocketNet, watched: str, frame: int) -> Tensor:
    inputs: dict[str, Any] = _inputs(5, 32)
    inputs[watched].requires_grad_()
    net(**inputs, tokens=_photo(net))[:, :, frame].square().sum().backward()
    found: Tensor = inputs[watched].grad
    return found.abs().sum((0, 1, 3, 4))  # [f]


@pytest.mark.parametrize("watched", ["latents", "cond", "previous"])
def test_every_frame_is_seen_by_every_other(watched: str) -> None:
    assert (_gradient(_net(), watched, 2) > 0).all()


def test_untrained_time_does_not_mix() -> None:
    net = _net(silent=True)
    torch.nn.init.normal_(net.out.weight, std=0.1)
    seen = _gradient(net, "latents", 2)
    assert seen[2] > 0
    assert not seen[[0, 1, 3, 4]].any()


def test_the_photo_and_the_noise_level_are_heard() -> None:
    net, inputs = _net(), _inputs(2, 32)
    with torch.inference_mode():
        made = net(**inputs, tokens=_photo(net))
        other_photo = net(**inputs, tokens=net.encode(torch.rand(1, 9, 32, 32)))
        other_noise = net(**(inputs | {"sigma": torch.tensor([0.2])}), tokens=_photo(net))
    assert (made - other_photo).abs().max() > 1e-3
    assert (made - other_noise).abs().max() > 1e-3


def test_untrained_a_pixel_looks_at_its_own_place_in_the_photo() -> None:
    """A face in the photo, shifted by two tokens in the frame: the weights of the attention follow the shift."""
    net, size = _net(replace(TINY, channels=(8, 16, 64, 64), head_channels=32), silent=True), 64
    ramp = torch.linspace(-0.5, 0.5, size)
    face = torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), torch.zeros(size, size)])
    reference = torch.zeros(1, 9, size, size)
    reference[:, 3:6], reference[:, 6:9] = 0.6, face
    cond = torch.zeros(1, 24, 1, size, size)
    cond[:, 15:18], cond[:, 21:24] = 0.6, face.roll(16, -1)[:, None]
    given, tokens = net.prepare(cond, torch.zeros(1, 4, 1, size, size)), net.encode(reference)
    place = net.encoder[2].photo.place
    query, key = place(given.places[0][0, 0]), place(tokens.places[0][0])
    found = (query @ key.T).argmax(1).view(8, 8)
    assert (found == torch.arange(64).view(8, 8).roll(2, 1)).float().mean() > 0.9


def test_learning_reduces_the_loss() -> None:
    net, inputs, target = _net(silent=True).train(), _inputs(2, 16), torch.randn(1, 3, 2, 16, 16) * 0.3
    optimiser, losses = torch.optim.AdamW(net.parameters(), 3e-3), []
    for _ in range(15):
        loss = (net(**inputs, tokens=_photo(net)) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_config_survives_json_and_refuses_what_it_does_not_know() -> None:
    assert PocketConfig.from_dict(TINY.to_dict()) == TINY
    assert SMALL.known
    assert not replace(SMALL, cond_planes=("red",)).known
    stored = TINY.to_dict()
    for wrong in (
        {"extra": 1},
        {"channels": [8, 16]},
        {"embedding": "16"},
        {"blocks": [1, 1, 1, 0]},
        {"noise_correlation": 2.0},
    ):
        with pytest.raises(ValueError, match=r"."):
            PocketConfig.from_dict(stored | wrong)
    del stored["channels"]
    with pytest.raises(ValueError, match="channels"):
        PocketConfig.from_dict(stored)
