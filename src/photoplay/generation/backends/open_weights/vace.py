"""Wan-VACE: one model for text, pictures, references, poses and repair (Jiang et al. 2025, https://arxiv.org/abs/2503.07598).

Where a photo is moved the anchor frames are its video: what they show for sure stands, the rest is made anew. Settings are
those of the authors' repositories, https://github.com/ali-vilab/VACE (vace_wan_inference.py) and, for Wan 2.2,
https://github.com/aigc-apps/VideoX-Fun (examples/wan2.2_vace_fun).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from photoplay.errors import RequestError
from photoplay.generation.backends.open_weights.backend import Defaults, one_photo
from photoplay.generation.backends.open_weights.composite import Compositor
from photoplay.generation.backends.open_weights.memory import DENOISERS
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, plan_native
from photoplay.generation.backends.open_weights.routed_attention import NAME, PEOPLE, Route, take_routes
from photoplay.generation.backends.open_weights.vace_inputs import (
    Told,
    face_areas,
    grey_levels,
    guesses,
    holes,
    laid_over,
    largest_faces,
    people_of,
    references_of,
    trusted,
)
from photoplay.generation.backends.open_weights.wan import (
    NEGATIVE,
    P480,
    P720,
    Recipe,
    WanBackend,
    check_grid,
    denoiser_of,
    framed_photo,
)
from photoplay.generation.controls.whole_body import draw_whole_body
from photoplay.generation.routing import regions_of, starts_of
from photoplay.types import (
    Anchor,
    Capabilities,
    Duet,
    Frames,
    Mode,
    MotionTrack,
    Progress,
    RenderPlan,
    Rgb,
    RgbStack,
    Sampling,
    Scene,
    silent,
)

MOST_REFERENCES = 3
"""As many as the authors' service takes (https://docs.modellix.ai/alibaba/wan-2-1-vace-plus)."""
RESTYLED = 0.5
"""How far a source video may change where nobody says."""
SOFT = 8
"""Pixels of the model's frame over which a repair fades in."""

FINER = 4
"""Cells in each direction by which a token's place in the picture is told."""

_CLIP = Grid(area=P480, least_area=P480)


