"""How far one head hides the other's face: against squares whose overlap is known, and on whole films."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from photoplay.motion.duet import make_duet
from photoplay.motion.duet_order import stands_before
from photoplay.motion.duet_overlap import FACE_SEEN, Head, apart, own_matte
from photoplay.motion.duet_template import DuetTemplate
from photoplay.motion.library import find
from photoplay.topology import FACE_OVAL
from photoplay.types import Mask, Scene
from tests.motion.duet_scenes import HEIGHT, WIDTH, two


def silhouette(scene: Scene, index: int, hair: float) -> Mask:
    """A block over the face that reaches ``hair`` pixels past its box on both sides."""
    x0, y0, x1, y1 = (round(v) for v in scene.subjects[index].face.box)
    matte = np.zeros((HEIGHT, WIDTH), np.uint8)
    matte[y0 - 60 : y1 + 200, round(x0 - hair) : round(x1 + hair)] = 255
    return matte


def with_hair(left: float, right: float) -> Scene:
    scene = two()
    people = [replace(s, matte=silhouette(scene, k, (left, right)[k])) for k, s in enumerate(scene.subjects)]
    return replace(scene, subjects=tuple(people))


def template(name: str) -> DuetTemplate:
    found = find(name, people=2)
    assert isinstance(found, DuetTemplate)
    return found


@pytest.mark.parametrize("seen", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("hair", [0.0, 40.0])
def test_so_much_is_seen_as_was_asked_for(seen: float, hair: float) -> None:
    scene = with_hair(hair, 0.0)
    front, back = (Head.of(s, s.matte, way) for s, way in zip(scene.subjects, (1.0, -1.0), strict=True))
    at = (front.landmarks[1, :2], back.landmarks[1, :2])
    off = apart(front, back, at, seen)
    shift = at[0] - at[1] + (off * front.unit, 0.0)
    face, cover = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    points = (back.landmarks[list(FACE_OVAL), :2] + shift) * 16
    cv2.fillPoly(face, [np.rint(points).astype(np.int32)], 1, shift=4)
    cover[np.asarray(scene.subjects[0].matte) > 127] = 1
    shown = 1 - float((face & cover).sum()) / float(face.sum())
    assert seen - 0.03 < shown < seen + 0.2  # what lies between eyes and mouth asks for more than the face does
    assert apart(front, back, at, seen + 0.05) > off


def test_hair_keeps_people_apart_but_only_in_front() -> None:
    long, short = with_hair(50.0, 0.0), with_hair(0.0, 0.0)
    kiss = template("kiss")
    both = []
    for scene in (long, short):
        mattes = own_matte(scene, 0, 1), own_matte(scene, 1, 0)
        people = scene.subjects[0], scene.subjects[1]
        both.append(stands_before(kiss, people, mattes, (1.0, -1.0)))
        assert stands_before(kiss, people[::-1], mattes[::-1], (-1.0, 1.0)) == 1 - both[-1]
    assert both == [1, 0]


@pytest.mark.parametrize("name", ["kiss", "cheek_kiss", "hug", "forehead_kiss"])
def test_who_stands_behind_meets_the_outline_of_who_stands_before(name: str) -> None:
    chosen = template(name).model_copy(update={"front": None})
    off = []
    for hair in (0.0, 60.0):
        scene = with_hair(hair, hair)
        tracks, duet = make_duet(scene, (0, 1), chosen, seconds=chosen.duration, fps=8, priors=False)
        (contact,) = duet.contacts
        frame = int(np.argmax(contact.strength))
        assert contact.gap[contact.strength >= 0.999].max() < 5
        middles = [track.landmarks[frame, 1, 0] for track in tracks]
        off.append(float(middles[1] - middles[0]))
    assert off[1] > off[0] + 8


def test_one_matte_of_two_people_is_shared_between_them() -> None:
    scene = two()
    whole = replace(scene, matte=np.full((HEIGHT, WIDTH), 255, np.uint8))
    left, right = own_matte(whole, 0, 1), own_matte(whole, 1, 0)
    assert not (left & right).any()
    assert (left | right).all()
    assert left[0, 0] == right[0, -1] == 255


def test_without_a_matte_a_head_is_its_face() -> None:
    subject = two().subjects[0]
    assert len(Head.of(subject, None, 1.0).outline) == 0
    assert FACE_SEEN["romantic"] < FACE_SEEN["contact"] < FACE_SEEN["duet"]
