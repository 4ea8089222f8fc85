"""Wan-Animate: a person moved by a skeleton and by pictures of a face (Cheng et al. 2025, https://arxiv.org/abs/2509.14055).

What the model is shown follows the authors' preprocessing (https://github.com/Wan-Video/Wan2.2,
wan/modules/animate/preprocess/): the skeleton on black in the film's frame, the driving face cut out and stretched to
512 x 512, and, where a person is put into a video, that video with the person blacked out and a mask of the hole.
The driving face is the anchor's: the photo's own face, moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any, ClassVar

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image, ImageOps

from photoplay.errors import RequestError
from photoplay.generation.backends.open_weights.backend import Defaults
from photoplay.generation.backends.open_weights.colour import colour_map
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, plan_native
from photoplay.generation.backends.open_weights.vace import check_plan
from photoplay.generation.backends.open_weights.vace_inputs import laid_over
from photoplay.generation.backends.open_weights.wan import (
    NEGATIVE,
    P480,
    P720,
    Recipe,
    WanBackend,
    check_grid,
    framed_photo,
)
from photoplay.generation.controls.wan_animate import draw_wan_animate
from photoplay.topology import FACE_68
from photoplay.types import (
    Anchor,
    Array,
    Capabilities,
    Frames,
    Label,
    Mode,
    MotionTrack,
    Progress,
    RenderPlan,
    Rgb,
    RgbStack,
    Scene,
    silent,
)

PROMPT = "视频中的人在做动作"
"""The authors' only prompt, "the person in the video is moving": they advise against others, so the user's words choose the
motion and do not reach the model."""
SLOWEST, FASTEST = 15.0, 30.0
"""Frame rates that are made as they are: the skeleton says where everything is in every frame. The model saw 30."""
FACE_AREA = 1.3
"""Area of a face's cut over that of the box around its 68 points."""
SMOOTHING = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Weights over time of a face's cut, so that it follows the face and not every flutter of its outline."""
LEAST_FACE = 8.0
"""Pixels of the smallest cut's side."""
REACH = 9
"""Pixels by which the hole is larger than what shall be made anew: the authors dilate three times by 7 x 7."""
SOFT = 8
"""Pixels of the model's frame over which what was made fades in."""
SURE = 128
"""Confidence from which the photo's background stands: what nobody has seen has less."""
TONE_SIDE = 192
"""Longer side in pixels at which colours are compared."""
CELL = 16
"""Pixels of the squares that the model can tell apart in a mask: latents of 8 pixels in patches of two."""
HOLE = 0.5
"""What is not known to the model is mid-grey [0, 1], which the pipeline's range makes 0."""


class WanAnimate(WanBackend):
    """One person moved as the track says.

    pose-guided     the photo stands around the person, who is made anew in it (the authors' "replace")
    video-to-video  the track is the video's own motion, put on the photo's person: all is made anew (their "animate"), or,
                    with a repair mask, the person is put in where it says so and the video stands around them

    The pipeline can chain its segments by itself, but then holds the whole film at once. Here each clip is one segment,
    told the last frames of the one before as a background that stands: the same numbers go into the model.
    """

    name = "wan-animate"
    follows_tracks = True
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "wan2.2-animate-14b": Recipe(
            Grid(max_frames=77, fps=FASTEST, area=P720, least_area=P480, overlap=5),
            Defaults(num_inference_steps=20, guidance_scale=1.0, negative_prompt=NEGATIVE, flow_shift=5.0),
        )
    }
    capabilities = Capabilities(
        modes=("pose-guided", "video-to-video"),
        max_long_side=1280,
        max_subjects=1,
        needs_gpu=True,
        source_type="compositeWithTrainedAlgorithmicMedia",
        description="Moves one person by skeleton and face, or puts them into a video, with Wan 2.2 Animate 14B.",
        licence="Apache-2.0",
        extra="gpu",
        packages=("torch", "diffusers", "transformers", "ftfy"),
        models=tuple(recipes),
        free=("video-to-video",),
        repairs=True,
    )
    pipelines: ClassVar[Mapping[Mode, str]] = {
        "pose-guided": "WanAnimatePipeline",
        "video-to-video": "WanAnimatePipeline",
    }
    defaults = recipes["wan2.2-animate-14b"].defaults
    grid = recipes["wan2.2-animate-14b"].grid

    def grid_for(self, plan: RenderPlan) -> Grid:
        """The model's grid at the film's own rate, so that no frame needs to be interpolated."""
        grid = super().grid_for(plan)
        return grid if self._given else replace(grid, fps=min(max(plan.fps, SLOWEST), FASTEST))

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        """Yields consecutive windows of at most ``plan.window`` frames, ``plan.num_frames`` in all.

        What stands around the person comes from where it was: the photo, or the video round its repair.

        Raises:
            RequestError: ``mode_unsupported``, ``track_missing``, ``too_many_subjects``, and as
                :func:`photoplay.generation.backends.open_weights.vace.check_plan`.
            UnavailableError: a package or the model is missing, does not fit, or is of another grid.
        """
        _only(tracks)
        check_plan(tracks, plan)
        soft = SOFT * plan.width / plan_native(plan, self.grid_for(plan)).width
        for frames in super().generate(scene, tracks, plan, progress):
            yield laid_round(frames, plan, soft)

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        """The character, the skeleton and the driving face, and what of the clip stands.

        Raises:
            UnavailableError: ``model_other_grid``.
        """
        check_grid(pipe, clip)
        track, anchor = _only(clip.tracks), clip.anchor
        assert anchor is not None, "a clip with tracks has an anchor"
        faces = face_video(anchor.rgb, track, clip.plan, pipe.transformer.config.motion_encoder_size)
        call: dict[str, Any] = {
            "prompt": PROMPT,
            "image": character(clip),
            "pose_video": [Image.fromarray(frame) for frame in draw_wan_animate([track], clip.plan)],
            "face_video": [Image.fromarray(face) for face in faces],
            "segment_frame_length": clip.plan.num_frames,
            "mode": "animate",
        }
        if (stands := background(clip, anchor)) is not None:
            video, hole = stands
            masks = [Image.fromarray(mask) for mask in hole]
            call |= {"mode": "replace", "background_video": list(video), "mask_video": masks}
        return call


