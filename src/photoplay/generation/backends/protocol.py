"""What every generator looks like to the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from photoplay.types import Capabilities, Frames, MotionTrack, Progress, RenderPlan, Scene, silent


@runtime_checkable
class Backend(Protocol):
    """A generator: a scene and its motion tracks in, windows of frames out."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """What must be the same for the same frames: the code's version, and the weights' digest where there are any."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        """Yields consecutive windows of at most ``plan.window`` frames, ``plan.num_frames`` in all.

        Same arguments, same frames. ``progress`` is called at least once a frame and may raise to cancel.
        """
        ...


@runtime_checkable
class Warm(Protocol):
    """A backend that can be made ready before the first film."""

    def warm(self) -> None:
        """Loads the default model, which stays in the process.

        Raises:
            UnavailableError: a package or the model is not there, or does not fit.
        """
        ...
