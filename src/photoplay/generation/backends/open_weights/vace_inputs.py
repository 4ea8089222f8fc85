"""What VACE is told, as plain pictures: a clip that stands or is made anew, square by square, and references on white.

VACE (Jiang et al. 2025, https://arxiv.org/abs/2503.07598) splits a clip by its mask (1: made anew) into what stands,
``video (1 - mask)``, and what is made from a hint, ``video mask``. A hint is grey, which says nothing (127.5 of 255, 0 in
-1..1), or a picture that the model was trained to follow: a skeleton, a face's points, grey levels.

Pipelines see the mask through latent frames: the first is frame 0, the others are four frames each. Their mask is that of
one frame, picked by ``nearest-exact`` (https://github.com/ali-vilab/VACE, vace_encode_masks, and diffusers'
``prepare_masks``), and often not one of the four: in a clip of 81 frames the first latent frame's mask is frame 1's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.generation.backends.open_weights.composite import Compositor
from photoplay.generation.controls.face_map import draw_face_map
from photoplay.generation.mesh import exact_distance
from photoplay.generation.people import subject_matte, subject_picture
from photoplay.types import Anchor, Array, Label, Mask, MotionTrack, Photo, RenderPlan, Rgb, RgbStack, Scene

GREY = 0.5
"""The hint that says nothing, of 0..1."""
STRIDE = 4
"""Frames of a latent frame, but for the first, which is frame 0 alone."""
BLOCK = 16
"""Side in pixels of what a token of the transformer sees: eight times smaller latents in patches of 2 x 2."""
ROOM = 0.04
"""White around a cut-out person, as a share of its longer side."""


@dataclass(frozen=True)
class Told:
    """A clip as VACE is told it.

    rgb    [f, h, w, 3]: what stands where ``make`` is false
    make   [f, h, w]: true where the model makes the picture
    hint   [f, h, w, 3]: what it makes it from where ``shown`` is true; elsewhere from nothing
    shown  [f, h, w]
    given  [f]: frames that were handed in whole
    """

    rgb: RgbStack
    make: Bool[Array, "f h w"]
    hint: RgbStack
    shown: Bool[Array, "f h w"]
    given: Bool[Array, f]

    @classmethod
    def of(cls, rgb: RgbStack, make: Bool[Array, "f h w"]) -> Told:
        """``rgb`` where it stands, and no hint for the rest."""
        return cls(rgb, make, rgb, np.zeros(make.shape, bool), np.zeros(len(make), bool))

    def hinted(self, hint: RgbStack, shown: Bool[Array, "f h w"]) -> Told:
        """The same with a hint where it is ``shown``."""
        return replace(self, hint=hint, shown=shown)

    def handed(self, frames: slice, rgb: RgbStack) -> Told:
        """The same with these frames handed in whole."""
        ours, make, given = self.rgb.copy(), self.make.copy(), self.given.copy()
        ours[frames], make[frames], given[frames] = rgb, False, True
        return replace(self, rgb=ours, make=make, given=given)

    def video(self) -> Float32[Array, "1 f h w 3"]:
        """The pipeline's ``video`` in 0..1, with its batch of one."""
        video = np.empty((1, *self.rgb.shape), np.float32)
        for frame, rgb, make, hint, shown in zip(video[0], self.rgb, self.make, self.hint, self.shown, strict=True):
            np.multiply(np.where((make & shown)[..., None], hint, rgb), np.float32(1 / 255), out=frame)
            frame[make & ~shown] = GREY
        return video

    def mask(self) -> Float32[Array, "1 f h w 1"]:
        """The pipeline's ``mask``: 1 where it makes the picture, 0 where the video stands; nothing between.

        The frame that a latent frame takes its mask from is asked to make what any frame of that latent frame is, so that
        nothing is taken to stand that does not. Frames that were handed in whole stand whatever comes.
        """
        told = self.make.copy()
        for group, frame in enumerate(seen_frames(len(told))):
            if not self.given[frame]:
                told[frame] |= self.make[_frames_of(group)].any(axis=0)
        return told[None, ..., None].astype(np.float32)


def seen_frames(frames: int) -> Array:
    """The frame whose mask each latent frame takes."""
    groups = (frames + STRIDE - 1) // STRIDE
    return ((np.arange(groups) + 0.5) * frames / groups).astype(int)


def whole_groups(make: Bool[Array, "f h w"]) -> Bool[Array, "f h w"]:
    """What any frame of a latent frame makes, all of its frames make."""
    starts = [0, *range(1, len(make), STRIDE)]
    pooled = np.logical_or.reduceat(make, starts, axis=0)
    grown: Array = pooled.repeat(np.diff([*starts, len(make)]), axis=0)
    return grown


