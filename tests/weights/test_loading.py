"""From a hub to a pipeline: what a pull brings is what diffusers loads, in the layout that the catalogue gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photoplay.weights import pull, store
from tests.weights.hub_server import Hub, serving

pytest.importorskip("diffusers")

SD15 = ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "feature_extractor")


def files(folder: Path, below: str = "") -> dict[str, bytes]:
    base = folder / below
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The repositories of two models, as they are published: one of them in pieces, beside pickles and a script."""
    from tests.generation.open_weights import checkpoints, checkpoints_animatediff

    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    pieces = checkpoints_animatediff.animatediff(tmp_path / "animatediff")
    base = {path: data for path, data in files(pieces).items() if path.partition("/")[0] in SD15}
    encoder = {f"models/image_encoder/{path}": data for path, data in files(pieces, "image_encoder").items()}
    (adapter,) = files(pieces, "ip_adapter").values()
    return Hub(
        files={
            "Wan-AI/Wan2.1-T2V-14B-Diffusers": files(checkpoints.wan_t2v(tmp_path / "wan")),
            "stable-diffusion-v1-5/stable-diffusion-v1-5": {
                **base,
                "v1-5.ckpt": b"\x80\x02",
                "unet/model.bin": b"\x80",
            },
            "guoyww/animatediff-motion-adapter-v1-5-3": files(pieces, "motion_adapter"),
            "lllyasviel/control_v11p_sd15_openpose": {**files(pieces, "controlnet"), "try_it.py": b"raise SystemExit"},
            "h94/IP-Adapter": {**encoder, "models/ip-adapter-plus-face_sd15.safetensors": adapter},
        }
    )


@pytest.mark.parametrize(
    ("name", "pipeline"),
    [("wan2.1-t2v-14b", "WanPipeline"), ("animatediff-sd15", "AnimateDiffControlNetPipeline")],
)
def test_what_is_pulled_is_loaded(hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, pipeline: str) -> None:
    import diffusers
    from safetensors.numpy import load_file

    with serving(hub) as address:
        monkeypatch.setenv("PHOTOPLAY_MIRROR", address)
        pull.pull(name, trust_first=True)
    folder = store.folder(name)
    pipe = getattr(diffusers, pipeline).from_pretrained(folder, local_files_only=True, use_safetensors=True)
    stored = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    loaded = pipe.vae.state_dict()
    assert {*stored} == {*loaded}
    for key, numbers in stored.items():
        np.testing.assert_array_equal(loaded[key].numpy(), numbers)
