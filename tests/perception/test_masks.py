from __future__ import annotations

import cv2
import numpy as np

from photoplay.perception import FaceReader
from photoplay.perception.body import read_body
from photoplay.perception.masks import MAX_PERSONS, cut_out
from photoplay.types import Rgb, Scene


def test_the_astronaut_is_cut_out_with_her_hair(astronaut_scene: Scene) -> None:
    matte = astronaut_scene.matte
    inside = [(120, 220), (40, 225), (100, 165), (100, 285), (350, 150), (450, 100)]
    outside = [(30, 30), (60, 400), (120, 120), (20, 330), (200, 420)]
    assert min(int(matte[y, x]) for y, x in inside) > 240
    assert max(int(matte[y, x]) for y, x in outside) < 12
    soft = (matte > 20) & (matte < 235)
    assert 0.002 < soft.mean() < 0.06, "edges are soft, and only edges"
    own = astronaut_scene.subjects[0].matte
    assert own is not None
    assert np.abs(own.astype(int) - matte).max() <= 1, "alone, the person is all people"


def test_the_matte_turns_with_the_photo(reader: FaceReader, astronaut: Rgb, astronaut_scene: Scene) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut))
    faces = reader.read(turned)
    mattes = cut_out(turned, faces, tuple(read_body(turned, face, reader.models) for face in faces), reader.models)
    back = np.rot90(mattes.people, -1)
    front, expected = back > 127, astronaut_scene.matte > 127
    head = slice(0, 260)
    assert (front & expected)[head].sum() / (front | expected)[head].sum() > 0.9


def test_two_people_share_the_matte_between_them(reader: FaceReader, astronaut: Rgb, hopper: Rgb) -> None:
    both = np.concatenate([astronaut[:, 60:400], cv2.resize(hopper, (512, 600))[:512, 40:]], axis=1)
    faces = reader.read(both)
    bodies = tuple(read_body(both, face, reader.models) for face in faces)
    mattes = cut_out(both, faces, bodies, reader.models)
    first, second = mattes.persons
    assert first is not None
    assert second is not None
    total = first.astype(int) + second
    assert (total <= mattes.people.astype(int) + 2).all()
    people = mattes.people > 200
    assert (total[people] > 195).mean() > 0.99
    for matte, face, other in ((first, faces[0], faces[1]), (second, faces[1], faces[0])):
        points = face.landmarks[::7, :2].round().astype(int)
        strangers = other.landmarks[::7, :2].round().astype(int)
        assert np.median(matte[points[:, 1], points[:, 0]]) > 250
        assert np.median(matte[strangers[:, 1], strangers[:, 0]]) < 5


def test_nobody_and_too_many(reader: FaceReader, astronaut: Rgb) -> None:
    assert cut_out(astronaut, (), (), reader.models).people.max() == 0
    tile = cv2.resize(astronaut[:256, 100:356], (128, 128), interpolation=cv2.INTER_AREA)
    crowd = np.tile(tile, (2, 4, 1))
    faces = reader.read(crowd)
    assert len(faces) == 8
    mattes = cut_out(crowd, faces, (None,) * 8, reader.models)
    assert sum(matte is not None for matte in mattes.persons) == MAX_PERSONS
