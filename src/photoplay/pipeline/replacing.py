"""Somebody in a clip makes room for the person of the photo: where they are in every frame, and the film framed as the clip.

The photo's person does what the clip's did, at their place and in their size, frame by frame; arms and legs are the clip's.
What is theirs in the picture is made anew (:attr:`Footage.repair`), everything else stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.errors import SceneError
from photoplay.finishing.size import plan_size
from photoplay.motion.smoothing import savitzky_golay
from photoplay.perception.body import read_body
from photoplay.perception.faces import FaceReader
from photoplay.perception.masks import cut_out
from photoplay.pipeline.footage import timed
from photoplay.types import (
    Array,
    Body,
    Face,
    Footage,
    Landmarks,
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
"""Share of the frames in which nobody may be found."""
EDGE = 16
"""Matte from which a pixel is somebody's, of 255: hair is soft."""
ROOM = 0.08
"""Heights of the face by which the hole is larger than the matte."""
SETTLE = 0.3
"""Seconds over which place and size are smoothed."""


@dataclass(frozen=True)
class Place:
    """Where somebody is in a frame, in its pixels: the face's points, the body's joints, what of the picture is theirs."""

    face: Landmarks
    body: Body | None
    mask: Mask


def put_in(
    request: Request, plan: RenderPlan, tracks: tuple[MotionTrack, ...], progress: Progress
) -> tuple[RenderPlan, tuple[MotionTrack, ...]]:
    """The plan and the track of a film in which the person of the request's clip is replaced.

    Raises:
        SceneError: ``nobody_to_replace``.   RequestError: as :func:`photoplay.finishing.size.plan_size`.
    """
    assert request.video is not None, "settled: there is a clip"
    frames = request.video.frames
    width, height, _ = plan_size(frames.rgb.shape[2], frames.rgb.shape[1], request.size)
    video = timed(frames, request.fps, width, height)[: plan.num_frames]
    places = find(video, progress)
    footage = Footage(video=video, repair=np.stack([place.mask for place in places]), audio=plan.footage.audio)
    _, _, crop = plan_size(request.photos[0].width, request.photos[0].height, f"{width}x{height}")
    plan = replace(plan, width=width, height=height, crop=crop, footage=footage)
    moved = []
    for track in tracks:
        plan = replace(plan, crop=_crop(track, places, plan))
        moved.append(_stood(track, places, plan))
    return plan, tuple(moved)


def find(video: RgbStack, progress: Progress) -> list[Place]:
    """Where the person with the largest face of the clip's beginning is in each frame; short losses are bridged.

    Raises:
        SceneError: ``nobody_to_replace``.
    """
    reader, places, last = FaceReader(), list[Place | None](), None
    for index, rgb in enumerate(video):
        progress(StageEvent("perceive", index, len(video), "the clip"))
        faces = reader.read(rgb)
        chosen = _same(faces, last)
        places.append(None if chosen is None else _place(rgb, faces, chosen, reader))
        last = last if chosen is None else faces[chosen]
    progress(StageEvent("perceive", len(video), len(video), "the clip"))
    if last is None or places.count(None) > LOST * len(places):
        raise SceneError(
            "nobody_to_replace",
            "There is nobody in the clip whose face is seen all the time, so nobody can be replaced.",
            "Give a clip of one person who faces the camera.",
        )
    known = [place for place in places if place is not None]
    filled, before = [], known[0]
    for place in places:
        before = place or before
        filled.append(before)
    return filled


def _same(faces: tuple[Face, ...], last: Face | None) -> int | None:
    """Which of the faces is the one that was seen last: the nearest that is no farther than its height; at first the
    largest."""
    if not faces:
        return None
    if last is None:
        return max(range(len(faces)), key=lambda i: faces[i].box[3] - faces[i].box[1])
    apart = [float(np.hypot(*(_middle(face) - _middle(last)))) for face in faces]
    nearest = int(np.argmin(apart))
    return nearest if apart[nearest] < last.box[3] - last.box[1] else None


def _middle(face: Face) -> Float32[Array, 2]:
    x0, y0, x1, y1 = face.box
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2], np.float32)


def _place(rgb: Rgb, faces: tuple[Face, ...], chosen: int, reader: FaceReader) -> Place:
    bodies = tuple(read_body(rgb, face, reader.models) for face in faces)
    mattes, face, body = cut_out(rgb, faces, bodies, reader.models), faces[chosen], bodies[chosen]
    own = mattes.persons[chosen]
    reach = 2 * max(1, round(ROOM * (face.box[3] - face.box[1]))) + 1
    theirs = np.where((mattes.people if own is None else own) > EDGE, 255, 0).astype(np.uint8)
    hole = cv2.dilate(theirs, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return Place(face.landmarks, None if body is None else body.body, np.asarray(hole, np.uint8))


def _seen(points: Float32[Array, "f n 3"]) -> tuple[Float32[Array, "f 2"], Float32[Array, f]]:
    """The middle of each frame's points and how far they spread."""
    flat = points[..., :2]
    middle = flat.mean(1)
    return middle, np.sqrt(np.square(flat - middle[:, None]).sum(2).mean(1))


def _faces(places: list[Place], frames: int) -> Float32[Array, "f 478 3"]:
    """The clip's face in each of so many frames; past its end the last one stays."""
    return np.stack([places[min(k, len(places) - 1)].face for k in range(frames)])


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
