"""The whole stage: two photos become one picture of two people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from photoplay.composition import backdrops
from photoplay.composition.cutouts import Cutout, cut_person, main_subject, place
from photoplay.composition.layout import Figure, Layout, lay_out
from photoplay.composition.sides import carry_sides
from photoplay.errors import SceneError
from photoplay.types import Array, Mask, Notice, Photo, Rgb, Scene, Staging, Subject

LEAST_HEIGHT, TALLEST = 720, 1080
"""Height of a composed picture in pixels: what a 720p film needs, and what a 1080p film can use."""
MUCH_ENLARGED = 2.0
UNLIKE_SIZES = 1.6
SIZE_RANGE = (0.4, 2.5)


@dataclass(frozen=True)
class Composition:
    """A composed ``scene`` of two subjects from left to right, ``metrics`` of how it was made, and ``notices``.

    metrics: ``scale_left``, ``scale_right`` canvas pixels per photo pixel; ``size_ratio`` right head over left head;
    ``eye_distance`` between the people in heads, ``eye_drop`` how much lower the right one's eyes are; ``front`` 0 or 1:
    who stands before the other; ``overlap`` share of the smaller silhouette that both cover.
    """

    scene: Scene
    metrics: dict[str, float]
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class _Person:
    """One of the two: the scene, its main subject's index, the cutout in the photo, its measures, and its size."""

    scene: Scene
    index: int
    cutout: Cutout
    figure: Figure
    size: float
    photo: int


def compose(
    scenes: tuple[Scene, Scene],
    staging: Staging,
    backdrop: Rgb | None = None,
    *,
    least: int = LEAST_HEIGHT,
    tallest: int = TALLEST,
) -> Composition:
    """Puts the main person of each scene into one picture, as ``staging`` says; ``backdrop`` is a photo of nobody.

    The picture is ``least`` to ``tallest`` pixels high, depending on what the photos carry. The main person of a photo is
    its largest face. Every subject comes with all that perception found, moved into the new picture.

    Raises:
        SceneError: ``no_face`` in one of the photos; ``backdrop_missing``; ``size_ratio_out_of_range``.
    """
    _check(scenes, staging, backdrop)
    people = tuple(_person(scenes[k], k, staging) for k in ((0, 1) if staging.left == 0 else (1, 0)))
    layout = lay_out(
        (people[0].figure, people[1].figure), (people[0].size, people[1].size), staging, least, tallest
    )
    cutouts = tuple(_placed(person, layout, k) for k, person in enumerate(people))
    plate = _plate(people, layout, staging, backdrop)
    pair = (cutouts[0], cutouts[1])
    scene = _scene(people, pair, plate, layout, _digest(scenes, staging, backdrop))
    notices = _notices(people, layout)
    return Composition(replace(scene, notices=_kept(people) + notices), _metrics(people, pair, layout), notices)


def _check(scenes: tuple[Scene, Scene], staging: Staging, backdrop: Rgb | None) -> None:
    for which, scene in zip(("first", "second"), scenes, strict=True):
        if not scene.subjects:
            raise SceneError(
                "no_face",
                f"No face was found in the {which} photo.",
                "Use a photo in which a face is at least 24 pixels high and not turned away.",
            )
    if staging.backdrop == "photo" and backdrop is None:
        raise SceneError(
            "backdrop_missing", "The scene shall be a photo, but none is given.", "Give a backdrop, or choose the studio."
        )
    ratio = staging.size_ratio
    if ratio is not None and not SIZE_RANGE[0] <= ratio <= SIZE_RANGE[1]:
        raise SceneError(
            "size_ratio_out_of_range",
            f"One person cannot be {ratio:g} times as large as the other.",
            f"Choose a ratio between {SIZE_RANGE[0]:g} and {SIZE_RANGE[1]:g}.",
        )


def _person(scene: Scene, photo: int, staging: Staging) -> _Person:
    index = main_subject(scene)
    cutout = cut_person(scene.photo.pixels, scene.subjects[index], scene.matte)
    ratio = staging.size_ratio or 1.0
    size = 1.0 if photo == 0 else ratio
    return _Person(scene, index, cutout, Figure.of(cutout), size, photo)


def _placed(person: _Person, layout: Layout, k: int) -> Cutout:
    placement = layout.placements[k]
    placed = place(person.cutout, placement, layout.width, layout.height)
    edges = (placement.x, placement.x + placement.scale * person.scene.photo.width)
    return carry_sides(placed, edges, layout.unit * person.size)


