"""Somebody in a clip makes room for the person of the photo: where they are in every frame, and the film framed as the clip.

The photo's person does what the clip's did, at their place and in their size, frame by frame; arms and legs are the clip's.
What is theirs in the picture is made anew (:attr:`Footage.repair`), everything else stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.errors import RefusedError, SceneError
from photoplay.evaluation.identity import SAME_PERSON, apart
from photoplay.finishing.size import plan_size
from photoplay.motion.smoothing import savitzky_golay
from photoplay.perception.body import read_body, somebody_else
from photoplay.perception.faces import FaceReader
from photoplay.perception.masks import cut_out
from photoplay.pipeline.footage import timed
from photoplay.types import (
    Array,
    Body,
    Face,
    Footage,
    Mask,
    MotionTrack,
    Progress,
    RenderPlan,
    Request,
    Rgb,
    RgbStack,
    StageEvent,
)

LOST = 0.3
"""Seconds for which the face may be lost; the share of the frames in which no body may be seen."""
LOOKS = 4.0
"""Frames a second in which bodies without a face are looked for."""
EDGE = 16
"""Matte from which a pixel is somebody's, of 255: hair is soft."""
ROOM = 0.08
"""Heights of the face by which the hole is larger than the matte."""
SETTLE = 0.3
"""Seconds over which place and size are smoothed."""


@dataclass(frozen=True)
class Place:
    """Where somebody is in a frame, in its pixels: the face, the body if it was seen, what of the picture is theirs."""

    face: Face
    body: Body | None
    mask: Mask


def put_in(
    request: Request, plan: RenderPlan, tracks: tuple[MotionTrack, ...], progress: Progress
) -> tuple[RenderPlan, tuple[MotionTrack, ...], Face]:
    """The plan and the track of a film in which the person of the request's clip is replaced, and that person's face.

    Raises:
        RefusedError: ``replace_not_alone``.   SceneError: ``nobody_to_replace``.
        RequestError: as :func:`photoplay.finishing.size.plan_size`.
    """
    assert request.video is not None, "settled: there is a clip"
    frames = request.video.frames
    width, height, _ = plan_size(frames.rgb.shape[2], frames.rgb.shape[1], request.size)
    video = timed(frames, request.fps, width, height)[: plan.num_frames]
    places = find(video, request.fps, progress)
    footage = Footage(video=video, repair=np.stack([place.mask for place in places]), audio=plan.footage.audio)
    _, _, crop = plan_size(request.photos[0].width, request.photos[0].height, f"{width}x{height}")
    plan = replace(plan, width=width, height=height, crop=crop, footage=footage)
    moved = []
    for track in tracks:
        plan = replace(plan, crop=_crop(track, places, plan))
        moved.append(_stood(track, places, plan))
    return plan, tuple(moved), places[0].face


def find(video: RgbStack, fps: float, progress: Progress) -> list[Place]:
    """Where the one person of a clip is in each frame.

    Nobody else's face may be seen in any of them, and no other body in a few a second: what two people do is a matter of
    both, and has its own gates. Where the face is lost for a moment, all that lies between where it was and where it is
    again is made anew.

    Raises:
        RefusedError: ``replace_not_alone``.   SceneError: ``nobody_to_replace``.
    """
    reader, places, known = FaceReader(), list[Place | None](), None
    due, step = 0, max(1, round(fps / LOOKS))
    for index, rgb in enumerate(video):
        progress(StageEvent("perceive", index, len(video), "the clip"))
        faces = reader.read(rgb, identity=True)
        far = apart(faces[0], known) if faces and known else None
        if len(faces) > 1 or (far is not None and far > SAME_PERSON):
            raise _not_alone()
        places.append(place := _place(rgb, faces[0], reader) if faces else None)
        if place is not None and (index >= due or index == len(video) - 1):
            due = index + step
            if somebody_else(rgb, place.mask, reader.models):
                raise _not_alone()
        known = known or (faces[0] if faces and faces[0].embedding is not None else None)
    progress(StageEvent("perceive", len(video), len(video), "the clip"))
    return _bridged(places, max(1, round(LOST * fps)))


def _not_alone() -> RefusedError:
    return RefusedError(
        "replace_not_alone",
        "The clip shows more than one person, and only somebody who is alone can be replaced.",
        "Give a clip of one person, or make a film of two people from two photos.",
    )


def _bridged(places: list[Place | None], most: int) -> list[Place]:
    """The places with gaps of at most ``most`` frames filled: what is theirs on both sides, and all between.

    Raises:
        SceneError: ``nobody_to_replace``.
    """
    whole: list[Place] = []
    seen = [k for k, place in enumerate(places) if place is not None]
    gaps = [after - before - 1 for before, after in pairwise(seen)]
    if not seen or seen[0] > 0 or seen[-1] < len(places) - 1 or max(gaps, default=0) > most:
        raise SceneError(
            "nobody_to_replace",
            "There is nobody in the clip whose face is seen all the time, so nobody can be replaced.",
            "Give a clip of one person who faces the camera.",
        )
    for k, place in enumerate(places):
        if place is not None:
            whole.append(place)
            continue
        before = whole[-1]
        after = next(later for later in places[k:] if later is not None)
        hull = cv2.convexHull(cv2.findNonZero(np.maximum(before.mask, after.mask)))
        between = cv2.fillConvexPoly(np.maximum(before.mask, after.mask), hull, (255,))
        whole.append(replace(before, mask=np.asarray(between, np.uint8)))
    return whole


