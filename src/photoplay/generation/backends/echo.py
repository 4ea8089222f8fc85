"""The still photo as the film: a fake for tests and a measure of what motion is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from photoplay.generation.source import frame_photo
from photoplay.types import Capabilities, Frames, MotionTrack, Progress, RenderPlan, Scene, StageEvent, silent
from photoplay.version import __version__


class EchoBackend:
    """Returns the framed photo for every frame."""

    name = "echo"
    version = __version__
    capabilities = Capabilities(
        modes=("image-to-video", "multi-image-to-video", "pose-guided", "audio-driven"),
        max_long_side=4096,
        max_subjects=40,
        needs_gpu=False,
        source_type="algorithmicallyEnhanced",
        description="Shows the still photo in every frame: a fake for tests.",
    )

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        """Yields consecutive windows of at most ``plan.window`` frames, ``plan.num_frames`` in all."""
        del tracks
        framed = frame_photo(scene.photo.pixels, plan)
        for start in range(0, plan.num_frames, plan.window):
            count = min(plan.window, plan.num_frames - start)
            for index in range(start, start + count):
                progress(StageEvent("generate", index + 1, plan.num_frames))
            yield Frames(np.repeat(framed[None], count, axis=0), plan.fps, start)
