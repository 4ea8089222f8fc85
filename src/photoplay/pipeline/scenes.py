"""What a film shows at rest: one photo's scene, two photos made into one, or nothing yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from photoplay.errors import RequestError, SceneError
from photoplay.finishing.size import plan_size
from photoplay.media import resize_photo
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.types import Notice, Photo, Progress, Request, Scene, StageEvent

IMAGINED = (1280, 720)
"""Shape of a film that starts from no photo, where its size names none."""
GREY = 127
CLEARLY = 12.0
"""Degrees of yaw by which two people must look apart before they change sides."""


@dataclass(frozen=True)
class Rest:
    """A scene, what was measured when it was put together, and what was noticed. ``left`` is which photo's person stands at
    the left of a scene of two."""

    scene: Scene
    metrics: dict[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    left: int = 0


def rest_scene(request: Request, moved: bool, progress: Progress) -> Rest:
    """What the photos show. Two photos of which somebody is ``moved`` become one scene.

    Raises:
        SceneError: a photo of a pair shows nobody whom it could give.   RequestError: ``backdrop_people``.
    """
    if not request.photos:
        width, height, _ = plan_size(*IMAGINED, request.size, None)
        blank = np.full((height, width, 3), GREY, np.uint8)
        return Rest(Scene(Photo(blank, "", "none"), (), np.zeros((height, width), np.uint8)))
    if moved and len(request.photos) == 2:
        return _together(request, progress)
    return Rest(perceive(_working_copy(request.photos[0], request.size), progress))


def _together(request: Request, progress: Progress) -> Rest:
    """Two photos of one person each in one scene."""
    from photoplay.composition.compose import compose

    reader = FaceReader()
    photos = request.photos
    scenes = tuple(perceive(_working_copy(photo, request.size), progress, reader=reader) for photo in photos)
    for which, scene in zip(("first", "second"), scenes, strict=True):
        blocking = next((one for one in scene.notices if one.severity == "blocking" and one.subject is None), None)
        if blocking is not None or not scene.subjects:
            why = blocking or Notice("no_face", "There is no face.", "Give a photo of one person.")
            raise SceneError(why.code, f"In the {which} photo: {why.message}", why.hint)
    staging, backdrop = request.staging, request.backdrop
    if backdrop is not None and reader.read(backdrop.pixels):
        raise RequestError(
            "backdrop_people", "The backdrop shows people.", "Give a backdrop that shows nobody: a room, a landscape."
        )
    left = facing(scenes[0], scenes[1]) if staging.left is None else staging.left
    staging = replace(staging, left=left)
    progress(StageEvent("compose", 0, 1))
    made = compose((scenes[0], scenes[1]), staging, None if backdrop is None else backdrop.pixels)
    progress(StageEvent("compose", 1, 1))
    told = tuple(replace(notice, subject=None) for scene in scenes for notice in scene.notices)
    return Rest(made.scene, dict(made.metrics), (*told, *made.notices), left)


def facing(one: Scene, other: Scene) -> Literal[0, 1]:
    """Who stands at the left: whoever makes both look inwards, where that is clear; else the first."""
    yaws = [max(scene.subjects, key=lambda person: person.face.box[3] - person.face.box[1]) for scene in (one, other)]
    inwards = yaws[0].face.head_pose.yaw - yaws[1].face.head_pose.yaw
    return 1 if inwards < -CLEARLY else 0


def duet_subjects(rest: Rest, request: Request) -> tuple[int, int]:
    """Who plays the first role of a template for two people, and who the second: indices of the scene's subjects.

    Raises:
        SceneError: ``one_person``.
    """
    scene = rest.scene
    if len(scene.subjects) < 2:
        raise SceneError(
            "one_person",
            "This template is for two people, and the photo shows one.",
            "Give two photos of one person each, or a photo of two people.",
        )
    largest = sorted(range(len(scene.subjects)), key=lambda index: -face_height(scene, index))[:2]
    left, right = sorted(largest)
    place: tuple[Literal[0, 1], Literal[0, 1]] = (0, 1)
    if len(request.photos) == 2 and rest.left == 1:
        place = (1, 0)
    people = [(left, right)[where] for where in place]
    return (people[0], people[1]) if request.staging.first == 0 else (people[1], people[0])


def face_height(scene: Scene, subject: int) -> float:
    """Height of a subject's face box in photo pixels."""
    _, y0, _, y1 = scene.subjects[subject].face.box
    return y1 - y0


def _working_copy(photo: Photo, size: str) -> Photo:
    """The photo, no larger than twice the film (or 1280 px): more would cost time and memory and never be seen."""
    width, _, crop = plan_size(photo.width, photo.height, size, None)
    longest = max(photo.width, photo.height)
    enough = max(1280, round(longest * 2 * width / (crop[2] - crop[0])))
    return photo if longest <= enough else resize_photo(photo, enough)