def _place(rgb: Rgb, face: Face, reader: FaceReader) -> Place:
    body = read_body(rgb, face, reader.models)
    matte = cut_out(rgb, (face,), (body,), reader.models).people
    reach = 2 * max(1, round(ROOM * (face.box[3] - face.box[1]))) + 1
    theirs = np.where(matte > EDGE, 255, 0).astype(np.uint8)
    outline = cv2.convexHull(np.rint(face.landmarks[:, :2]).astype(np.int32))
    cv2.fillConvexPoly(theirs, outline, (255,))  # the face in any case
    hole = cv2.dilate(theirs, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return Place(face, None if body is None else body.body, np.asarray(hole, np.uint8))


def _seen(points: Float32[Array, "f n 3"]) -> tuple[Float32[Array, "f 2"], Float32[Array, f]]:
    """The middle of each frame's points and how far they spread."""
    flat = points[..., :2]
    middle = flat.mean(1)
    return middle, np.sqrt(np.square(flat - middle[:, None]).sum(2).mean(1))


def _faces(places: list[Place], frames: int) -> Float32[Array, "f 478 3"]:
    """The clip's face in each of so many frames; past its end the last one stays."""
    return np.stack([places[min(k, len(places) - 1)].face.landmarks for k in range(frames)])


def _crop(track: MotionTrack, places: list[Place], plan: RenderPlan) -> tuple[float, float, float, float]:
    """The part of the photo's plane that the frame shows, so that both faces are equally large, and at the beginning at one
    place. It may reach beyond the photo."""
    (there, size), (here, own) = _seen(_faces(places, track.num_frames)), _seen(track.landmarks)
    scale = float(np.median(size / own))
    x, y = (here[0] + 0.5 - (there[0] + 0.5) / scale).tolist()
    return x, y, x + plan.width / scale, y + plan.height / scale


def _stood(track: MotionTrack, places: list[Place], plan: RenderPlan) -> MotionTrack:
    """The track at the place and in the size of the clip's person in each frame, with the clip's joints where they were
    seen."""
    faces = _faces(places, track.num_frames)
    (there, size), (here, own) = _seen(_to_photo(faces, plan)), _seen(track.landmarks)
    grown = _smooth((size / own)[:, None], track.fps)[:, 0]
    there = _smooth(there, track.fps)
    pad = np.zeros((len(here), 1), np.float32)
    middle, target = np.hstack([here, pad]), np.hstack([there, pad])

    def put(points: Float32[Array, "f n 3"]) -> Float32[Array, "f n 3"]:
        moved: Array = target[:, None] + grown[:, None, None] * (points - middle[:, None])
        return moved

    turn, shift = track.head_transform[..., :3], track.head_transform[..., 3]
    heads = np.concatenate(
        [grown[:, None, None] * turn, (target + grown[:, None] * (shift - middle))[..., None]], axis=2
    )
    track = replace(track, landmarks=put(track.landmarks), head_transform=heads, joints=put(track.joints))
    bodies = [places[min(k, len(places) - 1)].body for k in range(track.num_frames)]
    if sum(body is None for body in bodies) > LOST * len(bodies):
        return track
    known = np.array([k for k, body in enumerate(bodies) if body is not None])
    joints = np.stack([body.joints for body in bodies if body is not None])
    held = np.searchsorted(known, np.arange(len(bodies)), side="right") - 1
    whole = _to_photo(joints[np.maximum(held, 0)].astype(np.float32), plan)
    smooth = _smooth(whole.reshape(len(whole), -1), track.fps).reshape(whole.shape)
    seen = np.mean([body.visibility for body in bodies if body is not None], axis=0).astype(np.float32)
    return replace(track, joints=smooth, joint_visibility=seen)


def _smooth(curves: Float32[Array, "f c"], fps: float) -> Float32[Array, "f c"]:
    smooth: Array = savitzky_golay(curves.astype(np.float64), fps, SETTLE).astype(np.float32)
    return smooth


def _to_photo(points: Float32[Array, "f n 3"], plan: RenderPlan) -> Float32[Array, "f n 3"]:
    """Frame-space points in the photo's plane: the inverse of :meth:`RenderPlan.to_frame`."""
    mapped = points / np.float32(plan.scale)
    mapped[..., :2] += (0.5 / plan.scale - 0.5) + np.array(plan.crop[:2], np.float32)
    return np.asarray(mapped, np.float32)