def character(clip: ClipInputs) -> Image.Image:
    """Who is moved: the photo as the film frames it, or whole on black where the film's frame is a clip's."""
    if clip.plan.footage.repair is None:
        return Image.fromarray(framed_photo(clip))
    return ImageOps.pad(Image.fromarray(clip.scene.photo.pixels), (clip.plan.width, clip.plan.height), color=(0, 0, 0))


def _only(tracks: Sequence[MotionTrack]) -> MotionTrack:
    if not tracks:
        raise RequestError(
            "track_missing",
            "This model is driven by a skeleton and a face, and there is no motion to draw them from.",
            "Choose a template or a driving video with a person in it.",
        )
    if len(tracks) > 1:
        raise RequestError(
            "too_many_subjects",
            "This model animates one person.",
            "Ask for the main person only, or choose the backend “wan-vace”.",
        )
    return tracks[0]


def face_boxes(track: MotionTrack, plan: RenderPlan) -> Float32[Array, "f 4"]:
    """Where the driving face is cut out: x0, y0, x1, y1 in pixels of the frame (0 is the edge of its first pixel).

    The box around the 68 face points, both sides times sqrt(1.3), three quarters of the added height above the brows and
    one below the chin, as in training (``get_face_bboxes``). It may reach beyond the frame.
    """
    points = plan.to_frame(track.landmarks[:, list(FACE_68)])[..., :2] + np.float32(0.5)
    low, high = points.min(axis=1), points.max(axis=1)
    size = np.maximum(high - low, LEAST_FACE)
    added = size * np.float32(sqrt(FACE_AREA) - 1)
    above, below = added * np.array([0.5, 0.75], np.float32), added * np.array([0.5, 0.25], np.float32)
    boxes = np.concatenate([low - above, low + size + below], axis=1)
    reach = len(SMOOTHING) // 2
    held = np.pad(boxes, ((reach, reach), (0, 0)), mode="edge")
    smooth: Array = np.stack([SMOOTHING @ held[k : k + len(SMOOTHING)] for k in range(len(boxes))])
    return smooth


def face_video(
    rgb: RgbStack, track: MotionTrack, plan: RenderPlan, size: int = 512
) -> UInt8[Array, "f {size} {size} 3"]:
    """The driving face [f, size, size, 3]: its box stretched to a square; what lies outside the frame is its border."""
    return np.stack([_cut(frame, box, size) for frame, box in zip(rgb, face_boxes(track, plan), strict=True)])