def _plate(people: tuple[_Person, ...], layout: Layout, staging: Staging, backdrop: Rgb | None) -> Rgb:
    """The empty backdrop at the canvas' size."""
    kind = staging.backdrop
    if kind == "auto":
        kind = "studio" if backdrop is None else "photo"
    if kind == "photo" and backdrop is not None:
        return backdrops.cover_photo(backdrop, layout.width, layout.height)
    if kind == "first":
        k = 0 if people[0].photo == 0 else 1
        first = people[k]
        reach = max(3, round(0.15 * first.figure.unit))
        empty = backdrops.without_people(first.scene.photo.pixels, first.scene.matte, reach)
        return backdrops.own_background(empty, layout.placements[k], first.figure.eyes, layout.width, layout.height)
    tones = [backdrops.background_tone(person.scene.photo.pixels, person.scene.matte) for person in people]
    return backdrops.studio(layout.width, layout.height, np.mean(tones, 0).astype(np.float32))


def over(plate: Rgb, pixels: Rgb, matte: Mask) -> Rgb:
    """``pixels`` laid over ``plate`` where ``matte`` says."""
    alpha = matte[..., None].astype(np.float32) / np.float32(255)
    mixed: Float32[Array, "h w 3"] = plate + (pixels.astype(np.float32) - plate) * alpha
    return np.asarray(np.rint(mixed), np.uint8)


def _scene(
    people: tuple[_Person, ...], pair: tuple[Cutout, Cutout], plate: Rgb, layout: Layout, digest: str
) -> Scene:
    back, front = pair[1 - layout.front], pair[layout.front]
    picture = over(over(plate, back.pixels, back.matte), front.pixels, front.matte)
    subjects = []
    for person, cutout in zip(people, pair, strict=True):
        subjects.append(
            Subject(
                face=cutout.face,
                body=cutout.body,
                matte=cutout.matte,
                pixels=over(plate, cutout.pixels, cutout.matte),
                origin=person.scene.photo.sha256,
            )
        )
    union = 255 - np.rint((255.0 - back.matte) * (255.0 - front.matte) / 255)
    return Scene(
        Photo(picture, digest, "composed"), tuple(subjects), np.asarray(union, np.uint8), plate=plate
    )


def _digest(scenes: tuple[Scene, Scene], staging: Staging, backdrop: Rgb | None) -> str:
    """What the composed picture follows from, as one hex digest."""
    text = "\n".join([scenes[0].photo.sha256, scenes[1].photo.sha256, repr(staging)])
    digest = hashlib.sha256(text.encode())
    if backdrop is not None:
        digest.update(np.ascontiguousarray(backdrop).tobytes())
    return digest.hexdigest()


def _kept(people: tuple[_Person, ...]) -> tuple[Notice, ...]:
    """What perception said of the two people and their photos, with the subjects' new places."""
    kept = []
    for place_, person in enumerate(people):
        for notice in person.scene.notices:
            if notice.subject is None or notice.subject == person.index:
                kept.append(replace(notice, subject=place_))
    return tuple(kept)


def _notices(people: tuple[_Person, ...], layout: Layout) -> tuple[Notice, ...]:
    notices = []
    for k, person in enumerate(people):
        scale = layout.placements[k].scale
        if scale > MUCH_ENLARGED:
            notices.append(
                Notice(
                    "photo_upscaled",
                    f"This person is enlarged {scale:.1f} times for the picture, so they will look soft.",
                    "Use a larger photo, or one taken closer: a face of 200 pixels and more looks best.",
                    "warning",
                    k,
                )
            )
    return tuple(notices)


def _metrics(people: tuple[_Person, ...], pair: tuple[Cutout, Cutout], layout: Layout) -> dict[str, float]:
    eyes = [cutout.face.landmarks[[33, 133, 263, 362], :2].mean(0) / layout.unit for cutout in pair]
    covered = [cutout.matte > 127 for cutout in pair]
    both = float((covered[0] & covered[1]).sum()) / max(1.0, float(min(covered[0].sum(), covered[1].sum())))
    return {
        "scale_left": layout.placements[0].scale,
        "scale_right": layout.placements[1].scale,
        "size_ratio": people[1].size / people[0].size,
        "eye_distance": float(eyes[1][0] - eyes[0][0]),
        "eye_drop": float(eyes[1][1] - eyes[0][1]),
        "front": float(layout.front),
        "overlap": both,
    }
