from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from photoplay.errors import InputError, UnavailableError
from photoplay.generation.backends.open_weights import upscale
from photoplay.generation.backends.open_weights.upscale import Fit, Network, tiled, upscaler, upscaler_name
from photoplay.weights import store

WHOLE = Fit((0.0, 0.0, 64.0, 48.0), 128, 96)


@pytest.fixture
def spandrel() -> Iterator[Any]:
    """spandrel itself, also beside a PyTorch for processors alone.

    It imports torchvision for two of its architectures (LaMa, RestoreFormer), neither of which enlarges pictures.
    torchvision is published for PyTorch with CUDA, and cannot be imported beside another build. What those two ask for
    stands in for it while spandrel is imported, and is gone afterwards.
    """
    try:
        yield import_module("spandrel")
    except (ImportError, RuntimeError):
        parts = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
        names = {name: ModuleType(name) for name in parts}
        for name in ("InterpolationMode", "rotate", "normalize"):
            setattr(names[parts[-1]], name, None)
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in sys.modules if name.split(".")[0] in ("spandrel", "torchvision")]:
                patch.delitem(sys.modules, name)
            for name, module in names.items():
                patch.setitem(sys.modules, name, module)
            found = import_module("spandrel")
            for name in parts:
                patch.delitem(sys.modules, name)
            yield found
        for name in [name for name in sys.modules if name.split(".")[0] == "spandrel"]:
            del sys.modules[name]


class Convolutions(torch.nn.Module):
    """Enlarges twice; sees 2 + 2 + 1 = 5 pixels far."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 5, padding=2), torch.nn.SiLU(), torch.nn.Conv2d(8, 8, 5, padding=2), torch.nn.SiLU(),
            torch.nn.Conv2d(8, 12, 3, padding=1), torch.nn.PixelShuffle(2),
        )  # fmt: skip

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.body(pixels)


class Repeat(torch.nn.Module):
    """Enlarges three times by repeating pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(pixels, scale_factor=3, mode="nearest")


@pytest.mark.parametrize(("height", "width"), [(100, 130), (48, 200), (40, 40), (201, 48)])
def test_tiles_leave_no_trace(height, width):
    network = Convolutions().eval()
    pixels = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole, parts = network(pixels), tiled(network, pixels, 2, tile=48, margin=8, feather=8)
    assert parts.shape == whole.shape
    assert (parts - whole).abs().max() < 1e-4


