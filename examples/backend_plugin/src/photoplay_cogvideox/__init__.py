"""CogVideoX (Yang et al. 2024, https://arxiv.org/abs/2408.06072) as a backend of photoplay: text to video.

Sizes and settings are those of the model's page, https://huggingface.co/zai-org/CogVideoX-2b.
"""

from __future__ import annotations

from typing import Any

from photoplay.errors import RequestError
from photoplay.generation.backends.open_weights.backend import Defaults, OpenWeightsBackend
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid
from photoplay.types import Capabilities


class CogVideoX(OpenWeightsBackend):
    """One clip of at most six seconds from a prompt."""

    name = "cogvideox"
    capabilities = Capabilities(
        modes=("text-to-video",),
        max_long_side=720,
        max_subjects=0,
        needs_gpu=True,
        source_type="trainedAlgorithmicMedia",
        description="Text to video with CogVideoX-2b; up to 6 seconds.",
        licence="Apache-2.0",
        extra="gpu",
        packages=("torch", "diffusers", "transformers"),
        models=("cogvideox-2b",),
        gpu_memory_gb=12.5,
        max_seconds=6.0,
        free=("text-to-video",),
        reads_prompt=True,
    )
    pipelines = {"text-to-video": "CogVideoXPipeline"}  # noqa: RUF012
    defaults = Defaults(num_inference_steps=50, guidance_scale=6.0)
    grid = Grid(frame_step=8, max_frames=49, fps=8.0, area=720 * 480, least_area=720 * 480, overlap=1)

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """Nothing: the prompt, the size and the settings are said by photoplay.

        Raises:
            RequestError: ``film_too_long``: a second clip could not be told how the first one ended.
        """
        del pipe
        if clip.span.start:
            raise RequestError("film_too_long", "CogVideoX makes six seconds at most.", "Ask for a shorter film.")
        return {}
