"""Two people who belong together, as small as models take them: the astronaut twice, side by side in one photo."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from photoplay.generation.backends.open_weights.native import ClipInputs
from photoplay.types import Contact, Duet, HeadPose, MotionTrack, Photo, Scene
from tests.generation import actors

SIDE = 512
DIGESTS = ("a" * 64, "b" * 64)
"""Of the photos that the two come from."""
MEETING = (float(SIDE), 300.0)


@cache
def couple() -> Scene:
    """The astronaut twice, side by side in one photo."""
    one = actors.astronaut()
    rgb = np.concatenate([one.photo.pixels] * 2, axis=1)
    first = one.subjects[0].face.landmarks
    second = first + np.array([SIDE, 0, 0], np.float32)
    empty = np.zeros_like(actors.matte())
    mattes = [np.concatenate(pair, axis=1) for pair in ((actors.matte(), empty), (empty, actors.matte()))]
    people = tuple(actors.subject(face, own) for face, own in zip((first, second), mattes, strict=True))
    return Scene(Photo(rgb, "1" * 64), people, np.maximum(*mattes))


@cache
def composed() -> Scene:
    """The same as two photos put into one scene: the second person in a picture of its own, in other colours."""
    scene = couple()
    own = scene.photo.pixels, 255 - scene.photo.pixels
    people = tuple(
        replace(subject, pixels=pixels, origin=digest)
        for subject, pixels, digest in zip(scene.subjects, own, DIGESTS, strict=True)
    )
    return replace(scene, subjects=people)


def together(frames: int, subjects: tuple[int, int] = (0, 1), strength: float = 0.0) -> Duet:
    """They belong together, and meet between their chests as far as ``strength`` says."""
    where = np.tile(np.array(MEETING, np.float32), (frames, 1))
    meeting = Contact("cheek", where, np.zeros(frames, np.float32), np.full(frames, strength, np.float32), 240.0)
    front, arms = np.zeros(frames, np.float32), np.zeros((frames, 2), np.float32)
    return Duet(subjects, front, arms, (meeting,), (("approach", 0), ("hold", frames // 2)))


def shoulder_to_shoulder(clip: ClipInputs) -> ClipInputs:
    """The same clip, in which both reach to the middle of the frame below their heads."""
    assert clip.anchor is not None
    assert clip.anchor.identity is not None
    identity = clip.anchor.identity.copy()
    height, width = identity.shape[1:]
    identity[:, height // 2 :, width // 4 : width // 2] = 1
    identity[:, height // 2 :, width // 2 : 3 * width // 4] = 2
    return replace(clip, anchor=replace(clip.anchor, identity=identity))


def tracks_of(scene: Scene, frames: int = 5) -> list[MotionTrack]:
    """Everybody turns to the right."""
    turns = [HeadPose(3.0 * k, 0, 0) for k in range(frames)]
    return [actors.track(scene, turns, who=who) for who in range(len(scene.subjects))]