class WanVace(WanBackend):
    """Every mode on one model: what is known stands, what is drawn is followed, the rest is made from words."""

    name = "wan-vace"
    follows_tracks = True
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "wan-vace-1.3b": Recipe(
            _CLIP, Defaults(num_inference_steps=50, guidance_scale=5.0, negative_prompt=NEGATIVE, flow_shift=16.0)
        ),
        "wan-vace-14b": Recipe(
            replace(_CLIP, area=P720),
            Defaults(num_inference_steps=50, guidance_scale=5.0, negative_prompt=NEGATIVE, flow_shift=16.0),
        ),
        "wan2.2-vace-14b": Recipe(
            replace(_CLIP, area=P720),
            Defaults(num_inference_steps=50, guidance_scale=5.0, negative_prompt=NEGATIVE, flow_shift=12.0),
        ),
    }
    pipelines: ClassVar[Mapping[Mode, str]] = dict.fromkeys(
        (
            "image-to-video",
            "text-to-video",
            "multi-image-to-video",
            "pose-guided",
            "video-to-video",
            "audio-driven",
        ),
        "WanVACEPipeline",
    )
    keeps = frozenset({"image-to-video", "audio-driven"})
    capabilities = Capabilities(
        modes=tuple(pipelines),
        max_long_side=1280,
        max_subjects=40,
        needs_gpu=True,
        source_type="compositeWithTrainedAlgorithmicMedia",
        description="Every mode with Wan-VACE 2.1 (1.3B, 14B) and 2.2 (14B): what the photo shows stands, the rest is made.",
        licence="Apache-2.0",
        extra="gpu",
        packages=("torch", "diffusers", "transformers", "ftfy"),
        models=tuple(recipes),
        gpu_memory_gb=8.19,
        free=("text-to-video", "multi-image-to-video", "video-to-video"),
        reads_prompt=True,
        takes_last=True,
        repairs=True,
    )
    defaults = recipes["wan-vace-1.3b"].defaults
    grid = _CLIP

    def resolved(self, sampling: Sampling) -> Sampling:
        """As of :class:`WanBackend`, but for ``strength``, which the hints have seen to (:func:`changes`)."""
        return replace(super().resolved(sampling), strength=1.0)

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        """Yields consecutive windows of at most ``plan.window`` frames, ``plan.num_frames`` in all.

        What the model was told to leave comes from where it was: the photo round a pose, the source video round a repair.

        Raises:
            RequestError: ``mode_unsupported``, and as :func:`check_plan`.
            UnavailableError: a package or the model is missing, does not fit, or is of another grid.
        """
        plan = one_photo(plan, tracks)
        poses = strikes_poses(tracks, plan)
        if plan.mode == "video-to-video" and not poses and plan.footage.repair is None:
            tracks = ()  # the photo's motion is not the clip's
        check_plan(tracks, plan)
        compositor, soft = Compositor(scene, plan), SOFT * plan.width / plan_native(plan, self.grid_for(plan)).width
        for frames in super().generate(scene, tracks, plan, progress):
            yield replace(frames, rgb=_standing(frames, compositor, plan, poses, soft))

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """``video`` [1, f, h, w, 3] in 0..1, ``mask`` [1, f, h, w, 1] (1: made anew), ``reference_images``, hint scales, and
        for two people who belong together a :class:`Route` between their references and their parts of the picture.

        Raises:
            UnavailableError: ``model_other_grid``.
        """
        check_grid(pipe, clip)
        told = told_of(clip)
        call: dict[str, Any] = {"video": told.video(), "mask": told.mask(), **self.late_guidance(pipe, clip)}
        if people_seen := references(clip):
            # The pipeline puts each reference before the ones it has: handed in from last to first, they lie in order.
            call["reference_images"] = [[Image.fromarray(person) for person in reversed(people_seen)]]
        if (duet := clip.plan.duet) is not None and clip.anchor is not None:
            call["attention_kwargs"] = {NAME: route_of(pipe, clip, clip.anchor, duet, len(people_seen))}
            for name in DENOISERS:
                if (model := getattr(pipe, name, None)) is not None:
                    take_routes(model)
        part = denoiser_of(pipe)
        scale = self.resolved(clip.film.sampling).conditioning_scale
        remade = clip.plan.mode == "video-to-video" and not strikes_poses(clip.tracks, clip.plan) and not puts_in(clip)
        fade = changes(clip.plan) if remade and told.shown.any() else 0.0
        call["conditioning_scale"] = hint_scales(1.0 if scale is None else scale, fade, len(part.config.vace_layers))
        return call


def check_plan(tracks: Sequence[MotionTrack], plan: RenderPlan) -> None:
    """Refuses what does not go together.

    Raises:
        RequestError: ``footage_missing``, ``repair_mismatch``, ``track_missing``, ``too_many_references``,
            ``last_frame_unsupported``, ``setting_invalid``, ``setting_unsupported``.
    """
    footage = plan.footage
    if plan.mode == "video-to-video" and footage.video is None:
        raise RequestError("footage_missing", "There is no video to make the film from.", "Give one, or another mode.")
    if footage.repair is not None and (footage.video is None or footage.repair.shape != footage.video.shape[:3]):
        raise RequestError(
            "repair_mismatch",
            "What shall be repaired does not fit the video.",
            "Mark it frame by frame, at the video's own length and size.",
        )
    if plan.mode in ("pose-guided", "audio-driven") and not tracks:
        raise RequestError(
            "track_missing",
            f"A film that is {plan.mode} needs a motion to follow, and there is none.",
            "Choose a template, a driving video or a sound.",
        )
    if plan.mode == "multi-image-to-video" and not footage.references:
        raise RequestError("footage_missing", "There is no photo of anybody to put into the film.", "Give one or more.")
    if len(footage.references) > MOST_REFERENCES:
        raise RequestError(
            "too_many_references",
            f"This model takes {MOST_REFERENCES} photos of people at most.",
            "Leave some of them out.",
        )
    if footage.last is not None and tracks:
        raise RequestError(
            "last_frame_unsupported",
            "A film that follows a motion ends where the motion ends, and not on another picture.",
            "Leave the last picture out, or say with a prompt instead of a template what happens.",
        )
    if plan.sampling.strength is not None and not 0 <= plan.sampling.strength <= 1:
        raise RequestError("setting_invalid", "strength must be between 0 and 1.", "Change strength, or leave it out.")
    if plan.sampling.strength not in (None, 1.0) and plan.mode != "video-to-video":
        raise RequestError(
            "setting_unsupported",
            "Strength says how far a source video may change, and there is none.",
            "Leave it out.",
        )


