"""The whole stage: two photos become one picture of two people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from photoplay.composition import backdrops
from photoplay.composition.advice import advise, largest_taken
from photoplay.composition.cutouts import Cutout, Placement, cut_person, main_subject, place, put
from photoplay.composition.join import Joined, Setting, join_light
from photoplay.composition.layout import Figure, Layout, Size, lay_out
from photoplay.composition.sides import carry_sides
from photoplay.errors import SceneError
from photoplay.topology import inter_ocular
from photoplay.types import Array, Box, Mask, Notice, Photo, Rgb, Scene, Staging, Subject

Kind: TypeAlias = Literal["studio", "first", "photo"]

SIZE_RANGE = (0.4, 2.5)
FEWEST_HEADS = 6.0
"""No picture is less high, in heads (inter-ocular distances)."""
FADE = 0.5
"""From so many heads off a person on, what lies around them in their own picture is the plate."""

_COLOURS_TAKEN = Notice(
    "colours_taken",
    "One of the photos has no colours, so the other one's were taken away.",
    "Use two photos in colour for a film in colour.",
)


@dataclass(frozen=True)
class Composition:
    """A composed ``scene`` of two subjects from left to right, ``metrics`` of how it was made, and ``notices``.

    ``frame`` is the box of the scene's picture that a film shall show; where a margin was asked for, the picture goes on
    around it for people who move. ``scene.notices`` holds these ``notices`` as well.

    metrics: ``scale_left``, ``scale_right`` canvas pixels per photo pixel; ``size_ratio`` right head over left head;
    ``eye_distance`` between the people in heads, ``eye_drop`` how much lower the right one's eyes are; ``front`` 0 or 1:
    who stands before the other; ``overlap`` share of the smaller silhouette that both cover; and what
    :func:`photoplay.composition.join.join_light` tells (``a`` is left, ``b`` right).
    """

    scene: Scene
    metrics: dict[str, float]
    notices: tuple[Notice, ...]
    frame: Box


@dataclass(frozen=True)
class _Person:
    """One of the two: the scene, its main subject's index, the cutout in the photo, its measures, and its size.

    ``photo`` is 0 for the first photo's person; ``shrunk`` is the scene's width over that of the photo that came."""

    scene: Scene
    index: int
    cutout: Cutout
    figure: Figure
    size: float
    photo: Literal[0, 1]
    shrunk: float


def compose(
    scenes: tuple[Scene, Scene],
    staging: Staging,
    backdrop: Rgb | None = None,
    canvas: Size | None = None,
    front: Literal[0, 1] | None = None,
) -> Composition:
    """Puts the main person of each scene into one picture, as ``staging`` says; ``backdrop`` is a photo of nobody.

    The main person of a photo is its largest face. Every subject comes with all that perception found, moved into the new
    picture. ``subject.pixels`` are straight colours: ``matte * pixels + (1 - matte) * plate`` is the person alone before
    the plate. ``canvas`` says how large the picture is; the default is 720 to 1080 pixels high, without a margin.
    ``front`` is who stands before the other: 0 the left one, 1 the right one, None whoever's photo suits better.

    Raises:
        SceneError: ``no_face`` in one of the photos; ``backdrop_missing``; ``size_ratio_out_of_range``.
    """
    _check(scenes, staging, backdrop)
    order: tuple[Literal[0, 1], Literal[0, 1]] = (1, 0) if staging.left == 1 else (0, 1)
    canvas = canvas or Size()
    left, right = (_person(scenes[k], k, staging, canvas) for k in order)
    figures, sizes = (left.figure, right.figure), (left.size, right.size)
    layout = lay_out(figures, sizes, staging, canvas)
    if front is not None:
        layout = replace(layout, front=front)
    kind = _backdrop_kind(staging, backdrop)
    plate = _plate((left, right), layout, kind, backdrop)
    joined = join_light(
        _placed(left, layout, 0), _placed(right, layout, 1), plate, _setting(kind, order), front=layout.front
    )
    notices = advise((joined.a.face, joined.b.face), figures, sizes, layout)
    if joined.metrics["grey"]:
        notices += (_COLOURS_TAKEN,)
    scene = _scene((left, right), joined, layout, _digest(scenes, (staging, front), backdrop))
    scene = replace(scene, notices=_kept((left, right)) + notices)
    metrics = _metrics((left, right), (joined.a, joined.b), layout) | joined.metrics
    return Composition(scene, metrics, notices, layout.frame)


def _setting(kind: Kind, order: tuple[int, int]) -> Setting:
    """What the plate is to the person at the left (a) and at the right (b)."""
    if kind == "first":
        return "a" if order[0] == 0 else "b"
    return kind


def _check(scenes: tuple[Scene, Scene], staging: Staging, backdrop: Rgb | None) -> None:
    for which, scene in zip(("first", "second"), scenes, strict=True):
        if not scene.subjects:
            raise SceneError(
                "no_face",
                f"No face was found in the {which} photo.",
                "Use a photo in which a face is at least 40 pixels high and not turned away.",
            )
    if staging.backdrop == "photo" and backdrop is None:
        raise SceneError(
            "backdrop_missing",
            "The scene shall be a photo, but none is given.",
            "Give a backdrop, or choose the studio.",
        )
    ratio = staging.size_ratio
    if ratio is not None and not SIZE_RANGE[0] <= ratio <= SIZE_RANGE[1]:
        raise SceneError(
            "size_ratio_out_of_range",
            f"One person cannot be {ratio:g} times as large as the other.",
            f"Choose a ratio between {SIZE_RANGE[0]:g} and {SIZE_RANGE[1]:g}.",
        )


def _person(scene: Scene, photo: Literal[0, 1], staging: Staging, canvas: Size) -> _Person:
    index = main_subject(scene)
    enough = _enough(scene, index, canvas.tallest / FEWEST_HEADS)
    cutout = cut_person(enough.photo.pixels, enough.subjects[index], enough.matte)
    shrunk = enough.photo.width / scene.photo.width
    size = 1.0 if photo == 0 or staging.size_ratio is None else staging.size_ratio
    return _Person(enough, index, cutout, Figure.of(cutout), size, photo, shrunk)


def _enough(scene: Scene, index: int, unit: float) -> Scene:
    """The scene with its photo no larger than makes the head ``unit`` pixels, which is more than the picture can show; only
    the main subject moves along."""
    subject = scene.subjects[index]
    scale = unit / inter_ocular(subject.face.landmarks)
    if scale > 0.9:
        return scene
    size = (max(8, round(scene.photo.width * scale)), max(8, round(scene.photo.height * scale)))
    own = scene.matte if subject.matte is None else subject.matte
    to_size = Placement(size[0] / scene.photo.width, 0.0, 0.0)
    small = place(Cutout(scene.photo.pixels, own, subject.face, subject.body), to_size, *size)
    subjects = list(scene.subjects)
    subjects[index] = replace(subject, face=small.face, body=small.body, matte=small.matte)
    return replace(
        scene,
        photo=replace(scene.photo, pixels=small.pixels),
        subjects=tuple(subjects),
        matte=put(scene.matte, to_size, *size),
    )


def _placed(person: _Person, layout: Layout, k: int) -> Cutout:
    placement = layout.placements[k]
    placed = place(person.cutout, placement, layout.width, layout.height)
    photo = person.scene.photo
    borders = (
        placement.x,
        placement.y,
        placement.x + placement.scale * photo.width,
        placement.y + placement.scale * photo.height,
    )
    return carry_sides(placed, borders, layout.unit * person.size)


def _backdrop_kind(staging: Staging, backdrop: Rgb | None) -> Kind:
    if staging.backdrop == "auto":
        return "studio" if backdrop is None else "photo"
    return staging.backdrop


def _plate(
    people: tuple[_Person, _Person], layout: Layout, kind: Kind, backdrop: Rgb | None
) -> UInt8[Array, "rows columns 3"]:
    """The empty backdrop at the canvas' size."""
    if kind == "photo" and backdrop is not None:
        return backdrops.cover_photo(backdrop, layout.width, layout.height)
    if kind == "first":
        k = next(k for k, person in enumerate(people) if person.photo == 0)
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


