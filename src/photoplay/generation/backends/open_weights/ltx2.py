"""LTX-2: pictures and their sound in one diffusion (HaCohen et al. 2026, https://arxiv.org/abs/2601.03233).

Settings are those of the authors' ``ltx-pipelines`` (https://github.com/Lightricks/LTX-2) and of diffusers' pipelines.
One stage at the size of :data:`GRID`: the authors' second stage, which doubles the size, is left to photoplay's upscaler.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from photoplay.errors import RequestError
from photoplay.generation.backends.open_weights import schedules
from photoplay.generation.backends.open_weights.backend import Defaults, Made, OpenWeightsBackend, nearest_recipe
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, NativePlan
from photoplay.generation.backends.open_weights.sound import at_rate, cut, given_sound, joined_sound, log_mel
from photoplay.generation.source import frame_photo
from photoplay.types import (
    Audio,
    Capabilities,
    Mode,
    MotionTrack,
    Progress,
    RenderPlan,
    Sampling,
    Scene,
)

GRID = Grid(multiple=32, frame_step=8, max_frames=241, fps=24.0, area=1216 * 704, least_area=768 * 512, overlap=25)
"""Ten seconds at a time, of which the next clip is told the last one. Latents are a 32nd of the size and an 8th of the
frames; positions reach 20 seconds (``pos_embed_max_pos``)."""
RATES = (24.0, 30.0)
"""Frame rates that the model was trained around, beside 60 (diffusers, ``pipelines/ltx2/utils.py``)."""
NEGATIVE = (
    "worst quality, inconsistent motion, blurry, jittery, distorted, static, flickering, deformed facial features, "
    "extra limbs, disfigured hands, uncanny valley effect, wrong gaze direction, mismatched lip sync, "
    "silent or muted audio, distorted voice, robotic voice, echo, background noise, off-sync audio, unnatural transitions"
)
"""diffusers' example for this model, and of the authors' own list what holds for photographs and drawings alike."""
SIGMAS = schedules.LTX2_DISTILLED
SPATIO_TEMPORAL, MODALITY = 1.0, 3.0
"""The authors' guidance away from a weakened self-attention (Hyung et al. 2024, https://arxiv.org/abs/2411.18664) and away
from pictures and sound that do not hear of each other. Each costs a forward pass a step."""
SOUND_GUIDANCE = 7.0
RESCALE = 0.7

_DISTILLED = Defaults(num_inference_steps=8, guidance_scale=1.0, negative_prompt="")
_FULL = Defaults(num_inference_steps=30, guidance_scale=3.0, negative_prompt=NEGATIVE)


class Ltx2Backend(OpenWeightsBackend):
    """LTX-2, 2.3 and 2.5: from text or a photo, with sound; or a photo to the film's own sound.

    ``recipes`` says how each model is sampled (:func:`nearest_recipe`). It is told words, pictures and sound, not tracks: it
    moves people on its own.
    """

    name = "ltx2"
    recipes: ClassVar[Mapping[str, Defaults]] = {
        "ltx-2.3-distilled": _DISTILLED,
        "ltx-2.5": _DISTILLED,
        "ltx-2.3": _FULL,
        "ltx-2": replace(_FULL, num_inference_steps=40, guidance_scale=4.0),
        "ltx-2-distilled": _DISTILLED,
    }
    capabilities = Capabilities(
        modes=("text-to-video", "image-to-video", "audio-driven"),
        max_long_side=1920,
        max_subjects=40,
        needs_gpu=True,
        source_type="trainedAlgorithmicMedia",
        description="Text or a photo to film with sound, or a photo that speaks to a sound file, with LTX-2.",
        licence="LTX-2 Community License",
        extra="gpu",
        packages=("torch", "diffusers", "transformers"),
        models=("ltx-2.3-distilled", "ltx-2.3", "ltx-2.5", "ltx-2"),
        gpu_memory_gb=32.0,
        free=("text-to-video", "image-to-video", "audio-driven"),
        reads_prompt=True,
        takes_last=True,
    )
    pipelines: ClassVar[Mapping[Mode, str]] = {
        "text-to-video": "LTX2ConditionPipeline",
        "image-to-video": "LTX2ConditionPipeline",
        "audio-driven": "LTX2DFRPipeline",
    }
    follows_tracks = False
    defaults = _DISTILLED
    grid = GRID

    def grid_for(self, plan: RenderPlan) -> Grid:
        """The model's grid at a rate of its own that suits the film's."""
        return replace(self.grid, fps=native_rate(plan.fps))

    def clips(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, native: NativePlan, progress: Progress
    ) -> Iterator[Made]:
        """Makes one clip after the other, each with the sound of its own frames."""
        made = super().clips(scene, tracks, plan, native, progress)
        if plan.mode == "audio-driven" and plan.footage.audio is not None:
            return given_sound(made, plan.footage.audio, native.fps)
        return joined_sound(made, native.spans, native.fps)

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """First, last and known frames; guidance; and for ``audio-driven`` the sound as latents that stay as they are.

        Raises:
            RequestError: ``sound_missing``, ``model_not_distilled``.
        """
        newer = pipe.connectors.config.per_modality_projections  # from LTX-2.3 on
        call: dict[str, Any] = {"conditions": conditions(clip), "use_cross_timestep": newer}
        asked = clip.film.sampling
        distilled = self.defaults_for(asked) is _DISTILLED
        if distilled:
            call["sigmas"] = list(SIGMAS)
        if self._recipe(asked.model) is _DISTILLED and pipe.scheduler.config.use_dynamic_shifting:
            plain = {
                "use_dynamic_shifting": False,
                "shift_terminal": None,
            }  # its steps are final, whatever its folder says
            pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **plain)
        if clip.plan.mode == "audio-driven":
            if not distilled:
                raise RequestError(
                    "model_not_distilled",
                    "Only LTX-2's distilled models make a film to a given sound here.",
                    "Choose the model “ltx-2.3-distilled” or “ltx-2.5”, or add a distilled LoRA.",
                )
            latents = sound_latents(pipe, _sound(clip), clip)
            return call | {"audio_latents": latents, "freeze_audio": True, "generate_slots": False}
        sampling = self.resolved(asked)
        if sampling.guidance_scale is not None and sampling.guidance_scale > 1:
            call |= guidance(sampling.speed, 28 if newer else 29, len(pipe.transformer.transformer_blocks))
        return call

    def _recipe(self, model: str) -> Defaults:
        return nearest_recipe(self.recipes, model, self.capabilities.models[0])

    def defaults_for(self, sampling: Sampling) -> Defaults:
        """How a model is sampled with its LoRAs, one of which may distil it."""
        few = schedules.few_step(sampling)
        return _DISTILLED if few is not None and few.sigmas == SIGMAS else self._recipe(sampling.model)


def native_rate(fps: float) -> float:
    """The rate to make a film of ``fps`` at: one of the model's that gives or takes whole frames, else 24."""
    rates = [rate for m in (1, 2, 3) for rate in (fps * m, fps / m) if RATES[0] <= rate <= RATES[1]]
    return rates[0] if rates else RATES[0]


