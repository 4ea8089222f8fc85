"""AnimateDiff: Stable Diffusion 1.5 with a motion module (Guo et al. 2023, https://arxiv.org/abs/2307.04725).

For a graphics card too small for the others. A ControlNet follows the skeleton (Zhang et al. 2023,
https://arxiv.org/abs/2302.05543), an image adapter carries the faces (Ye et al. 2023, https://arxiv.org/abs/2308.06721),
each in its own part of the picture. Settings are those of diffusers' documentation (api/pipelines/animatediff,
using-diffusers/ip_adapter).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from photoplay.errors import RequestError, UnavailableError
from photoplay.generation.backends.open_weights.backend import Defaults, OpenWeightsBackend, one_photo
from photoplay.generation.backends.open_weights.motion_parts import STRIDE, WINDOW, takes_faces
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid
from photoplay.generation.controls.matte import regions
from photoplay.generation.controls.openpose import draw_openpose
from photoplay.generation.people import subject_picture
from photoplay.generation.routing import regions_of
from photoplay.generation.source import frame_photo
from photoplay.types import (
    Array,
    Box,
    Capabilities,
    Frames,
    Mode,
    MotionTrack,
    Progress,
    RenderPlan,
    Rgb,
    RgbStack,
    Scene,
    silent,
)

FACE_SCALE = 0.7
"""Between 0.5, where words and picture weigh the same, and 1, where the picture alone counts (diffusers' documentation)."""
HEAD = 2.0
"""Side of the square round a face that shows the whole head, in face boxes."""
MOVED, POSED, REMADE = 0.5, 0.9, 0.6
"""How far anchor frames may change that shall stay the photo, that shall follow a pose, and a clip: our own choice."""
UNPOSED = {
    "AnimateDiffControlNetPipeline": "AnimateDiffPipeline",
    "AnimateDiffVideoToVideoControlNetPipeline": "AnimateDiffVideoToVideoPipeline",
}
"""The pipeline that makes the same without a skeleton."""


class AnimateDiff(OpenWeightsBackend):
    """Text, photo, pose, clip, or several people's photos; up to ten seconds in one clip.

    A photo's own film starts from the anchor frames, a posed one from them under much more noise; text and several photos
    start from noise. A clip's motion is a pose for the photo's people; with a ``strength``, or where it has none, the clip
    itself is made anew. Skeletons are told where there are tracks, faces where there are photos.
    """

    name = "animatediff"
    pipelines: ClassVar[Mapping[Mode, str]] = {
        "image-to-video": "AnimateDiffVideoToVideoControlNetPipeline",
        "text-to-video": "AnimateDiffPipeline",
        "multi-image-to-video": "AnimateDiffControlNetPipeline",
        "pose-guided": "AnimateDiffVideoToVideoControlNetPipeline",
        "video-to-video": "AnimateDiffVideoToVideoControlNetPipeline",
    }
    keeps = frozenset({"image-to-video"})
    defaults = Defaults(
        num_inference_steps=25,
        guidance_scale=7.5,
        negative_prompt="bad quality, worse quality, low resolution",
    )
    grid = Grid(
        multiple=64,
        frame_step=1,
        max_frames=81,
        fps=8.0,
        area=768 * 512,
        least_area=512 * 512,
        overlap=1,
    )
    capabilities = Capabilities(
        modes=tuple(pipelines),
        max_long_side=1280,
        max_subjects=4,
        needs_gpu=True,
        source_type="compositeWithTrainedAlgorithmicMedia",
        description="For small graphics cards: Stable Diffusion 1.5 with AnimateDiff, ControlNet and IP-Adapter.",
        licence="CreativeML Open RAIL-M",
        extra="gpu",
        packages=("torch", "diffusers", "transformers"),
        models=("animatediff-sd15",),
        gpu_memory_gb=12.0,
        max_seconds=10.0,
        free=("text-to-video", "multi-image-to-video", "video-to-video", "pose-guided"),
        reads_prompt=True,
    )

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        """Yields consecutive windows of at most ``plan.window`` frames, ``plan.num_frames`` in all.

        Raises:
            RequestError: ``mode_unsupported``, ``film_too_long``, ``track_missing``, ``footage_missing``,
                ``photo_missing``, ``last_frame_unsupported``, ``repair_unsupported``.
            UnavailableError: a package or the model is missing, lacks a part, or does not fit.
        """
        mine = copy(self)
        if plan.mode in self.pipelines:
            self.check(tracks, plan)
            plan = one_photo(plan, tracks)
            tracks = () if remakes_clip(tracks, plan) else tracks
            posed = self.pipelines[plan.mode]
            chosen = posed if tracks else UNPOSED.get(posed, posed)
            defaults = replace(self.defaults, strength=strength_of(tracks, plan))
            vars(mine).update(pipelines={plan.mode: chosen}, defaults=defaults)
        yield from super(AnimateDiff, mine).generate(scene, tracks, plan, progress)

    def check(self, tracks: Sequence[MotionTrack], plan: RenderPlan) -> None:
        """Raises RequestError where the plan lacks what its mode starts from, or has what no pipeline can be told."""
        footage, longest = plan.footage, (self.grid.max_frames - 1) / self.grid.fps
        another = "Leave it out, or choose the backend “wan-vace”."
        wrong = {
            "track_missing": (
                plan.mode == "pose-guided" and not tracks,
                "A pose-guided film needs a pose to follow.",
                "Choose a template or give a driving video.",
            ),
            "footage_missing": (
                plan.mode == "video-to-video" and footage.video is None,
                "A video-to-video film needs a clip.",
                "Give a video.",
            ),
            "photo_missing": (
                plan.mode == "multi-image-to-video" and not footage.references,
                "A film of several people needs their photos.",
                "Give one photo of each person.",
            ),
            "last_frame_unsupported": (
                footage.last is not None, "This model cannot be told what the film shall end on.", another
            ),
            "repair_unsupported": (footage.repair is not None, "This model cannot repair a part of a clip.", another),
            "film_too_long": (
                (plan.num_frames - 1) / plan.fps > longest + 1e-6,
                f"This backend makes {longest:.1f} seconds at most.",
                "Ask for a shorter film, or choose another backend.",
            ),
        }  # fmt: skip
        for code, (is_wrong, message, hint) in wrong.items():
            if is_wrong:
                raise RequestError(code, message, hint)

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """``video`` and ``conditioning_frames`` where the pipeline takes them, and the faces with their regions.

        Raises:
            UnavailableError: ``model_incomplete``: there are faces and the model has no image adapter.
        """
        pipe.scheduler = scheduler_of(pipe)
        pipe.enable_free_noise(context_length=min(WINDOW, clip.plan.num_frames), context_stride=STRIDE)
        call: dict[str, Any] = {}
        if "VideoToVideo" in type(pipe).__name__:
            call["video"] = pictures(start_of(clip))
        if "ControlNet" in type(pipe).__name__:
            call["conditioning_frames"] = pictures(draw_openpose(clip.tracks, clip.plan))
        guided = (self.resolved(clip.film.sampling).guidance_scale or 1.0) > 1
        return call | told_faces(pipe, clip, guided)


def remakes_clip(tracks: Sequence[MotionTrack], plan: RenderPlan) -> bool:
    """Whether a clip is made anew itself: it has no motion that a person could do, or a ``strength`` says how far."""
    return plan.mode == "video-to-video" and (not tracks or plan.sampling.strength is not None)


def strength_of(tracks: Sequence[MotionTrack], plan: RenderPlan) -> float:
    """How far what a film starts from may change where nobody says; 1 for a film that starts from noise."""
    if plan.mode in ("text-to-video", "multi-image-to-video"):
        return 1.0
    if plan.mode == "image-to-video":
        return MOVED
    return POSED if tracks else REMADE


def scheduler_of(pipe: Any) -> Any:
    """DDIM on the noise levels that the motion module was trained on, whichever the image model came with."""
    diffusers: Any = import_module("diffusers")
    return diffusers.DDIMScheduler.from_config(
        pipe.scheduler.config,
        beta_schedule="linear",
        clip_sample=False,
        timestep_spacing="linspace",
        steps_offset=1,
    )


def pictures(frames: RgbStack) -> list[Any]:
    """As the pipelines want them: PIL images."""
    return [Image.fromarray(frame) for frame in frames]


def start_of(clip: ClipInputs) -> RgbStack:
    """What a film that does not start from noise starts from: the clip, the anchor frames, or the photo standing still."""
    if clip.anchor is not None:
        return clip.anchor.rgb
    if clip.plan.mode == "video-to-video" and clip.plan.footage.video is not None:
        return clip.plan.footage.video
    still: Array = np.repeat(frame_photo(clip.scene.photo.pixels, clip.plan)[None], clip.plan.num_frames, axis=0)
    return still


def told_faces(pipe: Any, clip: ClipInputs, guided: bool) -> dict[str, Any]:
    """The faces' embeddings, and for several of them which part of each frame is whose.

    Raises:
        UnavailableError: ``model_incomplete``.
    """
    import torch

    faces = faces_of(clip)
    if not takes_faces(pipe):
        if faces:
            raise UnavailableError(
                "model_incomplete",
                "This model has no image adapter, so it cannot be told what people look like.",
                "Pull “animatediff-sd15” again, or put an IP-Adapter into the model's folder ip_adapter.",
            )
        return {}
    several = len(faces) > 1
    pipe.set_ip_adapter_scale([[FACE_SCALE] * len(faces)] if several else [FACE_SCALE * len(faces)])
    shown = faces or [
        np.zeros((64, 64, 3), np.uint8)
    ]  # the adapter is asked for pictures even where they weigh nothing
    with torch.no_grad():
        embeds = pipe.prepare_ip_adapter_image_embeds(
            [[Image.fromarray(face) for face in shown]], None, pipe._execution_device, 1, guided
        )
    call: dict[str, Any] = {"ip_adapter_image_embeds": [one.to(pipe.unet.dtype) for one in embeds]}
    if several:
        call["cross_attention_kwargs"] = {"ip_adapter_masks": [region_masks(pipe, clip, len(faces), guided)]}
    return call


def region_masks(pipe: Any, clip: ClipInputs, faces: int, guided: bool) -> Any:
    """Whose part each place of each frame is, as a tensor [frames, faces, h, w] in 0..1 at the size of the latents.

    Two people who belong together have what shows them, and half each of where they meet; others what is nearest to them.
    With guidance the frames come twice, as the unet sees them: without and with the prompt.
    """
    import torch

    width, height = clip.plan.width // pipe.vae_scale_factor, clip.plan.height // pipe.vae_scale_factor
    if (duet := clip.plan.duet) is not None and clip.anchor is not None:
        whose = regions_of(clip.anchor, duet, clip.plan, size=(width, height)).shares()
    else:
        nearest = person_regions(clip, replace(clip.plan, width=width, height=height), faces)
        whose = nearest.astype(np.float32) / 255
    masks = torch.from_numpy(np.ascontiguousarray(whose.transpose(1, 0, 2, 3)))
    masks = masks.to(device=pipe._execution_device, dtype=pipe.unet.dtype)
    return torch.cat([masks, masks]) if guided else masks


def person_regions(clip: ClipInputs, plan: RenderPlan, people: int) -> UInt8[Array, "n f h w"]:
    """The people's regions at the plan's size: along their tracks, else upright strips from left to right."""
    if len(clip.tracks) == people:
        return regions(clip.tracks, plan)
    centres = [(k + 0.5) / people * plan.width for k in range(people)]
    if len(clip.scene.subjects) == people and clip.plan.mode != "multi-image-to-video":
        corners = [subject.face.box[::2] for subject in clip.scene.subjects]
        places = plan.to_frame(np.array([[(x0 + x1) / 2, 0.0] for x0, x1 in corners], np.float32))
        centres = (places[:, 0] + 0.5).tolist()
    nearest = np.argmin([np.abs(np.arange(plan.width) + 0.5 - x) for x in centres], axis=0)
    strips = np.stack([np.where(nearest == k, 255, 0) for k in range(people)]).astype(np.uint8)
    shape = (people, plan.num_frames, plan.height, plan.width)
    return np.ascontiguousarray(np.broadcast_to(strips[:, None, None, :], shape))


def faces_of(clip: ClipInputs) -> list[Rgb]:
    """A picture of each person in the film: of two who belong together each as the scene knows them, of several photos one
    each, else of whoever moves, else of all in the photo.

    Who of several people stands where in a clip is not known, so that none of them is told.
    """
    scene = clip.scene
    if clip.plan.mode == "text-to-video":
        return []
    if (duet := clip.plan.duet) is not None and clip.anchor is not None:
        return [head_of(subject_picture(scene, one), scene.subjects[one].face.box) for one in duet.subjects]
    if clip.plan.mode == "multi-image-to-video":
        return [reference_face(scene, photo.pixels, photo.sha256) for photo in clip.plan.footage.references]
    who = [track.subject for track in clip.tracks] or list(range(len(scene.subjects)))
    if remakes_clip(clip.tracks, clip.plan) and len(who) > 1:
        return []
    return [head_of(scene.photo.pixels, scene.subjects[subject].face.box) for subject in who]


def reference_face(scene: Scene, photo: Rgb, digest: str) -> UInt8[Array, "s s 3"]:
    """The head in a reference where the scene knows it, else the middle square of the photo."""
    if digest == scene.photo.sha256 and scene.subjects:
        boxes = [subject.face.box for subject in scene.subjects]
        return head_of(photo, max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1])))
    height, width = photo.shape[:2]
    side = min(height, width)
    x, y = (width - side) // 2, (height - side) // 2
    return np.ascontiguousarray(photo[y : y + side, x : x + side])


def head_of(photo: Rgb, box: Box) -> UInt8[Array, "s s 3"]:
    """The square round a face that shows the head; where it reaches out of the photo, the photo's edge goes on."""
    x0, y0, x1, y1 = box
    side = max(2, round(HEAD * max(x1 - x0, y1 - y0)))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    height, width = photo.shape[:2]
    rows, columns = (
        np.clip(np.arange(start, start + side), 0, end - 1) for start, end in ((top, height), (left, width))
    )
    return np.ascontiguousarray(photo[rows[:, None], columns])
