"""The whole stage: a photo becomes a scene."""

from __future__ import annotations

from dataclasses import replace

from photoplay.perception.advice import advise, face_height, notice
from photoplay.perception.body import read_body
from photoplay.perception.faces import FaceReader
from photoplay.perception.light import estimate_light
from photoplay.perception.masks import cut_out
from photoplay.types import Face, Photo, Progress, Scene, StageEvent, Subject, silent

_STAGE = "perceive"
_STEPS = ("faces", "light and bodies", "mattes", "advice")


def perceive(photo: Photo, progress: Progress = silent, max_faces: int = 40, reader: FaceReader | None = None) -> Scene:
    """Who and what is in a photo: subjects from left to right, mattes, light, and advice as notices.

    Of more than ``max_faces`` faces the largest are kept. A photo that no film can be made of raises nothing here: it
    has a notice of severity ``blocking``. ``reader`` brings models that are loaded already.
    """
    reader = reader or FaceReader()
    pixels = photo.pixels
    progress(StageEvent(_STAGE, 0, len(_STEPS), _STEPS[0]))
    found = reader.read(pixels, identity=True)
    faces = _largest(found, max_faces)
    progress(StageEvent(_STAGE, 1, len(_STEPS), _STEPS[1]))
    faces = tuple(replace(face, light=estimate_light(pixels, face)) for face in faces)
    bodies = tuple(read_body(pixels, face, reader.models) for face in faces)
    progress(StageEvent(_STAGE, 2, len(_STEPS), _STEPS[2]))
    mattes = cut_out(pixels, faces, bodies, reader.models)
    subjects = tuple(
        Subject(face, body.body if body else None, matte)
        for face, body, matte in zip(faces, bodies, mattes.persons, strict=True)
    )
    progress(StageEvent(_STAGE, 3, len(_STEPS), _STEPS[3]))
    notices = advise(pixels, subjects, mattes.people, reader.models)
    if len(found) > max_faces:
        notices = (notice("too_many_faces", count=len(found), limit=max_faces), *notices)
    progress(StageEvent(_STAGE, len(_STEPS), len(_STEPS)))
    return Scene(photo=photo, subjects=subjects, matte=mattes.people, notices=photo.notices + notices)


def _largest(faces: tuple[Face, ...], count: int) -> tuple[Face, ...]:
    """The largest faces, still from left to right."""
    kept = sorted(range(len(faces)), key=lambda i: -face_height(faces[i]))[:count]
    return tuple(faces[i] for i in sorted(kept))
