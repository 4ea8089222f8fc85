"""Wan from text alone and from one picture (Wan Team 2025, https://arxiv.org/abs/2503.20314).

Sizes, rates and settings are those of the authors' repositories: https://github.com/Wan-Video/Wan2.1 (generate.py,
README.md) and https://github.com/Wan-Video/Wan2.2 (wan/configs/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from PIL import Image

from photoplay.errors import RequestError, UnavailableError
from photoplay.generation.backends.open_weights.backend import Defaults, OpenWeightsBackend, nearest_recipe
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid
from photoplay.generation.source import frame_photo
from photoplay.types import (
    Capabilities,
    Mode,
    RenderPlan,
    Rgb,
    Sampling,
)

NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，"
    "残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，"
    "杂乱的背景，三条腿，背景人很多，倒着走"
)
"""What Wan's authors steer away from (``sample_neg_prompt``): garish, overexposed, blurred, captions, paintings, standing
still, grey, bad quality, malformed hands, faces and limbs, cluttered backgrounds, walking backwards."""
NO_SHAKING = "镜头晃动，" + NEGATIVE
"""The same and no shaking camera, as for Wan 2.1 from an image."""

P480, P720 = 832 * 480, 1280 * 720


@dataclass(frozen=True)
class Recipe:
    """How one model wants to be used. ``guidance_late`` is the guidance of a second expert, for the steps of little noise,
    where the authors have another one for it."""

    grid: Grid
    defaults: Defaults
    guidance_late: float | None = None


class WanBackend(OpenWeightsBackend):
    """A Wan family whose sizes and settings differ from model to model.

    ``recipes`` says what each model wants (:func:`nearest_recipe`). A ``grid`` handed in goes before the recipe's.
    """

    recipes: ClassVar[Mapping[str, Recipe]]
    follows_tracks = False

    def __init__(self, grid: Grid | None = None) -> None:
        super().__init__(grid)
        self._given = grid is not None

    def recipe(self, model: str) -> Recipe:
        """What ``model`` wants; the default model's where it is empty."""
        return nearest_recipe(self.recipes, model, self.capabilities.models[0])

    def defaults_for(self, sampling: Sampling) -> Defaults:
        """Those of the chosen model's recipe."""
        return self.recipe(sampling.model).defaults

    def grid_for(self, plan: RenderPlan) -> Grid:
        """The grid of the plan's model."""
        return self.grid if self._given else self.recipe(plan.sampling.model).grid

    def late_guidance(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """The second expert's own guidance, unless the user has set one for both."""
        late = self.recipe(clip.film.sampling.model).guidance_late
        if late is None or clip.film.sampling.guidance_scale is not None or pipe.config.boundary_ratio is None:
            return {}
        return {"guidance_scale_2": late}


def denoiser_of(pipe: Any) -> Any:
    """The pipeline's transformer; of two experts the first that is there."""
    return pipe.transformer if pipe.transformer is not None else pipe.transformer_2


def check_grid(pipe: Any, clip: ClipInputs) -> None:
    """Checks that the clip's size and length are the pipeline's own, which it would else change without a word.

    Raises:
        UnavailableError: ``model_other_grid``.
    """
    part = denoiser_of(pipe)
    multiple = pipe.vae_scale_factor_spatial * part.config.patch_size[-1]
    step = pipe.vae_scale_factor_temporal
    if clip.plan.width % multiple or clip.plan.height % multiple or (clip.plan.num_frames - 1) % step:
        raise UnavailableError(
            "model_other_grid",
            f"This model makes pictures of multiples of {multiple} pixels and {step} k + 1 frames, "
            f"not {clip.plan.width} x {clip.plan.height} and {clip.plan.num_frames}.",
            "Give it a name that begins with the name of the model that it was made from.",
        )


def framed_photo(clip: ClipInputs) -> Rgb:
    """The photo as the film frames it, at the clip's size."""
    return frame_photo(clip.scene.photo.pixels, clip.plan)


def ends_film(clip: ClipInputs) -> bool:
    """Whether the film's last frame lies in this clip."""
    last = (clip.span.start + clip.span.frames - 1) / clip.plan.fps
    return last >= (clip.film.num_frames - 1) / clip.film.fps - 1e-6


_SMALL = Recipe(
    Grid(area=P480, least_area=P480),
    Defaults(num_inference_steps=50, guidance_scale=6.0, negative_prompt=NEGATIVE, flow_shift=8.0),
)
_LARGE = Recipe(
    Grid(area=P720, least_area=P480),
    Defaults(num_inference_steps=50, guidance_scale=5.0, negative_prompt=NEGATIVE, flow_shift=5.0),
)
_EXPERTS = Recipe(
    Grid(area=P720, least_area=P480),
    Defaults(num_inference_steps=40, guidance_scale=4.0, negative_prompt=NEGATIVE, flow_shift=12.0),
    guidance_late=3.0,
)
_TI2V = Recipe(
    Grid(multiple=32, max_frames=121, fps=24.0, area=1280 * 704, least_area=1280 * 704, overlap=1),
    Defaults(num_inference_steps=50, guidance_scale=5.0, negative_prompt=NEGATIVE, flow_shift=5.0),
)


class WanT2V(WanBackend):
    """Text to video. One clip is the whole film: the model cannot be told how the one before ended."""

    name = "wan-t2v"
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "wan2.1-t2v-1.3b": _SMALL,
        "wan2.1-t2v-14b": _LARGE,
        "wan2.2-t2v-a14b": _EXPERTS,
        "wan2.2-ti2v-5b": _TI2V,
    }
    capabilities = Capabilities(
        modes=("text-to-video",),
        max_long_side=1280,
        max_subjects=0,
        needs_gpu=True,
        source_type="trainedAlgorithmicMedia",
        description="Text to video with Wan 2.1 (1.3B, 14B) and 2.2 (A14B, TI2V-5B); up to 5 seconds.",
        licence="Apache-2.0",
        extra="gpu",
        packages=("torch", "diffusers", "transformers", "ftfy"),
        models=tuple(recipes),
        gpu_memory_gb=8.19,
        max_seconds=5.0,
        free=("text-to-video",),
        reads_prompt=True,
    )
    pipelines: ClassVar[Mapping[Mode, str]] = {"text-to-video": "WanPipeline"}
    defaults = _SMALL.defaults
    grid = _SMALL.grid

    def grid_for(self, plan: RenderPlan) -> Grid:
        """The grid of the plan's model.

        Raises:
            RequestError: ``film_too_long``: it does not hold the film in one clip.
        """
        grid = super().grid_for(plan)
        longest = (grid.max_frames - 1) / grid.fps
        if (plan.num_frames - 1) / plan.fps > longest + 1e-6:
            raise RequestError(
                "film_too_long",
                f"From text alone this model makes {longest:.1f} seconds at most.",
                "Ask for a shorter film, or go on from a picture of it with the backend “wan-i2v”.",
            )
        return grid

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """The second expert's guidance; all else is prompt and sampling.

        Raises:
            UnavailableError: ``model_other_grid``.
        """
        check_grid(pipe, clip)
        return self.late_guidance(pipe, clip)