def _cut(frame: Rgb, box: Float32[Array, 4], size: int) -> UInt8[Array, "{size} {size} 3"]:
    """``box`` of ``frame`` at ``size`` x ``size``, at fractions of a pixel."""
    left, top, right, bottom = box.tolist()
    wide, high = size / (right - left), size / (bottom - top)
    if min(wide, high) < 1:  # several pixels become one: average them first
        frame = cv2.GaussianBlur(frame, (0, 0), sigmaX=_spread(wide), sigmaY=_spread(high))
    turn = np.array([[wide, 0, (0.5 - left) * wide - 0.5], [0, high, (0.5 - top) * high - 0.5]])
    cut: Array = cv2.warpAffine(frame, turn, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cut


def _spread(scale: float) -> float:
    """Standard deviation in pixels of the filter before shrinking by ``scale``."""
    return 0.5 * sqrt(max(1 / scale**2 - 1, 1e-4))


def standing(plan: RenderPlan, anchor: Anchor, at: slice | Array) -> tuple[RgbStack, UInt8[Array, "f h w"]] | None:
    """What stands, and of it what is made anew (255); None where all is. ``at`` are the anchor's frames in the footage."""
    if plan.mode == "pose-guided":
        unsure = (anchor.labels != Label.BACKGROUND) | (anchor.confidence < SURE)
        return anchor.rgb, np.where(unsure, 255, 0).astype(np.uint8)
    video, repair = plan.footage.video, plan.footage.repair
    return None if video is None or repair is None else (video[at], repair[at])


def background(clip: ClipInputs, anchor: Anchor) -> tuple[Float32[Array, "f h w 3"], UInt8[Array, "f h w"]] | None:
    """What the pipeline is told that stands: a video in 0..1 and its hole (255: made anew); None where all is made anew.

    The frames that the clip before made stand as they are; then what stands around the person, black in the hole as in
    training, or nothing.
    """
    known = len(clip.known)
    if (stands := standing(clip.plan, anchor, slice(None))) is not None:
        hole = np.stack([whole_cells(mask) for mask in stands[1]])
        video = np.where(hole[..., None] > 0, np.float32(0), stands[0].astype(np.float32) / 255)
    elif known:
        video, hole = np.full(anchor.rgb.shape, HOLE, np.float32), np.full(anchor.labels.shape, 255, np.uint8)
    else:
        return None
    video[:known], hole[:known] = clip.known.astype(np.float32) / 255, 0
    return video, hole


def whole_cells(mask: UInt8[Array, "h w"]) -> UInt8[Array, "h w"]:
    """The mask grown by 9 pixels and then to whole squares of 16, which is as fine as the model sees."""
    height, width = mask.shape
    cells = _grown(mask).reshape(height // CELL, CELL, width // CELL, CELL).max(axis=(1, 3))
    whole: Array = np.where(cells > 0, 255, 0).astype(np.uint8)
    return whole.repeat(CELL, axis=0).repeat(CELL, axis=1)


def laid_round(frames: Frames, plan: RenderPlan, soft: float) -> Frames:
    """The film's frames with what stands laid round what was made anew, in the colours of what stands.

    What was made fades in over ``soft`` pixels.
    """
    assert frames.anchor is not None, "a film with tracks has an anchor"
    at = frames.start + np.arange(len(frames.rgb))
    if plan.footage.video is not None:
        at = np.minimum(at, len(plan.footage.video) - 1)
    if (stands := standing(plan, frames.anchor, at)) is None:
        return frames
    rgb = np.empty_like(frames.rgb)
    for index, (made, still, mask) in enumerate(zip(frames.rgb, *stands, strict=True)):
        make = _grown(mask) > 0
        rgb[index] = laid_over(toned(made, still, ~make), still, make, soft)
    return replace(frames, rgb=rgb)


def toned(made: Rgb, still: Rgb, where: Bool[Array, "h w"]) -> Rgb:
    """A made picture brought to the colours of ``still``, as measured ``where`` both show the same."""
    shrink = min(1.0, TONE_SIDE / max(where.shape))
    size = (max(2, round(where.shape[1] * shrink)), max(2, round(where.shape[0] * shrink)))
    small = [cv2.resize(part, size, interpolation=cv2.INTER_AREA)[None] for part in (made, still)]
    clear = cv2.resize(where.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)[None] == 255
    found = colour_map(small[0], small[1], clear)
    if found is None:
        return made
    mapped = cv2.transform(made.astype(np.float32), found.matrix)
    return np.asarray(np.clip(np.rint(mapped), 0, 255), np.uint8)


def _grown(mask: UInt8[Array, "h w"]) -> UInt8[Array, "h w"]:
    """The mask grown by 9 pixels to each side."""
    grown: Array = cv2.dilate(mask, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
    return grown
