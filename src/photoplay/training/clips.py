"""Real clips as examples: one frame is the photo, its neighbours in the same shot are the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photoplay.evaluation.identity import same_person
from photoplay.generation.anchors import render
from photoplay.generation.backends.pocket.crops import HeadCrops, crop_frames, crop_window
from photoplay.generation.source import frame_photo
from photoplay.perception.advice import face_height
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.training.filters import why_not
from photoplay.training.follow import Seen, next_face, track_of
from photoplay.training.shards import Example
from photoplay.types import Box, Face, Frames, MotionTrack, Photo, RenderPlan, Rgb, RgbStack, Scene

FRAMES_APART = (1, 1, 1, 2, 3)
"""Steps between an example's frames, drawn evenly."""
ROOM = 2.8
"""Side of the square frame in face heights."""


@dataclass(frozen=True)
class Take:
    """Frames of one shot that follow one person: ``photo`` is any of them, ``faces`` are those of ``frames``."""

    photo: Rgb
    frames: RgbStack
    faces: tuple[Face, ...]
    fps: float


def take(clip: Frames, shots: Sequence[slice], count: int, reader: FaceReader, rng: np.random.Generator) -> Take | str:
    """``count`` frames from one of the clip's ``shots`` (the longer, the likelier), or the reason why there are none."""
    long = [shot for shot in shots if shot.stop - shot.start > count]
    if not long:
        return "short shot"
    lengths = np.array([shot.stop - shot.start for shot in long], np.float64)
    return _take(clip.rgb[long[rng.choice(len(long), p=lengths / lengths.sum())]], clip.fps, count, reader, rng)


def _take(stack: RgbStack, fps: float, count: int, reader: FaceReader, rng: np.random.Generator) -> Take | str:
    """One take: the photo anywhere in the shot, the frames together."""
    step = int(rng.choice([s for s in FRAMES_APART if (count - 1) * s < len(stack)]))
    start = int(rng.integers(len(stack) - (count - 1) * step))
    photo = stack[int(rng.integers(len(stack)))]
    found = reader.read(photo, identity=True)
    if (why := why_not(photo, found)) is not None:
        return why
    frames = np.ascontiguousarray(stack[start : start + (count - 1) * step + 1 : step])
    seen = reader.read(frames[0], identity=True)
    if (why := why_not(frames[0], seen)) is not None:
        return why
    faces = [max(seen, key=face_height)]
    if not same_person(max(found, key=face_height), faces[0]):
        return "another person"
    for frame in frames[1:]:
        face = next_face(frame, faces[-1], reader)
        if face is None:
            return "face lost"
        faces.append(face)
    return Take(photo, frames, tuple(faces), fps / step)


def example_of(take: Take, size: int, reader: FaceReader, facts: dict[str, str | float]) -> Example | str:
    """The example of a take in a crop of ``size`` pixels, or the reason why there is none."""
    scene = perceive(Photo(np.ascontiguousarray(take.photo), "0" * 64), reader=reader)
    if not scene.subjects:
        return "no face"
    subject = max(range(len(scene.subjects)), key=lambda i: face_height(scene.subjects[i].face))
    track = track_of(scene, subject, Seen.of(np.stack([face.landmarks for face in take.faces])), take.fps)
    return made_example(scene, track, take.frames, _plan(scene, subject, take, size), size, {**facts, "source": "clip"})


def made_example(
    scene: Scene, track: MotionTrack, truth: RgbStack, plan: RenderPlan, size: int, facts: dict[str, str | float]
) -> Example:
    """Renders the anchor of ``track`` and cuts its crops out of it, and out of the ``truth`` in photo space."""
    anchor = next(render(scene, [track], plan))
    landmarks, rest = plan.to_frame(track.landmarks), plan.to_frame(track.rest_landmarks)
    crops = HeadCrops.of(landmarks, rest, size)
    framed = frame_photo(scene.photo.pixels, plan)
    window = crop_window(anchor, landmarks, rest, framed, crops.matrices, crops.rest, size)
    shown = np.stack([frame_photo(frame, plan) for frame in truth])
    return Example(window, crop_frames(shown, crops.matrices, size), facts)


def _plan(scene: Scene, subject: int, take: Take, size: int) -> RenderPlan:
    """A square of the picture around all the places where the face is, about as fine as the crop."""
    height = face_height(scene.subjects[subject].face)
    boxes = np.array([scene.subjects[subject].face.box, *(face.box for face in take.faces)])
    (x0, y0), (x1, y1) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    side = max(ROOM * height, float(max(x1 - x0, y1 - y0)) + 1.2 * height)
    side = min(side, float(min(scene.photo.width, scene.photo.height)))
    left = float(np.clip((x0 + x1) / 2 - side / 2, 0, scene.photo.width - side))
    top = float(np.clip((y0 + y1) / 2 - side / 2, 0, scene.photo.height - side))
    box: Box = (left, top, left + side, top + side)
    pixels = round(side * min(1.0, 1.2 * size / (1.45 * height)) / 2) * 2
    return RenderPlan(pixels, pixels, box, take.fps, len(take.frames), window=len(take.frames))
