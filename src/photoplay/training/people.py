"""Synthetic people as examples: photo, motion and truth come from the renderer, the anchor's faults from our own code."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from photoplay.evaluation.tracking import landmark_error
from photoplay.perception.faces import FaceReader
from photoplay.training.clips import made_example
from photoplay.training.follow import RIGID, Seen, Shapes, face_of, next_face, similarity, track_of
from photoplay.training.shards import Example
from photoplay.training.synthetic.clip import SyntheticClip, render_clip
from photoplay.training.synthetic.head import HeadModel
from photoplay.types import Array, Label, Landmarks, LandmarkTrack, Mask, Photo, RenderPlan, Scene, Subject

FPS = 24.0
FINENESS = (0.9, 2.6)
"""Side of the rendered picture over the crop's: faces of 45 to 250 pixels in crops of 192, webcams and portraits."""
LARGEST_ERROR = 0.15
"""Mean error of found landmarks, in inter-ocular distances, beyond which the reader did not understand the picture."""
EVERY_SECOND, FROM_THE_FILM = 0.25, 0.4
"""Shares of people whose examples take every other frame, and of examples whose photo is one of the film's frames."""
FARTHEST = 30.0
"""Degrees of yaw between photo and frames beyond which there is nothing left of the photo: no film turns so far."""
Landmarking = Literal["exact", "carried", "found"]
"""How landmarks come about. ``exact``: the renderer's own. ``found``: by our reader in photo and frames, as in a real clip.
``carried``: by our reader in the photo, and its errors ride along on the exact motion, as in a film from a template."""


def synthetic_examples(
    head: HeadModel, seed: int, parts: int, frames: int, size: int, reader: FaceReader | None, rng: np.random.Generator
) -> list[Example | str]:
    """``parts`` examples of one person in crops of ``size`` pixels; a reason stands in the place of one that failed.

    Drawing a person takes longer than filming it, so one person gives several. Without ``reader`` all landmarks are exact.
    """
    picture = round(size * float(rng.uniform(*FINENESS)) / 16) * 16
    clip = render_clip(head, seed, parts * frames, picture)
    spread = rng.random() < EVERY_SECOND
    made: list[Example | str] = []
    for part in range(parts):
        chosen = slice(part, None, parts) if spread else slice(part * frames, (part + 1) * frames)
        shown = _photo(clip, chosen, rng) if rng.random() < FROM_THE_FILM else None
        how: Landmarking = "exact" if reader is None else "carried" if rng.random() < 0.5 else "found"
        made.append(_example(_part_of(clip, chosen, shown), size, how, reader))
    return made


def _photo(clip: SyntheticClip, chosen: slice, rng: np.random.Generator) -> int | None:
    """One of the other frames, from which the chosen ones can be reached; None where there is none."""
    turned = np.abs(clip.head_pose[:, None, 0] - clip.head_pose[chosen, 0]).max(axis=1)
    turned[chosen] = np.inf
    others = np.flatnonzero(turned < FARTHEST)
    return int(rng.choice(others)) if len(others) else None


def _part_of(clip: SyntheticClip, frames: slice, photo: int | None) -> SyntheticClip:
    """Some frames of the clip, and one of its frames as the photo (None: its own)."""
    names = ("frames", "landmarks", "labels", "blendshapes", "head_pose", "gaze")
    part = replace(clip, **{name: getattr(clip, name)[frames] for name in names})
    if photo is None:
        return part
    own = {
        "photo": clip.frames, "photo_landmarks": clip.landmarks, "photo_labels": clip.labels,
        "photo_blendshapes": clip.blendshapes, "photo_pose": clip.head_pose, "photo_gaze": clip.gaze,
    }  # fmt: skip
    return replace(part, **{name: stack[photo] for name, stack in own.items()})


def _example(clip: SyntheticClip, size: int, how: Landmarking, reader: FaceReader | None) -> Example | str:
    if float(np.abs(clip.head_pose[:, 0] - clip.photo_pose[0]).max()) > FARTHEST:
        return "turned too far"
    picture = clip.photo.shape[0]
    rest, seen = clip.photo_landmarks, clip.landmarks
    if reader is not None and how != "exact":
        found = _found(clip, reader, len(seen) if how == "found" else 0)
        if isinstance(found, str):
            return found
        rest, seen = (found[0], found[1:]) if how == "found" else (found[0], carried(found[0], rest, seen))
    matte = matte_of(clip.photo_labels)
    scene = Scene(Photo(clip.photo, "0" * 64), (Subject(face_of(rest, picture, picture), None, matte),), matte)
    exact = None if how == "found" else Shapes(clip.blendshapes, clip.photo_blendshapes)
    track = track_of(scene, 0, Seen.of(seen), FPS, exact)
    if how != "found":
        track = replace(track, gaze=clip.gaze - clip.photo_gaze)
    plan = RenderPlan(picture, picture, (0.0, 0.0, float(picture), float(picture)), FPS, len(seen), window=len(seen))
    facts: dict[str, str | float] = {**clip.facts, "source": "synthetic", "licence": "own", "landmarks": how}
    return made_example(scene, track, clip.frames, plan, size, facts)


def carried(found: Landmarks, rest: Landmarks, moved: LandmarkTrack) -> LandmarkTrack:
    """The exact motion from ``rest`` to ``moved`` for landmarks that were ``found`` beside ``rest``: their errors turn and
    grow with the head."""
    rigid = list(RIGID)
    skull = rest[rigid].astype(np.float64)
    turns = np.stack([similarity(skull, now[rigid].astype(np.float64))[:, :3] for now in moved])
    errors = (found - rest) @ turns.transpose(0, 2, 1)
    return np.asarray(moved + errors, np.float32)


def _found(clip: SyntheticClip, reader: FaceReader, frames: int) -> LandmarkTrack | str:
    """The landmarks as our reader finds them in the photo and some frames, or the reason why it does not."""
    faces = [face_of(clip.photo_landmarks, *clip.photo.shape[1::-1])]
    truths = (clip.photo_landmarks, *clip.landmarks[:frames])
    for picture, truth in zip((clip.photo, *clip.frames[:frames]), truths, strict=True):
        face = next_face(picture, faces[-1], reader)
        if face is None:
            return "face not found"
        if landmark_error(truth, face.landmarks) > LARGEST_ERROR:
            return "landmarks not found"
        faces.append(face)
    return np.stack([face.landmarks for face in faces[1:]])


def matte_of(labels: UInt8[Array, "h w"]) -> Mask:
    """The soft matte of the person: everything that is not background, its edge as wide as a camera's."""
    person = np.where(labels == Label.BACKGROUND, np.uint8(0), np.uint8(255))
    return np.asarray(cv2.GaussianBlur(person, (0, 0), 0.8), np.uint8)
