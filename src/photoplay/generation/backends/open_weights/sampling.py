"""One call of a diffusers pipeline, the same for all families: settings in, frames and sound out, step by step between.

What a pipeline takes is read from its signature; its steps are followed from outside (:mod:`.walk`).
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
from typing import Any

import numpy as np

from photoplay.errors import RequestError, UnavailableError
from photoplay.generation.backends.open_weights import loras, resume, schedules
from photoplay.generation.backends.open_weights.glimpse import eye_for
from photoplay.generation.backends.open_weights.loading import shelf
from photoplay.generation.backends.open_weights.memory import within
from photoplay.generation.backends.open_weights.native import ClipInputs
from photoplay.generation.backends.open_weights.resume import Keep
from photoplay.generation.backends.open_weights.walk import Walk, can_be_followed
from photoplay.types import Audio, Progress, RgbStack, Sampling, StageEvent

_log = logging.getLogger(__name__)

NAMES = {
    "num_inference_steps": ("num_inference_steps",),
    "guidance_scale": ("guidance_scale",),
    "negative_prompt": ("negative_prompt",),
    "strength": ("strength",),
    "conditioning_scale": ("conditioning_scale", "controlnet_conditioning_scale"),
}
"""What pipelines call the settings; a setting goes to every name that a pipeline has."""

CHANGES_NOTHING = {"guidance_scale": 1.0, "negative_prompt": "", "strength": 1.0, "conditioning_scale": 1.0}
"""Values that a pipeline without the setting honours all the same."""

OFF = {
    "audio_guidance_scale": 1.0,
    "stg_scale": 0.0,
    "audio_stg_scale": 0.0,
    "modality_scale": 1.0,
    "audio_modality_scale": 1.0,
    "guidance_rescale": 0.0,
    "audio_guidance_rescale": 0.0,
}
"""LTX-2's further kinds of guidance, each of which costs a forward pass: ``guidance_scale`` 1 turns all of them off."""


def denoise(
    pipe: Any, call: dict[str, Any], clip: ClipInputs, sampling: Sampling, progress: Progress
) -> tuple[RgbStack, Audio | None]:
    """Makes one clip: frames uint8 [f, h, w, 3], and the sound where the pipeline makes one.

    ``call`` is what the adapter wants said; it wins over what is said here. A setting that the adapter sees to by itself,
    it takes out of ``sampling``. ``progress`` hears of every step and may raise to cancel: the pipeline can be used again.
    Where the film has a folder for unfinished work, a clip goes on where it was when the same call was stopped.

    Raises:
        RequestError: ``setting_unsupported``, ``setting_invalid``.   UnavailableError: ``resume_unwritable``.
    """
    arguments = arguments_for(pipe, call, clip, sampling)
    experts = getattr(pipe, "transformer_2", None) is not None
    scheduler = schedules.build(pipe.scheduler, sampling, experts)
    keep = _keep(pipe, arguments, clip, sampling, scheduler)
    if keep is not None and (made := keep.made()) is not None:
        steps = arguments.get("num_inference_steps", 1)
        progress(StageEvent("denoise", steps, steps))
        return made
    kept = keep if can_be_followed(pipe) else None
    walk = Walk(pipe, _seed(clip), kept, progress, _loops(arguments), eye_for(pipe, clip))
    with shelf().turn, walk.followed(scheduler), within(sampling.model):
        output = pipe(**arguments | {"generator": walk.generator, "callback_on_step_end": walk.after(arguments)})
    frames, audio = frames_of(output.frames), audio_of(pipe, output)
    wanted = (clip.plan.num_frames, clip.plan.height, clip.plan.width)
    if frames.shape[:3] != wanted:
        raise UnavailableError(
            "clip_shape",
            f"The model made a clip of {frames.shape[:3]} (frames, height, width) where {wanted} was asked for.",
            "This is a fault of the backend: please report it with the name of the model.",
        )
    if keep is not None:
        keep.write_made(frames, audio)
    return frames, audio


def arguments_for(pipe: Any, call: dict[str, Any], clip: ClipInputs, sampling: Sampling) -> dict[str, Any]:
    """The pipeline's arguments: what the adapter says, and the prompt, size, length and settings that it takes.

    Raises:
        RequestError: ``setting_unsupported``, ``setting_invalid``.
    """
    accepts = inspect.signature(pipe.__call__).parameters
    if surplus := set(call) - set(accepts):
        raise TypeError(f"{type(pipe).__name__} takes no {', '.join(sorted(surplus))}")
    _check(sampling, "strength" in accepts)
    _same_steps(sampling, call)
    said: dict[str, Any] = {
        "prompt": clip.plan.prompt,
        "width": clip.plan.width,
        "height": clip.plan.height,
        "num_frames": clip.plan.num_frames,
        "segment_frame_length": clip.plan.num_frames,
        "frame_rate": clip.plan.fps,
        "output_type": "np",
        "return_dict": True,
    }
    for setting, names in NAMES.items():
        value = getattr(sampling, setting)
        if value is None:
            continue
        said |= dict.fromkeys(names, value)
        if not any(name in accepts for name in names):
            _need(setting, value, call)
    if sampling.guidance_scale is not None:
        said |= OFF if sampling.guidance_scale == 1 else {"audio_guidance_scale": sampling.guidance_scale}
    for given, text in (("prompt_embeds", "prompt"), ("negative_prompt_embeds", "negative_prompt")):
        if given in call:
            del said[text]
    return {name: value for name, value in said.items() if name in accepts} | call