def conditions(clip: ClipInputs) -> list[Any]:
    """What the pipeline is told to show, as ``LTX2VideoCondition``: pictures uint8 [f, h, w, 3] at a latent ``index``.

    Index 0 replaces the first latents: by the frames that the clip before made, as they are, or by the photo (which the
    pipeline first compresses as the model's training did). The film's last picture is a keyframe at the very frame that
    ends the film: an index i lies at frame 8 (i - 1) + 1, and the pipeline takes any between.
    """
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    told = []
    if len(clip.known):
        told.append(LTX2VideoCondition(clip.known, index=0, crf=0))
    elif clip.plan.mode != "text-to-video":
        told.append(LTX2VideoCondition(frame_photo(clip.scene.photo.pixels, clip.plan), index=0))
    end = math.ceil((clip.film.num_frames - 1) * clip.plan.fps / clip.film.fps - 1e-6) - clip.span.start
    if clip.plan.footage.last is not None and 0 < end < clip.span.frames:
        index: Any = (end - 1) / GRID.frame_step + 1
        told.append(LTX2VideoCondition(clip.plan.footage.last, index=index))
    return told


def guidance(speed: str, block: int, blocks: int) -> dict[str, Any]:
    """The further kinds of guidance beside that by the prompt; ``fast`` leaves out the one by weakened attention,
    ``preview`` both that cost a pass. ``block`` is where attention is weakened, in a transformer of ``blocks``."""
    space_time = SPATIO_TEMPORAL if speed == "exact" else 0.0
    modality = MODALITY if speed != "preview" else 1.0
    return {
        "stg_scale": space_time,
        "audio_stg_scale": space_time,
        "spatio_temporal_guidance_blocks": [min(block, blocks - 1)],
        "modality_scale": modality,
        "audio_modality_scale": modality,
        "audio_guidance_scale": SOUND_GUIDANCE,
        "guidance_rescale": RESCALE,
        "audio_guidance_rescale": RESCALE,
    }


def sound_latents(pipe: Any, audio: Audio, clip: ClipInputs) -> Any:
    """The clip's sound as the pipeline's ``audio_latents``: float32 [1, channels, length, mels / 4], not normalised.

    ``length`` is what the pipeline would make for as many frames as it pads the clip to. The model hears both channels
    alike; past the sound's end there is silence.
    """
    import torch
    from diffusers.pipelines.ltx2.dfr_layout import resolve_canvas

    settings = pipe.audio_vae.config
    every = settings.mel_hop_length * pipe.audio_vae_temporal_compression_ratio
    frames, _, _ = resolve_canvas(clip.plan.num_frames, pipe.vae_temporal_compression_ratio)
    length = round(frames / clip.plan.fps * settings.sample_rate / every)
    heard_frames = math.ceil(length * every / settings.sample_rate * clip.plan.fps) + 1
    heard = cut(at_rate(audio, settings.sample_rate), clip.plan.fps, clip.span.start, heard_frames)
    spectra = log_mel(heard, settings.mel_bins, settings.mel_hop_length)
    spectra = spectra[: pipe.audio_vae_temporal_compression_ratio * (length - 1) + 1]
    both = torch.from_numpy(spectra)[None, None].expand(1, settings.in_channels, -1, -1)
    with torch.no_grad():
        both = both.to(device=pipe._execution_device, dtype=pipe.audio_vae.dtype)
        return pipe.audio_vae.encode(both).latent_dist.mode().float()


def _sound(clip: ClipInputs) -> Audio:
    audio = clip.film.footage.audio
    if audio is None:
        raise RequestError(
            "sound_missing", "There is no sound to make the film to.", "Give a sound file, or choose another mode."
        )
    return audio
