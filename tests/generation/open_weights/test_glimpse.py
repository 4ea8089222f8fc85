from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import torch

from photoplay.generation.backends.open_weights import glimpse
from photoplay.generation.backends.open_weights.glimpse import PICTURES, Eye, clean, coloured, colours, due, fit, normal
from photoplay.types import Array, Rgb
from tests.generation.open_weights import checkpoints, checkpoints_animatediff, checkpoints_ltx2


def decoded(vae: Any, latents: torch.Tensor) -> Array:
    """One frame of what an autoencoder makes of a denoiser's latents [c, h, w], shrunk to as many pixels."""
    ones, zeros = (torch.full((1, *latents.shape), value) for value in (1.0, 0.0))
    offset = normal(vae, zeros)
    raw = (latents[None] - offset) / (normal(vae, ones) - offset)
    flat = type(vae).__name__ == "AutoencoderKL"
    with torch.no_grad():
        made = vae.decode(raw if flat else raw[:, :, None], return_dict=False)[0]
    picture = (made if flat else made[:, :, 0])[0].clamp(-1, 1).permute(1, 2, 0).numpy() / 2 + 0.5
    return cv2.resize(picture, (latents.shape[2], latents.shape[1]), interpolation=cv2.INTER_AREA)


def alike(first: Array, second: Array) -> float:
    """Correlation over places, the mean of three colours."""
    pairs = ((first[..., k].ravel(), second[..., k].ravel()) for k in range(3))
    return float(np.mean([np.corrcoef(one, other)[0, 1] for one, other in pairs]))


VAES: dict[str, tuple[int, float, Callable[[], Any]]] = {
    "wan 2.1": (96, 0.6, lambda: checkpoints.vae(0)),
    "wan 2.2": (128, 0.2, lambda: checkpoints.vae_22(0)),
    "ltx2": (256, 0.2, lambda: checkpoints_ltx2.vae(0)),
    "animatediff": (96, 0.15, lambda: checkpoints_animatediff._vae(0)),
}


@pytest.mark.parametrize("name", VAES)
def test_a_glimpse_is_like_what_the_decoder_will_make(name: str) -> None:
    """Random decoders are far from linear; still a glimpse is nearer to what they make than chance ever is."""
    side, least, build = VAES[name]
    vae = build()
    matrix = fit(vae, side, side, "cpu")
    # Latents of another picture than the one that the map was fitted to.
    turned = np.ascontiguousarray(1 - colours(side, side)[::-1].transpose(1, 0, 2))
    card = torch.from_numpy(turned).permute(2, 0, 1)[None] * 2 - 1
    flat = name == "animatediff"
    with torch.no_grad():
        raw = vae.encode(card if flat else card[:, :, None]).latent_dist.mode()
    latents = normal(vae, raw if flat else raw[:, :, 0])[0]
    true, told = decoded(vae, latents), latents.permute(1, 2, 0).numpy()
    seen, draw = told @ matrix[:-1] + matrix[-1], np.random.default_rng(0)
    chance = [alike(draw.permutation(seen.reshape(-1, 3)).reshape(seen.shape), true) for _ in range(50)]
    assert alike(seen, true) > least
    assert alike(seen, true) > max(chance)
    np.testing.assert_allclose(coloured(told, matrix) / 255, np.clip(seen, 0, 1), atol=0.6 / 255)


class Squares:
    """An autoencoder whose latents are the means of squares, in other colours: there is an exact map."""

    dtype = torch.float32
    config: ClassVar[dict[str, Any]] = {
        "latents_mean": [0.1, -0.2, 0.3],
        "latents_std": [2.0, 0.5, 1.0],
        "scaling_factor": 0.7,
    }
    mixed = torch.tensor([[1.0, 0.3, 0.0], [0.2, -1.0, 0.5], [0.0, 0.4, 0.8]])

    def encode(self, video: torch.Tensor) -> Any:
        small = torch.nn.functional.avg_pool2d(video[:, :, 0], 8)
        latents = torch.einsum("dc,bchw->bdhw", self.mixed, small)[:, :, None]
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))

    def decode(self, latents: torch.Tensor, return_dict: bool = True) -> tuple[torch.Tensor]:
        small = torch.einsum("dc,bchw->bdhw", torch.linalg.inv(self.mixed), latents[:, :, 0])
        return (small.repeat_interleave(8, 2).repeat_interleave(8, 3)[:, :, None],)

    def named_buffers(self) -> Any:
        return ()


def test_an_autoencoder_that_is_linear_is_seen_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpse, "RIDGE", 1e-9)
    vae: Any = Squares()
    matrix = fit(vae, 64, 48, "cpu")
    picture = np.random.default_rng(3).random((6, 8, 3), np.float32)
    video = torch.from_numpy(picture.repeat(8, 0).repeat(8, 1)).permute(2, 0, 1)[None, :, None] * 2 - 1
    latents = normal(vae, vae.encode(video).latent_dist.mode()[:, :, 0])[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(coloured(latents, matrix), np.rint(picture * 255))


def test_pictures_are_few_and_even() -> None:
    assert [step for step in range(4) if due(step, 4)] == [0, 1, 2, 3]
    shown = [step for step in range(50) if due(step, 50)]
    assert len(shown) == PICTURES
    assert shown[-1] == 49
    assert {after - before for before, after in pairwise(shown)} <= {6, 7}


def test_the_guess_is_the_clean_sample() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 1, 4, 1, 2, 2, generator=generator).unbind()
    scheduler = checkpoints.scheduler()
    sigma = 0.7
    guess = clean(scheduler, noise - x0, torch.tensor(1000 * sigma), (1 - sigma) * x0 + sigma * noise, (None,))
    torch.testing.assert_close(guess, x0)
    assert clean(SimpleNamespace(config={}), noise, 1, noise, (None,)) is None
    assert clean(SimpleNamespace(config={}), noise, 1, noise, SimpleNamespace(pred_original_sample=x0)) is x0


class Pipe:
    """As much of a pipeline as is looked at."""

    num_timesteps = 16
    _execution_device = "cpu"

    def __init__(self) -> None:
        self.vae = checkpoints.vae(0)


def test_an_eye_sees_the_middle_frame_and_not_what_is_told_before_it() -> None:
    shown: list[Rgb] = []
    pipe = Pipe()
    eye = Eye(pipe, 64, 48, 3, shown.append)
    latents = torch.randn(1, 16, 2 + 3, 6, 8, generator=torch.Generator().manual_seed(1))  # two references before
    made = SimpleNamespace(pred_original_sample=latents)
    for _ in range(pipe.num_timesteps):
        eye.look(SimpleNamespace(config={}), None, 0, None, made)
    assert len(shown) == PICTURES
    wanted = coloured(latents[0, :, 3].permute(1, 2, 0).numpy(), fit(pipe.vae, 64, 48, "cpu"))
    np.testing.assert_array_equal(shown[0], wanted)


def test_latents_that_are_no_clip_of_this_size_are_not_shown() -> None:
    shown: list[Rgb] = []
    eye = Eye(Pipe(), 64, 48, 3, shown.append)
    for shape in ((1, 16, 2, 6, 8), (1, 16, 8)):
        for _ in range(16):
            eye.look(
                SimpleNamespace(config={}), None, 0, None, SimpleNamespace(pred_original_sample=torch.zeros(shape))
            )
    assert not shown