class WanI2V(WanBackend):
    """Image to video: the film begins with the photo, and with most models can end on a given picture.

    A long film's clips each begin with the last frame of the one before.
    """

    name = "wan-i2v"
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "wan2.2-ti2v-5b": _TI2V,
        "wan2.1-i2v-14b-480p": Recipe(
            Grid(area=P480, least_area=P480, overlap=1),
            Defaults(num_inference_steps=40, guidance_scale=5.0, negative_prompt=NO_SHAKING, flow_shift=3.0),
        ),
        "wan2.1-i2v-14b-720p": Recipe(
            Grid(area=P720, least_area=P720, overlap=1),
            Defaults(num_inference_steps=40, guidance_scale=5.0, negative_prompt=NO_SHAKING, flow_shift=5.0),
        ),
        "wan2.2-i2v-a14b": Recipe(
            Grid(area=P720, least_area=P480, overlap=1),
            Defaults(num_inference_steps=40, guidance_scale=3.5, negative_prompt=NEGATIVE, flow_shift=5.0),
        ),
    }
    capabilities = Capabilities(
        modes=("image-to-video",),
        max_long_side=1280,
        max_subjects=40,
        needs_gpu=True,
        source_type="trainedAlgorithmicMedia",
        description="Image to video by the prompt with Wan 2.2 (TI2V-5B, A14B) and 2.1 (14B).",
        licence="Apache-2.0",
        extra="gpu",
        packages=("torch", "diffusers", "transformers", "ftfy"),
        models=tuple(recipes),
        gpu_memory_gb=24.0,
        free=("image-to-video",),
        reads_prompt=True,
        takes_last=True,
    )
    pipelines: ClassVar[Mapping[Mode, str]] = {"image-to-video": "WanImageToVideoPipeline"}
    defaults = _TI2V.defaults
    grid = _TI2V.grid

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """``image``: the clip's first frame, ``last_image``: the film's last one, where it lies in this clip.

        Raises:
            RequestError: ``last_frame_unsupported``.   UnavailableError: ``model_other_grid``.
        """
        check_grid(pipe, clip)
        first = clip.known[-1] if len(clip.known) else framed_photo(clip)
        call = {"image": Image.fromarray(first), **self.late_guidance(pipe, clip)}
        if clip.plan.footage.last is not None:
            if not _takes_last(pipe):
                raise RequestError(
                    "last_frame_unsupported",
                    "This model cannot be told what the film shall end on.",
                    "Choose the model “wan2.2-i2v-a14b” or the backend “wan-vace”, or leave the last picture out.",
                )
            if ends_film(clip):
                call["last_image"] = Image.fromarray(clip.plan.footage.last)
        return call


def _takes_last(pipe: Any) -> bool:
    """Whether the model has room for a last picture.

    TI2V-5B replaces the first latent frame only. Wan 2.1 also sees its pictures through CLIP and was built for one (with a
    position table: for two, as FLF2V-14B was); Wan 2.2 A14B has no CLIP, and its mask tells any frame as known.
    """
    if pipe.config.expand_timesteps:
        return False
    part = denoiser_of(pipe)
    return part.config.image_dim is None or part.config.pos_embed_seq_len is not None