def test_a_margin_that_is_too_small_would_show():
    """The test above can fail: without a margin the tiles' borders are seen."""
    network = Convolutions().eval()
    pixels = torch.rand((1, 3, 100, 130), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert (tiled(network, pixels, 2, tile=48, margin=0, feather=1) - network(pixels)).abs().max() > 1e-3


def test_a_tile_must_be_larger_than_what_it_shares():
    with pytest.raises(ValueError, match="tile"):
        tiled(Convolutions(), torch.zeros((1, 3, 64, 64)), 2, tile=24, margin=8, feather=8)


def test_a_network_enlarges_pictures():
    picture = skimage.data.astronaut()[:300, :280]
    made = Network(Repeat(), 3).enlarge(np.ascontiguousarray(picture))
    assert (made == picture.repeat(3, axis=0).repeat(3, axis=1)).all()


def test_a_network_that_enlarges_too_much_is_brought_to_the_films_size(monkeypatch):
    monkeypatch.setattr(upscale, "load", lambda name: Network(Repeat(), 3))
    picture = np.full((48, 64, 3), 77, np.uint8)
    picture[:, 32:] = 150
    made = upscaler("repeat", WHOLE)(picture)
    assert made.shape == (96, 128, 3)
    assert (made[:, :58] == 77).all()
    assert (made[:, 70:] == 150).all()


def test_without_weights_it_is_lanczos():
    rgb = skimage.data.astronaut()[:96, :128]
    small = Fit((0.0, 0.0, 128.0, 96.0), 64, 48).resize(rgb)
    made = upscaler("", WHOLE)(small)
    assert made.shape == rgb.shape
    nearest = small.repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(made.astype(int) - rgb).mean() < 0.8 * np.abs(nearest.astype(int) - rgb).mean()


def test_the_same_size_is_the_same_picture():
    picture = skimage.data.astronaut()
    assert upscaler("", Fit((0.0, 0.0, 512.0, 512.0), 512, 512))(picture) is picture


def test_the_films_part_of_a_frame_is_cut_out():
    y, x = np.mgrid[:48, :64]
    ramp = np.stack([x * 3, y * 4, x * 0], -1).astype(np.uint8)
    made = Fit((8.0, 6.5, 56.0, 42.5), 96, 72).resize(ramp).astype(float)
    at = 8 + (np.arange(96) + 0.5) / 2 - 0.5
    assert np.abs(made[36, 8:-8, 0] - 3 * at[8:-8]).max() <= 1
    down = 6.5 + (np.arange(72) + 0.5) / 2 - 0.5
    assert np.abs(made[8:-8, 40, 1] - 4 * down[8:-8]).max() <= 1


def test_its_name_says_what_was_done():
    assert upscaler_name("", WHOLE) == "lanczos"
    assert upscaler_name("span-x4", WHOLE) == "span-x4"
    assert upscaler_name("span-x4", Fit((0.0, 0.0, 128.0, 96.0), 128, 96)) == "none"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    return tmp_path


def compact(folder: Path, upscale: int = 2) -> Path:
    """A tiny network of the SRVGGNetCompact architecture (Real-ESRGAN's fast one), as its weights are published."""
    torch.manual_seed(0)
    shapes = {"0": (8, 3), "2": (8, 8), "4": (3 * upscale**2, 8)}
    weights = {f"body.{k}.weight": torch.randn(*shape, 3, 3) * 0.05 for k, shape in shapes.items()}
    weights |= {f"body.{k}.bias": torch.zeros(shape[0]) for k, shape in shapes.items()}
    weights |= {f"body.{k}.weight": torch.full((8,), 0.1) for k in ("1", "3")}
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    return folder


def test_an_upscaler_that_is_not_there_is_an_error(models):
    with pytest.raises(UnavailableError) as caught:
        upscaler("span-x4", WHOLE)
    assert caught.value.code == "model_missing"


@pytest.mark.parametrize("error", [ImportError, RuntimeError])
def test_an_upscaler_that_cannot_run_here_is_an_error(models, monkeypatch, error):
    def refuse(name: str) -> Any:
        raise error("operator torchvision::nms does not exist")

    monkeypatch.setattr(upscale, "import_module", refuse)
    store.add("compact-x2", compact(models / "compact"), backend="upscaler", licence="BSD-3-Clause")
    with pytest.raises(UnavailableError) as caught:
        upscaler("compact-x2", WHOLE)
    assert caught.value.code == "upscaler_package"
    assert "nms" not in caught.value.message


def test_spandrel_reads_published_weights_from_the_store(models, spandrel):
    store.add("compact-x2", compact(models / "compact"), backend="upscaler", licence="BSD-3-Clause")
    network = upscale.load("compact-x2")
    assert network.scale == 2
    picture = np.ascontiguousarray(skimage.data.astronaut()[:48, :64])
    made = upscaler("compact-x2", WHOLE)(picture)
    assert made.shape == (96, 128, 3)
    # This architecture adds its output to the repeated picture; tiny weights stay near it.
    assert np.abs(made.astype(int) - picture.repeat(2, axis=0).repeat(2, axis=1)).mean() < 8


def real_esrgan(folder: Path, spandrel: Any) -> Path:
    """Real-ESRGAN's network with 4 filters and one block instead of 64 and 23, all numbers drawn as whole ones: the same
    file everywhere."""
    kind = sys.modules["spandrel.architectures.ESRGAN"].ESRGAN
    draw = np.random.default_rng(0)
    shapes = {name: tuple(one.shape) for name, one in kind(num_filters=4, num_blocks=1).state_dict().items()}
    weights = {
        name: torch.from_numpy(draw.integers(-64, 65, shape).astype(np.float32) / 256) for name, shape in shapes.items()
    }
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    return folder / "model.safetensors"


PINNED = "c5b46b2a36df112dda6fc3c0c3281fc9a3f6d380617478dc11a1ab2b7a585ace"


def test_a_real_esrgan_of_a_pinned_digest_enlarges_a_picture_tile_by_tile(models, spandrel, monkeypatch):
    file = real_esrgan(models / "rrdb", spandrel)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == PINNED
    (listed,) = store.add("rrdb-x4", file.parent, backend="upscaler", licence="BSD-3-Clause", copy=True).files
    assert listed.sha256 == PINNED
    network = upscale.load("rrdb-x4")
    assert network.scale == 4
    picture = np.ascontiguousarray(skimage.data.astronaut()[90:106, 60:190])
    own = spandrel.ModelLoader(device="cpu").load_from_file(file)
    assert own.architecture.id == "ESRGAN"
    with torch.inference_mode():
        whole = own(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    monkeypatch.setitem(upscale.TILE, network._device, 112)
    made = upscaler("rrdb-x4", Fit((0.0, 0.0, 130.0, 16.0), 520, 64))(picture)
    assert made.shape == (64, 520, 3)
    assert made.std() > 10
    assert np.abs(made / 255 - whole).max() < 0.6 / 255

    kept = store.folder("rrdb-x4") / "model.safetensors"
    altered = bytearray(kept.read_bytes())
    altered[-1] ^= 1
    kept.chmod(0o644)
    kept.write_bytes(altered)
    with pytest.raises(UnavailableError) as caught:
        upscale.load("rrdb-x4")
    assert caught.value.code == "model_altered"


def test_weights_of_something_else_are_refused(models, spandrel):
    folder = models / "other"
    folder.mkdir()
    save_file({"anything": torch.zeros(3)}, folder / "model.safetensors")
    store.add("other", folder, backend="upscaler", licence="MIT")
    with pytest.raises(InputError) as caught:
        upscaler("other", WHOLE)
    assert caught.value.code == "upscaler_unsuited"


def test_two_files_of_weights_are_refused(models):
    folder = compact(models / "compact")
    save_file({"anything": torch.zeros(3)}, folder / "second.safetensors")
    store.add("two", folder, backend="upscaler", licence="MIT")
    with pytest.raises(InputError) as caught:
        upscaler("two", WHOLE)
    assert caught.value.code == "upscaler_unsuited"