def whole_blocks(make: Bool[Array, "f h w"]) -> Bool[Array, "f h w"]:
    """Grown to whole squares of 16 x 16, which is as fine as the model tells places apart, and closed where one of them
    would stand alone among them."""
    frames, height, width = make.shape
    cells = make.reshape(frames, height // BLOCK, BLOCK, width // BLOCK, BLOCK).any(axis=(2, 4)).astype(np.uint8)
    closed = [cv2.morphologyEx(cell, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) for cell in cells]
    grown: Array = np.stack(closed).repeat(BLOCK, axis=1).repeat(BLOCK, axis=2) > 0
    return grown


def holes(make: Bool[Array, "f h w"]) -> Bool[Array, "f h w"]:
    """``make`` as the model can be told it: in whole latent frames and whole squares."""
    return whole_blocks(whole_groups(make))


def trusted(anchor: Anchor, poses: bool) -> Anchor:
    """The anchor as far as it is believed: of people who shall strike ``poses``, only what stands still."""
    if not poses:
        return anchor
    still = np.where(anchor.labels == int(Label.BACKGROUND), anchor.confidence, 0)
    return replace(anchor, confidence=still.astype(np.uint8))


def guesses(scene: Scene, anchor: Anchor, plan: RenderPlan) -> Bool[Array, "f h w"]:
    """Where the anchor is no more than a guess, so that the film will show what the model makes."""
    compositor = Compositor(scene, plan)
    return np.stack([compositor.share(anchor, frame) > 0 for frame in range(len(anchor.rgb))])


def face_areas(tracks: Sequence[MotionTrack], plan: RenderPlan) -> Bool[Array, "f h w"]:
    """Where faces are: what lies between the outermost of their points in the frame."""
    areas = np.zeros((plan.num_frames, plan.height, plan.width), np.uint8)
    for track in tracks:
        for area, dots in zip(areas, draw_face_map([track], plan).max(axis=-1), strict=True):
            if (points := cv2.findNonZero(dots)) is not None:
                cv2.fillConvexPoly(area, cv2.convexHull(points), (1,))
    return areas > 0


def grey_levels(video: RgbStack) -> RgbStack:
    """The video's light and dark [f, h, w, 3], weighed as by VACE's ``gray`` annotator, which takes red for blue."""
    grey: Array = np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in video])
    return np.repeat(grey[..., None], 3, axis=-1)


def cut_out(picture: Rgb, matte: Mask | None, width: int, height: int) -> UInt8[Array, "{height} {width} 3"]:
    """One reference: a person on white, as large as the clip allows; without a matte the whole picture.

    VACE cuts people out, crops to them and sets the rest to white (its annotators/subject.py), and the pipeline letterboxes
    on white; at the clip's own size nothing is left for it to do.
    """
    if matte is not None and (matte > 127).any():
        share = matte[..., None].astype(np.float32) / 255
        picture = np.rint(picture * share + 255 * (1 - share)).astype(np.uint8)
        x, y, wide, high = cv2.boundingRect((matte > 8).astype(np.uint8))
        room = round(ROOM * max(wide, high))
        picture = picture[y : y + high, x : x + wide]
        picture = cv2.copyMakeBorder(picture, room, room, room, room, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    sized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4)
    canvas = np.full((height, width, 3), 255, np.uint8)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[y : y + size[1], x : x + size[0]] = sized
    return canvas


def people_of(scene: Scene, subjects: Sequence[int], width: int, height: int) -> list[Rgb]:
    """References of these subjects, each cut out of its own picture where there is one, else of the scene's photo."""
    return [
        cut_out(subject_picture(scene, subject), subject_matte(scene, subject), width, height) for subject in subjects
    ]


def references_of(scene: Scene, photos: Sequence[Photo], width: int, height: int) -> list[Rgb]:
    """References of people's own photos, in order; who is in the scene's own photo is cut out, as its matte is known."""
    made = []
    for photo in photos:
        known = photo.sha256 == scene.photo.sha256 and len(scene.subjects) > 0
        largest = largest_faces(scene)[:1] if known else []
        made += people_of(scene, largest, width, height) or [cut_out(photo.pixels, None, width, height)]
    return made


def largest_faces(scene: Scene) -> list[int]:
    """The scene's subjects, the largest face first."""

    def area(subject: int) -> float:
        x0, y0, x1, y1 = scene.subjects[subject].face.box
        return (x1 - x0) * (y1 - y0)

    return sorted(range(len(scene.subjects)), key=area, reverse=True)


def laid_over(made: Rgb, still: Rgb, make: Bool[Array, "h w"], soft: float) -> UInt8[Array, "h w 3"]:
    """The model's picture where ``make``, fading in over ``soft`` pixels from its border; elsewhere ``still`` to the bit."""
    if not make.any():
        return still
    if make.all():
        return made
    share = np.clip(exact_distance(make.astype(np.uint8)) / soft, 0, 1)[..., None]
    return np.asarray(np.rint(still + (made.astype(np.float32) - still) * share), np.uint8)


def _frames_of(group: int) -> slice:
    """The frames of a latent frame."""
    return slice(0, 1) if group == 0 else slice(STRIDE * group - STRIDE + 1, STRIDE * group + 1)