def frames_of(frames: Any) -> RgbStack:
    """A pipeline's first clip as uint8, rounded: from [b, f, h, w, 3] or tensors [b, f, 3, h, w], 0..1, or from pictures."""
    clip = frames[0]
    if isinstance(clip, list):
        return np.stack([np.asarray(picture.convert("RGB")) for picture in clip])
    if not isinstance(clip, np.ndarray):
        clip = clip.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    rounded: RgbStack = np.empty(clip.shape, np.uint8)
    for target, picture in zip(rounded, clip, strict=True):  # one at a time: a clip of floats is large enough
        np.rint(np.clip(picture, 0, 1) * np.float32(255), out=target, casting="unsafe")
    return rounded


def audio_of(pipe: Any, output: Any) -> Audio | None:
    """The sound that came with a clip, as mono: the mean of its channels, [b, channels, n] or [b, n]."""
    sound = getattr(output, "audio", None)
    if sound is None:
        return None
    first = np.asarray(sound[0].detach().float().cpu() if hasattr(sound[0], "detach") else sound[0], np.float32)
    mono = np.ascontiguousarray(np.clip(first.reshape(-1, first.shape[-1]).mean(0), -1, 1), np.float32)
    return Audio(mono, int(pipe.vocoder.config.output_sampling_rate), hashlib.sha256(mono.tobytes()).hexdigest())


def _keep(pipe: Any, arguments: dict[str, Any], clip: ClipInputs, sampling: Sampling, scheduler: Any) -> Keep | None:
    """What is kept of this clip, if the film has a folder for it."""
    if clip.film.resume is None:
        return None
    from importlib.metadata import version

    import torch

    from photoplay.version import __version__

    versions = torch.__version__, version("diffusers"), __version__
    dtypes = [getattr(part, "dtype", None) for part in pipe.components.values()]
    computer = _computer(pipe._execution_device), torch.get_num_threads(), getattr(pipe, "turned_on", ())
    computed = type(pipe).__name__, dtypes, computer, versions
    steps = type(scheduler).__name__, dict(scheduler.config)
    weights = _model(sampling), loras.digests(sampling.loras)
    try:
        told = resume.identity(weights, sampling, _seed(clip), clip.span, arguments, steps, computed)
    except TypeError as reason:
        _log.warning("Unfinished work is not kept: %s.", reason)
        return None
    return Keep(clip.film.resume, clip.span.start, told)


def _computer(device: Any) -> str:
    """What computes: other devices round otherwise. Its number does not count: under torchrun each process has its own."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device.type)


def _model(sampling: Sampling) -> str:
    """The digest of the model's files, which names a model of the store whatever it is called."""
    if not sampling.model:
        return ""
    from photoplay.weights import store

    return store.manifest_digest(sampling.model)


def _seed(clip: ClipInputs) -> int:
    """A seed for the clip, of the film's seed and the clip's place: no two clips of a film begin with the same noise."""
    (word,) = np.random.SeedSequence((clip.plan.seed, clip.span.start)).generate_state(1, np.uint64).tolist()
    return int(word >> 1)


def _loops(arguments: dict[str, Any]) -> int:
    """How many denoising loops the call runs: Wan-Animate makes long clips in segments."""
    if "segment_frame_length" not in arguments or "pose_video" not in arguments:
        return 1
    overlap, length = int(arguments.get("prev_segment_conditioning_frames", 1)), int(arguments["segment_frame_length"])
    return max(1, math.ceil((len(arguments["pose_video"]) - overlap) / (length - overlap)))


def _check(sampling: Sampling, by_strength: bool) -> None:
    """Raises RequestError ``setting_invalid`` for a setting that no model can take."""
    steps, guidance, strength = sampling.num_inference_steps, sampling.guidance_scale, sampling.strength
    wrong = [
        ("num_inference_steps", "a whole number from 1 on", steps is not None and steps < 1),
        ("guidance_scale", "1 (off) or more", guidance is not None and not 1 <= guidance < math.inf),
        ("strength", "between 0 and 1", strength is not None and not 0 <= strength <= 1),
        ("flow_shift", "above 0", sampling.flow_shift is not None and not 0 < sampling.flow_shift < math.inf),
        ("the weight of a LoRA", "a number", not all(math.isfinite(lora.weight) for lora in sampling.loras)),
        (
            "strength times num_inference_steps",
            "at least 1, or nothing would be denoised",
            by_strength and strength is not None and int((steps or 1) * strength) < 1,
        ),
    ]
    for name, allowed, is_wrong in wrong:
        if is_wrong:
            raise RequestError("setting_invalid", f"{name} must be {allowed}.", f"Change {name}, or leave it out.")


def _need(setting: str, value: Any, call: dict[str, Any]) -> None:
    """Raises RequestError ``setting_unsupported`` unless the value changes nothing, or the adapter has said the same."""
    if setting == "num_inference_steps" and call.get("sigmas") is not None:
        return  # as many as it asks for: _same_steps has seen to that
    if setting in CHANGES_NOTHING and value == CHANGES_NOTHING[setting]:
        return
    raise RequestError(
        "setting_unsupported",
        f"This model does not know the setting {setting}.",
        f"Leave {setting} out, or choose another backend: `photoplay backends` lists them.",
    )


def _same_steps(sampling: Sampling, call: dict[str, Any]) -> None:
    """Raises RequestError ``setting_unsupported`` where the adapter's own steps are not as many as were asked for."""
    own = call.get("sigmas") or call.get("timesteps")
    if own is not None and sampling.num_inference_steps not in (None, len(own)):
        raise RequestError(
            "setting_unsupported",
            f"This model makes a clip in {len(own)} steps and cannot take {sampling.num_inference_steps}.",
            f"Leave num_inference_steps out, or set it to {len(own)}.",
        )