def _scene(people: tuple[_Person, _Person], joined: Joined, layout: Layout, digest: str) -> Scene:
    pair = (joined.a, joined.b)
    back, front = pair[1 - layout.front], pair[layout.front]
    picture = over(over(joined.plate, back.pixels, back.matte), front.pixels, front.matte)
    subjects = tuple(
        Subject(
            face=cutout.face,
            body=cutout.body,
            matte=cutout.matte,
            pixels=_faded(cutout, joined.plate, layout.unit * person.size),
            origin=person.scene.photo.sha256,
        )
        for person, cutout in zip(people, pair, strict=True)
    )
    union = 255 - np.rint((255.0 - back.matte) * (255.0 - front.matte) / 255)
    return Scene(Photo(picture, digest, "composed"), subjects, union.astype(np.uint8), plate=joined.plate)


def _faded(cutout: Cutout, plate: Rgb, unit: float) -> Rgb:
    """The person's own colours, and the plate where the person is far."""
    scale = min(1.0, 6 / unit)
    small = cv2.resize(cutout.matte, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    reach = max(1, round(FADE * unit * scale))
    near = cv2.blur(cv2.dilate(small, np.ones((4 * reach + 1,) * 2, np.uint8)), (2 * reach + 1,) * 2)
    near = cv2.resize(near, cutout.matte.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return over(plate, cutout.pixels, np.maximum(near, cutout.matte))


def _digest(scenes: tuple[Scene, Scene], asked: tuple[Staging, int | None], backdrop: Rgb | None) -> str:
    """What the composed picture follows from, as one hex digest."""
    text = "\n".join([scenes[0].photo.sha256, scenes[1].photo.sha256, repr(asked)])
    digest = hashlib.sha256(text.encode())
    if backdrop is not None:
        digest.update(np.ascontiguousarray(backdrop).tobytes())
    return digest.hexdigest()


def _kept(people: tuple[_Person, _Person]) -> tuple[Notice, ...]:
    """What perception said of the two people and their photos, with the subjects' new places."""
    kept = []
    for side, person in enumerate(people):
        for notice in person.scene.notices:
            if notice.subject is None or notice.subject == person.index:
                kept.append(replace(notice, subject=side))
        kept += largest_taken(person.scene, person.index, side)
    return tuple(kept)


def _metrics(people: tuple[_Person, _Person], pair: tuple[Cutout, Cutout], layout: Layout) -> dict[str, float]:
    eyes = [cutout.face.landmarks[[33, 133, 263, 362], :2].mean(0) / layout.unit for cutout in pair]
    covered = [cutout.matte > 127 for cutout in pair]
    both = float((covered[0] & covered[1]).sum()) / max(1.0, float(min(covered[0].sum(), covered[1].sum())))
    return {
        "scale_left": layout.placements[0].scale * people[0].shrunk,
        "scale_right": layout.placements[1].scale * people[1].shrunk,
        "size_ratio": people[1].size / people[0].size,
        "eye_distance": float(eyes[1][0] - eyes[0][0]),
        "eye_drop": float(eyes[1][1] - eyes[0][1]),
        "front": float(layout.front),
        "overlap": both,
    }
