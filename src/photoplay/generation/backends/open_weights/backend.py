"""The way from a request to frames that all open-weight backends share; a family's adapter only says how it is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, TypeVar

import numpy as np

from photoplay.errors import RequestError
from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights.native import (
    ClipInputs,
    Grid,
    NativePlan,
    Span,
    clip_plan,
    joined,
    plan_native,
    resample,
)
from photoplay.generation.backends.open_weights.schedules import recommended
from photoplay.types import (
    Audio,
    Capabilities,
    Frames,
    Mode,
    MotionTrack,
    Progress,
    RenderPlan,
    RgbStack,
    Sampling,
    Scene,
    silent,
)
from photoplay.version import __version__

T = TypeVar("T")


@dataclass(frozen=True)
class Defaults:
    """What :class:`photoplay.types.Sampling` leaves open: the settings that a model's authors recommend."""

    num_inference_steps: int = 30
    guidance_scale: float = 5.0
    negative_prompt: str = ""
    strength: float = 1.0
    flow_shift: float | None = None
    conditioning_scale: float = 1.0


@dataclass(frozen=True)
class Made:
    """What a clip became: new frames from native frame ``start`` on, and the sound that belongs to them, if any."""

    start: int
    rgb: RgbStack
    audio: Audio | None = None


class OpenWeightsBackend(ABC):
    """A model family through diffusers.

    ``pipelines`` names for each mode the diffusers pipeline that serves it; ``keeps`` the modes whose film is the photo's
    own pixels where the anchor trusts them, so that the model's frames are composited onto it.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    pipelines: ClassVar[Mapping[Mode, str]]
    defaults: ClassVar[Defaults]
    keeps: ClassVar[frozenset[Mode]] = frozenset()
    follows_tracks: ClassVar[bool] = True
    """Whether the model is told the tracks. What is not told them moves on its own: its film has no anchor."""
    grid: Grid

    def __init__(self, grid: Grid | None = None) -> None:
        if grid is not None:
            self.grid = grid

    @property
    def version(self) -> str:
        """The versions of photoplay and of the packages that compute the frames; the model is named by the request."""
        found = [f"{package} {_installed(package)}" for package in ("diffusers", "torch", "transformers")]
        return ", ".join([__version__, *found])

    def warm(self) -> None:
        """Puts the default model in its place, for the first of the modes, where no other model is there.

        Raises:
            UnavailableError: as :func:`photoplay.generation.backends.open_weights.loading.load_pipeline`.
        """
        from photoplay.generation.backends.open_weights.loading import load_pipeline

        load_pipeline(next(iter(self.pipelines.values())), self.resolved(Sampling()), in_place=False)

    @abstractmethod
    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """The arguments of the pipeline's call that tell it what to make: all but the prompt, size, length and sampling."""

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        """Yields consecutive windows of at most ``plan.window`` frames, ``plan.num_frames`` in all.

        Raises:
            RequestError: ``mode_unsupported``.   UnavailableError: a package or the model is missing, or it does not fit.
        """
        from photoplay.generation.backends.open_weights.ahead import ahead
        from photoplay.generation.backends.open_weights.output import finish

        if plan.mode not in self.pipelines:
            raise RequestError(
                "mode_unsupported",
                f"The backend “{self.name}” cannot make {plan.mode} films.",
                f"It makes {', '.join(self.pipelines)}; `photoplay backends` shows what the others make.",
            )
        plan = one_photo(plan, tracks)
        native = plan_native(plan, self.grid_for(plan))
        followed = tracks if self.follows_tracks else ()
        with closing(ahead(lambda told: self.clips(scene, followed, plan, native, told), progress)) as made:
            yield from finish(made, scene, followed, plan, native, plan.mode in self.keeps)

    def clips(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, native: NativePlan, progress: Progress
    ) -> Iterator[Made]:
        """Makes one clip after the other, each going on from the last frames of the one before."""
        from photoplay.generation.backends.open_weights.chain import go_on
        from photoplay.generation.backends.open_weights.loading import load_pipeline
        from photoplay.generation.backends.open_weights.memory import ClipSize
        from photoplay.generation.backends.open_weights.sampling import denoise

        sampling = self.resolved(plan.sampling)
        largest = ClipSize(native.width, native.height, max(span.frames for span in native.spans))
        pipe = load_pipeline(self.pipelines[plan.mode], sampling, largest)
        frames: RgbStack = np.zeros((0, native.height, native.width, 3), np.uint8)
        for span in native.spans:
            known = frames[len(frames) - span.known :]
            clip = self.inputs(scene, tracks, plan, native, span, known)
            call = self.condition(pipe, clip)
            frames, audio = denoise(pipe, call, clip, sampling, progress)
            frames = go_on(known, frames)
            yield Made(span.start + span.known, frames[span.known :], audio)

    def grid_for(self, plan: RenderPlan) -> Grid:  # noqa: ARG002  (some grids depend on the film)
        """The sizes, rates and lengths that a film is made in."""
        return self.grid

    def defaults_for(self, sampling: Sampling) -> Defaults:  # noqa: ARG002  (families of several models look at it)
        """The defaults of the model that ``sampling`` asks for."""
        return self.defaults

    def resolved(self, sampling: Sampling) -> Sampling:
        """The settings with what was left open filled in: by a few-step model or LoRA, else by the model's defaults."""
        asked = recommended(sampling)
        wanted = self.defaults_for(asked)
        left_open = [field.name for field in fields(Defaults) if getattr(asked, field.name) is None]
        filled = {name: getattr(wanted, name) for name in left_open}
        return replace(asked, model=asked.model or self.capabilities.models[0], **filled)

    def inputs(
        self,
        scene: Scene,
        tracks: Sequence[MotionTrack],
        plan: RenderPlan,
        native: NativePlan,
        span: Span,
        known: RgbStack,
    ) -> ClipInputs:
        """What one clip is made from: tracks, anchor and footage at the model's size and rate."""
        own = clip_plan(plan, native, span)
        moved = tuple(resample(track, native.fps, span.start, span.frames) for track in tracks)
        anchor = joined(list(render(scene, moved, own))) if moved else None
        return ClipInputs(scene, moved, own, plan, span, anchor, known[len(known) - span.known :])


def one_photo(plan: RenderPlan, tracks: Sequence[MotionTrack]) -> RenderPlan:
    """The plan of a film of several photos. Where two of them were put into one scene, and a motion joins the two people,
    that scene's picture is a photo like any other, and is moved as one."""
    joined = plan.mode == "multi-image-to-video" and plan.duet is not None and len(tracks) > 0
    return replace(plan, mode="image-to-video") if joined else plan


def nearest_recipe(recipes: Mapping[str, T], model: str, default: str) -> T:
    """What a model wants: a model of the user's own goes by the longest known name that its own name begins with
    (``wan2.2-i2v-a14b-ours``), else by ``default``."""
    return recipes[max((name for name in recipes if model.startswith(name)), key=len, default=default)]


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
