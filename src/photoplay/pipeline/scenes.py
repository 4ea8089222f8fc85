"""What a film shows at rest: one photo's scene, two photos made into one, or nothing yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from photoplay.errors import RequestError, SceneError
from photoplay.finishing.size import plan_size
from photoplay.media import resize_photo
from photoplay.motion.duet_order import stands_before
from photoplay.motion.duet_template import AnyTemplate, DuetTemplate
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.types import Array, Box, Notice, Photo, Progress, Request, Scene, StageEvent, Subject

IMAGINED = (1280, 720)
"""Shape of a film that starts from no photo, where its size names none."""
GREY = 127
ROOM = 0.12
"""How far a picture of two people goes on around the film's frame, as a share of its longer side."""
_HEIGHTS = {"480p": (480, 720), "720p": (720, 1080), "1080p": (1080, 1440)}
"""Least and largest height of such a picture in pixels."""
_TOLD = ("light_before", "size_ratio", "scale_left", "scale_right")
BEHIND = 0.7
"""A face of at most this share of the second largest one's height is of somebody in the background."""
CLEARLY = 12.0
"""Degrees of yaw by which two people must look apart before they change sides."""


@dataclass(frozen=True)
class Cast:
    """Whom the first and the second of two photos give, and their mattes: it tells who of them stands in front."""

    people: tuple[Subject, Subject]
    mattes: tuple[UInt8[Array, "_ _"] | None, UInt8[Array, "_ _"] | None]


@dataclass(frozen=True)
class Rest:
    """A scene, and what was measured when it was put together of two photos. ``left`` is then which photo's person stands at
    the left, ``frame`` the part of the picture that the film shows: around it there is room for people who move. ``cast``
    are those it was put together of, ``before`` who of them stands in front: 0 the left one, 1 the right one."""

    scene: Scene
    metrics: dict[str, float] = field(default_factory=dict)
    left: Literal[0, 1] = 0
    frame: Box | None = None
    cast: Cast | None = None
    before: Literal[0, 1] | None = None

    def fits(self, request: Request, template: AnyTemplate | None) -> bool:
        """Whether the same photos at rest look like this for another template."""
        return self.cast is None or self.before == _before(template, self.cast, request.staging.first, self.left)


def rest_scene(request: Request, moves: AnyTemplate | bool, progress: Progress) -> Rest:
    """What the photos show. Two photos of which somebody ``moves`` (by a template, or by speaking) become one scene.

    Raises:
        SceneError: a photo of a pair shows nobody whom it could give.   RequestError: ``backdrop_people``.
    """
    if not request.photos:
        width, height, _ = plan_size(*IMAGINED, request.size, None)
        blank = np.full((height, width, 3), GREY, np.uint8)
        return Rest(Scene(Photo(blank, "", "none"), (), np.zeros((height, width), np.uint8)))
    if moves and len(request.photos) == 2:
        return _together(request, None if isinstance(moves, bool) else moves, progress)
    return Rest(perceive(_working_copy(request.photos[0], request.size), progress))


def _together(request: Request, template: AnyTemplate | None, progress: Progress) -> Rest:
    """Two photos of one person each in one scene."""
    from photoplay.composition.compose import compose
    from photoplay.composition.layout import Size
    from photoplay.composition.relight import light_difference
    from photoplay.perception.light import estimate_light

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
    canvas = Size(*_HEIGHTS.get(request.size, (720, 1080)), margin=ROOM)
    people = (_main(scenes[0]), _main(scenes[1]))
    first, second = (scene.matte if one.matte is None else one.matte for scene, one in zip(scenes, people, strict=True))
    cast = Cast(people, (first, second))
    before = _before(template, cast, staging.first, left)
    made = compose((scenes[0], scenes[1]), staging, None if backdrop is None else backdrop.pixels, canvas, before)
    progress(StageEvent("compose", 1, 1))
    lights = [
        light for subject in made.scene.subjects if (light := estimate_light(made.scene.photo.pixels, subject.face))
    ]
    metrics = {name: made.metrics[name] for name in _TOLD if name in made.metrics}
    if len(lights) == 2:
        metrics["light_after"] = light_difference(lights[0], lights[1]).shading
    return Rest(made.scene, metrics, left, made.frame, cast, before)


def _before(
    template: AnyTemplate | None, cast: Cast, first: Literal[0, 1], left: Literal[0, 1]
) -> Literal[0, 1] | None:
    """Which of the left (0) and the right (1) person stands before the other as the film begins."""
    if not isinstance(template, DuetTemplate):
        return None
    second = 1 - first
    people = (cast.people[first], cast.people[second])
    way = 1.0 if first == left else -1.0
    role = stands_before(template, people, (cast.mattes[first], cast.mattes[second]), (way, -way))
    return 0 if (first == left) == (role == 0) else 1


def facing(one: Scene, other: Scene) -> Literal[0, 1]:
    """Who stands at the left: whoever makes both look inwards, where that is clear; else the first."""
    inwards = _main(one).face.head_pose.yaw - _main(other).face.head_pose.yaw
    return 1 if inwards < -CLEARLY else 0


def _main(scene: Scene) -> Subject:
    """The person of a photo of one: the largest face."""
    return scene.subjects[max(range(len(scene.subjects)), key=lambda index: face_height(scene, index))]


def duet_subjects(rest: Rest, request: Request, template: DuetTemplate) -> tuple[int, int]:
    """Who plays the first role of a template for two people, and who the second: indices of the scene's subjects.
    Of several it is the largest two who can and have nobody like them between them.

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
    left, right = _neighbours(scene, template)
    place: tuple[Literal[0, 1], Literal[0, 1]] = (0, 1)
    if len(request.photos) == 2 and rest.left == 1:
        place = (1, 0)
    people = [(left, right)[where] for where in place]
    return (people[0], people[1]) if request.staging.first == 0 else (people[1], people[0])


def _neighbours(scene: Scene, template: DuetTemplate) -> tuple[int, int]:
    """The left and the right one of the two largest people next to each other; who is much smaller stands behind them."""
    heights = [face_height(scene, index) for index in range(len(scene.subjects))]
    unable = {
        notice.subject
        for notice in scene.notices
        if notice.severity == "blocking" or notice.code in template.cannot_live_with
    }
    least = BEHIND * sorted(heights)[-2]
    near = [index for index, height in enumerate(heights) if height > least and index not in unable]
    if len(near) < 2:  # it is told of the two largest what keeps them from it
        near = sorted(sorted(range(len(heights)), key=lambda index: -heights[index])[:2])
    return max(pairwise(near), key=lambda pair: (min(heights[one] for one in pair), sum(heights[one] for one in pair)))


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