def strikes_poses(tracks: Sequence[MotionTrack], plan: RenderPlan) -> bool:
    """Whether people strike a track's poses: with poses to follow, and as a clip does that they are to do.

    A clip that is repaired, or may change by a ``strength`` that is given, is itself made anew.
    """
    if plan.mode == "video-to-video":
        return len(tracks) > 0 and plan.footage.repair is None and plan.sampling.strength is None
    return plan.mode == "pose-guided"


def puts_in(clip: ClipInputs) -> bool:
    """Whether the people of the tracks are put into a clip, where it is repaired."""
    return len(clip.tracks) > 0 and clip.plan.mode == "video-to-video" and clip.plan.footage.repair is not None


def changes(plan: RenderPlan) -> float:
    """How far the source video may change, 0 to 1: where nobody says, half way, and wholly where it is repaired."""
    default = RESTYLED if plan.footage.repair is None else 1.0
    return default if plan.sampling.strength is None else plan.sampling.strength


def hint_scales(scale: float, fade: float, layers: int) -> list[float]:
    """The scale of each of the model's hints: from ``scale`` for the first to (1 - ``fade``) of it for the last.

    Early hints place things, late ones say what they look like; a fade lets looks go and keeps places.
    """
    return [scale * (1 - fade * k / max(layers - 1, 1)) for k in range(layers)]


def told_of(clip: ClipInputs) -> Told:
    """What of the clip stands and what is made from what."""
    if clip.plan.mode == "video-to-video" and not strikes_poses(clip.tracks, clip.plan):
        told = _of_video(clip)
    elif clip.anchor is not None:
        told = _of_anchor(clip, clip.anchor)
    else:
        told = _of_nothing(clip)
    if len(clip.known):
        told = told.handed(slice(0, len(clip.known)), _known(clip))
    end = int(np.ceil((clip.film.num_frames - 1) * clip.plan.fps / clip.film.fps - 1e-6)) - clip.span.start
    if clip.plan.footage.last is not None and end < clip.span.frames:
        told = told.handed(slice(end, None), clip.plan.footage.last[None])
    return told


def _known(clip: ClipInputs) -> RgbStack:
    """The frames that the clip before made, where there is a photo with its pixels where they are sure: so each clip starts
    from the photo again."""
    if clip.anchor is None or puts_in(clip):
        return clip.known
    believed = trusted(clip.anchor, strikes_poses(clip.tracks, clip.plan))
    compositor = Compositor(clip.scene, clip.plan)
    return np.stack([compositor.frame(made, believed, k) for k, made in enumerate(clip.known)])


def _of_nothing(clip: ClipInputs) -> Told:
    """All is made from words; where a photo is to move, the film begins with it."""
    shape = (clip.plan.num_frames, clip.plan.height, clip.plan.width)
    told = Told.of(np.zeros((*shape, 3), np.uint8), np.ones(shape, bool))
    if clip.plan.mode == "image-to-video" and clip.span.start == 0:
        told = told.handed(slice(0, 1), framed_photo(clip)[None])
    return told


def _of_anchor(clip: ClipInputs, anchor: Anchor) -> Told:
    """The photo's own pixels stand where they are sure; the rest is made, people from the skeletons and faces drawn there.

    With poses to strike, all of people that moves is made from their skeletons. Else only the holes in faces show the
    drawing, so that lids and lips do what the track does; in other holes nothing is known and nothing hinted.
    (VACE's own mix of "repaint" and "control": annotators/composition.py.)
    """
    poses = strikes_poses(clip.tracks, clip.plan)
    make = holes(guesses(clip.scene, trusted(anchor, poses), clip.plan))
    shown = make if poses else make & face_areas(clip.tracks, clip.plan)
    return Told.of(anchor.rgb, make).hinted(draw_whole_body(clip.tracks, clip.plan), shown)


def _of_video(clip: ClipInputs) -> Told:
    """The source video: what is repaired, or all, is made anew. A repair is made from the skeleton of who shall be there, if
    anybody; the rest from the video's light and dark unless it may change wholly."""
    video, repair = clip.plan.footage.video, clip.plan.footage.repair
    if video is None:
        raise ValueError("a film from a video has a video")
    make = np.ones(video.shape[:3], bool) if repair is None else holes(repair > 0)
    told = Told.of(video, make)
    if puts_in(clip):
        return told.hinted(draw_whole_body(clip.tracks, clip.plan), make)
    return told if changes(clip.plan) == 1 else told.hinted(grey_levels(video), make)


def references(clip: ClipInputs) -> list[Rgb]:
    """People [h, w, 3] on white whom the model is shown: from their own photos, else those of the photo where the clip
    itself does not show them.

    Two people who belong together come first, in the order of their duet, as the scene knows them: whole, each alone.
    """
    size = clip.plan.width, clip.plan.height
    if (duet := clip.plan.duet) is not None and clip.anchor is not None:
        known = {clip.scene.photo.sha256, *(subject.origin for subject in clip.scene.subjects)}
        others = [photo for photo in clip.plan.footage.references if photo.sha256 not in known]
        return people_of(clip.scene, duet.subjects, *size) + references_of(clip.scene, others, *size)
    if clip.plan.footage.references:
        return references_of(clip.scene, clip.plan.footage.references, *size)
    whom = largest_faces(clip.scene)[:MOST_REFERENCES]
    if strikes_poses(clip.tracks, clip.plan) or puts_in(clip):
        moved = {track.subject for track in clip.tracks}
        return people_of(clip.scene, [subject for subject in whom if subject in moved], *size)
    goes_on = clip.plan.mode == "image-to-video" and clip.anchor is None and len(clip.known) > 0
    return people_of(clip.scene, whom, *size) if goes_on or clip.plan.mode == "video-to-video" else []


def route_of(pipe: Any, clip: ClipInputs, anchor: Anchor, duet: Duet, references: int) -> Route:
    """Who each token is about: ``references`` latent frames of one reference each, then the picture's.

    The duet's two people are the first references. What is mostly one person's in the frames of a token is that person's;
    background, seams and the place where the two meet read both.
    """
    part = denoiser_of(pipe)
    side = pipe.vae_scale_factor_spatial * part.config.patch_size[-1]
    columns, rows = clip.plan.width // side, clip.plan.height // side
    regions = regions_of(anchor, duet, clip.plan, size=(FINER * columns, FINER * rows))
    pooled = regions.pooled(starts_of(clip.plan.num_frames, pipe.vae_scale_factor_temporal), rows, columns)
    return Route.of([*PEOPLE, *[0] * (references - len(PEOPLE))], pooled.owners())


def _standing(frames: Frames, compositor: Compositor, plan: RenderPlan, poses: bool, soft: float) -> RgbStack:
    """The film's frames with what stands laid round what was made, which fades in over ``soft`` pixels."""
    footage, anchor = plan.footage, frames.anchor
    if plan.mode == "video-to-video" and footage.video is not None and footage.repair is not None:
        at = np.minimum(frames.start + np.arange(len(frames.rgb)), len(footage.video) - 1)
        pairs = zip(frames.rgb, footage.video[at], footage.repair[at] > 0, strict=True)
        return np.stack([laid_over(made, still, make, soft) for made, still, make in pairs])
    if poses and anchor is not None:
        believed = trusted(anchor, poses=True)
        return np.stack([compositor.frame(made, believed, k) for k, made in enumerate(frames.rgb)])
    return frames.rgb
